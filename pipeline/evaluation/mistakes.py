"""The most confident wrong answers of a classifier."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.predictions import ScoredSplit

MISTAKES_SHOWN = 20
MAX_QUOTE = 400
"""Maximum number of characters shown of a text."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer."""

    id: str
    label: str
    """The true label."""
    predicted: str
    """The predicted label."""
    probability: float
    """Probability of the second of two classes, as in a `Prediction`; of more classes, that of the predicted label."""
    true_probability: float
    """Probability given to the true label."""
    text: str
    """The text, or its beginning if it is long."""


def confident_mistakes(test: ScoredSplit, texts: Iterable[str]) -> list[Mistake]:
    """Return at most 20 wrong answers, the one farthest from the true label first.

    Args:
        test: a classifier's answers.
        texts: the text of each review.
    """
    others = test.labels[:, None] != np.arange(len(test.classes))
    distance = np.sum(test.probabilities, axis=1, where=others)
    predicted, second = test.predicted, len(test.classes) == 2
    wrong = np.flatnonzero(predicted != test.labels)
    worst = wrong[np.argsort(-distance[wrong], kind="stable")][:MISTAKES_SHOWN].tolist()
    quoted = set(worst)
    quotes = {row: _beginning(text) for row, text in enumerate(texts) if row in quoted}
    return [
        Mistake(
            id=str(test.rows["id"][row]),
            label=test.classes[test.labels[row]],
            predicted=test.classes[predicted[row]],
            probability=float(test.probabilities[row, 1 if second else predicted[row]]),
            true_probability=float(test.probabilities[row, test.labels[row]]),
            text=quotes[row],
        )
        for row in worst
    ]


def _beginning(text: str) -> str:
    return text if len(text) <= MAX_QUOTE else f"{text[:MAX_QUOTE].rstrip()} …"
