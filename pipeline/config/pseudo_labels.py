"""Schema of conf/pseudo_labels/: self-training on unlabelled reviews."""

from pydantic import Field

from pipeline.config.section import Section, Seed
from pipeline.config.training import TrainingConfig


class PseudoLabelsConfig(Section):
    """Self-training (Lee 2013): the network is also trained on unlabelled reviews, with labels a teacher gave them.

    The teacher is a network of the same `model` and `pretraining`, trained on the labelled reviews.
    """

    teacher: TrainingConfig | None
    """Training of the teacher, with the keys of `training`; null: no pseudo-labels."""
    seed: Seed
    """Seed of the teacher."""
    confidence: float = Field(ge=0.5, lt=1)
    """Least probability of the teacher's label for its review to be trained on."""
