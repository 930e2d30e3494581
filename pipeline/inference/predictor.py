"""A trained model in use: texts in, probabilities out."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.inference.model_folder import ModelInfo, load
from pipeline.inference.scoring import BATCH_SIZE, score
from pipeline.inference.turns import SharedThreads
from pipeline.networks.build import Network, fixed_length
from pipeline.text.vocabulary import Encoder, Vocabulary

CHUNK_SIZE = 1024
"""Texts held at a time: enough to make batches of like length."""
CHUNK_CHARACTERS = 16 * 2**20
"""Of them, and at most one text more."""

Row = TypeVar("Row")


class Prediction(NamedTuple):
    """What a model says of a text."""

    label: str
    """`positive` or `negative`."""
    probability: float
    """Of `positive`, calibrated."""


class Predictor:
    """The calibrated answer of a model to any texts; any number of threads may ask it, and take turns batch by batch.

    Each of torch's threads computes a batch of its own. All of them on one batch, as torch would have it, wait for one
    another at every step of a recurrent layer (measured in docs/predict.md), and their number would show in the last
    digits of an answer.
    """

    def __init__(self, network: Network, vocabulary: Vocabulary, info: ModelInfo, batch_size: int = BATCH_SIZE) -> None:
        self.info = info
        self.threshold = info.threshold
        self._network = network
        self._encoder = Encoder(info.text, vocabulary)
        self._batch_size = batch_size
        self._threads = SharedThreads(torch.get_num_threads(), torch.set_num_threads, 1)

    @classmethod
    def load(cls, folder: Path | str, batch_size: int = BATCH_SIZE) -> "Predictor":
        """Read a model folder, such as `artifacts/model`; compute at most `batch_size` texts at a time.

        Raises:
            PipelineError: the folder is no model folder.
        """
        return cls(*load(Path(folder)), batch_size)

    def close(self) -> None:
        """Answer no more: a thread that still waits for an answer gets a `concurrent.futures.CancelledError`."""
        self._threads.close()

    def __call__(self, texts: Iterable[str]) -> list[Prediction]:
        """The answer to each text, in the order of the texts."""
        return [prediction for _, prediction in self.stream((None, text) for text in texts)]

    def probabilities(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Calibrated probability [n] that each text is positive, in the order of the texts."""
        return np.array([prediction.probability for prediction in self(texts)], dtype=np.float32)

    def stream(self, rows: Iterable[tuple[Row, str]]) -> Iterator[tuple[Row, Prediction]]:
        """Yield anything that comes with a text with the answer to it, in order, with a chunk of rows in memory."""
        for chunk in _chunks(rows):
            probabilities = self._score([text for _, text in chunk])
            labels = self.labels(probabilities)
            for (row, _), label, probability in zip(chunk, labels, probabilities.tolist(), strict=True):
                yield row, Prediction(label, probability)

    def labels(self, probabilities: NDArray[np.float32]) -> list[str]:
        """`positive` or `negative` for each probability, by the threshold fixed on validation."""
        return ["positive" if probability >= self.threshold else "negative" for probability in probabilities]

    def _score(self, texts: list[str]) -> NDArray[np.float32]:
        encoded = [self._encoder.encode(text) for text in texts]
        logits = score(self._network, encoded, fixed_length(self.info.model), self._threads.map, self._batch_size)
        return self.info.calibration.probabilities(logits)


def _chunks(rows: Iterable[tuple[Row, str]]) -> Iterator[list[tuple[Row, str]]]:
    chunk, characters = [], 0
    for row, text in rows:
        chunk.append((row, text))
        characters += len(text)
        if len(chunk) == CHUNK_SIZE or characters > CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
