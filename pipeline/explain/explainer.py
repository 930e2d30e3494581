"""Explain a prediction: the attribution of each word, the probability after each word, and the memory of an LSTM."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.explain.attribution import attribute
from pipeline.explain.memory import Direction, trace_memory
from pipeline.explain.words import Word, read
from pipeline.inference.model_folder import ModelInfo, load_model
from pipeline.inference.scoring import score
from pipeline.networks.build import Network, fixed_length
from pipeline.networks.padding import pad
from pipeline.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Explanation:
    """Reasons for a model's prediction for one review. Log-odds are calibrated."""

    words: list[Word]
    left_out: int
    """Number of words of the review that the model does not read."""
    threshold: float
    """Smallest probability that counts as positive."""
    baseline: float
    """Probability if every word were unknown."""
    deep: NDArray[np.float64]
    """Attribution of each word [n] by the network, in log-odds."""
    wide: NDArray[np.float64] | None
    """Attribution of each word [n] by the n-grams it is in; None for a network without them."""
    change: float
    """Log-odds of the prediction minus those of the baseline: the attributions should add up to this."""
    exact: bool
    """True if they do, within the tolerance of `pipeline.explain.attribution`."""
    running: list[float]
    """Probability after each word [n]: the prediction for the review cut off there."""
    cell: str
    """`lstm`, `gru`, `rnn` or `none`."""
    directions: list[Direction]
    """Memory of an LSTM in each direction; empty for other networks."""

    @property
    def probability(self) -> float:
        """Probability of positive, as `predict` gives it."""
        return self.running[-1]

    @property
    def positive(self) -> bool:
        """Label of the review: True for positive."""
        return self.probability >= self.threshold

    @property
    def total(self) -> NDArray[np.float64]:
        """Attribution of each word [n] by both paths."""
        return self.deep if self.wide is None else self.deep + self.wide


class Explainer:
    """Explains the predictions of one model."""

    def __init__(self, network: Network, vocabulary: Vocabulary, info: ModelInfo) -> None:
        self._network, self._vocabulary, self._info = network, vocabulary, info

    @classmethod
    def load(cls, folder: Path | str) -> "Explainer":
        """Read a model folder, such as `artifacts/model`. Raises `PipelineError` if it is not one."""
        return cls(*load_model(Path(folder)))

    def explain(self, text: str) -> Explanation:
        """Explain the prediction for one review.

        Raises:
            PipelineError: the review has no words, or too many to show.
        """
        info, fixed = self._info, fixed_length(self._info.model)
        reading = read(text, info.text, self._vocabulary, fixed)
        count = len(reading.words)
        x, _ = pad([reading.ids], fixed)
        prefixes = [reading.ids[:end] for end in range(1, count + 1)]
        logits = score(self._network, prefixes, fixed)
        parts = attribute(self._network, x, count)
        *running, baseline = info.calibration.probabilities(np.array([*logits, parts.baseline])).tolist()
        return Explanation(
            words=reading.words,
            left_out=reading.left_out,
            threshold=info.threshold,
            baseline=baseline,
            deep=parts.deep / info.temperature,
            wide=None if parts.wide is None else parts.wide / info.temperature,
            change=float(logits[-1] - parts.baseline) / info.temperature,
            exact=parts.exact,
            running=running,
            cell=getattr(info.model, "cell", "none"),
            directions=[
                replace(direction, attribution=direction.attribution / info.temperature)
                for direction in trace_memory(self._network, x, count)
            ],
        )
