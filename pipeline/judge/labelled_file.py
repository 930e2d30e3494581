"""Reviews and labels of a user's file, read as the training of a model read its own: columns, joined texts, labels."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray

from pipeline.config.corpus import LabelValues
from pipeline.config.evaluation import SLICES
from pipeline.config.file_format import FileFormat
from pipeline.config.label_values import normalise_label
from pipeline.config.labels import LABELS
from pipeline.corpus.label_census import Census, count_labels, distinct_values, require_readable, unmistakable_labels
from pipeline.corpus.label_examples import MAX_IGNORED, shell_quoted, value_list
from pipeline.evaluation.contrast_pairs import NAMED_LABELS
from pipeline.inference.model_info import ModelInfo
from pipeline.runtime.errors import PipelineError, listed
from pipeline.tables.answer_columns import ANSWER_COLUMNS
from pipeline.tables.joining import joined_text
from pipeline.tables.labels import IGNORED, label_reader
from pipeline.tables.table_reader import Table, require_text
from pipeline.text.cleaning import is_empty

LABEL = "label"
"""Column of the labels, unless the model was trained on a user's file with another one."""
OWN_COLUMNS = ("id", "text", "label")
"""Columns of the judged rows whose names no slice can have."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileReading:
    """Options that say how to read the file; None stands for the setting of the training."""

    file_format: FileFormat
    text_columns: Sequence[str] | None = None
    label_column: str | None = None
    labels: Mapping[str, LabelValues] | None = None
    """Values of some classes."""
    ignored: LabelValues | None = None
    """Values whose rows are left out."""
    slices: Sequence[str] = ()
    """Columns to slice by."""
    usual_slices: Sequence[str] = ()
    """Columns to slice by if the file has them."""


@dataclass(frozen=True)
class LabelledRows:
    """Rows with a text and a label, and the number of the others."""

    rows: pa.Table
    """Id, text, label (class index) and the columns of the slices."""
    originals: pa.Table
    """The same rows, with the columns of the file."""
    slices: Sequence[str]
    """Columns of the slices."""
    left_out: Mapping[str, int]
    """Rows that are not judged, by reason."""


def read_labelled_rows(path: Path, info: ModelInfo, reading: FileReading) -> LabelledRows:
    """Read the rows of a file that have a text and a label.

    Left out are rows with no text (`empty_text`), no label (`no_label`), or a label to ignore (`ignored_labels`).

    Args:
        path: of the file.
        info: `config.json` of the model, which tells the columns and the labels of its training.
        reading: the options.

    Raises:
        PipelineError: a column is missing, a label means no class of the model, or no row is left.
    """
    table = Table(path, reading.file_format)
    texts = _text_columns(table, info, reading.text_columns)
    label = _label_column(table, info, reading.label_column)
    if label in texts:
        raise PipelineError(f"--label-column {label} is the column of the texts; name that of the labels")
    for name in reading.slices:
        _require_column(table, name, "--slice")
        if name in (*OWN_COLUMNS, *SLICES):
            raise PipelineError(f"--slice {name}: a column of the pipeline's own has this name; rename yours")
    usual = [name for name in reading.usual_slices if name in table.schema.names and name not in OWN_COLUMNS]
    slices = list(dict.fromkeys([*reading.slices, *usual]))
    label_of = _settle_labels(table, label, info, reading)
    class_indices: list[NDArray[np.int8]] = []
    judged_texts: list[str] = []
    ids: list[str] = []
    judged_rows: list[pa.RecordBatch] = []
    left_out: Counter[str] = Counter()
    row = 0
    for batch in table.batches(None, texts):
        distinct, indices = distinct_values("--label-column", label, path, batch)
        values = [normalise_label(value) for value in distinct]
        known = [label_of(value) if value else IGNORED for value in values]
        if None in known:  # the census found a class for each
            raise PipelineError(f"{path} was changed while it was read; run the command again")
        labels = np.array(known, np.int8)[indices]
        is_unlabelled = np.array([not value for value in values])[indices]
        for name in slices:
            require_readable("--slice", name, path, batch)
        joined = [joined_text(of_row) for of_row in zip(*(batch[name].to_pylist() for name in texts), strict=True)]
        empty = np.array([is_empty(text) for text in joined])
        judged = (labels != IGNORED) & ~empty
        left_out["no_label"] += int(is_unlabelled.sum())
        left_out["ignored_labels"] += int(((labels == IGNORED) & ~is_unlabelled).sum())
        left_out["empty_text"] += int(((labels != IGNORED) & empty).sum())
        places = np.flatnonzero(judged).tolist()
        judged_texts += [joined[place] for place in places]
        ids += [f"row-{row + place + 1}" for place in places]
        class_indices.append(labels[judged])
        judged_rows.append(batch.filter(pa.array(judged)))
        row += batch.num_rows
    log.info("%s: %s, %s rows", path.name, table.form, f"{row:,}")
    left_out = +left_out
    if not judged_texts:
        raise PipelineError(f"{path} has no row with a text and a label of the model; give a file with some")
    originals = pa.Table.from_batches(judged_rows)
    columns = {"id": ids, "text": judged_texts, "label": pa.array(np.concatenate(class_indices), pa.int8())}
    rows = pa.table({**columns, **{name: originals[name] for name in slices}})
    return LabelledRows(rows, originals, slices, dict(left_out))


def _text_columns(table: Table, info: ModelInfo, stated: Sequence[str] | None) -> Sequence[str]:
    choices = info.text_columns if stated is None else [stated]
    chosen = next((choice for choice in choices if set(choice) <= set(table.schema.names)), None)
    if chosen is None:
        lacking = [next(name for name in choice if name not in table.schema.names) for choice in choices]
        raise _no_column(table, lacking, "--text-column")
    for name in chosen:
        require_text(table.path, table.schema.field(name))
    return chosen


def _label_column(table: Table, info: ModelInfo, stated: str | None) -> str:
    chosen = stated or info.corpus.label_column or LABEL
    _require_column(table, chosen, "--label-column")
    if stated is None and chosen == LABEL and set(ANSWER_COLUMNS) <= set(table.schema.names):
        written = " and ".join(map(repr, ANSWER_COLUMNS))
        raise PipelineError(
            f"{table.path} has the columns {written}, which `predict` writes; name the column of the true labels with "
            "--label-column, even if it is this one"
        )
    return chosen


def _require_column(table: Table, name: str, option: str) -> None:
    if name not in table.schema.names:
        raise _no_column(table, [name], option)


def _no_column(table: Table, names: Sequence[str], option: str) -> PipelineError:
    wanted, columns = " or ".join(map(repr, names)), listed(table.schema.names)
    return PipelineError(f"{table.path} has no column {wanted}; its columns are {columns}: name one with {option}")


def _settle_labels(table: Table, label: str, info: ModelInfo, reading: FileReading) -> Callable[[str], int | None]:
    """Return the function from a normalised value to its class index, `IGNORED`, or None for an unknown label.

    A value means a class as the options state it, or else as in training; the name of a class means it, unless it is a
    value of another, as `2` may be of a model with the classes 1 to 3 in a file with labels from 1 to 5.
    """
    stated = (info.corpus.labels if reading.labels is None else reading.labels) or {}
    ignored = info.corpus.ignore_labels if reading.ignored is None else reading.ignored
    by_name = {value: info.classes.index(name) for value, name in NAMED_LABELS.items() if name in info.classes}
    by_name |= {normalise_label(name): index for index, name in enumerate(info.classes)}

    def reader(labels: Mapping[str, LabelValues]) -> Callable[[str], int | None]:
        in_order = {name: labels.get(name, []) for name in info.classes}
        by_value = label_reader(in_order, ignored, ("--labels", "--ignore-labels"))

        def read(value: str) -> int | None:
            index = by_value(value)
            return by_name.get(value) if index is None else index

        return read

    column = f"the column {label!r} of {table.path}"
    label_of = reader(stated)
    census = count_labels(label, {table.path: table}, label_of, column, ("--label-column", '--labels "'))
    values = [value for value in census.values if value]
    if not values:
        raise PipelineError(f"{column} holds no label at all; name another with --label-column")
    if not stated and info.classes == LABELS:
        label_of = reader(unmistakable_labels({value: label_of(value) == IGNORED for value in values}) or {})
    if unnamed := [value for value in values if label_of(value) is None]:
        raise _unknown(census, unnamed, column, info.classes, some_known=len(unnamed) < len(values))
    summary = (
        f"{name}: {shown}"
        for index, name in [*enumerate(info.classes), (IGNORED, "left out")]
        if (shown := census.shown_class(index, values, label_of))
    )
    log.info("labels in %r: %s", label, "; ".join(summary))
    if other := [value for value in values if value in by_name and label_of(value) not in (by_name[value], IGNORED)]:
        source = "the training" if reading.labels is None else "--labels"
        log.warning("%s: names of classes that mean others, as %s says: %s", column, source, census.shown(other))
    return label_of


def _as_yaml_text(name: str) -> str:
    """Return a class as it is written in YAML: in quotes where the bare word would be something else, as `no`."""
    return yaml.safe_dump([name], default_flow_style=True, allow_unicode=True, width=math.inf).strip()[1:-1]


def _unknown(
    census: Census, unnamed: Sequence[str], column: str, classes: Iterable[str], *, some_known: bool
) -> PipelineError:
    example = shell_quoted(f"{{{', '.join(f'{_as_yaml_text(name)}: [...]' for name in classes)}}}")
    listable = some_known and len(unnamed) <= MAX_IGNORED  # a copied command must not leave out every row
    ignored = shell_quoted(value_list(census.spellings, sorted(unnamed))) if listable else "'[...]'"
    return PipelineError(
        f"{column} holds labels that mean no class of the model, {listed(list(classes))}: {census.shown(unnamed)}; say "
        f"which class they mean with --labels {example}, or leave their rows out with --ignore-labels {ignored}"
    )
