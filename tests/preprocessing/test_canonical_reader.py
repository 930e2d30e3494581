"""Reading a corpus in canonical form."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.preprocessing.canonical_reader import row_groups
from pipeline.runtime.records import write_json
from tests.conftest import corpus_record


def test_reading_a_corpus_holds_a_part_of_it_and_not_the_rest(tmp_path):
    random = np.random.default_rng(0)
    schema = pa.schema({"id": pa.string(), "text": pa.string()})
    with pq.ParquetWriter(tmp_path / "unlabelled.parquet", schema) as writer:
        for _ in range(40):
            texts = [random.bytes(1000).hex() for _ in range(500)]  # 1 MB a group
            writer.write_batch(pa.record_batch([texts, texts], schema=schema))
    write_json(tmp_path / "corpus.json", corpus_record())
    before, held = pa.total_allocated_bytes(), []
    for group in row_groups(tmp_path):
        rows = group.read()
        held.append(pa.total_allocated_bytes() - before)
        assert len(rows) == group.rows == 500
    assert max(held) < 10e6 < 40 * 500 * 2000
