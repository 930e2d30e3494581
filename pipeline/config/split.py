"""Splits of a corpus, and the schema of the section `split` of conf/config.yaml."""

from pydantic import Field, model_validator

from pipeline.config.section import Fraction, Section, Seed

SPLITS = ("train", "validation", "test", "auxiliary", "unlabelled")
"""Splits that a corpus can have, in the order in which they are read and shown."""
AUXILIARY_TEST = "auxiliary_test"
"""Split of the auxiliary texts that are held out."""
TRAINING_SPLITS = ("train", "auxiliary")
"""Labelled splits that a model is trained on."""
PRETRAINING_SPLITS = (*TRAINING_SPLITS, "unlabelled")
"""Splits that pre-training, which needs no labels, learns from."""


class SplitConfig(Section):
    """The held-out parts of a corpus that does not bring its own."""

    validation: Fraction = Field(gt=0)
    """Share of the reviews to hold out for validation."""
    test: Fraction = Field(gt=0)
    """Share of the reviews to hold out for the test; less than 1 together with `validation`."""
    stratify: bool
    """Hold out the same share of each class, as nearly as groups allow; false: a share of all reviews."""
    seed: Seed
    """Seed of the random split."""

    @model_validator(mode="after")
    def _something_is_left(self) -> "SplitConfig":
        if self.validation + self.test >= 1:
            raise ValueError("split.validation + split.test must be less than 1")
        return self
