"""Loggers: metrics as points for a function, and Lightning's own loggers, which people use beside MLflow."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from pipeline.config.logger import LoggerConfig
from pipeline.runtime.errors import PipelineError
from pipeline.training import distributed

LogMetrics = Callable[[Mapping[str, float], int], None]
"""Receives values by name, and their step."""

LOGGER_PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""Packages any of which a logger needs, by its key."""


def log_prefixed(log_metrics: LogMetrics, name: str, metrics: Mapping[str, float], step: int) -> None:
    """Log the metrics of one of several trainings, each as `name/metric`."""
    log_metrics({f"{name}/{metric}": value for metric, value in metrics.items()}, step)


class ForwardingLogger(Logger):
    """Logger that passes each point to a function, so that this room needs no knowledge of MLflow."""

    def __init__(self, log_metrics: LogMetrics) -> None:
        super().__init__()
        self._log_metrics = log_metrics

    @property
    def name(self) -> None:
        """None: Lightning has no files to write for this logger."""

    @property
    def version(self) -> None:
        """None, like `name`."""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Do nothing: the whole configuration is logged with the MLflow run."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Pass the values on, except for Lightning's own epoch counter."""
        self._log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step or 0)


def require_loggers(config: LoggerConfig) -> None:
    """Check that the packages of the configured loggers are installed.

    Raises:
        PipelineError: one is not.
    """
    for name, packages in LOGGER_PACKAGES.items():
        if getattr(config, name) and not any(map(importlib.util.find_spec, packages)):
            raise PipelineError(f"logger={name}: the package {packages[0]} is missing; pip install {packages[0]}")


@contextmanager
def open_loggers(config: LoggerConfig, folder: Path, name: str) -> Iterator[list[Logger]]:
    """Yield the configured loggers, which have passed `require_loggers`; in a process above rank 0 none.

    Args:
        config: which of them.
        folder: gets a folder for each kind, in it one for the training, in it one for each time that it is started.
        name: name of the training.

    Raises:
        PipelineError: Weights & Biases cannot be logged to, as without a login.
    """
    if distributed.rank() > 0:
        yield []
        return
    version, name = f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}", name.replace("/", "-")
    loggers: list[Logger] = []
    with ExitStack() as runs:
        if config.csv:
            loggers.append(CSVLogger(folder / "csv", name, version))
        if config.tensorboard:
            loggers.append(TensorBoardLogger(folder / "tensorboard", name, version, default_hp_metric=False))
        if config.wandb is not None:
            from wandb.errors import Error

            folder.mkdir(parents=True, exist_ok=True)
            logger = WandbLogger(name, folder, project=config.wandb)
            try:
                runs.enter_context(logger.experiment)  # which ends it: the next trial of a sweep would go on with it
            except Error as error:
                raise PipelineError(f"logger=wandb: {error}") from error
            loggers.append(logger)
        yield loggers
