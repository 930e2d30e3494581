"""A trained model in use: texts in, probabilities out."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.model.build import Network, fixed_length
from pipeline.model.scoring import score
from pipeline.serving.folder import ModelInfo, load
from pipeline.text.vocabulary import Encoder, Vocabulary

CHUNK_SIZE = 1024
"""Texts held at a time: enough to make batches of like length."""


class Predictor:
    """The calibrated answer of a model to any texts."""

    def __init__(self, network: Network, vocabulary: Vocabulary, info: ModelInfo) -> None:
        self.info = info
        self.threshold = info.threshold
        self._network = network
        self._encoder = Encoder(info.text, vocabulary)

    @classmethod
    def load(cls, folder: Path | str) -> "Predictor":
        """Read a model folder, such as `artifacts/model`. Raises `PipelineError` if it is none."""
        return cls(*load(Path(folder)))

    def probabilities(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Calibrated probability [n] that each text is positive, in the order of the texts."""
        return np.fromiter((probability for _, _, probability in self.stream(texts)), dtype=np.float32)

    def stream(self, texts: Iterable[str]) -> Iterator[tuple[str, str, float]]:
        """Yield each text, its label and its probability, in order, with `CHUNK_SIZE` texts in memory."""
        for chunk in _chunks(texts, CHUNK_SIZE):
            probabilities = self._score(chunk)
            yield from zip(chunk, self.labels(probabilities), probabilities.tolist(), strict=True)

    def labels(self, probabilities: NDArray[np.float32]) -> list[str]:
        """`positive` or `negative` for each probability, by the threshold fixed on validation."""
        return ["positive" if probability >= self.threshold else "negative" for probability in probabilities]

    def _score(self, texts: list[str]) -> NDArray[np.float32]:
        logits = score(self._network, [self._encoder.encode(text) for text in texts], fixed_length(self.info.model))
        return self.info.calibration.probabilities(logits)


def _chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(texts)
    while chunk := list(islice(iterator, size)):
        yield chunk
