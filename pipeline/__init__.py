"""A sentiment-training pipeline: DVC stages, Hydra configs, a Lightning SentimentRNN, MLflow tracking and registry."""
