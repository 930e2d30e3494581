"""The reviews a classifier got most wrong."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config.labels import LABELS
from pipeline.evaluation.predictions import Scored, read_texts

SHOWN = 20
LONGEST = 400
"""Characters shown of a text."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer."""

    id: str
    label: str
    """The right one."""
    probability: float
    """Of positive."""
    text: str
    """Its beginning, where it is long."""


def confident_mistakes(test: Scored, dataset: Path) -> list[Mistake]:
    """At most 20 reviews answered wrongly, the farthest from the truth first.

    Args:
        test: a classifier's answers on a split.
        dataset: `artifacts/dataset`, which has the texts.
    """
    distance = np.abs(test.probabilities - test.labels)
    wrong = np.flatnonzero(test.predicted != test.labels)
    worst = wrong[np.argsort(-distance[wrong], kind="stable")][:SHOWN]
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
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} …"
