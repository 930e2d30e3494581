"""Files of earlier stages that a training reads."""

from pathlib import Path

from pipeline.config.schema import Config
from pipeline.runtime.paths import WORKSPACE

TRAINING_INPUTS = (
    "artifacts/dataset/dataset.json",
    "artifacts/pretrained/pretrained.json",
    "artifacts/pseudo_labels/pseudo_labels.json",
)
"""Files that a training may read, relative to the checkout; each describes what its folder was made from."""


def training_inputs(config: Config) -> list[Path]:
    """Return the paths of the files that a training with this configuration reads."""
    dataset, pretrained, pseudo_labels = TRAINING_INPUTS
    names = [dataset]
    if config.pretraining.methods:
        names.append(pretrained)
    if config.pseudo_labels.teacher is not None:
        names.append(pseudo_labels)
    return [WORKSPACE / name for name in names]
