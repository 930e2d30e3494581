"""Loggers of Lightning's own, which people use beside MLflow."""

import importlib.util
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from pipeline.config.logger import LoggerConfig
from pipeline.runtime.errors import PipelineError
from pipeline.training import distributed

LOGGER_PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""Packages any of which a logger needs, by its key."""


def require_loggers(config: LoggerConfig) -> None:
    """Check that the packages of the configured loggers are installed.

    Raises:
        PipelineError: one is not.
    """
    for name, packages in LOGGER_PACKAGES.items():
        if getattr(config, name) and not any(map(importlib.util.find_spec, packages)):
            raise PipelineError(f"logger={name}: the package {packages[0]} is missing; pip install {packages[0]}")


def build_loggers(config: LoggerConfig, folder: Path, name: str) -> Iterator[Logger]:
    """Yield the configured loggers, which have passed `require_loggers`; in a process above rank 0 none.

    Args:
        config: which of them.
        folder: gets a folder for each kind, in it one for the training, in it one for each time that it is started.
        name: name of the training.
    """
    if distributed.rank() > 0:
        return
    version, name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}", name.replace("/", "-")
    if config.csv:
        yield CSVLogger(folder / "csv", name, version)
    if config.tensorboard:
        yield TensorBoardLogger(folder / "tensorboard", name, version)
    if config.wandb is not None:
        (folder / "wandb").mkdir(parents=True, exist_ok=True)
        yield WandbLogger(name, folder / "wandb", project=config.wandb)
