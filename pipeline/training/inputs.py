"""Files of earlier stages that a training reads."""

from pathlib import Path

from pipeline.config import Config
from pipeline.runtime.paths import WORKSPACE

DATASET, PRETRAINED, PSEUDO_LABELS = TRAINED_ON = (
    "artifacts/dataset/dataset.json",
    "artifacts/pretrained/pretrained.json",
    "artifacts/pseudo_labels/pseudo_labels.json",
)
"""What a training may read, relative to the checkout; each tells what its folder was made from."""


def trained_on(config: Config) -> list[Path]:
    """List the files that a training with this configuration reads."""
    names = [DATASET]
    if config.pretraining.method != "none":
        names.append(PRETRAINED)
    if config.pseudo_labels.teacher is not None:
        names.append(PSEUDO_LABELS)
    return [WORKSPACE / name for name in names]
