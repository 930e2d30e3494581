"""Corpora in the user's own files, with any column names and any labels."""

import logging
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.config.corpus import FilesCorpus
from pipeline.config.label_values import fold_value, normalise_label
from pipeline.corpus.canonical import GROUP_COLUMN, LABELLED_SCHEMA, NAMED_GROUP, UNLABELLED_SCHEMA, CanonicalWriter
from pipeline.corpus.label_census import distinct_values, require_readable, settle_labels
from pipeline.runtime.errors import PipelineError, listed
from pipeline.runtime.named_files import existing_files
from pipeline.tables.joining import joined_text
from pipeline.tables.labels import IGNORED
from pipeline.tables.table_reader import FORMAT_KEYS, Table, require_effect, require_text

RESERVED_COLUMNS = {*LABELLED_SCHEMA.names, GROUP_COLUMN, "split", "predicted", "probability"}
"""Columns that the pipeline writes itself, here or beside the predictions."""
MISSING_GROUPS = {"nan", "NaT", "<NA>"}
"""Texts that pandas writes for a missing value, in this case only: `Nan` is an author."""

log = logging.getLogger(__name__)


def files_by_split(corpus: FilesCorpus) -> dict[str, list[Path]]:
    """Return the files of each split that the corpus names, labelled ones first; those of `path` are `train`.

    Raises:
        PipelineError: a file is missing.
    """
    split_of = {"path": "train", **{split: split for split in ("train", "validation", "test", "unlabelled")}}
    named = {key: getattr(corpus, key) for key in split_of}
    return {split_of[key]: existing_files(f"corpus.{key}", path) for key, path in named.items() if path is not None}


def add_files(corpus: FilesCorpus, writer: CanonicalWriter) -> None:
    """Add the rows of the user's files with ids `<split>-<row>`, or `row-<row>` for a single file to be split later.

    Rows count from 1, without the header. Groups are told apart by neither letter case, surrounding space nor type. A
    row is left out and counted if `corpus.ignore_labels` names its label (`ignored_labels`), or that it has none
    (`no_label`). Of unlabelled files the texts alone are read.

    Raises:
        PipelineError: a file, a column, `corpus.format`, `corpus.labels` or `corpus.ignore_labels` does not fit, or a
            split has no row of a class.
    """
    _require_free_names(corpus)
    sources = {
        split: {path: _opened(corpus, path, labelled=split != "unlabelled") for path in paths}
        for split, paths in files_by_split(corpus).items()
    }
    endings = [table.ending for files in sources.values() for table in files.values()]
    require_effect("corpus.format.", corpus.format, {ending: FORMAT_KEYS[ending] for ending in endings})
    unlabelled = sources.pop("unlabelled", {})
    tables = [table for files in sources.values() for table in files.values()]
    grouped = [] if corpus.group_column is None else [pa.field(GROUP_COLUMN, pa.string())]
    written = pa.schema([*LABELLED_SCHEMA, *grouped, *_kept_columns(corpus, tables)])
    label_of = settle_labels(corpus, list(sources.values()))
    for split, files in sources.items():
        next_ids = _ids(split if corpus.path is None else "row")
        for path, batch, labels in _labelled_batches(corpus, files, label_of, writer):
            ids = pa.array(islice(next_ids, batch.num_rows), pa.string())
            groups = [] if corpus.group_column is None else [_groups(corpus.group_column, path, batch, ids)]
            for name in corpus.keep_columns:
                require_readable("corpus.keep_columns", name, path, batch)
            arrays = [ids, _texts(corpus, batch), labels, *groups, *(batch[name] for name in corpus.keep_columns)]
            try:
                rows = pa.record_batch(arrays, schema=written).filter(labels.is_valid())
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise PipelineError(
                    f"corpus.keep_columns: {path}: a value does not fit the column's type in all files ({error}); "
                    "write them alike, or leave the column out"
                ) from None
            writer.add(split, rows)
    _add_unlabelled(corpus, unlabelled, writer)


def _add_unlabelled(corpus: FilesCorpus, files: dict[Path, Table], writer: CanonicalWriter) -> None:
    next_ids = _ids("unlabelled")
    for _, batch in _batches(files, corpus.text_columns, corpus.text_columns):
        ids = pa.array(islice(next_ids, batch.num_rows), pa.string())
        writer.add("unlabelled", pa.record_batch([ids, _texts(corpus, batch)], schema=UNLABELLED_SCHEMA))


def _ids(prefix: str) -> Iterator[str]:
    return (f"{prefix}-{row}" for row in count(1))


