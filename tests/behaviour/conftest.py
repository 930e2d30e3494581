"""A small capability, and a model that knows a few words."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from pipeline.config.labels import LABELS
from pipeline.inference.decision_rule import DecisionRule
from tests.support.scored import both

VALUES: dict[str, Any] = {
    "description": "Tastes.",
    "test": "minimum functionality",
    "cases": 6,
    "slots": {"what": ["tea", "coffee"], "how": ["good", "fine", "bad"]},
    "groups": [{"expect": "positive", "templates": ["The {what} is {how}."]}],
}
"""Content of a capability's file."""
PAIRS: dict[str, Any] = {
    **VALUES,
    "test": "invariance",
    "slots": {"what": {"tea": "tee", "coffee": "cofee"}, "how": ["good"]},
    "cases": 2,
    "groups": [{"expect": "same", "templates": ["The {what} is {how}."]}],
}
"""Content of the file of a capability that compares two texts."""


class ByWord:
    """Classifier that knows the probability of some words, and gives 0.5, which is positive, to texts without them."""

    classes, rule = LABELS, DecisionRule(0.5)

    def __init__(self, **known: float) -> None:
        self.known = known
        self.texts: list[str] = []

    def probabilities(self, texts: Iterable[str], /) -> np.ndarray:
        self.texts = list(texts)
        values = [next((p for word, p in self.known.items() if word in text), 0.5) for text in self.texts]
        return both(values)
