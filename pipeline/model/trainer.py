"""How Lightning runs a training here: one device, checkpoints to resume from, the best one kept."""

import hashlib
import json
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from pipeline.model.callbacks import ForwardingLogger, LearningCurve, LogMetrics
from pipeline.model.hardware import Hardware

LOG_EVERY_STEPS = 10

log = logging.getLogger(__name__)

# Lightning's advice on other set-ups, not on this one
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
for message in (
    "Checkpoint directory",
    "The number of training batches",
    ".*does not have many workers",
    ".*LeafSpec",
    "The `srun` command is available",
):
    warnings.filterwarnings("ignore", message)


def run_training(
    module: pl.LightningModule,
    data: pl.LightningDataModule,
    *,
    epochs: int,
    monitor: str,
    hardware: Hardware,
    curve: LearningCurve,
    checkpoints: Path,
    log_metrics: LogMetrics,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Train a module; go on after the last finished epoch if `checkpoints` holds one.

    Args:
        module: gets the weights of the best epoch.
        data: to train and validate on.
        epochs: how often.
        monitor: the logged value that is least in the best epoch.
        hardware: from `resolve_hardware`.
        curve: gets a row for each epoch.
        checkpoints: folder of this very training's checkpoints; the caller removes it when all is done.
        log_metrics: receives every logged point; on a resume, those of a repeated epoch again.
        callbacks: to run besides.

    Raises:
        KeyboardInterrupt: the user stopped it; the finished epochs can be resumed.
    """
    # at the end of the training epoch, after validation: a checkpoint within one would repeat its validation
    keep = partial(ModelCheckpoint, checkpoints, save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = pl.Trainer(
        accelerator=hardware.accelerator,
        devices=1,
        precision=hardware.precision,
        max_epochs=epochs,
        logger=ForwardingLogger(log_metrics),
        callbacks=[curve, *callbacks, keep("best", monitor), keep("last")],
        log_every_n_steps=LOG_EVERY_STEPS,
        num_sanity_val_steps=0,
        enable_progress_bar=sys.stdout.isatty(),
        enable_model_summary=False,
        default_root_dir=checkpoints,
    )
    try:
        trainer.fit(module, data, ckpt_path=_resumable(checkpoints), weights_only=True)
    except SystemExit as stop:
        # Lightning turns an interrupt into exit code 1; a termination has its own
        if trainer.interrupted and stop.code == 1:
            raise KeyboardInterrupt from None
        raise
    module.load_state_dict(torch.load(checkpoints / "best.ckpt", map_location="cpu", weights_only=True)["state_dict"])


def _resumable(checkpoints: Path) -> Path | None:
    """The checkpoint of the last finished epoch; one that a crash has damaged is removed, to start over."""
    last, best = checkpoints / "last.ckpt", checkpoints / "best.ckpt"
    if not last.exists():
        return None
    try:
        for path in (last, best):
            torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, UnpicklingError):
        log.warning("the checkpoints in %s are damaged: starting over", checkpoints)
        for path in checkpoints.glob("*.ckpt"):
            path.unlink()
        return None
    log.info("resuming after the last finished epoch")
    return last


def training_key(values: Mapping[str, Any], digest: str, hardware: Hardware) -> str:
    """Names a training: equal configuration, data, code and hardware settings resume one another's checkpoints.

    Args:
        values: of the configuration, those that count.
        digest: of all that is read.
        hardware: from `resolve_hardware`.
    """
    key = hashlib.sha256(digest.encode())
    key.update(json.dumps([values, asdict(hardware)], sort_keys=True).encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        key.update(file.read_bytes())
    return key.hexdigest()[:16]
