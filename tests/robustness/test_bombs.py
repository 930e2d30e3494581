"""Decompression bombs: small files that unpack to more than any memory are read in pieces, or refused in time."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpus.archive import archive_reviews
from pipeline.runtime.paths import WORKSPACE
from pipeline.tables.table_reader import Table
from tests.support.bombs import BOMBS, MB, tar

STARTED = (
    "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-m', 'tests.support.bombs', *sys.argv[1:]]))"
)
"""Starts the measured process through another: a child of this one would inherit its peak of memory, which is high."""
MAX_MEMORY = 600 * MB
"""Bytes that a bomb may take beyond those of the imports."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str | None, int]]:
    """Error message of each bomb, and the peak of memory up to then beyond that of the imports."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, bomb in BOMBS.items():
        (folder / name).mkdir()
        bomb.make(folder / name / bomb.file)
    outcomes: dict[str, tuple[str | None, int]] = {}
    while missing := [name for name in BOMBS if name not in outcomes]:  # a process that ends early leaves some
        command = [sys.executable, "-c", STARTED, str(folder), *missing]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=WORKSPACE)
        lines = [json.loads(line) for line in ended.stdout.splitlines()]
        base = lines.pop(0)
        outcomes |= {name: (message, peak - base) for name, (message, peak) in zip(missing, lines, strict=False)}
        if len(lines) < len(missing):
            outcomes[missing[len(lines)]] = (ended.stderr, 0)
    return outcomes


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_little_memory(name: str, outcomes: dict[str, tuple[str | None, int]]) -> None:
    message, memory = outcomes[name]
    expected = BOMBS[name].message
    assert message is None if expected is None else re.search(expected, message or ""), message
    assert memory < MAX_MEMORY


def test_a_review_of_the_greatest_length_is_read(tmp_path: Path) -> None:
    text = "x" * 10 * MB
    tar(tmp_path / "a.tar.gz", ("a/train/pos/1_9.txt", text.encode()))
    assert [row.text == text for _, row in archive_reviews(tmp_path / "a.tar.gz")] == [True]
    pq.write_table(pa.table({"text": [text, "y"]}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "\x01" * 5 * MB}) + "\n")  # six times as long in JSON
    for name, expected in (("a.parquet", [10 * MB, 1]), ("a.jsonl", [5 * MB])):
        read = [text for batch in Table(tmp_path / name).batches() for text in batch["text"].to_pylist()]
        assert [len(text) for text in read] == expected
