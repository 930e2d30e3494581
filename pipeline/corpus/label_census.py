"""Census of the labels in the user's files: all their values are read and counted before any row is.

It settles which class each value means: as stated in the configuration, or where the values leave no doubt.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.config.corpus import FilesCorpus, LabelValues
from pipeline.config.label_values import normalise_label
from pipeline.config.labels import LABELS
from pipeline.corpus.label_examples import NAMES, VALUE_LENGTH, example_overrides, ignoring_override
from pipeline.runtime.errors import PipelineError, first_of
from pipeline.tables.labels import IGNORED, is_shortest_number, label_reader
from pipeline.tables.table_reader import Table

MAX_VALUES = 1000
"""Different values that are kept in memory; a column with more that no class names holds no labels."""
VALUES_SHOWN = 10
FILES_SHOWN = 3
MAX_VALUE = 500
"""Characters of the longest value that is kept in memory; a longer one is a review rather than a label."""
LABEL_COLUMN = "corpus.label_column"
"""Key that names the label column of the user's files."""
TRUTH = {"false": "0", "true": "1"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+$")

log = logging.getLogger(__name__)


@dataclass
class Census:
    """Labels of the files of one split, or of several together."""

    rows: Counter[int | None] = field(default_factory=Counter)
    """Rows by class index, `IGNORED` or None where nothing names the value."""
    values: Counter[str] = field(default_factory=Counter)
    """Rows by normalised value, of the first `MAX_VALUES` named ones and of all others."""
    spelled: dict[str, str] = field(default_factory=dict)
    """The first spelling of each value."""

    def __add__(self, other: "Census") -> "Census":
        return Census(self.rows + other.rows, self.values + other.values, {**other.spelled, **self.spelled})

    @property
    def spellings(self) -> dict[str, str]:
        """The first spelling of each value that has rows."""
        return {value: self.spelled[value] for value in self.values}

    def shown(self, values: Iterable[str]) -> str:
        """List values with their rows, the most frequent first."""
        by_rows = sorted(values, key=lambda value: (-self.values[value], value))
        return first_of([f"{self._short(value)} ({_rows(self.values[value])})" for value in by_rows], VALUES_SHOWN)

    def shown_class(self, index: int, values: Iterable[str], label_of: Callable[[str], int | None]) -> str:
        """List those of these values that mean a class, and count the rows of its values that were not kept.

        Args:
            index: of the class, or `IGNORED`.
            values: of those that were kept.
            label_of: the class of a kept value.
        """
        listed = self.shown(value for value in values if label_of(value) == index)
        others = self.rows[index] - sum(rows for value, rows in self.values.items() if label_of(value) == index)
        if others <= 0:
            return listed
        counted = f"{_rows(others)} of values after the first {MAX_VALUES:,}"
        return f"{listed}, {counted}" if listed else counted

    def _short(self, value: str) -> str:
        text = self.spelled[value]
        short = text if len(text) <= VALUE_LENGTH else text[:VALUE_LENGTH] + "…"
        if not value:
            return "a missing label"
        return short if is_shortest_number(value) else repr(short)


def settle_labels(corpus: FilesCorpus, splits: Sequence[Mapping[Path, Table]]) -> Callable[[str], int | None]:
    """Read the label columns, and return the function from a normalised value to its class index or `IGNORED`.

    Args:
        corpus: section of the configuration.
        splits: the files of each split, with columns that have the label column among them.

    Raises:
        PipelineError: the labels are not stated and leave doubt, a value is named twice or by nothing, or a split has
            no row of a class.
    """
    stated = label_reader(corpus.labels or {}, corpus.ignore_labels)
    column = f"the column {corpus.label_column!r} of {_named([path for files in splits for path in files])}"
    by_split = [count_labels(corpus.label_column, files, stated, column) for files in splits]
    total = sum(by_split, Census())
    if not total.values.keys() - {""}:
        raise PipelineError(f"corpus.label_column: {column} holds no label at all; add reviews, or name another column")
    classes = corpus.labels
    if classes is None:
        classes = unmistakable_labels({value: stated(value) == IGNORED for value in total.values if value})
        if classes is None:
            raise _doubt(total, column)
    label_of = label_reader(classes, corpus.ignore_labels)
    if unnamed := [value for value in total.values if label_of(value) is None]:
        left_out = [value for value in total.values if label_of(value) in {None, IGNORED}]
        remedy = "" if unnamed == [""] else "add them to a class, or "
        if any(_DECIMAL_COMMA.match(value) for value in unnamed) and any(isinstance(v, str) for v in classes.values()):
            remedy = f"comparisons read a decimal point, no comma: replace it, {remedy}"
        raise PipelineError(
            f"corpus.labels: no class names {total.shown(unnamed)} in {column}; {remedy}leave their rows out with "
            f"{ignoring_override(total.spellings, left_out)}"
        )
    for files, census in zip(splits, by_split, strict=True):
        for index, name in enumerate(classes):
            if not (census.rows[index] or any(label_of(value) == index for value in census.values)):
                raise PipelineError(
                    f"corpus.labels.{name}: no row of {_named(list(files))} has such a label; its column "
                    f"{corpus.label_column!r} holds {census.shown(census.values)}"
                )
    log.info("labels: %s", "; ".join(_rows_by_class(classes, total, label_of)))
    return label_of


def distinct_values(key: str, name: str, path: Path, batch: pa.RecordBatch) -> tuple[list[object], NDArray[np.int64]]:
    """Return the different values of a column that `key` names, and the index of each row's value [n].

    Raises:
        PipelineError: a value cannot be read, such as a date that Python cannot hold.
    """
    column = batch[name]
    with _unreadable_refused(key, name, path, column.type):
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_float16(column.type) or pa.types.is_float32(column.type):
            # as it is written: 0.4, not 0.4000000059604645
            column = pa.array(column.to_numpy(zero_copy_only=False).astype(str).astype(np.float64))
        encoded = column.dictionary_encode(null_encoding="encode")
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)


