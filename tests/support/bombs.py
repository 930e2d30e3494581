"""Decompression bombs, and a command that reads them and prints how much memory that took.

python -m tests.support.bombs FOLDER BOMB...: the peak in bytes before, then for each
the error message, or null, and the peak, a line of JSON each.
"""

import gzip
import io
import json
import lzma
import resource
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config.labels import LABELS
from pipeline.corpus import archive
from pipeline.corpus.canonical import MAX_REVIEW_BYTES, CanonicalWriter
from pipeline.inference.model_folder import load_model, save_model
from pipeline.inference.predictor import Prediction, _chunks
from pipeline.networks.build import build_network
from pipeline.predict.answering import answer_file
from pipeline.preprocessing.canonical_reader import row_groups
from pipeline.preprocessing.vector_file import file_dimension
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import write_json
from pipeline.tables.answer_columns import WantedColumns
from pipeline.tables.parquet_answers import answer_parquet
from pipeline.tables.table_reader import Table
from pipeline.text.vocabulary import SPECIALS, Vocabulary
from tests.support.workbooks import STRINGS, replaced, workbook_bytes

MB = 2**20
MAX_MEMORY = 6 * 2**30
"""Bytes that the process may allocate, so that a bomb that goes off does no harm."""
from tests.conftest import configuration, corpus_record


class Bomb(NamedTuple):
    """File of a bomb, functions that make and read it, and the expected error; None if it can be read to its end."""

    file: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]
    message: str | None


def tar(path: Path, *members: tuple[str, bytes]) -> None:
    with tarfile.open(path, "w:gz", compresslevel=1) as file:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))


