"""Contrast pairs: two reviews that differ little and have opposite labels.

After contrast sets (Gardner et al. 2020) and counterfactually augmented data (Kaushik et al. 2020): a model that
understands what it reads classifies both reviews of a pair correctly.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.evaluation import ContrastConfig
from pipeline.config.label_values import normalise_label
from pipeline.config.labels import LABELS
from pipeline.config.split import TRAINING_SPLITS
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.metrics import MetricValues
from pipeline.evaluation.predictions import Classifier
from pipeline.evaluation.sentiment import POSITIVE_NAME
from pipeline.preprocessing.duplicates import near_key
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.named_files import existing_file
from pipeline.tables.labels import label_reader
from pipeline.tables.table_reader import Table
from pipeline.text.cleaning import clean, is_empty
from pipeline.text.dataset import present_splits, read_dataset_record
from pipeline.text.rows import stream_texts

MAX_PAIR_CHARACTERS = 2**28
"""Maximum number of characters of all pairs together, which are held in memory."""
PAIR_COLUMNS = ("original", "edited", "original_label", "edited_label")
NAMED_LABELS = {"negative": "negative", "neg": "negative", "positive": "positive", "pos": "positive"}
NUMBERED_LABELS = {"0": "negative", "false": "negative", "1": "positive", "true": "positive"}
"""Labels that are accepted as well if the corpus does not say what its own values mean."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContrastPair:
    """Two reviews, one negative and one positive, and their class indices."""

    original: str
    edited: str
    original_label: int
    edited_label: int


def load_pairs(config: ContrastConfig, dataset: Path, splits: Sequence[str] = TRAINING_SPLITS) -> list[ContrastPair]:
    """Read the user's pairs, none where no file is named.

    Args:
        config: the file, and whether reviews that were trained on are accepted.
        dataset: the encoded dataset, with classes of sentiment.
        splits: its splits that the model was trained on.

    Raises:
        PipelineError: the file is missing or wrong, or holds reviews of these splits without `allow_seen`.
    """
    if config.path is None:
        return []
    path = existing_file("evaluation.contrast_pairs.path", config.path)
    try:
        pairs = _read_pairs(Table(path, config.format), _label_reader_like(dataset))
    except PipelineError as error:  # the reader names the keys of the corpus
        named = re.sub(r"corpus\.(format\..+?) \(predict: --.+?\)", r"evaluation.contrast_pairs.\1", str(error))
        raise PipelineError(named) from None
    keys = [{near_key(clean(text)) for text in (pair.original, pair.edited)} for pair in pairs]
    of_pairs = set().union(*keys)
    texts = chain.from_iterable(stream_texts(dataset, split) for split in present_splits(dataset, splits))
    trained_on = {key for text in texts if (key := near_key(text)) in of_pairs}
    seen = sum(not trained_on.isdisjoint(pair) for pair in keys)
    if seen and not config.allow_seen:
        raise PipelineError(
            f"evaluation.contrast_pairs.path: {seen} of the {len(pairs)} pairs in {path} hold a text that was "
            "trained on, which flatters the model; leave them out, or set evaluation.contrast_pairs.allow_seen=true"
        )
    if seen:
        log.warning("%d of the %d contrast pairs hold a text that was trained on", seen, len(pairs))
    return pairs


def score_pairs(pairs: list[ContrastPair], classifier: Classifier) -> tuple[MetricValues, Columns]:
    """Compute accuracy on either side and consistency, the share of pairs with both right; and a row for each pair."""
    probabilities = classifier.probabilities([text for pair in pairs for text in (pair.original, pair.edited)])
    predicted = classifier.rule.choose(probabilities)
    positive = probabilities[:, classifier.classes.index(POSITIVE_NAME)]
    labels = np.array([pair.original_label for pair in pairs])
    original_right = predicted[0::2] == labels  # [pairs]
    edited_right = predicted[1::2] == [pair.edited_label for pair in pairs]
    both_right = original_right & edited_right
    metrics: MetricValues = {
        "original_accuracy": float(original_right.mean()),
        "edited_accuracy": float(edited_right.mean()),
        "consistency": float(both_right.mean()),
        "pairs": len(pairs),
    }
    table = {
        "pair": range(1, len(pairs) + 1),
        "original_label": np.array(classifier.classes)[labels],
        "original_probability": positive[0::2],
        "edited_probability": positive[1::2],
        "consistent": both_right,
    }
    return metrics, table


def _label_reader_like(dataset: Path) -> Callable[[str], int | None]:
    """Return the reader of labels that agrees with the corpus of the dataset: its values mean the same in the pairs.

    It returns the class index, None for anything but negative and positive.
    """
    corpus = read_dataset_record(dataset).corpus
    indices = {name: corpus.classes.index(name) for name in LABELS}
    stated = corpus.config.get("labels")
    named = NAMED_LABELS if stated is not None else {**NAMED_LABELS, **NUMBERED_LABELS}
    of_corpus = label_reader(stated or {}, [])

    def read(value: str) -> int | None:
        label = of_corpus(value)
        name = named.get(value) if label is None else corpus.classes[label]
        return indices.get(name) if name is not None else None

    return read


def _read_pairs(table: Table, label_of: Callable[[str], int | None]) -> list[ContrastPair]:
    path = table.path
    if missing := [name for name in PAIR_COLUMNS if name not in table.schema.names]:
        raise PipelineError(f"{path} has no column {missing[0]!r}; a file of pairs has {', '.join(PAIR_COLUMNS)}")
    rows, characters = [], 0
    for row in (row for batch in table.batches(PAIR_COLUMNS) for row in batch.to_pylist()):
        rows.append(row)
        characters += sum(len(str(row[name])) for name in PAIR_COLUMNS)
        if characters > MAX_PAIR_CHARACTERS:
            raise PipelineError(f"{path} holds more than {MAX_PAIR_CHARACTERS:,} characters of pairs; use a part of it")
    if not rows:
        raise PipelineError(f"{path} holds no pairs; add some")
    return [_pair(row, f"{path}, pair {number}", label_of) for number, row in enumerate(rows, 1)]


def _pair(row: dict[str, Any], place: str, label_of: Callable[[str], int | None]) -> ContrastPair:
    original_label, edited_label = (
        _pair_label(row, name, place, label_of) for name in ("original_label", "edited_label")
    )
    if original_label == edited_label:
        raise PipelineError(f"{place}: both labels are {row['original_label']!r}; the labels of a pair are opposites")
    for name in ("original", "edited"):
        if not isinstance(row[name], str) or is_empty(row[name]):
            raise PipelineError(f"{place}: {name} is empty; add the text, or leave the pair out")
    return ContrastPair(row["original"], row["edited"], original_label, edited_label)


def _pair_label(row: dict[str, Any], name: str, place: str, label_of: Callable[[str], int | None]) -> int:
    label = label_of(normalise_label(row[name]))
    if label is None:
        raise PipelineError(f"{place}: {name} is {row[name]!r}; write positive or negative")
    return label
