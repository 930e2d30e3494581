"""Schema of conf/pseudo_labels/: self-training on unlabelled reviews."""

from pydantic import Field, field_validator

from pipeline.config.section import Section, Seed
from pipeline.config.training import TrainingConfig


class PseudoLabelsConfig(Section):
    """Self-training (Lee 2013): the network is also trained on unlabelled reviews, with labels a teacher gave them.

    A teacher is a network of the same `model` and `pretraining`, trained on the labelled reviews. The probabilities of
    several are averaged.
    """

    teacher: TrainingConfig | None
    """Training of the teachers, with the keys of `training`; null: no pseudo-labels."""
    seeds: list[Seed] = Field(min_length=1, max_length=100)
    """Seeds of the teachers: one teacher is trained for each."""
    confidence: float = Field(ge=0.5, lt=1)
    """Minimum probability of a label, as the mean of the teachers, for its review to be trained on."""

    @field_validator("seeds")
    @classmethod
    def _each_seed_once(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed stands there twice; two teachers of the same seed are one")
        return seeds
