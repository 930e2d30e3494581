"""Predictions for Parquet files: the same columns, with their types, and the answers added."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.tables.answer_columns import FileColumns, WantedColumns
from pipeline.tables.joining import joined_text
from pipeline.tables.parquet import open_parquet, parquet_batches, without_nul
from pipeline.tables.table_reader import Table, require_text
from pipeline.tables.text_answers import AnswerRows
from pipeline.tables.unpacked import unpacked_file

GROUP_ROWS = 16 * 1024
"""Rows held at a time, and rows of a row group of the output; its writer keeps something in memory for each group."""


def answer_parquet(table: Table, target: Path, columns: WantedColumns, answer: AnswerRows) -> None:
    """Copy a Parquet file, which may be packed, and add the answers.

    Raises:
        PipelineError: the file is damaged, has no such text columns, or a text holds a NUL character.
    """
    chosen = columns.of_file(str(table.path), table.schema.names)
    for text in chosen.texts:
        require_text(table.path, table.schema.field(text))
    with unpacked_file(table.path) as unpacked:
        with open_parquet(unpacked) as file:
            written = file.schema_arrow  # with the metadata of pandas and others
        written = written.append(pa.field(chosen.label, pa.string()))
        for name in chosen.added[1:]:
            written = written.append(pa.field(name, pa.float32()))
        with pq.ParquetWriter(target, written) as writer:
            for batch in without_nul(table.path, parquet_batches(unpacked, GROUP_ROWS), chosen.texts):
                writer.write_batch(_answered_batch(batch, chosen, written, answer))


def _answered_batch(
    batch: pa.RecordBatch, chosen: FileColumns, written: pa.Schema, answer: AnswerRows
) -> pa.RecordBatch:
    rows = zip(*(batch[column].to_pylist() for column in chosen.texts), strict=True)
    answers = [answered for _, answered in answer((None, joined_text(row)) for row in rows)]
    labels = pa.array([label for label, *_ in answers], pa.string())
    probabilities = [chosen.added_probabilities(answered) for answered in answers]
    added = [pa.array([row[place] for row in probabilities], pa.float32()) for place in range(len(chosen.added) - 1)]
    return pa.record_batch([*batch.columns, labels, *added], schema=written)