def greedy(path: Path) -> None:
    """Write an .xz whose header asks for 3 GB."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": MB}]
    packed = bytearray(lzma.compress(bytes(10_240), lzma.FORMAT_XZ, filters=filters))
    place = 12  # of the first block's header: its size, flags, the filter's id, the size of its properties, these
    assert packed[place + 2 : place + 4] == b"\x21\x01"
    packed[place + 4] = 39  # 3 GB
    length = (packed[place] + 1) * 4
    packed[place + length - 4 : place + length] = crc32(packed[place : place + length - 4]).to_bytes(4, "little")
    path.write_bytes(packed)


def sparse(path: Path) -> None:
    """Write an archive with a sparse member of millions of parts."""
    member = tarfile.TarInfo("a/train/pos/1_9.txt")
    member.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[482] = 1  # more follow
    header[148:156] = b" " * 8
    header[148:155] = f"{sum(header):06o}\0".encode()
    more = b"".join(f"{place:011o}\0{1:011o}\0".encode() for place in range(1, 22)) + b"\1" + bytes(7)
    with gzip.open(path, "wb", 1) as file:
        file.write(header)
        for _ in range(200):
            file.write(more * 2000)


def repeated(text: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))


def dictionary(path: Path, rows: int = 60, columns: Iterable[str] = ("text",), **arguments: Any) -> None:
    """Write a column that repeats one long value."""
    value = repeated("good " * (MAX_REVIEW_BYTES // 5), rows)
    labels = pa.array(["negative", "positive"] * (rows // 2))
    table = pa.table({**dict.fromkeys(columns, value), "original_label": labels, "edited_label": labels[::-1]})
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=64 * MB, **arguments)


def row_group(path: Path, rows: int = 60) -> None:
    """Write a row group of a corpus in canonical form whose text repeats one long value."""
    write_json(path.parent / "corpus.json", corpus_record())
    ids, labels = pa.array(map(str, range(rows))), pa.array([0, 1] * (rows // 2), pa.int8())
    table = pa.table({"id": ids, "text": repeated("good " * (MAX_REVIEW_BYTES // 5), rows), "label": labels})
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=64 * MB, store_schema=False)


def lists(path: Path) -> None:
    """Write a row that holds a list of a million long values."""
    values = pa.ListArray.from_arrays([0, 10**6], repeated("good " * MB, 10**6))
    table = pa.table({"text": ["good"], "words": values})
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=64 * MB, store_schema=False)


def many(path: Path) -> None:
    """Write rows that take no space."""
    with pq.ParquetWriter(path, pa.schema({"text": pa.null()})) as writer:
        for _ in range(12):
            writer.write_table(pa.table({"text": pa.nulls(10**7)}), row_group_size=10**7)


def cell(path: Path) -> None:
    table = pa.table({"text": pa.array([" " * 300 * MB])})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)


def packed(line: bytes, times: int, before: bytes = b"") -> Callable[[Path], object]:
    def make(path: Path) -> None:
        with gzip.open(path, "wb", 1) as file:
            file.write(before)
            for _ in range(times):
                file.write(line)

    return make


def canonical_form(path: Path) -> None:
    folder = path.parent / "canonical"
    folder.mkdir()
    with CanonicalWriter(folder, LABELS) as target:
        archive._verified_archive = lambda _corpus: path
        archive.add_archive(None, target)


def json_array(path: Path) -> None:
    with gzip.open(path, "wb", 1) as file:
        file.write(b'[{"text": "')
        for _ in range(60):
            file.write(b"good film " * (MB // 2))
        file.write(b'"}]')


def zipped(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.csv", "w") as file,
    ):
        file.write(b"text\n")
        for _ in range(60):
            file.write(b"good film " * (MB // 2))


def zstd(path: Path) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        file.write(b"text\n")
        for _ in range(60):
            file.write(b"good film " * (MB // 2))


def packed_parquet(path: Path) -> None:
    """Write zeros, which end in no Parquet but would fill the disk."""
    with gzip.open(path, "wb", 1) as file:
        for _ in range(1100):
            file.write(bytes(MB))


def strings_of_workbook(path: Path) -> None:
    """Write a workbook with millions of empty strings in the table that openpyxl holds."""
    data = replaced(workbook_bytes([["text"], ["good"]]), b"</sst>", b"<si/>" * 8 * MB + b"</sst>", STRINGS)
    path.write_bytes(data)


def columns_of(path: Path) -> list[str]:
    return Table(path).schema.names


def table(path: Path) -> None:
    for _ in Table(path).batches(["text"]):
        pass


def answer(rows: Iterable[tuple[Any, str]]) -> Iterator[tuple[Any, Prediction]]:
    for chunk in _chunks(rows):
        for row, _ in chunk:
            yield row, Prediction("positive", 0.5, [0.5, 0.5])


def predict(path: Path) -> None:
    with Path("/dev/null").open("wb") as nowhere:
        answer_file(path, None, nowhere, WantedColumns([["text"]]), answer)


def read_pairs(path: Path) -> None:
    from pipeline.evaluation.contrast_pairs import _read_pairs  # its imports take seconds, and memory

    _read_pairs(Table(path), {"negative": 0, "positive": 1}.get)


def predict_parquet(path: Path) -> None:
    answer_parquet(Table(path), path.with_name("answers.parquet"), WantedColumns([["text"]]), answer)


def read_groups(path: Path) -> None:
    for group in row_groups(path.parent):
        group.read()


def greedy_model(path: Path) -> None:
    """Write a model folder whose configuration asks for a network of 2 GB."""
    config = configuration("model.embedding_dim=4", "model.hidden_dim=4", "model.wide.bits=12")
    vocabulary = Vocabulary([*SPECIALS, "good"])
    info = {"temperature": 1.0, "bias": 0.0, "threshold": 0.5, **config.model_dump(include={"text", "model"})}
    save_model(path.parent, build_network(config.model, len(vocabulary)), vocabulary, info)
    path.write_text(path.read_text().replace('"hidden_dim": 4', '"hidden_dim": 8192'))


def large_vocabulary(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30)  # takes no disk


LONG = b"good film " * (29 * MB // 10)
PAIRS = ("original", "edited")
BOMBS = {
    "long members": Bomb(
        "a.tar.gz",
        lambda path: tar(path, *((f"a/train/pos/{n}_9.txt", b"good film " * (MB * 9 // 10)) for n in range(50))),
        canonical_form,
        None,
    ),
    "greedy xz": Bomb("a.tar.xz", greedy, canonical_form, "decompressing it takes more than 128 MB of memory; c"),
    "sparse member": Bomb("a.tar.gz", sparse, canonical_form, "headers and text of a member take more than 11 MB; use"),
    "dictionary": Bomb("a.parquet", dictionary, table, None),
    "dictionary of Arrow": Bomb("a.parquet", dictionary, predict_parquet, None),
    "dictionary to predict": Bomb("a.parquet", lambda p: dictionary(p, store_schema=False), predict_parquet, None),
    "prefixes": Bomb(
        "a.parquet",
        lambda p: dictionary(
            p, 40, store_schema=False, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"}
        ),
        table,
        None,
    ),
    "list": Bomb("a.parquet", lists, predict_parquet, "row group 1 takes [0-9,]+ MB to read; write it again"),
    "cell": Bomb("a.parquet", cell, table, "row group 1 takes 300 MB to read; write it again with smaller pages"),
    "row group": Bomb("train.parquet", row_group, read_groups, "row group 1 unpacks to over 128 MB; fetch the corpus"),
    "pairs": Bomb("a.parquet", lambda p: dictionary(p, columns=PAIRS), read_pairs, "more than 268,435,456 characters"),
    "columns": Bomb("a.csv", lambda p: p.write_bytes(b"," * MB), columns_of, "has 1,048,577 columns; give"),
    "names": Bomb(
        "a.jsonl",
        lambda p: p.write_text(json.dumps({str(name): 0 for name in range(20_000)})),
        columns_of,
        "has 20,000 columns; give a file of at most 10,000",
    ),
    "long lines": Bomb("a.txt.gz", packed(LONG + b"\n", 15), predict, None),
    "row without end": Bomb(
        "a.csv.gz", packed(b'"a good film\n",' * MB, 3, b"text,a\n"), predict, "a row is longer than 32 MB"
    ),
    "rows": Bomb("a.parquet", many, table, "has 120,000,000 rows; give a file of at most 100,000,000"),
    "model": Bomb(
        "model/config.json", greedy_model, lambda path: load_model(path.parent), "does not fit config.json and"
    ),
    "vocabulary": Bomb("vocab.json", large_vocabulary, Vocabulary.load, "it has 1,073,741,824 bytes, more than any"),
    "array": Bomb("a.json.gz", json_array, predict, "line 1: longer than 32 MB; split it"),
    "zip": Bomb("a.csv.zip", zipped, predict, "a row is longer than 32 MB; look for a quote that is not closed"),
    "zstd": Bomb("a.csv.zst", zstd, predict, "a row is longer than 32 MB; look for a quote that is not closed"),
    "packed Parquet": Bomb("a.parquet.gz", packed_parquet, table, "unpacks to more than 1,024 MB; unpack it yourself"),
    "strings": Bomb("a.xlsx", strings_of_workbook, table, "unpacks to [0-9]+ MB, more than [0-9]+ MB; save it as CSV"),
    "nested": Bomb("a.jsonl.gz", packed(b"[[]" + b",[]" * 12 * MB, 1), predict, "line 1: longer than 32 MB; split it"),
    "vector": Bomb("a.txt.gz", packed(b"word" + b" 0" * 100 * MB, 1), file_dimension, "1: longer than 1 MB;"),
}  # fmt: skip


def main(folder: Path, names: list[str]) -> None:
    """Read bombs that were made before, and print the error and the peak of memory of each."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    print(peak(), flush=True)
    for name in names:
        pa.default_memory_pool().release_unused()  # what another bomb has left
        message = None
        try:
            BOMBS[name].read(folder / name / BOMBS[name].file)
        except PipelineError as error:
            message = str(error)
        except Exception as error:  # such as a MemoryError: the test says so
            message = f"{type(error).__name__}: {error}"
        print(json.dumps([message, peak()]), flush=True)


def peak() -> int:
    """Return the peak of memory of this process, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
