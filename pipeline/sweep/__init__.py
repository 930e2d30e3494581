"""Hydra multirun as one MLflow run: search space, trials, TPE, SLURM, summary."""
