"""Decision rule: from the calibrated probabilities of the classes to a label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DecisionRule:
    """Threshold of two classes, costs of more, or neither: the most probable class; see `rule_fitting`."""

    threshold: float | None = None
    """Smallest probability that is labelled with the second of two classes; None for more classes."""
    costs: Sequence[Sequence[float]] | None = None
    """Cost of labelling a review of each class (row) as each class (column), of more than two; None: all are equal."""

    def choose(self, probabilities: NDArray[np.float32]) -> NDArray[np.int8]:
        """Return the class index [n] that each row of calibrated probabilities [n, classes] is labelled with.

        With costs it is the class of least expected cost; of several such, the most probable.

        Source: Elkan (2001), The Foundations of Cost-Sensitive Learning, IJCAI, equation 1.
        """
        if self.threshold is not None:
            return np.greater_equal(probabilities[:, 1], self.threshold, dtype=None).astype(np.int8)
        if self.costs is None:
            return np.asarray(probabilities.argmax(axis=1), np.int8)
        expected = probabilities.astype(np.float64) @ np.asarray(self.costs, np.float64)  # [n, classes]
        least = np.isclose(expected, expected.min(axis=1, keepdims=True), rtol=1e-12, atol=0)
        return np.asarray(np.where(least, probabilities, -1).argmax(axis=1), np.int8)
