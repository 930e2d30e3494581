"""Reading the normal form, a group of reviews at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import RecordBatch

from pipeline.config import Config, require_same
from pipeline.config.labels import LABELS
from pipeline.corpus.canonical import GROUP, REVIEW, SPLITS, UNLABELLED
from pipeline.runtime.errors import PipelineError, translate_os_errors
from pipeline.runtime.files import read_json
from pipeline.tables import parquet
from pipeline.text.dataset import CorpusInfo

MAX_BYTES = 128 * 2**20
"""Of a row group."""
REMEDY = "fetch the corpus with `dvc repro data.dvc`"


def read_info(data: Path) -> CorpusInfo:
    """`corpus.json` of a corpus in normal form.

    Raises:
        PipelineError: there is none, or it is damaged.
    """
    return read_json(data / "corpus.json", CorpusInfo, REMEDY)


def require_fetched_for(config: Config, info: CorpusInfo) -> None:
    """Refuse a corpus that was fetched for another configuration than is asked for.

    Args:
        config: what is asked for.
        info: `corpus.json`.

    Raises:
        PipelineError: they differ; names the first key that does.
    """
    asked = config.model_dump(mode="json", include={"corpus"})
    require_same(asked, {"corpus": info.config}, Path("data"), REMEDY)


def count_rows(data: Path) -> int:
    """Reviews in all files together."""
    return sum(group.rows for group in row_groups(data))


def has_groups(data: Path) -> bool:
    """Whether a file has the column `GROUP`."""
    for _, path in _files(data):
        with _opened(path) as file:
            if GROUP in file.schema_arrow.names:
                return True
    return False


@dataclass(frozen=True)
class RowGroup:
    """Consecutive reviews of one file, not read yet: a process is sent their place and reads them itself."""

    name: str
    """Of the file, one of `SPLITS`."""
    path: Path
    index: int
    rows: int

    def read(self) -> RecordBatch:
        """The reviews.

        Raises:
            PipelineError: the file is damaged, holds something else than reviews, or they take too much memory.
        """
        with _opened(self.path) as file:
            rows = next(parquet.batches(self.path, file, self.rows, group=self.index, max_bytes=MAX_BYTES))
        if rows.num_rows < self.rows:
            size = f"over {MAX_BYTES // 2**20} MB"
            raise PipelineError(f"{self.path}: row group {self.index + 1} unpacks to {size}; {REMEDY}")
        columns = _expected(self.name, rows.schema)
        for name in columns.names:
            _require(rows[name].null_count == 0, self.path, f"its column {name!r} lacks a value")
        if "label" in columns.names:
            _require(
                set(rows["label"].unique().to_pylist()) <= set(range(len(LABELS))),
                self.path,
                "a label is neither 0 nor 1",
            )
        return rows


def row_groups(data: Path) -> Iterator[RowGroup]:
    """All reviews, file by file and in order; a group holds what was written together, a few megabytes at most."""
    for name, path in _files(data):
        with _opened(path) as file:
            _require_columns(name, path, file.schema_arrow)
            sizes = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
        yield from (RowGroup(name, path, index, rows) for index, rows in enumerate(sizes) if rows)


def _expected(name: str, columns: pa.Schema) -> pa.Schema:
    """The columns a file must have, those of `columns` that it may have among them."""
    expected = UNLABELLED if name == "unlabelled" else REVIEW
    return expected.append(pa.field(GROUP, pa.string())) if GROUP in columns.names else expected


def _require_columns(name: str, path: Path, columns: pa.Schema) -> None:
    for field in _expected(name, columns):
        there = columns.get_all_field_indices(field.name)
        _require(len(there) == 1, path, f"it has {len(there)} columns {field.name!r}, not one")
        kind = columns.field(there[0]).type
        _require(kind == field.type, path, f"its column {field.name!r} holds {kind}, not {field.type}")


def _require(right: bool, path: Path, problem: str) -> None:
    if not right:
        raise PipelineError(f"{path} is damaged: {problem}; {REMEDY}")


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        # pre-buffering, pyarrow's default, keeps all of the file that was read
        with translate_os_errors(path), pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{path} is damaged ({str(error).splitlines()[0]}); {REMEDY}") from None


def _files(data: Path) -> list[tuple[str, Path]]:
    paths = [(name, data / f"{name}.parquet") for name in SPLITS]
    return [(name, path) for name, path in paths if path.exists()]
