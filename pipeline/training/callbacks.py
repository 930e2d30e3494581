"""Lightning callbacks of a training: learning curve, early stopping, moving average of the weights, progress."""

import logging
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, WeightAveraging
from torch import Tensor
from tqdm import tqdm

from pipeline.config.training import TrainingConfig
from pipeline.tables.csv_lines import csv_text
from pipeline.training.distributed import gather, rank

MAX_BAR_WIDTH = 80
"""Width of a progress bar."""

log = logging.getLogger(__name__)


def optional_callbacks(config: TrainingConfig, monitor: str) -> list[pl.Callback]:
    """Build the callbacks that the configuration switches on: averaging of the weights, early stopping.

    Args:
        config: its `ema_decay` and `patience` are used.
        monitor: name of the logged value that early stopping watches; lower is better.
    """
    callbacks: list[pl.Callback] = []
    if config.ema_decay is not None:
        callbacks.append(MovingAverage(config.ema_decay))
    if config.patience is not None:
        callbacks.append(EarlyStopping(monitor, patience=config.patience))
    return callbacks


class MovingAverage(WeightAveraging):
    """Exponential moving average (EMA) of the weights, which is validated and kept.

    Lightning updates it by torch's `AveragedModel`, which at each step would also copy the buffers, which never change,
    and make the processor wait for a GPU.

    Args:
        decay: share of the average that remains at a step; at the first steps less does, see `move_averages`.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=False)
        self._decay = decay

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Create the average on the device of the training, to which the module itself is moved only later."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the average if the batch has ended a step of the optimizer."""
        if trainer.global_step > self._latest_update_step:
            assert self._average_model is not None
            averages, weights = self._average_model.module.parameters(), pl_module.parameters()
            move_averages(self._decay, [*averages], [*weights], trainer.global_step - 1)
            self._latest_update_step = trainer.global_step


@torch.no_grad()
def move_averages(decay: float, averages: Sequence[Tensor], present: Sequence[Tensor], updates: int) -> None:
    """Update exponential moving averages of weights, in place: new tensors for each step would take longer.

    The first update copies the weights. Then the decay rises: it is (1 + n) / (10 + n) after n updates until that
    exceeds `decay`. The random initial weights would otherwise linger in the average of a short training (as in
    TensorFlow's ExponentialMovingAverage).
    """
    kept = min(decay, (1 + updates) / (10 + updates)) if updates else 0.0
    torch._foreach_lerp_(list(averages), list(present), 1 - kept)


def learning_curve_csv(rows: list[dict[str, float]]) -> str:
    """Return the rows of a `LearningCurve` as CSV with a header."""
    return csv_text(list(rows[0]), ([row[name] for name in rows[0]] for row in rows))


class EpochBar(pl.Callback):
    """Progress bar of the present epoch, if standard error is a terminal; it goes when the epoch ends."""

    def __init__(self) -> None:
        self._bar: tqdm[NoReturn] | None = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Open the bar at the first batch of the epoch, or the first one after a resume."""
        if self._bar is None and trainer.is_global_zero and sys.stderr.isatty():
            self._bar = tqdm(
                desc=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}",
                total=int(trainer.num_training_batches),
                initial=batch_idx,
                unit="batch",
                ncols=min(MAX_BAR_WIDTH, shutil.get_terminal_size().columns),
                leave=False,
            )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on; show the loss as last logged: to read each batch's would make the processor wait for the GPU."""
        if self._bar is not None:
            if "train/loss" in trainer.logged_metrics:
                self._bar.set_postfix_str(f"loss {trainer.logged_metrics['train/loss']:.4f}", refresh=False)
            self._bar.update()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what it waits for."""
        if self._bar is not None:
            self._bar.set_postfix_str("validating")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Remove the bar."""
        self.on_train_epoch_end(trainer, pl_module)


class LogUntrained(pl.Callback):
    """Logs the metrics of the validation before the first step, from which the curves of a run then begin.

    MLflow compares runs by the metric that was logged first. This makes it one of those on validation.
    """

    def on_sanity_check_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log what Lightning forgets after its check."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=0)


class LearningCurve(pl.Callback):
    """Learning curve: keeps one row for each epoch, also across a resume, and prints it.

    Args:
        validation: names of the values that the module logs on validation, without their `val/`.
    """

    def __init__(self, validation: Sequence[str]) -> None:
        self._validation = tuple(validation)
        self.rows: list[dict[str, float]] = []
        """epoch (from 1), train_loss (mean over the reviews of the epoch), and val_… for each of `validation`."""
        self.reviews = 0
        """Reviews trained on in the finished epochs; a review counts in every epoch."""
        self._loss: float | Tensor = 0.0
        self._reviews, self._started = 0, 0.0
        self._created, self._before_resume = time.perf_counter(), 0.0

    @property
    def seconds(self) -> float:
        """Time since this was made, and before a resume that until the checkpoint."""
        return self._before_resume + time.perf_counter() - self._created

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Reset the counters of the epoch; Lightning does not call this when it resumes within one."""
        self._loss, self._reviews, self._started = 0.0, 0, time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Add a batch to the mean of the epoch."""
        # added up on the device: to read the value of each batch would make the processor wait for the GPU
        # an Apple GPU has no float64
        shown = outputs["shown"].to(torch.float32 if pl_module.device.type == "mps" else torch.float64)
        self._loss = self._loss + shown * batch.size
        self._reviews += batch.size

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep and print the row of the epoch; validation has run by now."""
        loss, reviews = map(sum, zip(*gather(self._totals()), strict=True))
        row = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": loss / reviews,
            **{f"val_{name}": float(trainer.callback_metrics[f"val/{name}"]) for name in self._validation},
        }
        self.rows.append(row)
        self.reviews += reviews
        # short enough for a terminal: of two losses the one that chooses the epoch
        shown = [name for name in self._validation if name != "loss" or "calibrated_loss" not in self._validation]
        log.info(
            "epoch %d/%d: train loss %.4f, val %s, %.0f s",
            row["epoch"],
            trainer.max_epochs,
            row["train_loss"],
            ", ".join(f"{name.replace('_', ' ')} {row[f'val_{name}']:.4f}" for name in shown),
            time.perf_counter() - self._started,
        )

    def _totals(self) -> tuple[float, int]:
        """Return the sum of the losses in this epoch, and the number of reviews."""
        return float(self._loss), self._reviews

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, reviews and seconds so far, and the present epoch's totals of each process and seconds."""
        epoch = {"totals": gather(self._totals()), "epoch_seconds": time.perf_counter() - self._started}
        return {"rows": self.rows, "reviews": self.reviews, "seconds": self.seconds, **epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self.rows, self.reviews, self._before_resume = (state_dict[name] for name in ("rows", "reviews", "seconds"))
        self._loss, self._reviews = state_dict["totals"][rank()]
        self._started = time.perf_counter() - state_dict["epoch_seconds"]
