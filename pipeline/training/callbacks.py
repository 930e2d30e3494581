"""What is told of a training while it runs."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from pipeline.tables.csv_lines import csv_text
from pipeline.training.distributed import gathered

LogMetrics = Callable[[Mapping[str, float], int], None]
"""Takes values by name, and the step they belong to."""

log = logging.getLogger(__name__)


def learning_curve_csv(rows: list[dict[str, float]]) -> str:
    """The rows of a `LearningCurve` as CSV with a header."""
    return csv_text(list(rows[0]), ([row[name] for name in rows[0]] for row in rows))


class ForwardingLogger(Logger):
    """Hands each point to a function, so that this room need not know who keeps it."""

    def __init__(self, log_metrics: LogMetrics) -> None:
        super().__init__()
        self._log_metrics = log_metrics

    @property
    def name(self) -> None:
        """None: the files of a training are kept elsewhere."""

    @property
    def version(self) -> None:
        """None, as `name`."""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing: the whole configuration is logged with the run."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Pass the values on, but Lightning's own epoch counter."""
        self._log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step or 0)


class LearningCurve(pl.Callback):
    """Keeps one row for each epoch, also over a resume, and prints it.

    Args:
        validation: what the module logs on validation, each as `val/…`.
    """

    def __init__(self, validation: Sequence[str]) -> None:
        self._validation = tuple(validation)
        self.rows: list[dict[str, float]] = []
        """epoch (from 1), train_loss (mean over its reviews), and val_… for each of `validation`."""
        self.reviews = 0
        """Reviews trained on since the training was started or resumed, each as often as it was."""
        self._loss, self._reviews, self._started = 0.0, 0, 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start counting anew."""
        self._loss, self._reviews, self._started = 0.0, 0, time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Add a batch to the epoch's mean."""
        self._loss += float(outputs["shown"]) * batch.size
        self._reviews += batch.size

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep and print the epoch's row; validation has run by now."""
        loss, reviews = map(sum, zip(*gathered((self._loss, self._reviews)), strict=True))
        row = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": loss / reviews,
            **{f"val_{name}": float(trainer.callback_metrics[f"val/{name}"]) for name in self._validation},
        }
        self.rows.append(row)
        self.reviews += reviews
        log.info(
            "epoch %d/%d: train loss %.4f, validation %s (%.0f s)",
            row["epoch"],
            trainer.max_epochs,
            row["train_loss"],
            ", ".join(f"{name.replace('_', ' ')} {row[f'val_{name}']:.4f}" for name in self._validation),
            time.perf_counter() - self._started,
        )

    def state_dict(self) -> dict[str, Any]:
        """The rows so far, for a checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The rows before a resume."""
        self.rows = state_dict["rows"]
