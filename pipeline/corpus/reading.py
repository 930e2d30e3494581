"""Reading the normal form, a batch of reviews at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import RecordBatch

from pipeline.corpus.normal_form import GROUP, SPLITS
from pipeline.errors import PipelineError
from pipeline.files import read_json

BATCH_ROWS = 512
REMEDY = "fetch the corpus with `dvc repro data.dvc`"


def read_info(data: Path) -> dict[str, Any]:
    """`corpus.json` of a corpus in normal form.

    Raises:
        PipelineError: there is none.
    """
    return read_json(data / "corpus.json", REMEDY, "name")


def count_rows(data: Path) -> int:
    """Reviews in all files together."""
    total = 0
    for _, path in _files(data):
        with _opened(path) as file:
            total += file.metadata.num_rows
    return total


def has_groups(data: Path) -> bool:
    """Whether a file has the column `GROUP`."""
    for _, path in _files(data):
        with _opened(path) as file:
            if GROUP in file.schema_arrow.names:
                return True
    return False


def read_batches(data: Path) -> Iterator[tuple[str, RecordBatch]]:
    """Yield the file's name (one of `SPLITS`) and up to `BATCH_ROWS` of its rows, file by file, in order."""
    for name, path in _files(data):
        with _opened(path) as file:
            for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
                yield name, batch


def _opened(path: Path) -> pq.ParquetFile:
    try:
        # pre-buffering, pyarrow's default, keeps all of the file that was read
        return pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise PipelineError(f"{path} is damaged ({str(error).splitlines()[0]}); {REMEDY}") from None


def _files(data: Path) -> list[tuple[str, Path]]:
    paths = [(name, data / f"{name}.parquet") for name in SPLITS]
    return [(name, path) for name, path in paths if path.exists()]
