"""Predictions for Parquet files: the same columns, with their types, and the answers added."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.runtime.errors import PipelineError
from pipeline.tables.answer_columns import WantedColumns
from pipeline.tables.parquet import open_parquet, parquet_batches
from pipeline.tables.text_answers import AnswerRows

GROUP_ROWS = 16 * 1024
"""Rows held at a time, and rows of a row group of the output; its writer keeps something in memory for each group."""


def answer_parquet(source: Path, target: Path, columns: WantedColumns, answer: AnswerRows) -> None:
    """Copy a Parquet file and add the answers.

    Raises:
        PipelineError: the file is damaged, or has no such text column.
    """
    with open_parquet(source) as file:
        schema = file.schema_arrow
    chosen = columns.of_file(str(source), schema.names)
    _require_text(source, schema.field(chosen.text))
    label, probability = chosen.added
    written = schema.append(pa.field(label, pa.string())).append(pa.field(probability, pa.float32()))
    with pq.ParquetWriter(target, written) as writer:
        for batch in parquet_batches(source, GROUP_ROWS):
            writer.write_batch(_answered_batch(batch, chosen.text, written, answer))


def _answered_batch(batch: pa.RecordBatch, column: str, written: pa.Schema, answer: AnswerRows) -> pa.RecordBatch:
    predictions = [prediction for _, prediction in answer((None, text or "") for text in batch[column].to_pylist())]
    labels = pa.array([label for label, _ in predictions], pa.string())
    probabilities = pa.array([probability for _, probability in predictions], pa.float32())
    return pa.record_batch([*batch.columns, labels, probabilities], schema=written)


def _require_text(source: Path, field: pa.Field) -> None:
    values = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if values not in {pa.string(), pa.large_string(), pa.string_view(), pa.null()}:
        raise PipelineError(f"{source}: {field.name!r} holds {field.type}, not text; name another with --column")
