"""Schema of conf/logger/: Lightning's loggers beside MLflow."""

from pydantic import Field

from pipeline.config.section import Section


class LoggerConfig(Section):
    """Lightning's own loggers, for the metrics of the training on labelled reviews; they change no result."""

    tensorboard: bool
    """Log metrics for TensorBoard to logs/tensorboard/; needs the package tensorboard."""
    csv: bool
    """Log metrics as CSV to logs/csv/."""
    wandb: str | None = Field(min_length=1)
    """Weights & Biases project to log metrics to; needs the package wandb and its login; null: none."""
