"""Small files that unpack to more than any memory are read in pieces or refused, before they take it."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpus.archive import reviews
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.tables import parquet, readers
from tests.support.bombs import BOMBS, MB, tar

STARTED = (
    "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-m', 'tests.support.bombs', *sys.argv[1:]]))"
)
"""What is measured is not this process's own child: that would be born with the peak of this one, which is high."""
MOST = 600 * MB
"""Bytes that a bomb may take beyond what the imports do."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str | None, int]]:
    """What is said of each, and the memory of the process up to then, beyond that of its imports."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, bomb in BOMBS.items():
        (folder / name).mkdir()
        bomb.make(folder / name / bomb.file)
    found: dict[str, tuple[str | None, int]] = {}
    while missing := [name for name in BOMBS if name not in found]:  # a process that ends early leaves some
        command = [sys.executable, "-c", STARTED, str(folder), *missing]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=WORKSPACE)
        lines = [json.loads(line) for line in ended.stdout.splitlines()]
        base = lines.pop(0)
        found |= {name: (said, peak - base) for name, (said, peak) in zip(missing, lines, strict=False)}
        if len(lines) < len(missing):
            found[missing[len(lines)]] = (ended.stderr, 0)
    return found


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_little_memory(name: str, outcomes: dict[str, tuple[str | None, int]]) -> None:
    said, memory = outcomes[name]
    expected = BOMBS[name].said
    assert said is None if expected is None else re.search(expected, said or ""), said
    assert memory < MOST


def test_a_review_of_the_greatest_length_is_read(tmp_path: Path) -> None:
    text = "x" * 10 * MB
    tar(tmp_path / "a.tar.gz", ("a/train/pos/1_9.txt", text.encode()))
    assert [row.text == text for _, row in reviews(tmp_path / "a.tar.gz")] == [True]
    pq.write_table(pa.table({"text": [text, "y"]}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "\x01" * 5 * MB}) + "\n")  # six times as long in JSON
    for name, expected in (("a.parquet", [10 * MB, 1]), ("a.jsonl", [5 * MB])):
        columns = readers.schema(tmp_path / name)
        read = [text for batch in readers.batches(tmp_path / name, columns) for text in batch["text"].to_pylist()]
        assert [len(text) for text in read] == expected


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
    with pq.ParquetFile(path, pre_buffer=False) as file:
        batches = list(parquet.batches(path, file, 1024))
        (group,) = parquet.batches(path, file, 1700, ["stars"], group=1)
    assert [batch.num_rows for batch in batches] == [1024, 1024, 1024, 1024, 904]
    assert pa.Table.from_batches(batches).to_pylist() == TABLE.to_pylist()
    assert group["stars"].to_pylist() == list(range(1700, 3400))


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
    """With a lower limit, so that small tables tell."""
    monkeypatch.setattr(parquet, "MAX_PAGES", limit)
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, write_page_checksum=checksums)
    with pq.ParquetFile(path, pre_buffer=False) as file:
        read = pa.Table.from_batches(parquet.batches(path, file, 1024))
    assert read.equals(table.cast(read.schema))


def test_numbers_that_take_nothing_in_the_file_are_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_PAGES", 7 * MB)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"numbers": lists_of(pa.array(np.zeros(MB, np.int8)), MB)}), path)
    with (
        pq.ParquetFile(path, pre_buffer=False) as file,
        pytest.raises(PipelineError, match="row group 1 takes 8 MB to read; write it anew"),
    ):
        next(parquet.batches(path, file, 1024))


def test_a_damaged_page_is_one_line(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": ["good", "poor"]}), buffer)
    path, whole = tmp_path / "a.parquet", buffer.getvalue()
    for place in range(4, 40):
        for value in (0, 127, 255):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                list(readers.batches(path, pa.schema({"text": pa.string()})))
            except PipelineError as error:
                assert "is damaged: 'text' has no page at byte" in str(error) or "cannot be read" in str(error)
