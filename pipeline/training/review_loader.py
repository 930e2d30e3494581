"""Batches of a user's own texts for a `SentimentModule`, without the files of a dataset."""

from collections.abc import Iterable, Sequence

import torch
from torch.utils.data import DataLoader

from pipeline.inference.model_info import ModelInfo
from pipeline.inference.predictor import require_sequence, text_or_empty
from pipeline.networks.build import fixed_length
from pipeline.networks.padding import pad
from pipeline.runtime.errors import PipelineError, listed
from pipeline.text.vocabulary import Encoder, Vocabulary
from pipeline.training.batches import LabelledBatch, ReviewBatch


def review_loader(
    texts: Iterable[str | None],
    labels: Iterable[str] | None,
    vocabulary: Vocabulary,
    info: ModelInfo,
    *,
    batch_size: int = 16,
    shuffle: bool = False,
    seed: int = 1,
) -> DataLoader[int]:
    """Return batches of texts, encoded as the model was trained: `LabelledBatch`, or without labels `ReviewBatch`.

    Args:
        texts: a list, or a column of a DataFrame; None and NaN count as empty texts.
        labels: name of the class of each text, as in `info.classes`; None: for `Trainer.predict` alone.
        vocabulary: that of the model, from `load_model`.
        info: `config.json` of the model folder, from `load_model`.
        batch_size: texts in a batch.
        shuffle: in another order each epoch, as for training.
        seed: seed of that order.

    Raises:
        PipelineError: the texts are none, or no texts; a label is no class of the model, or there are more or fewer
            labels than texts.
    """
    require_sequence(texts, "texts", "review_loader([text], …)", "review_loader(table['text'], …)")
    encoder = Encoder(info.text, vocabulary)
    encoded = [encoder.encode(text_or_empty(text, f"text {number}")) for number, text in enumerate(texts)]
    if not encoded:
        raise PipelineError("texts: there are none; give at least one")
    indices = None if labels is None else _class_indices(list(labels), info.classes, len(encoded))

    def collate(rows: Sequence[int]) -> ReviewBatch | LabelledBatch:
        reviews = ReviewBatch(*pad([encoded[row] for row in rows], fixed_length(info.model)))
        return reviews if indices is None else LabelledBatch(reviews, torch.tensor([indices[row] for row in rows]))

    order = torch.Generator().manual_seed(seed)
    return DataLoader(range(len(encoded)), batch_size, shuffle, collate_fn=collate, generator=order)  # type: ignore[arg-type]  # a range is a sequence


def _class_indices(labels: Sequence[str], classes: Sequence[str], texts: int) -> list[int]:
    if len(labels) != texts:
        raise PipelineError(f"labels: {len(labels)} for {texts} texts; give one for each text")
    if unknown := next((label for label in labels if label not in classes), None):
        raise PipelineError(f"labels: the model has no class {unknown!r}; its classes are {listed(classes)}")
    return [classes.index(label) for label in labels]
