"""Checkpoints of a training: written whole, at the end of each epoch and every few minutes within one."""

import io
import logging
import time
from datetime import timedelta
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint

from pipeline.runtime.atomic import replace

BEST, LAST, WITHIN_EPOCH = "best.ckpt", "last.ckpt", "within_epoch.ckpt"
"""Checkpoints: of the best epoch, of the last finished one, and the newest within the present one."""
WITHIN_EPOCH_EVERY = timedelta(minutes=5)
"""Work of an epoch that is lost at most when a training is stopped."""

log = logging.getLogger(__name__)


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes checkpoints whole or not at all; Lightning's own, when killed, leaves copies in the temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write the checkpoint beside its final path, then rename it."""
        serialized = io.BytesIO()  # torch's own writing to a file words a full disk in several ways, without its number
        torch.save(checkpoint, serialized)
        with replace(Path(path)) as temporary:
            temporary.write_bytes(serialized.getbuffer())


class CheckpointWithinEpoch(Checkpoint):
    """Writes a checkpoint every few minutes within an epoch, and removes it when that of the whole epoch is written.

    Lightning's `ModelCheckpoint` would also save in the middle of gradient accumulation, and a checkpoint holds no
    accumulated gradients.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the batches of an epoch go on where they stood.

        Lightning does that when it creates the loader, which is too early where `configure_optimizers` asks for the
        number of steps: the checkpoint's loops are not restored by then.
        """
        trainer.fit_loop._load_combined_loader_states()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time and the batch has ended a step of the optimizer; not before the validation of an epoch."""
        batches = batch_idx + 1
        if batches % trainer.accumulate_grad_batches or batches == trainer.num_training_batches:
            return
        due = time.monotonic() - self._saved >= WITHIN_EPOCH_EVERY.total_seconds()
        if trainer.strategy.broadcast(due):  # the clocks of several processes differ
            trainer.save_checkpoint(self._path)
            self._saved = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the checkpoint: the one of the whole epoch is written, by a callback that stands before this one."""
        self._saved = time.monotonic()
        if trainer.is_global_zero:
            self._path.unlink(missing_ok=True)


def newest_checkpoint(checkpoints: Path) -> Path | None:
    """Return the checkpoint to resume from; remove damaged checkpoints, as a crash leaves them."""
    within, last = checkpoints / WITHIN_EPOCH, checkpoints / LAST
    newest = within if within.exists() else last
    if not newest.exists():
        return None
    needed = {newest, *([checkpoints / BEST] if last.exists() else [])}
    try:
        steps = {path: torch.load(path, map_location="cpu", weights_only=True)["global_step"] for path in needed}
    except (OSError, EOFError, RuntimeError, UnpicklingError):
        log.warning("the checkpoints in %s are damaged: starting over", checkpoints)
        for path in checkpoints.glob("*.ckpt"):
            path.unlink()
        return None
    where = "within an epoch" if newest == within else "after the last finished epoch"
    log.info("resuming %s, after step %s", where, f"{steps[newest]:,}")
    return newest
