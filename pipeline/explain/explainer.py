"""Explain a prediction: the attribution of each word, the probability after each word, and the memory of an LSTM."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.explain.attribution import attribute, within_tolerance
from pipeline.explain.memory import Direction, trace_memory
from pipeline.explain.target import Target, choose_target
from pipeline.explain.words import Word, read
from pipeline.inference.model_folder import load_model
from pipeline.inference.model_info import ModelInfo
from pipeline.inference.predictor import Prediction, to_predictions
from pipeline.inference.scoring import score
from pipeline.networks.build import Network, deep_path, fixed_length
from pipeline.networks.excerpt import excerpt
from pipeline.networks.padding import pad
from pipeline.runtime.errors import PipelineError, listed
from pipeline.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Explanation:
    """Reasons for a model's prediction for one review, with numbers in its target, which is calibrated."""

    words: list[Word]
    left_out: int
    """Number of words of the review that the network does not read."""
    classes: Sequence[str]
    """Names of the classes, by index."""
    target: Target
    threshold: float | None
    """Smallest probability of the class explained at which it is the label; None for more than two classes."""
    unread: Prediction
    """Prediction if every word were unknown."""
    predictions: Sequence[Prediction]
    """Prediction after each word [n]: that for the review cut off there."""
    deep: NDArray[np.float64]
    """Attribution of each word [n] by the network, in the target."""
    wide: NDArray[np.float64] | None
    """Attribution of each word [n] by the n-grams it is in; None for a network without them."""
    read_by_ngrams: int
    """Number of the words left out that the n-grams read."""
    left_out_attribution: float
    """Attribution of the words left out by the n-grams that contain them; 0 for a network without n-grams."""
    change: float
    """Target of the prediction minus that of the baseline: all attributions should add up to this."""
    cell: str
    """`lstm`, `gru`, `rnn` or `none`."""
    directions: list[Direction]
    """Memory of an LSTM in each direction; empty for other networks."""

    @property
    def explained(self) -> str:
        """Name of the class explained."""
        return self.classes[self.target.class_index]

    @property
    def baseline(self) -> float:
        """Probability of the class explained if every word were unknown."""
        return self.unread.probabilities[self.target.class_index]

    @property
    def running(self) -> list[float]:
        """Probability of the class explained after each word [n]."""
        return [prediction.probabilities[self.target.class_index] for prediction in self.predictions]

    @property
    def probability(self) -> float:
        """Probability of the class explained."""
        return self.running[-1]

    @property
    def label(self) -> str:
        """Label of the review."""
        return self.predictions[-1].label

    @property
    def total(self) -> NDArray[np.float64]:
        """Attribution of each word [n] by both paths."""
        return self.deep if self.wide is None else self.deep + self.wide

    @property
    def sum(self) -> float:
        """Sum of all attributions, those of the words left out too."""
        return float(self.total.sum()) + self.left_out_attribution

    @property
    def words_left_out(self) -> str:
        """Phrase that says how many words are left out, and what still reads them."""
        read = "them" if self.read_by_ngrams == self.left_out else f"{self.read_by_ngrams:,} of them"
        readers = f"; the n-grams read {read}" if self.read_by_ngrams else ""
        return f"{self.left_out:,} words beyond the network's limit are left out{readers}"

    @property
    def error(self) -> float:
        """Sum of the attributions minus the change: the error of the numerical integration."""
        return self.sum - self.change

    @property
    def exact(self) -> bool:
        """True if the error is within the tolerance of `pipeline.explain.attribution`."""
        return within_tolerance(self.error, self.change)


class Explainer:
    """Explains the predictions of one model."""

    def __init__(self, network: Network, vocabulary: Vocabulary, info: ModelInfo) -> None:
        self._network, self._vocabulary, self.info = network, vocabulary, info

    @classmethod
    def load(cls, folder: Path | str) -> "Explainer":
        """Read a model folder, such as `artifacts/model`. Raises `PipelineError` if it is not one."""
        return cls(*load_model(folder))

    def explain(self, text: str, name: str | None = None) -> Explanation:
        """Explain the prediction for one review.

        Args:
            text: the review.
            name: class to explain; None for the label or, with two classes, the second.

        Raises:
            PipelineError: the model has no such class, or the review has no words, or too many to show.
        """
        info, fixed = self.info, fixed_length(self.info.model)
        if name is not None and name not in info.classes:
            raise PipelineError(f"the model has no class {name!r}; its classes are {listed(info.classes)}")
        max_length = deep_path(self._network).max_length
        reading = read(text, info.text, self._vocabulary, fixed, max_length)
        count = len(reading.words)
        x, _ = pad([reading.ids], fixed)
        prefixes = [reading.ids[: step + 1] for step in reading.steps]
        outputs = score(self._network, prefixes, fixed)
        target = choose_target(info, self._class_index(outputs, name))
        parts = attribute(self._network, x, reading.steps, target)
        outputs = np.vstack([outputs, parts.baseline])
        *predictions, unread = self._predictions(outputs)
        of_review, of_baseline = target.of(torch.from_numpy(outputs[-2:])).tolist()
        return Explanation(
            words=reading.words,
            left_out=reading.left_out,
            classes=info.classes,
            target=target,
            threshold=info.threshold if info.threshold is None or target.class_index == 1 else 1 - info.threshold,
            unread=unread,
            predictions=predictions,
            deep=parts.deep,
            wide=parts.wide,
            read_by_ngrams=0 if parts.wide is None else len(reading.ids) - count,
            left_out_attribution=parts.left_out,
            change=(of_review - of_baseline) / target.temperature,
            cell=getattr(info.model, "cell", "none"),
            directions=[
                replace(direction, attribution=direction.attribution / target.temperature)
                for direction in trace_memory(self._network, excerpt(x, None, max_length)[0], count, target)
            ],
        )

    def _class_index(self, outputs: NDArray[np.float32], name: str | None) -> int:
        """Return the index of the class to explain, for outputs [n, outputs] whose last row is that of the review."""
        classes = self.info.classes
        if name is None:
            name = classes[1] if len(classes) == 2 else self._predictions(outputs[-1:])[0].label
        return classes.index(name)

    def _predictions(self, outputs: NDArray[np.floating]) -> list[Prediction]:
        """Return the predictions for outputs [n, outputs]."""
        probabilities = self.info.calibration.probabilities(outputs)
        return to_predictions(probabilities, self.info.classes, self.info.rule)
