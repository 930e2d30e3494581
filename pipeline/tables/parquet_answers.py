"""Parquet files in, the same with the answers out. The one module of this room that loads pyarrow's part for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.runtime.errors import PipelineError
from pipeline.tables import parquet
from pipeline.tables.text_answers import ADDED, Answer, require_fitting_columns

ROWS = 16 * 1024
"""Rows held at a time, and rows of a group of the file that is written, which remembers something of each group."""


def annotate(source: Path, target: Path, column: str, answer: Answer[Any]) -> None:
    """Copy a file, with every column's type kept, and add the answers.

    Raises:
        PipelineError: the file is damaged, or has no such column of texts.
    """
    with _clear_errors(source):
        # pre-buffering, pyarrow's default, keeps all of the file that was read
        file = pq.ParquetFile(source, pre_buffer=False)
    with file:
        schema = file.schema_arrow
        require_fitting_columns(str(source), schema.names, column)
        _require_texts(source, schema.field(column))
        written = schema.append(pa.field(ADDED[0], pa.string())).append(pa.field(ADDED[1], pa.float32()))
        with pq.ParquetWriter(target, written) as writer:
            for batch in _batches(file, source):
                writer.write_batch(_answered(batch, column, written, answer))


def _batches(file: pq.ParquetFile, source: Path) -> Iterator[pa.RecordBatch]:
    with _clear_errors(source):
        yield from parquet.batches(source, file, ROWS)


def _answered(batch: pa.RecordBatch, column: str, written: pa.Schema, answer: Answer[Any]) -> pa.RecordBatch:
    predictions = [prediction for _, prediction in answer((None, text or "") for text in batch[column].to_pylist())]
    labels = pa.array([prediction.label for prediction in predictions], pa.string())
    probabilities = pa.array([prediction.probability for prediction in predictions], pa.float32())
    return pa.record_batch([*batch.columns, labels, probabilities], schema=written)


def _require_texts(source: Path, field: pa.Field) -> None:
    values = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if values not in {pa.string(), pa.large_string(), pa.string_view(), pa.null()}:
        raise PipelineError(f"{source}: {field.name!r} holds {field.type}, not text; name another with --column")


@contextmanager
def _clear_errors(source: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError:
        raise PipelineError(f"{source}: the column names are not UTF-8; convert the file to UTF-8") from None
    except (pa.ArrowException, OSError) as error:
        raise PipelineError(f"{source} cannot be read: {str(error).splitlines()[0][:300]}") from None
