"""Schema of conf/debug/: a training that is cut short or changed to look for a fault."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Section
from pipeline.runtime.errors import PipelineError


class DebugConfig(Section):
    """Changes to the training on labelled reviews that make it a test of the code, not of the model."""

    limit_batches: int | None = Field(ge=1)
    """Maximum number of batches per epoch, in training and in validation, as Lightning's limit_train_batches and
    limit_val_batches; null: all."""
    epochs: int | None = Field(ge=1)
    """Number of epochs, instead of training.epochs; null: unchanged."""
    overfit_reviews: int | None = Field(ge=2)
    """Number of reviews to overfit: the only ones to train on, and to validate on; null: all."""
    profiler: Literal["simple", "advanced"] | None
    """Lightning's profiler, whose table of timings is logged at the end; null: none."""


NO_DEBUG = DebugConfig(limit_batches=None, epochs=None, overfit_reviews=None, profiler=None)


def require_no_debug(config: DebugConfig | None) -> None:
    """Refuse a debugged training outside of trials: its model must not be taken for a real one.

    Raises:
        PipelineError: it is debugged.
    """
    if config is not None:
        raise PipelineError(
            "debug: a stage of DVC is not cut short, or its model would be registered as if it were real; try it "
            "beside the pipeline with `python -m pipeline.train debug=fast`, and leave it out here"
        )
