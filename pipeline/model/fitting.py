"""One training, from a dataset folder to trained weights; resumable."""

import hashlib
import json
import logging
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from pickle import UnpicklingError

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from torch import Tensor

from pipeline.config import Config
from pipeline.model.build import Network, build_network, fixed_length
from pipeline.model.callbacks import ForwardingLogger, LearningCurve, LogMetrics
from pipeline.model.datamodule import SentimentDataModule
from pipeline.model.hardware import Hardware
from pipeline.model.module import SentimentModule
from pipeline.model.word_vectors import start_from_vectors

LOG_EVERY_STEPS = 10
MONITOR = "val/calibrated_loss"
"""What is least in the best epoch."""

log = logging.getLogger(__name__)

# Lightning's advice on other set-ups, not on this one
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
for message in ("Checkpoint directory", "The number of training batches", ".*does not have many workers", ".*LeafSpec"):
    warnings.filterwarnings("ignore", message)


@dataclass(frozen=True)
class Training:
    """What a training leaves behind."""

    network: Network
    """With the weights of the epoch whose calibrated validation loss was least; on the CPU, in evaluation mode."""
    curve: list[dict[str, float]]
    """A row for each epoch: epoch, train_loss, val_loss, val_calibrated_loss, val_accuracy."""
    seconds: float
    """Training and validation, in this process: where a training was resumed, since then."""
    reviews_per_second: float


def fit(
    config: Config, dataset: Path, vocab_size: int, hardware: Hardware, checkpoints: Path, log_metrics: LogMetrics
) -> Training:
    """Train the configured network; go on after the last finished epoch if `checkpoints` holds one.

    Args:
        config: its model, training and seed are used.
        dataset: folder written by `preprocess`.
        vocab_size: number of token ids.
        hardware: from `resolve_hardware`.
        checkpoints: folder of this very training's checkpoints; the caller removes it when all is done.
        log_metrics: receives every logged point; on a resume, those of a repeated epoch again.

    Raises:
        KeyboardInterrupt: the user stopped it; the finished epochs can be resumed.
    """
    pl.seed_everything(config.seed, verbose=False)
    data = SentimentDataModule(
        dataset,
        batch_size=config.training.batch_size,
        fixed_length=fixed_length(config.model),
        max_reviews=config.training.max_reviews,
        seed=config.seed,
    )
    module = SentimentModule(build_network(config.model, vocab_size), config.training, config.seed)
    start_from_vectors(module.network.embedding, dataset)
    curve = LearningCurve()
    trainer = _trainer(config, hardware, curve, checkpoints, log_metrics)
    resume = _resumable(checkpoints)
    started = time.perf_counter()
    try:
        trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    except SystemExit as stop:
        # Lightning turns an interrupt into exit code 1; a termination has its own
        if trainer.interrupted and stop.code == 1:
            raise KeyboardInterrupt from None
        raise
    seconds = time.perf_counter() - started
    module.load_state_dict(torch.load(checkpoints / "best.ckpt", map_location="cpu", weights_only=True)["state_dict"])
    return Training(module.network.cpu().eval(), curve.rows, seconds, curve.reviews / seconds)


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


def training_key(config: Config, digest: str, hardware: Hardware) -> str:
    """Names a training: equal configuration, data, code and hardware settings resume one another's checkpoints.

    Args:
        config: its model, training and seed count.
        digest: of the dataset.
        hardware: from `resolve_hardware`.
    """
    key = hashlib.sha256(digest.encode())
    values = config.model_dump(include={"seed", "model", "training"})
    key.update(json.dumps([values, asdict(hardware)], sort_keys=True).encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        key.update(file.read_bytes())
    return key.hexdigest()[:16]


def moving_average(decay: float, average: Tensor, present: Tensor, updates: Tensor | int) -> Tensor:
    """The exponential moving average after one more update.

    The decay rises from 0.1 to its full value, (1 + n) / (10 + n) after n updates, so that the random weights of the
    beginning do not linger in the average of a short training (as in TensorFlow's ExponentialMovingAverage).
    """
    return average.lerp(present, 1 - min(decay, (1 + int(updates)) / (10 + int(updates))))


def _trainer(
    config: Config, hardware: Hardware, curve: LearningCurve, checkpoints: Path, log_metrics: LogMetrics
) -> pl.Trainer:
    callbacks: list[Callback] = [curve]
    if config.training.ema_decay is not None:
        callbacks.append(WeightAveraging(avg_fn=partial(moving_average, config.training.ema_decay)))
    if config.training.patience is not None:
        callbacks.append(EarlyStopping(MONITOR, patience=config.training.patience))
    # at the end of the training epoch, after validation: a checkpoint within one would repeat its validation
    keep = partial(ModelCheckpoint, checkpoints, save_on_train_epoch_end=True, enable_version_counter=False)
    callbacks += [keep("best", MONITOR), keep("last")]
    return pl.Trainer(
        accelerator=hardware.accelerator,
        devices=1,
        precision=hardware.precision,
        max_epochs=config.training.epochs,
        logger=ForwardingLogger(log_metrics),
        callbacks=callbacks,
        log_every_n_steps=LOG_EVERY_STEPS,
        num_sanity_val_steps=0,
        enable_progress_bar=sys.stdout.isatty(),
        enable_model_summary=False,
        default_root_dir=checkpoints,
    )
