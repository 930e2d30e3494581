"""Classes of sentiment: texts that are written to be negative or positive test only models that have these classes."""

from collections.abc import Sequence

from pipeline.config.labels import LABELS
from pipeline.runtime.errors import PipelineError, listed

POSITIVE_NAME = LABELS[1]


def is_sentiment(classes: Sequence[str]) -> bool:
    """Return whether the classes are `negative` and `positive`, or more classes with both among them."""
    return tuple(classes) == LABELS or (len(classes) > 2 and set(LABELS) <= set(classes))


def require_sentiment(classes: Sequence[str]) -> None:
    """Refuse classes of which `is_sentiment` is not true.

    Raises:
        PipelineError: names the classes.
    """
    if not is_sentiment(classes):
        raise PipelineError(
            f"the behaviour tests expect {' or '.join(LABELS)}, but the classes of this model are "
            f"{listed(classes)}; choose a model with both classes (--model)"
        )
