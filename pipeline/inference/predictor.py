"""Predictions of a trained model: texts in, labels and probabilities out."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.inference.model_folder import ModelInfo, load_model
from pipeline.inference.scoring import BATCH_SIZE, score
from pipeline.inference.shared_threads import SharedThreads
from pipeline.networks.build import Network, fixed_length
from pipeline.text.vocabulary import Encoder, Vocabulary

CHUNK_SIZE = 1024
"""Most texts in memory at a time: enough to batch texts of similar length."""
CHUNK_CHARACTERS = 16 * 2**20
"""Most characters in memory at a time, not counting the last text."""

CPU = torch.device("cpu")

Companion = TypeVar("Companion")


class Prediction(NamedTuple):
    """Label and probability that a model gives to a text."""

    label: str
    """`positive` or `negative`."""
    probability: float
    """Calibrated probability of `positive`."""


class Predictor:
    """Calibrated predictions of a model for any texts. Threads may share a predictor: they take turns batch by batch.

    Each of torch's threads computes a batch of its own. With torch's own scheme, all threads on one batch, they would
    wait for one another at every step of a recurrent layer (measured in docs/predict.md), and the number of threads
    would change the last digits of a probability. A GPU computes one batch after the other.

    Args:
        network: in evaluation mode.
        vocabulary: that of the network.
        info: `model.json` of the model.
        batch_size: most texts that are computed at once.
        device: device to compute on.
    """

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        info: ModelInfo,
        batch_size: int = BATCH_SIZE,
        device: torch.device = CPU,
    ) -> None:
        self.info = info
        self.threshold = info.threshold
        self._network = network.to(device)
        self._encoder = Encoder(info.text, vocabulary)
        self._batch_size = batch_size
        threads = torch.get_num_threads() if device.type == "cpu" else 1
        self._threads = SharedThreads(threads, torch.set_num_threads, 1)

    @classmethod
    def load(cls, folder: Path | str, batch_size: int = BATCH_SIZE, device: torch.device = CPU) -> "Predictor":
        """Read a model folder, such as `artifacts/model`.

        Args:
            folder: the model folder.
            batch_size: most texts that are computed at once.
            device: device to compute on.

        Raises:
            PipelineError: as `load_model`.
        """
        return cls(*load_model(Path(folder)), batch_size, device)

    def close(self) -> None:
        """Stop predicting; a thread that still waits gets a `concurrent.futures.CancelledError`."""
        self._threads.close()

    def __call__(self, texts: Iterable[str]) -> list[Prediction]:
        """Return the prediction for each text, in the order of the texts."""
        return [prediction for _, prediction in self.stream((None, text) for text in texts)]

    def probabilities(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Return the calibrated probability [n] that each text is positive, in the order of the texts."""
        return np.array([prediction.probability for prediction in self(texts)], dtype=np.float32)

    def stream(self, rows: Iterable[tuple[Companion, str]]) -> Iterator[tuple[Companion, Prediction]]:
        """Yield what accompanies each text together with its prediction, in order; one chunk of rows is in memory."""
        for chunk in _chunks(rows):
            probabilities = self._score([text for _, text in chunk])
            labels = self.labels(probabilities)
            for (companion, _), label, probability in zip(chunk, labels, probabilities.tolist(), strict=True):
                yield companion, Prediction(label, probability)

    def labels(self, probabilities: NDArray[np.float32]) -> list[str]:
        """Return `positive` or `negative` for each probability, by the threshold chosen on the validation split."""
        return ["positive" if probability >= self.threshold else "negative" for probability in probabilities]

    def _score(self, texts: list[str]) -> NDArray[np.float32]:
        encoded = [self._encoder.encode(text) for text in texts]
        logits = score(self._network, encoded, fixed_length(self.info.model), self._threads.map, self._batch_size)
        return self.info.calibration.probabilities(logits)


def _chunks(rows: Iterable[tuple[Companion, str]]) -> Iterator[list[tuple[Companion, str]]]:
    chunk, characters = [], 0
    for companion, text in rows:
        chunk.append((companion, text))
        characters += len(text)
        if len(chunk) == CHUNK_SIZE or characters > CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
