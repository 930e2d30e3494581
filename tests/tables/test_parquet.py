"""Parquet files in batches of bounded memory, and the line between a large table and a bomb."""

import gc
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.runtime.errors import PipelineError
from pipeline.tables import parquet, parquet_pages
from pipeline.tables.parquet import parquet_batches
from pipeline.tables.table_reader import Table

MB = 2**20
TABLE = pa.table(
    {
        "text": [f"review {n} " + "good " * (n % 50) for n in range(5000)],
        "words": [["good", str(n % 7)][: n % 3] for n in range(5000)],
        "facts": [{"year": n, "by": "ann"} for n in range(5000)],
        "kind": pa.array(["a", "b", None, "d", "e"] * 1000).dictionary_encode(),
        "stars": range(5000),
    }
)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("decoded", [parquet.MAX_DECODED, 1])
def test_batches_are_of_the_same_rows_however_few_are_decoded_at_a_time(
    version: str, decoded: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MAX_DECODED", decoded)
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, row_group_size=1700, data_page_size=4096, data_page_version=version)
    batches = list(parquet_batches(path, 1024))
    (group,) = parquet_batches(path, 1700, ["stars"], group=1)
    assert [batch.num_rows for batch in batches] == [1024, 1024, 1024, 1024, 904]
    assert pa.Table.from_batches(batches).to_pylist() == TABLE.to_pylist()
    assert group["stars"].to_pylist() == list(range(1700, 3400))


def test_nothing_of_a_file_stays_in_memory_once_its_row_groups_are_read(tmp_path: Path) -> None:
    """A process reads a large file group by group, and makes too little garbage for Python to collect any."""
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, row_group_size=1000)
    gc.collect()
    gc.disable()
    try:
        for group in range(5):
            list(parquet_batches(path, 1000, group=group))
        assert not [thing for thing in gc.get_objects() if isinstance(thing, pq.FileMetaData | pq.ParquetSchema)]
    finally:
        gc.enable()


NUMBERS = np.random.default_rng(0).random(10**5)
WORDS = pa.array(["good", "poor"] * 500)


def lists_of(values: pa.Array, length: int) -> pa.ListArray:
    return pa.ListArray.from_arrays(np.arange(0, len(values) + 1, length, np.int32), values)


@pytest.mark.parametrize(
    ("table", "limit"),
    [
        (pa.table({f"{n}": NUMBERS for n in range(20)}), 2 * MB),
        (pa.table({f"{n}": NUMBERS.astype(str) for n in range(5)}), 2 * MB),
        (pa.table({"embedding": lists_of(pa.array(NUMBERS, pa.float32()), 100)}), MB // 2),
        (pa.table({"words": lists_of(pa.array(NUMBERS.astype(str)), 100)}), 2 * MB),
        (pa.table({"prices": lists_of(WORDS.dictionary_encode().indices.cast(pa.decimal128(12, 2)), 10)}), MB // 2),
        (pa.table({"codes": lists_of(WORDS.cast(pa.binary()).cast(pa.binary(4)), 10)}), MB // 2),
        (pa.table({"code": WORDS.cast(pa.binary()).cast(pa.binary(4)).dictionary_encode()}), MB // 2),
    ],
    ids=["wide", "wide of texts", "embeddings", "lists of words", "lists of decimals", "lists of codes", "codes"],
)
@pytest.mark.parametrize("checksums", [False, True])
def test_an_ordinary_table_is_no_bomb(
    table: pa.Table, limit: int, checksums: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lower limit makes small tables a test of it."""
    monkeypatch.setattr(parquet_pages, "MAX_PAGES", limit)
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, write_page_checksum=checksums)
    read = pa.Table.from_batches(parquet_batches(path, 1024))
    assert read.equals(table.cast(read.schema))


def test_numbers_that_take_nothing_in_the_file_are_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_pages, "MAX_PAGES", 7 * MB)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"numbers": lists_of(pa.array(np.zeros(MB, np.int8)), MB)}), path)
    with pytest.raises(PipelineError, match="row group 1 takes 8 MB to read; write it again"):
        next(parquet_batches(path, 1024))


def test_a_damaged_page_is_one_line(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["good", "poor"]}), buffer)
    path, whole = tmp_path / "a.parquet", buffer.getvalue()
    for place in range(4, 40):
        for value in (0, 127, 255):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                list(Table(path).batches(["text"]))
            except PipelineError as error:
                assert "is damaged: 'text' has no page at byte" in str(error) or "is damaged (" in str(error)
