"""Reader of a corpus in canonical form, one row group at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config.comparison import require_same
from pipeline.config.corpus import READ_BY_PREPROCESS_ALONE
from pipeline.config.schema import Config
from pipeline.config.split import SPLITS
from pipeline.corpus.canonical import GROUP_COLUMN, LABELLED_SCHEMA, UNLABELLED_SCHEMA
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import read_json
from pipeline.tables.parquet import open_parquet, parquet_batches
from pipeline.text.dataset import CorpusRecord

MAX_GROUP_BYTES = 128 * 2**20
CORPUS_REMEDY = "fetch the corpus with `dvc repro data.dvc`"


def read_corpus_record(data: Path) -> CorpusRecord:
    """Read `corpus.json` of a corpus in canonical form.

    Raises:
        PipelineError: the file is missing or damaged.
    """
    return read_json(data / "corpus.json", CorpusRecord, CORPUS_REMEDY)


def require_downloaded_for(config: Config, record: CorpusRecord) -> None:
    """Refuse a corpus that was downloaded for another configuration.

    Args:
        config: the present configuration.
        record: content of `corpus.json`.

    Raises:
        PipelineError: they differ; the message names the first key that does.
    """
    requested = config.corpus.model_dump(mode="json", exclude=READ_BY_PREPROCESS_ALONE)
    require_same({"corpus": requested}, {"corpus": record.config}, Path("data"), CORPUS_REMEDY)


def count_rows(data: Path) -> int:
    """Count the reviews in all files together."""
    return sum(group.rows for group in row_groups(data))


def has_groups(data: Path) -> bool:
    """Tell whether a file has the column `GROUP_COLUMN`."""
    for _, path in _split_files(data):
        with open_parquet(path, CORPUS_REMEDY) as file:
            if GROUP_COLUMN in file.schema_arrow.names:
                return True
    return False


@dataclass(frozen=True)
class RowGroup:
    """Consecutive reviews of one file, not read yet, so that a worker process can be sent their place and read them."""

    split: str
    """Split of the file, one of `SPLITS`."""
    path: Path
    index: int
    rows: int
    classes: int
    """Number of classes; labels are their indices."""
    changed: int
    """Time of the file's last change, in nanoseconds since 1970."""

    def read(self) -> pa.RecordBatch:
        """Read the reviews.

        Raises:
            PipelineError: the file is damaged or holds something other than reviews, or they take too much memory.
        """
        batches = parquet_batches(
            self.path,
            self.rows,
            group=self.index,
            max_bytes=MAX_GROUP_BYTES,
            remedy=CORPUS_REMEDY,
            footer=_footer(self.path, self.changed),
        )
        rows = next(batches)
        if rows.num_rows < self.rows:
            size = f"over {MAX_GROUP_BYTES // 2**20} MB"
            raise PipelineError(f"{self.path}: row group {self.index + 1} unpacks to {size}; {CORPUS_REMEDY}")
        columns = _expected_columns(self.split, rows.schema)
        for name in columns.names:
            _require(rows[name].null_count == 0, self.path, f"its column {name!r} lacks a value")
        if "label" in columns.names:
            labels = set(rows["label"].unique().to_pylist())
            _require(
                labels <= set(range(self.classes)),
                self.path,
                f"a label is not from 0 to {self.classes - 1}, the indices of its classes",
            )
        return rows


def row_groups(data: Path) -> Iterator[RowGroup]:
    """Yield all row groups, file by file and in order; a group was written at once, a few megabytes at most."""
    classes = len(read_corpus_record(data).classes)
    for split, path in _split_files(data):
        with open_parquet(path, CORPUS_REMEDY) as file:
            _require_columns(split, path, file.schema_arrow)
            sizes = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
        changed = path.stat().st_mtime_ns
        yield from (RowGroup(split, path, index, rows, classes, changed) for index, rows in enumerate(sizes) if rows)


@lru_cache(maxsize=1)
def _footer(path: Path, _changed: int) -> pq.FileMetaData:
    """Return the metadata of a file, once for all its row groups: in each it would be the longest part of the work."""
    with open_parquet(path, CORPUS_REMEDY) as file:
        return file.metadata


def _expected_columns(split: str, columns: pa.Schema) -> pa.Schema:
    """Return the columns that a file must have, with the optional one if it is among `columns`."""
    expected = UNLABELLED_SCHEMA if split == "unlabelled" else LABELLED_SCHEMA
    return expected.append(pa.field(GROUP_COLUMN, pa.string())) if GROUP_COLUMN in columns.names else expected


def _require_columns(split: str, path: Path, columns: pa.Schema) -> None:
    for field in _expected_columns(split, columns):
        indices = columns.get_all_field_indices(field.name)
        _require(len(indices) == 1, path, f"it has {len(indices)} columns {field.name!r}, not one")
        actual = columns.field(indices[0]).type
        _require(actual == field.type, path, f"its column {field.name!r} holds {actual}, not {field.type}")


def _require(holds: bool, path: Path, problem: str) -> None:
    if not holds:
        raise PipelineError(f"{path} is damaged: {problem}; {CORPUS_REMEDY}")


def _split_files(data: Path) -> list[tuple[str, Path]]:
    paths = [(split, data / f"{split}.parquet") for split in SPLITS]
    return [(split, path) for split, path in paths if path.exists()]
