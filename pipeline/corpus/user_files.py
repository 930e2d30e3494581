"""Corpora in the user's own files, with any column names and any labels."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.config.corpus import FilesCorpus
from pipeline.corpus.canonical import GROUP_COLUMN, LABELLED_SCHEMA, CanonicalWriter
from pipeline.corpus.label_census import distinct_labels, settle_labels
from pipeline.runtime.errors import PipelineError, listed
from pipeline.runtime.named_files import existing_file
from pipeline.tables.labels import IGNORED, normalise_label
from pipeline.tables.table_reader import table_batches, table_schema

RESERVED_COLUMNS = {*LABELLED_SCHEMA.names, GROUP_COLUMN, "split", "probability"}
"""Columns that the pipeline writes itself, here or beside the predictions."""


def files_by_split(corpus: FilesCorpus) -> dict[str, Path]:
    """Return the file of each split that the corpus names; a single file, to be split later, is `train`.

    Raises:
        PipelineError: a file is missing.
    """
    if corpus.path is not None:
        return {"train": existing_file("corpus.path", corpus.path)}
    named = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    return {split: existing_file(f"corpus.{split}", path) for split, path in named.items() if path is not None}


def add_files(corpus: FilesCorpus, writer: CanonicalWriter) -> None:
    """Add the rows of the user's files with ids `<split>-<row>`, or `row-<row>` for a single file to be split later.

    Rows count from 1, without the header. A row is left out and counted if `corpus.ignore_labels` names its label
    (`ignored_labels`), or that it has none (`no_label`).

    Raises:
        PipelineError: a file, a column, `corpus.labels` or `corpus.ignore_labels` does not fit, or a file has no row of
            a class.
    """
    _require_free_names(corpus.keep_columns)
    sources = {split: (path, _columns(corpus, path)) for split, path in files_by_split(corpus).items()}
    written = pa.schema([*LABELLED_SCHEMA, *_kept_columns(corpus, [columns for _, columns in sources.values()])])
    label_of = settle_labels(corpus, dict(sources.values()))
    for split, (path, columns) in sources.items():
        row = 1
        for batch, labels in _labelled_batches(corpus, path, columns, label_of, writer):
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
            writer.add(split, rows.filter(labels.is_valid()))


def _labelled_batches(
    corpus: FilesCorpus,
    path: Path,
    columns: pa.Schema,
    label_of: Callable[[str], int | None],
    writer: CanonicalWriter,
) -> Iterator[tuple[pa.RecordBatch, pa.Array]]:
    """Yield the batches of a file, each with its labels (int8; null for a row to leave out)."""
    for batch in table_batches(path, columns):
        distinct, indices = distinct_labels(corpus, path, batch)
        values = [normalise_label(value) for value in distinct]
        numbers = [label_of(value) for value in values]
        if None in numbers:  # the census found a class for each
            raise PipelineError(f"{path} was changed while it was read; run the command again")
        labels = np.array(numbers, np.int8)[indices]
        no_label = int(np.array([not value for value in values])[indices].sum())
        writer.count_left_out("no_label", no_label)
        writer.count_left_out("ignored_labels", int((labels == IGNORED).sum()) - no_label)
        yield batch, pa.array(labels, pa.int8(), mask=labels == IGNORED)


def _require_free_names(names: list[str]) -> None:
    for name in names:
        if name in RESERVED_COLUMNS:
            raise PipelineError(f"corpus.keep_columns: {name!r} is a column of the pipeline's own; rename yours")
        if names.count(name) > 1:
            raise PipelineError(f"corpus.keep_columns: {name!r} is named more than once; name it once")


def _columns(corpus: FilesCorpus, path: Path) -> pa.Schema:
    """Return the columns of a file that are read, with their types."""
    schema = table_schema(path)
    keys = dict.fromkeys(corpus.keep_columns, "corpus.keep_columns")
    keys |= {corpus.label_column: "corpus.label_column", corpus.text_column: "corpus.text_column"}
    for name, key in keys.items():
        if name not in schema.names:
            raise PipelineError(f"{key}: {path} has no column {name!r}; its columns are {listed(schema.names)}")
    text = schema.field(corpus.text_column).type
    values = text.value_type if pa.types.is_dictionary(text) else text
    if values not in {pa.string(), pa.large_string(), pa.null()}:
        raise PipelineError(
            f"corpus.text_column: {corpus.text_column!r} of {path} holds {text}, not text; name another column"
        )
    return pa.schema([schema.field(name) for name in keys])


def _kept_columns(corpus: FilesCorpus, files: list[pa.Schema]) -> pa.Schema:
    """Return the kept columns, with types that hold the values of all files."""
    kept = [pa.schema([columns.field(name) for name in corpus.keep_columns]) for columns in files]
    try:
        return pa.unify_schemas(kept, promote_options="permissive")
    except pa.ArrowTypeError as error:
        problem = f"the type of a column differs between the files ({error})"
        raise PipelineError(f"corpus.keep_columns: {problem}; make them agree") from None
