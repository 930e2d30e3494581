"""How Lightning runs a training here: its processes, checkpoints to resume from, the best one kept."""

import hashlib
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy

from pipeline.runtime.atomic import replace
from pipeline.runtime.code_digest import Code
from pipeline.training import distributed
from pipeline.training.callbacks import ForwardingLogger, LearningCurve, LogMetrics
from pipeline.training.hardware import Hardware

LOG_EVERY_STEPS = 10

log = logging.getLogger(__name__)

# Lightning's advice on other set-ups, not on this one
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
for message in (
    "Checkpoint directory",
    "The number of training batches",
    ".*does not have many workers",
    ".*LeafSpec",
    ".*sync_dist=True",
    "The `srun` command",
    "`broadcast_buffers` is deprecated",  # what replaces it torch 2.6 does not know
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
        **_processes(hardware),
        accelerator=hardware.accelerator,
        precision=hardware.precision,
        max_epochs=epochs,
        logger=ForwardingLogger(log_metrics),
        callbacks=[curve, *callbacks, keep("best", monitor), keep("last"), _PlainTermination()],
        log_every_n_steps=LOG_EVERY_STEPS,
        num_sanity_val_steps=0,
        enable_progress_bar=sys.stdout.isatty(),
        enable_model_summary=False,
        default_root_dir=checkpoints,
    )
    with distributed.process_group():
        resumable = distributed.leaders(partial(_resumable, checkpoints))
        try:
            trainer.fit(module, data, ckpt_path=resumable, weights_only=True)
        except SystemExit as stop:
            # Lightning turns an interrupt into exit code 1; a termination has its own
            if trainer.interrupted and stop.code == 1:
                raise KeyboardInterrupt from None
            raise
        best = torch.load(checkpoints / "best.ckpt", map_location="cpu", weights_only=True)
        module.load_state_dict(best["state_dict"])
        distributed.gathered(None)  # now all have read it, and the leader may remove it


def _processes(hardware: Hardware) -> dict[str, Any]:
    """What a `Trainer` must know of the processes; they are started and told by others."""
    if hardware.processes == 1:
        return {"devices": 1, "plugins": [LightningEnvironment(), _WholeFiles()]}  # also where SLURM has more for us
    os.environ.setdefault("OMP_NUM_THREADS", str(hardware.threads))  # else Lightning would set another number
    return {
        "devices": distributed.on_this_node(),
        "num_nodes": hardware.processes // distributed.on_this_node(),
        "plugins": [TorchElasticEnvironment(), _WholeFiles()],
        "strategy": DDPStrategy(broadcast_buffers=False),  # they never change
        "use_distributed_sampler": False,  # `distributed.share` leaves each batch what it is with one process
    }


class _WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all; Lightning's own leaves copies in the system's folder when killed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write it beside its place first."""
        with replace(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


class _PlainTermination(Callback):
    """Keeps the process's own answer to a termination: Lightning's would first wait for the other processes."""

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, _trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        """Lightning has set its own by now."""
        signal.signal(signal.SIGTERM, self._handler)


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
    code = Code()
    key.update(code.digest(*(module for module in code.files if module.startswith(f"{__package__}."))).encode())
    return key.hexdigest()[:16]
