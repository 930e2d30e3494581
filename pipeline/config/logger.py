"""Schema of conf/logger/: loggers of Lightning's beside MLflow."""

from pydantic import Field

from pipeline.config.section import Section


class LoggerConfig(Section):
    """Loggers of Lightning's own that get the points of a training on labels, too; they change no result."""

    tensorboard: bool
    """Write the points for TensorBoard to logs/tensorboard/; needs the package tensorboard."""
    csv: bool
    """Write the points as CSV to logs/csv/."""
    wandb: str | None = Field(min_length=1)
    """Project of Weights & Biases to send the points to; needs the package wandb and its login; null: none."""
