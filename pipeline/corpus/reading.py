"""Reading the normal form, a group of reviews at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import RecordBatch

from pipeline.corpus import parquet
from pipeline.corpus.normal_form import GROUP, SPLITS
from pipeline.errors import PipelineError, clear_refusals
from pipeline.files import read_json

MAX_BYTES = 128 * 2**20
"""Of a row group."""
REMEDY = "fetch the corpus with `dvc repro data.dvc`"


def read_info(data: Path) -> dict[str, Any]:
    """`corpus.json` of a corpus in normal form.

    Raises:
        PipelineError: there is none.
    """
    return read_json(data / "corpus.json", REMEDY, name=str)


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
            PipelineError: the file is damaged, or the reviews take too much memory.
        """
        with _opened(self.path) as file:
            rows = next(parquet.batches(self.path, file, self.rows, group=self.index, max_bytes=MAX_BYTES))
        if rows.num_rows < self.rows:
            size = f"over {MAX_BYTES // 2**20} MB"
            raise PipelineError(f"{self.path}: row group {self.index + 1} unpacks to {size}; {REMEDY}")
        return rows


def row_groups(data: Path) -> Iterator[RowGroup]:
    """All reviews, file by file and in order; a group holds what was written together, a few megabytes at most."""
    for name, path in _files(data):
        with _opened(path) as file:
            sizes = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
        yield from (RowGroup(name, path, index, rows) for index, rows in enumerate(sizes) if rows)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        # pre-buffering, pyarrow's default, keeps all of the file that was read
        with clear_refusals(path), pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{path} is damaged ({str(error).splitlines()[0]}); {REMEDY}") from None


def _files(data: Path) -> list[tuple[str, Path]]:
    paths = [(name, data / f"{name}.parquet") for name in SPLITS]
    return [(name, path) for name, path in paths if path.exists()]