def require_readable(key: str, name: str, path: Path, batch: pa.RecordBatch) -> None:
    """Check that Python can hold the values of a column that `key` names, such as its dates.

    Raises:
        PipelineError: it cannot hold one.
    """
    column = batch[name]
    if pa.types.is_temporal(column.type) or pa.types.is_nested(column.type) or pa.types.is_dictionary(column.type):
        with _unreadable_refused(key, name, path, column.type):
            for value in column.to_pylist():
                str(value)  # which looks up a time zone


@contextmanager
def _unreadable_refused(key: str, name: str, path: Path, kind: pa.DataType) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, ValueError, OverflowError, LookupError) as error:
        problem = str(error).splitlines()[0]
        if isinstance(error, pa.ArrowInvalid) and pa.types.is_timestamp(kind) and kind.tz:
            problem = f"{kind} is of an unknown time zone"  # pyarrow says that a package is missing
        raise PipelineError(
            f"{key}: {path}: a value of {name!r} cannot be read ({problem}); write it as text"
        ) from None


def count_labels(
    name: str,
    files: Mapping[Path, Table],
    stated: Callable[[str], int | None],
    column: str,
    keys: tuple[str, str] = (LABEL_COLUMN, '-S "corpus.labels='),
) -> Census:
    """Count the labels of files.

    Args:
        name: of the label column.
        files: with this column.
        stated: from `label_reader`.
        column: the column and the files, for messages.
        keys: what names the column, and the beginning of what states the labels, for messages.

    Raises:
        PipelineError: the column cannot hold labels: a value is as long as a review, or there are too many.
    """
    census, unnamed = Census(), 0
    for path, batch in _label_batches(name, files):
        distinct, indices = distinct_values(keys[0], name, path, batch)
        for original, rows in zip(distinct, np.bincount(indices, minlength=len(distinct)).tolist(), strict=True):
            value = normalise_label(original)
            index = stated(value)
            census.rows[index] += rows
            if index is None and len(value) > MAX_VALUE:
                problem = f"holds a value of {len(value):,} characters"
                raise PipelineError(f"{keys[0]}: {column} {problem}; name the column with the labels")
            if index is None or len(census.values) < MAX_VALUES or value in census.values:
                unnamed += index is None and value not in census.values
                census.values[value] += rows
                census.spelled.setdefault(value, " ".join(str(original).split())[:MAX_VALUE])
        if unnamed > MAX_VALUES:
            raise PipelineError(
                f"{keys[0]}: {column} holds more than {MAX_VALUES:,} different values that no class names, "
                f"such as {census.shown(list(census.values)[:3])}; name the column with the labels, or ranges of its "
                f"numbers, as in {keys[1]}{{negative: '<=4', positive: '>4'}}\""
            )
    return census


def _label_batches(name: str, files: Mapping[Path, Table]) -> Iterator[tuple[Path, pa.RecordBatch]]:
    for path, table in files.items():
        for batch in table.batches([name]):
            yield path, batch


def unmistakable_labels(values: Mapping[str, bool]) -> dict[str, LabelValues] | None:
    """Return the values of each class where they leave no doubt, else None.

    Args:
        values: values of the column, and whether each is to be ignored. 0 and 1 are sure only without any other: beside
            an ignored 2, 1 may be neutral.
    """
    kept = {value for value, ignored in values.items() if not ignored}
    for names in NAMES:
        if kept == set(names):
            return {label: [name] for label, name in zip(LABELS, names, strict=True)}
    if {TRUTH.get(value, value) for value in values} == set(TRUTH.values()) and len(kept) == len(values):
        return {label: [number] for label, number in zip(LABELS, TRUTH.values(), strict=True)}
    return None


def _doubt(census: Census, column: str) -> PipelineError:
    values = [value for value in census.values if value]
    shown = census.shown(census.values)
    if len(values) == 1:
        return PipelineError(f"corpus.labels: {column} holds one label only, {shown}; add rows of another class")
    problem = f"corpus.labels: not set, and the values of {column} do not say which are {' and which '.join(LABELS)}"
    if not (overrides := example_overrides(census.spellings)):
        return PipelineError(f"{problem}: {shown}; set it, or name the column with the labels in corpus.label_column")
    return PipelineError(f"{problem}: {shown}; set it, for example with {' '.join(overrides)}")


def _rows_by_class(
    classes: Mapping[str, LabelValues], census: Census, label_of: Callable[[str], int | None]
) -> Iterable[str]:
    for index, name in [*enumerate(classes), (IGNORED, "left out")]:
        if shown := census.shown_class(index, census.values, label_of):
            yield f"{name}: {shown}"


def _named(paths: Sequence[Path]) -> str:
    return first_of(paths, FILES_SHOWN)


def _rows(count: int) -> str:
    return f"{count:,} row" + ("s" if count != 1 else "")
