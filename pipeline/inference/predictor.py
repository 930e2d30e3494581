"""Predictions of a trained model: texts in, labels and probabilities out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.inference.decision_rule import DecisionRule
from pipeline.inference.model_folder import load_model
from pipeline.inference.model_info import ModelInfo
from pipeline.inference.scoring import BATCH_SIZE, score_with_paths
from pipeline.inference.shared_threads import SharedThreads
from pipeline.networks.build import Network, fixed_length
from pipeline.runtime.errors import PipelineError
from pipeline.text.vocabulary import UNKNOWN, Encoder, Vocabulary

CHUNK_SIZE = 1024
"""Maximum number of texts in memory at a time: enough to batch texts of similar length."""
CHUNK_CHARACTERS = 16 * 2**20
"""Maximum number of characters in memory at a time, not counting the last text."""

CPU = torch.device("cpu")

Companion = TypeVar("Companion")


class Prediction(NamedTuple):
    """Label and probability that a model gives to a text."""

    label: str
    """Name of a class, such as `positive`."""
    probability: float
    """Calibrated probability: of two classes that of the second, such as `positive`; of more that of the label."""
    probabilities: Sequence[float]
    """Calibrated probability of each class."""


class Predictor:
    """Calibrated predictions of a model for any texts. Threads may share a predictor: they take turns batch by batch.

    Each of torch's threads computes a batch of its own. With torch's own scheme, all threads on one batch, they would
    wait for one another at every step of a recurrent layer (measured in docs/predict.md), and the number of threads
    would change the last digits of a probability. A GPU computes one batch after the other.

    Args:
        network: in evaluation mode.
        vocabulary: that of the network.
        info: `config.json` of the model folder.
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
        self.classes, self.rule = info.classes, info.rule
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
        return cls(*load_model(folder), batch_size, device)

    def close(self) -> None:
        """Stop predicting; a thread that still waits gets a `concurrent.futures.CancelledError`."""
        self._threads.close()

    def __call__(self, texts: Iterable[str | None]) -> list[Prediction]:
        """Return the prediction for each text, in the order of the texts.

        Args:
            texts: a list, or anything else that yields texts in order, such as a column of a DataFrame. None, NaN and
                `pandas.NA` count as empty texts. A single text belongs in a list, as in scikit-learn.

        Raises:
            PipelineError: `texts` is a text, a mapping, a set or a table, whose items are not the texts, or holds none
                at all; or an item is not a text.
        """
        require_sequence(texts, "texts", "model([text])", "model(table['text'])")
        return [prediction for _, prediction in self.stream((None, text) for text in texts)]

    def probabilities(self, texts: Iterable[str | None]) -> NDArray[np.float32]:
        """Return the calibrated probability of each class [n, classes] for texts; texts and errors as when called."""
        rows = [prediction.probabilities for prediction in self(texts)]
        return np.array(rows, dtype=np.float32).reshape(-1, len(self.classes))

    def probabilities_and_paths(self, texts: Iterable[str | None]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what `probabilities` returns, and the outputs [n, outputs, paths] of each path before calibration.

        Both come from one pass of the network; there is at least one text.
        """
        chunks = [self._score([text for _, text in chunk]) for chunk in _chunks((None, text) for text in texts)]
        probabilities, paths = (np.concatenate(arrays) for arrays in zip(*chunks, strict=True))
        return probabilities, paths

    def unknown_share(self, text: str) -> float:
        """Return the share of a text's tokens that the vocabulary lacks, of those that the network reads."""
        return float(np.mean(self._encoder.encode(text) == UNKNOWN))

    def stream(self, rows: Iterable[tuple[Companion, str | None]]) -> Iterator[tuple[Companion, Prediction]]:
        """Yield what accompanies each text together with its prediction, in order; one chunk of rows is in memory.

        Args:
            rows: pairs of any object and a text; None, NaN and `pandas.NA` count as empty texts.

        Raises:
            PipelineError: `rows` does not yield such pairs.
        """
        require_sequence(rows, "rows", "model.stream([(id, text)])", "model.stream(zip(table['id'], table['text']))")
        for chunk in _chunks(rows):
            probabilities, _ = self._score([text for _, text in chunk])
            predictions = to_predictions(probabilities, self.classes, self.rule)
            for (companion, _), prediction in zip(chunk, predictions, strict=True):
                yield companion, prediction

    def _score(self, texts: list[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        encoded = [self._encoder.encode(text) for text in texts]
        outputs, paths = score_with_paths(
            self._network, encoded, fixed_length(self.info.model), self._threads.map, self._batch_size
        )
        return self.info.calibration.probabilities(outputs), paths


def to_predictions(probabilities: NDArray[np.float32], classes: Sequence[str], rule: DecisionRule) -> list[Prediction]:
    """Return the prediction for each row of calibrated probabilities [n, classes]."""
    chosen = rule.choose(probabilities).tolist()
    return [
        Prediction(classes[number], row[1 if len(row) == 2 else number], row)
        for number, row in zip(chosen, probabilities.tolist(), strict=True)
    ]


def text_or_empty(value: object, place: str) -> str:
    """Return a text, and the empty text for a missing one: None, NaN or `pandas.NA`.

    Args:
        value: a value that should be a text.
        place: names it in an error, such as `item 3`.

    Raises:
        PipelineError: it is anything else.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    import pandas as pd  # here, because it is slow to import, and only tables of pandas have such values

    missing: Any = pd.isna(cast("Any", value))
    if missing is True:  # of several values, it is an array
        return ""
    shown = " ".join(repr(value).split())
    raise PipelineError(f"{place} is {shown:.100}, not a text; give a text in quotes, or None for none")


def require_sequence(given: object, name: str, for_one: str, for_table: str) -> None:
    """Refuse what can be iterated over without yielding the texts, or yields them in no order.

    Args:
        given: what should be texts.
        name: names it in an error.
        for_one: the right call for a single text, which the error shows.
        for_table: the right call for a column of a table.

    Raises:
        PipelineError: it is a text, a mapping, a set or a table, or holds nothing at all.
    """
    if isinstance(given, str | bytes):
        raise PipelineError(f"{name}: a single text, whose items are its characters; give a list: {for_one}")
    if isinstance(given, Mapping) or hasattr(given, "columns"):  # the tables of pandas, polars and pyarrow
        kind = type(given).__name__
        raise PipelineError(f"{name}: a {kind}, whose items are not the texts; give its texts: {for_table}")
    if isinstance(given, set | frozenset):
        raise PipelineError(f"{name}: a set has no order in which to answer; give a list")
    if not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0:
        raise PipelineError(f"{name}: a {type(given).__name__} holds no texts; give a list: {for_one}")


def _chunks(rows: Iterable[tuple[Companion, str | None]]) -> Iterator[list[tuple[Companion, str]]]:
    chunk, characters = [], 0
    for number, row in enumerate(rows):
        try:
            companion, value = () if isinstance(row, str) else row  # a text of two characters would pass for a pair
        except (TypeError, ValueError):
            problem = "not a pair; give pairs of any object and a text"
            raise PipelineError(f"row {number} is {row!r:.100}, {problem}") from None
        text = text_or_empty(value, f"item {number}")
        chunk.append((companion, text))
        characters += len(text)
        if len(chunk) == CHUNK_SIZE or characters > CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
