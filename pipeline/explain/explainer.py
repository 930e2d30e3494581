"""A verdict taken apart: words, running verdict, memory."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.explain.attribution import contributions
from pipeline.explain.memory import Direction, memory
from pipeline.explain.words import Word, read
from pipeline.inference.model_folder import ModelInfo, load_model
from pipeline.inference.scoring import score
from pipeline.networks.build import Network, fixed_length
from pipeline.networks.padding import pad
from pipeline.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Explanation:
    """Why a model judges a review as it does. Log-odds are calibrated."""

    words: list[Word]
    left_out: int
    """Words of the review that the model does not read."""
    threshold: float
    """Smallest probability that counts as positive."""
    baseline: float
    """Probability if every word were unknown."""
    deep: NDArray[np.float64]
    """What each word adds to the log-odds [n], read by the network."""
    wide: NDArray[np.float64] | None
    """What it adds [n] as a part of n-grams; None for a network without them."""
    change: float
    """Log-odds of the answer minus those of the baseline: what the words should add up to."""
    exact: bool
    """Whether they do, within the tolerance of `pipeline.explain.attribution`."""
    running: list[float]
    """Probability after each word [n]: the answer to the review up to there."""
    cell: str
    """`lstm`, `gru` or `rnn`, or `none`."""
    directions: list[Direction]
    """What an LSTM remembers; empty for other networks."""

    @property
    def probability(self) -> float:
        """Of positive, as `predict` gives it."""
        return self.running[-1]

    @property
    def positive(self) -> bool:
        """The verdict."""
        return self.probability >= self.threshold

    @property
    def total(self) -> NDArray[np.float64]:
        """What each word adds [n], by both paths."""
        return self.deep if self.wide is None else self.deep + self.wide


class Explainer:
    """Explains the answers of one model."""

    def __init__(self, network: Network, vocabulary: Vocabulary, info: ModelInfo) -> None:
        self._network, self._vocabulary, self._info = network, vocabulary, info

    @classmethod
    def load(cls, folder: Path | str) -> "Explainer":
        """Read a model folder, such as `artifacts/model`. Raises `PipelineError` if it is none."""
        return cls(*load_model(Path(folder)))

    def explain(self, text: str) -> Explanation:
        """Take the verdict on one review apart.

        Raises:
            PipelineError: the review has no words, or too many to show.
        """
        info, fixed = self._info, fixed_length(self._info.model)
        reading = read(text, info.text, self._vocabulary, fixed)
        count = len(reading.words)
        x, _ = pad([reading.ids], fixed)
        prefixes = [reading.ids[:end] for end in range(1, count + 1)]
        logits = score(self._network, prefixes, fixed)
        found = contributions(self._network, x, count)
        *running, baseline = info.calibration.probabilities(np.array([*logits, found.baseline])).tolist()
        return Explanation(
            words=reading.words,
            left_out=reading.left_out,
            threshold=info.threshold,
            baseline=baseline,
            deep=found.deep / info.temperature,
            wide=None if found.wide is None else found.wide / info.temperature,
            change=float(logits[-1] - found.baseline) / info.temperature,
            exact=found.exact,
            running=running,
            cell=getattr(info.model, "cell", "none"),
            directions=[
                replace(direction, lean=direction.lean / info.temperature)
                for direction in memory(self._network, x, count)
            ],
        )
