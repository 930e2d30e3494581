"""The most confident wrong answers of a classifier."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config.labels import LABELS
from pipeline.evaluation.predictions import ScoredSplit, read_texts

MISTAKES_SHOWN = 20
LONGEST_QUOTE = 400
"""Characters shown of a text."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer."""

    id: str
    label: str
    """The true label."""
    probability: float
    """Probability given to positive."""
    text: str
    """The text, or its beginning if it is long."""


def confident_mistakes(test: ScoredSplit, dataset: Path) -> list[Mistake]:
    """Return at most 20 wrong answers, the one farthest from the true label first.

    Args:
        test: a classifier's answers on a split.
        dataset: `artifacts/dataset`, which holds the texts.
    """
    distance = np.abs(test.probabilities - test.labels)
    wrong = np.flatnonzero(test.predicted != test.labels)
    worst = wrong[np.argsort(-distance[wrong], kind="stable")][:MISTAKES_SHOWN]
    texts, _ = read_texts(dataset, test.split)
    return [
        Mistake(
            id=str(test.rows["id"][row]),
            label=LABELS[test.labels[row]],
            probability=float(test.probabilities[row]),
            text=_beginning(texts[row]),
        )
        for row in worst.tolist()
    ]


def _beginning(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE].rstrip()} …"