def _texts(corpus: FilesCorpus, batch: pa.RecordBatch) -> pa.Array:
    if len(corpus.text_columns) == 1:
        return batch[corpus.text_columns[0]].cast(pa.string())
    rows = zip(*(batch[name].to_pylist() for name in corpus.text_columns), strict=True)
    return pa.array(map(joined_text, rows), pa.string())


def _groups(column: str, path: Path, batch: pa.RecordBatch, ids: pa.Array) -> pa.Array:
    """Return the group of each row; one without a value is a group of its own."""
    distinct, indices = distinct_values("corpus.group_column", column, path, batch)
    names = ["" if value in MISSING_GROUPS else fold_value(value) for value in distinct]
    groups = np.array([f"{NAMED_GROUP}{name}" if name else "" for name in names], object)[indices]
    return pa.array(np.where(groups == "", ids.to_numpy(zero_copy_only=False), groups), pa.string())


def _labelled_batches(
    corpus: FilesCorpus,
    files: dict[Path, Table],
    label_of: Callable[[str], int | None],
    writer: CanonicalWriter,
) -> Iterator[tuple[Path, pa.RecordBatch, pa.Array]]:
    """Yield the batches of a split's files, each with its file and its labels (int8; null for a row to leave out)."""
    groups = [] if corpus.group_column is None else [corpus.group_column]
    columns = dict.fromkeys([*corpus.text_columns, corpus.label_column, *groups, *corpus.keep_columns])
    for path, batch in _batches(files, list(columns), corpus.text_columns):
        distinct, indices = distinct_values("corpus.label_column", corpus.label_column, path, batch)
        values = [normalise_label(value) for value in distinct]
        numbers = [label_of(value) for value in values]
        if None in numbers:  # the census found a class for each
            raise PipelineError(f"{path} was changed while it was read; run the command again")
        labels = np.array(numbers, np.int8)[indices]
        no_label = int(np.array([not value for value in values])[indices].sum())
        writer.count_left_out("no_label", no_label)
        writer.count_left_out("ignored_labels", int((labels == IGNORED).sum()) - no_label)
        yield path, batch, pa.array(labels, pa.int8(), mask=labels == IGNORED)


def _batches(files: dict[Path, Table], columns: list[str], texts: list[str]) -> Iterator[tuple[Path, pa.RecordBatch]]:
    """Yield the batches of files, and say of each file what was detected and how many rows it has."""
    for path, table in files.items():
        rows = 0
        for batch in table.batches(columns, texts):
            rows += batch.num_rows
            yield path, batch
        log.info("%s: %s, %s rows", path.name, table.form, f"{rows:,}")


def _require_free_names(corpus: FilesCorpus) -> None:
    names = corpus.keep_columns
    for name in names:
        if name in {*RESERVED_COLUMNS, *(f"probability_{of_class}" for of_class in corpus.classes)}:
            raise PipelineError(f"corpus.keep_columns: {name!r} is a column of the pipeline's own; rename yours")
        if names.count(name) > 1:
            raise PipelineError(f"corpus.keep_columns: {name!r} is named more than once; name it once")


def _opened(corpus: FilesCorpus, path: Path, *, labelled: bool) -> Table:
    """Return a file that has the columns that are read; without labels, only those of the texts are."""
    table = Table(path, corpus.format)
    schema = table.schema
    keys = dict.fromkeys(corpus.text_columns, "corpus.text_column")
    if labelled:
        keys |= {corpus.label_column: "corpus.label_column"}
        keys |= {} if corpus.group_column is None else {corpus.group_column: "corpus.group_column"}
        keys = dict.fromkeys(corpus.keep_columns, "corpus.keep_columns") | keys
    for name, key in keys.items():
        if name not in schema.names:
            problem = f"{path} has no column {name!r}; its columns are {listed(schema.names)}"
            raise PipelineError(f"{key}: {problem} (a file without a header: name them in corpus.format.columns)")
    for name in corpus.text_columns:
        require_text(path, schema.field(name))
    return table


def _kept_columns(corpus: FilesCorpus, tables: list[Table]) -> pa.Schema:
    """Return the kept columns, with types that hold the values of all files."""
    kept = [pa.schema([table.schema.field(name) for name in corpus.keep_columns]) for table in tables]
    try:
        return pa.unify_schemas(kept, promote_options="permissive")
    except pa.ArrowTypeError as error:
        problem = f"the type of a column differs between the files ({error})"
        raise PipelineError(f"corpus.keep_columns: {problem}; make them agree") from None
