"""Running Lightning's `Trainer`: processes, checkpoints to resume from, and the weights of the best epoch."""

import logging
import os
import signal
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy

from pipeline.config.debug import NO_DEBUG, DebugConfig
from pipeline.training import distributed
from pipeline.training.callbacks import EpochBar, LearningCurve, LogUntrained
from pipeline.training.checkpoints import (
    BEST,
    WITHIN_EPOCH,
    AtomicCheckpoints,
    CheckpointWithinEpoch,
    newest_checkpoint,
)
from pipeline.training.hardware import Hardware
from pipeline.training.loggers import ForwardingLogger, LogMetrics

LOG_EVERY_STEPS = 10

log = logging.getLogger(__name__)

# advice of Lightning's that does not apply here
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
for message in (
    "Checkpoint directory",
    "The number of training batches",
    ".*does not have many workers",
    ".*LeafSpec",
    ".*sync_dist=True",
    "The `srun` command",
    "`broadcast_buffers` is deprecated",  # torch 2.6 does not know its replacement
):
    warnings.filterwarnings("ignore", message)


def run_trainer(
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
    accumulate_grad_batches: int = 1,
    loggers: Sequence[Logger] = (),
    debug: DebugConfig = NO_DEBUG,
    validate_first: bool = False,
) -> int:
    """Train a module; resume from the newest checkpoint if `checkpoints` has one.

    Args:
        module: the module to train; gets the weights of the best epoch.
        data: training and validation batches.
        epochs: number of epochs.
        monitor: name of the logged value that is lowest in the best epoch.
        hardware: from `resolve_hardware`.
        curve: gets a row for each epoch.
        checkpoints: folder for the checkpoints of this very training; the caller removes it in the end.
        log_metrics: receives every logged point; after a resume, those of repeated steps again.
        callbacks: additional callbacks.
        accumulate_grad_batches: batches in one step of the optimizer.
        loggers: loggers beside `log_metrics`.
        debug: its limit of batches and its profiler are used.
        validate_first: also log the metrics of the untrained module on validation, at step 0.

    Returns:
        the number of optimizer steps, with those before a resume.

    Raises:
        KeyboardInterrupt: the user interrupted it; it can be resumed.
    """
    # saved at the end of the training epoch, after validation: resuming from before would validate twice
    keep = partial(ModelCheckpoint, checkpoints, save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = pl.Trainer(
        **_devices_and_strategy(hardware),
        accelerator=hardware.accelerator,
        precision=hardware.precision,
        max_epochs=epochs,
        accumulate_grad_batches=accumulate_grad_batches,
        limit_train_batches=debug.limit_batches,
        limit_val_batches=debug.limit_batches,
        profiler=debug.profiler,
        logger=[ForwardingLogger(log_metrics), *loggers],
        callbacks=[
            *(EpochBar(), LogUntrained(), curve, *callbacks),
            *(keep("best", monitor), keep("last"), CheckpointWithinEpoch(checkpoints / WITHIN_EPOCH)),
            _KeepTerminationHandler(),
        ],
        log_every_n_steps=LOG_EVERY_STEPS,
        num_sanity_val_steps=-1 if validate_first else 0,
        enable_progress_bar=False,  # `EpochBar` counts from 1, and leaves room for the log lines
        enable_model_summary=False,  # `_parameters` says it in one line
        default_root_dir=checkpoints,
    )
    log.info("%s", _parameters(module))
    with distributed.process_group():
        resume_from = distributed.decided_by_rank_0(partial(newest_checkpoint, checkpoints))
        if resume_from is not None:
            trainer.num_sanity_val_steps = 0  # it is not untrained
        try:
            trainer.fit(module, data, ckpt_path=resume_from, weights_only=True)
        except SystemExit as stop:
            # Lightning turns an interrupt into exit code 1; a termination has another code
            if trainer.interrupted and stop.code == 1:
                raise KeyboardInterrupt from None
            raise
        if debug.profiler is not None:
            log.info("%s", trainer.profiler.summary())  # type: ignore[attr-defined]  # not of every profiler
        best = torch.load(checkpoints / BEST, map_location="cpu", weights_only=True)
        module.load_state_dict(best["state_dict"])
        distributed.gather(None)  # once all processes have read the file, rank 0 may remove it
    return trainer.global_step


def _parameters(module: pl.LightningModule) -> str:
    """Return the number of parameters that are trained, and of each part of the network that has any."""
    trained = {name: weight.numel() for name, weight in module.named_parameters() if weight.requires_grad}
    parts: dict[str, int] = {}
    for name, numbers in trained.items():
        # network.embedding.weight is of the part embedding, network.deep.lstm.weight_ih_l0 of deep.lstm
        part = ".".join(name.split(".")[1:-1]) or name.rpartition(".")[2]
        parts[part] = parts.get(part, 0) + numbers
    shown = ", ".join(f"{part} {numbers:,}" for part, numbers in parts.items())
    return f"training {sum(trained.values()):,} parameters: {shown}"


def _devices_and_strategy(hardware: Hardware) -> dict[str, Any]:
    """Return the arguments that tell a `Trainer` about the processes, each with a device, which others have started."""
    if hardware.processes == 1:
        # Lightning's own environment even in a SLURM job with several tasks
        return {"devices": 1, "plugins": [LightningEnvironment(), AtomicCheckpoints()]}
    os.environ.setdefault("OMP_NUM_THREADS", str(hardware.threads))  # otherwise Lightning sets a number of its own
    return {
        "devices": distributed.local_world_size(),
        "num_nodes": hardware.processes // distributed.local_world_size(),
        "plugins": [TorchElasticEnvironment(), AtomicCheckpoints()],
        "strategy": DDPStrategy(broadcast_buffers=False),  # buffers never change
        "use_distributed_sampler": False,  # `distributed.share` divides the batches that one process would have
    }


class _KeepTerminationHandler(Callback):
    """Keeps the handler of SIGTERM that was set before the training: Lightning's waits for the other processes."""

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, _trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        """Restore the handler; Lightning has set its own by now."""
        signal.signal(signal.SIGTERM, self._handler)
