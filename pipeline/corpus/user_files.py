"""The user's own files: any column names, any labels."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from pipeline.config import FilesCorpus
from pipeline.config.labels import LABELS
from pipeline.corpus.canonical import GROUP, REVIEW, NormalForm
from pipeline.corpus.local_files import local_files
from pipeline.runtime.errors import PipelineError, listed
from pipeline.tables import readers
from pipeline.tables.labels import canonical, label_reader

RESERVED = {*REVIEW.names, GROUP, "split", "probability"}
"""Columns the pipeline writes itself, here or beside the predictions."""
VALUES_SHOWN = 20
"""Different label values remembered for a message."""


def add_files(corpus: FilesCorpus, normal_form: NormalForm) -> None:
    """Add the rows of the user's files with ids `<split>-<row>`, or `row-<row>` where one file is to be split.

    Rows count from 1, without the header. A row is left out and counted when it has no label (`no_label`) or one that
    neither rule names (`between_labels`).

    Raises:
        PipelineError: a file, a column or a label rule does not fit, or a file has no row with one of the labels.
    """
    label_of = label_reader(corpus.labels)
    _check_keep_columns(corpus.keep_columns)
    sources = {split: (path, _columns(corpus, path)) for split, path in local_files(corpus).items()}
    written = pa.schema([*REVIEW, *_kept(corpus, [columns for _, columns in sources.values()])])
    for split, (path, columns) in sources.items():
        row = 1
        for batch, labels in _labelled(corpus, path, columns, label_of, normal_form):
            prefix = split if corpus.path is None else "row"
            ids = pa.array([f"{prefix}-{number}" for number in range(row, row + batch.num_rows)], pa.string())
            row += batch.num_rows
            arrays = [ids, batch[corpus.text_column], labels, *(batch[name] for name in corpus.keep_columns)]
            try:
                rows = pa.record_batch(arrays, schema=written)
            except pa.ArrowInvalid as error:
                raise PipelineError(
                    f"corpus.keep_columns: {path}: a value does not fit the column's type in all files ({error}); "
                    "write them alike, or leave the column out"
                ) from None
            normal_form.add(split, rows.filter(labels.is_valid()))


def _labelled(
    corpus: FilesCorpus,
    path: Path,
    columns: pa.Schema,
    label_of: Callable[[str], int | None],
    normal_form: NormalForm,
) -> Iterator[tuple[pa.RecordBatch, pa.Array]]:
    """The batches of a file, each with its labels (int8, null where the row is to be left out)."""
    seen: set[str] = set()
    found: set[int | None] = set()
    for batch in readers.batches(path, columns):
        try:
            values = [canonical(value) for value in batch[corpus.label_column].to_pylist()]
        except (
            pa.ArrowException,
            ValueError,
            OverflowError,
            LookupError,
        ) as error:  # no such date
            raise PipelineError(
                f"corpus.label_column: {path}: a value of {corpus.label_column!r} cannot be read "
                f"({str(error).splitlines()[0]}); write the labels as text"
            ) from None
        labels = [label_of(value) if value else None for value in values]
        no_label = values.count("")
        normal_form.count_left_out("no_label", no_label)
        normal_form.count_left_out("between_labels", labels.count(None) - no_label)
        found.update(labels)
        if len(seen) < VALUES_SHOWN:
            seen.update(value for value in values if value)
        yield batch, pa.array(labels, pa.int8())
    for label, name in enumerate(LABELS):
        if label not in found:
            values_seen = ", ".join(repr(value[:30]) for value in sorted(seen)[:VALUES_SHOWN]) or "none at all"
            raise PipelineError(
                f"corpus.labels.{name}: no row of {path} has such a label; the values of the column "
                f"{corpus.label_column!r} are: {values_seen}"
            )


def _check_keep_columns(names: list[str]) -> None:
    for name in names:
        if name in RESERVED:
            raise PipelineError(f"corpus.keep_columns: {name!r} is a column of the pipeline's own; rename yours")
        if names.count(name) > 1:
            raise PipelineError(f"corpus.keep_columns: {name!r} is named more than once; name it once")


def _columns(corpus: FilesCorpus, path: Path) -> pa.Schema:
    """The wanted columns of a file, with their types in it."""
    there = readers.schema(path)
    keys = dict.fromkeys(corpus.keep_columns, "corpus.keep_columns")
    keys |= {corpus.label_column: "corpus.label_column", corpus.text_column: "corpus.text_column"}
    for name, key in keys.items():
        if name not in there.names:
            raise PipelineError(f"{key}: {path} has no column {name!r}; its columns are {listed(there.names)}")
    text = there.field(corpus.text_column).type
    values = text.value_type if pa.types.is_dictionary(text) else text
    if values not in {pa.string(), pa.large_string(), pa.null()}:
        raise PipelineError(
            f"corpus.text_column: {corpus.text_column!r} of {path} holds {text}, not text; name another"
        )
    return pa.schema([there.field(name) for name in keys])


def _kept(corpus: FilesCorpus, files: list[pa.Schema]) -> pa.Schema:
    """The types of the kept columns that hold the values of all files."""
    kept = [pa.schema([columns.field(name) for name in corpus.keep_columns]) for columns in files]
    try:
        return pa.unify_schemas(kept, promote_options="permissive")
    except pa.ArrowTypeError as error:
        problem = f"the files differ in the type of a column ({error})"
        raise PipelineError(f"corpus.keep_columns: {problem}; make them agree") from None
