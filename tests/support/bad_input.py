"""What users get wrong: the command, what is changed before it, and what its one line must say."""

import gzip
import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

INPUT = ("--input", "reviews.csv")
MODEL = ("--model", "artifacts/model")
LABEL = ("bad", "good")
ROWS = "review,verdict\n"
ODD = {"odd": {"metric": "test.accuracy", "min": 0.9, "max": 0.1}}
BOTH = ROWS + "fine,good\npoor,bad\n"


class Case(NamedTuple):
    """A command in the small project, what is changed before it, and what must be in its one line."""

    name: str
    command: str
    said: str
    changes: Mapping[str, Any] = MappingProxyType({})
    """Of params.yaml, by key."""
    files: Mapping[str, Any] = MappingProxyType({})
    """Content, or None for none, by path."""
    arguments: tuple[str, ...] = ()
    stdin: bytes = b""
    corpus: str = "files"


def key(name: str, key: str, value: Any, said: str, corpus: str = "files") -> Case:
    return Case(name, "train", said, {key: value}, corpus=corpus)


def reviews(name: str, content: Any, said: str, file: str = "own.csv", **changes: Any) -> Case:
    named = {f"corpus.{part}": value for part, value in changes.items()}
    return Case(name, "download", said, {"corpus.path": file, **named}, {file: content})


def split(name: str, rows: list[str], said: str, both: bool = False) -> Case:
    named = {"path": None, "train": "own.csv", "test": "own.csv"} if both else {"path": "own.csv"}
    changes = {f"corpus.{key}": value for key, value in named.items()}
    return Case(name, "preprocess", said, changes, {"own.csv": ROWS + "\n".join(rows)})


def texts(name: str, content: Any, said: str, file: str = "in.csv") -> Case:
    return Case(name, "predict", said, {}, {file: content}, (*MODEL, "--input", file, "--output", f"out.{file}"))


def asked(name: str, said: str, *arguments: str, stdin: bytes = b"") -> Case:
    return Case(name, "predict", said, arguments=arguments, stdin=stdin)


def model(name: str, file: str, content: Any, said: str) -> Case:
    return Case(name, "predict", said, {}, {f"artifacts/model/{file}": content}, (*MODEL, "a film"))


def damaged(name: str, command: str, file: str, content: Any, said: str) -> Case:
    return Case(name, command, said, {}, {file: content})


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def no_utf8(**columns: bytes) -> bytes:
    """A Parquet file with these bytes for the text of its one row."""
    strings = {name: pa.array([text, text]).view(pa.string()) for name, text in columns.items()}
    return parquet(**strings)


def no_date(days: int) -> bytes:
    """A Parquet file with labels that are dates Python cannot hold."""
    return parquet(review=["a", "b"], verdict=pa.array([days, days], pa.date32()))


CONFIGURATION = [
    key("unknown key", "model.hiden_dim", 3, "model.hiden_dim: unknown key; see the files under conf/"),
    key("unknown section", "modle", {}, "modle: unknown key"),
    key("key with a line end", "mo\ndel", 1, "unknown key"),
    key("wrong type", "model.embedding_dim", "many", "model.embedding_dim: .*integer.*'many'"),
    key("nested too much", "seed", {"a": [1, {}]}, "seed: .*integer"),
    key("out of range", "model.embedding_dim", 0, "model.embedding_dim: .*greater than or equal to 1, got 0"),
    key("unknown choice", "text.truncate", "middle", "text.truncate: .*'head', 'tail' or 'head_tail'.*'middle'"),
    key("labels of no kind", "corpus.labels.negative", {}, "corpus.labels.negative: Input should be a valid list"),
    key("unknown network", "model.network", "transformer", "model: .*'transformer'"),
    key("infinite rate", "training.lr", float("inf"), "training.lr: .*finite"),
    key("negative rate", "training.lr", -1, "training.lr: .*greater than 0"),
    key("vocabulary size 0", "text.max_vocabulary", 0, "text.max_vocabulary: .*greater than or equal to 1"),
    key("a whole split", "split.test", 1.5, "split.test: .*less than 1"),
    key("splits that leave nothing", "split.test", 0.95, r"split.validation \+ split.test must be less than 1"),
    key("edges that fall", "evaluation.length_edges", [200, 100], "length_edges must rise"),
    key("slice of no column", "evaluation.slices", ["shop"], "evaluation.slices names 'shop', .* corpus.keep_columns"),
    key("check without a bound", "registry.checks", {"a": {"metric": "m"}}, "registry.checks.a: a check needs min or"),
    key("too many threads", "trainer.threads", 99_999, "trainer.threads: .*less than or equal to 1024"),
    key("name no registry has", "registry.model_name", "sentiment-1.0", "registry.model_name: String should match"),
    key("database that is a folder", "tracking.uri", "sqlite:///data", "data is a folder, not a database; let"),
    key("database in memory", "tracking.uri", "sqlite://", "a sqlite store is a file; let MLFLOW_TRACKING_URI or"),
    key("database with a question", "tracking.uri", "sqlite:///a.db?mode=ro", r"cannot have \? or % in its path"),
    key("contradictory files", "corpus.train", "a.csv", "set either corpus.path"),
    key("test without train", "corpus.test", "a.csv", "corpus.validation and corpus.test go with corpus.train"),
    key("bounds that leave nothing", "registry.checks", ODD, "checks.odd: no value is at least min, 0.9, and at most"),
    key("bins without end", "evaluation.ece_bins", 1e15, "evaluation.ece_bins: .*less than or equal to 10000"),
    key("epochs without end", "training.epochs", 1e15, "training.epochs: .*less than or equal to 100000"),
    key("a batch without end", "training.batch_size", 10**9, "training.batch_size: .*less than or equal to 65536"),
    key("a rate without end", "training.lr", 1e300, "training.lr: .*less than or equal to 100"),
    key(
        "an edge without end", "evaluation.length_edges", [10**30], "evaluation.length_edges.0: .*less than 2147483648"
    ),
    key("no checksum", "corpus.checksum", "crc:1", "corpus.checksum: ", corpus="aclimdb"),
    key("password for the corpus", "corpus.url", "https://ann:secret@h/x", "netrc", corpus="aclimdb"),
    key("broken URL", "corpus.url", "https://[h/x", "corpus.url: Invalid", corpus="aclimdb"),
    key("password for the store", "tracking.uri", "http://ann:secret@h", "set MLFLOW_TRACKING_USERNAME"),
    key("password as a parameter", "tracking.uri", "postgresql://h/d?password=secret", "holds a password"),
    key("GPU that is absent", "trainer.accelerator", "gpu", "gpu asked for, but torch sees none; use trainer=cpu"),
    key("dataset of another text", "text.max_tokens", 7, "text.max_tokens: 7 is asked for, .* `dvc repro preprocess`"),
    key("dataset of another split", "split.seed", 9, "split.seed: 9 is asked for, but .* was made with 1;"),
    damaged("no params.yaml", "train", "params.yaml", None, "is missing; run `python -m pipeline.compose`"),
    damaged("empty params.yaml", "train", "params.yaml", b"", "config: .*dictionary.* got None"),
    damaged("params.yaml in no encoding", "train", "params.yaml", b"\xff\xfe\x00", "is not YAML .*; delete it"),
    damaged("a date that cannot be", "train", "params.yaml", b"a: 2021-99-99\n", "is not YAML .*; delete it"),
    damaged("a number without end", "train", "params.yaml", b"seed: " + b"9" * 6000, "is not YAML .*; delete it"),
    damaged("brackets without end", "train", "params.yaml", b"[" * 20_000, "is not YAML .*; delete it"),
]
CORPUS = [
    reviews("missing file", None, "corpus.path: there is no file .*own.csv; correct the path"),
    reviews("home of nobody", None, "corpus.path: there is no file", path="~nobody-of-this-name/own.csv"),
    reviews("name too long", None, "corpus.path: there is no file", path="a" * 5000),
    reviews("unknown ending", BOTH, "ending '.xlsx' is unknown; give a file that ends in .csv", "own.xlsx"),
    reviews("empty file", "", "own.csv cannot be read: it has no rows"),
    reviews("header only", ROWS, "no row of .*own.csv has such a label.* are: none at all"),
    reviews("wrong encoding", BOTH.encode() + b"caf\xe9,good\n", "Row #4.*UTF8.*convert the file to UTF-8"),
    reviews("encoding of the header", b"r\xe9view,verdict\n", "column names are not UTF-8; convert"),
    reviews("UTF-16 with its mark", BOTH.encode("utf-16"), "UTF-16, not UTF-8; convert the file"),
    reviews("UTF-16 without", "".join(f'{{"review":"{c}"}}\n' for c in "ab").encode("utf-16-le"), "JSON", "own.jsonl"),
    reviews("Parquet text in no encoding", no_utf8(review=b"\xff", verdict=b"good"), "convert the file", "own.parquet"),
    reviews("Parquet label in no encoding", no_utf8(review=b"a", verdict=b"\xff"), "convert the file", "own.parquet"),
    reviews("a date there is not", no_date(2**30), "a value of 'verdict' cannot be read .*; write", "own.parquet"),
    reviews("NUL bytes", BOTH + "a\0b,good\n", "review row-3 of the train split holds a NUL character"),
    reviews("a column twice", "review,review,verdict\n", "the column 'review' is there more than once; rename one"),
    reviews("a row too short", BOTH + "odd\n", "Row #4: Expected 2 columns, got 1: odd"),
    reviews("a quote that stays open", f'{ROWS}"a,good\n' + "b,bad\n" * 10**6, "a quote that is not closed"),
    reviews("a line of 100 MB", ROWS + "x" * 10**8 + ",good\n", "longer than|quote that is not closed"),
    reviews("a review of 12 MB", f'{{"review": "{"a " * 6 * 2**20}", "verdict": "good"}}', "than 10 MB", "own.jsonl"),
    reviews("a JSON line of 70 MB", " " * 70 * 2**20, "line 1: longer than 32 MB; split it", "own.jsonl"),
    reviews("no JSON", '{"review": "a", "verdict": "good"}\n{"re', "line 2: not JSON .*; correct", "own.jsonl"),
    reviews("no JSON object", '["a", 0]\n', "line 1: not a JSON object; write", "own.jsonl"),
    reviews("JSON nested without end", '{"review":' + "[" * 100_000, "line 1: not JSON", "own.jsonl"),
    reviews("a number too large", f'{{"review": "a", "verdict": {2**70}}}', "64 bits; write it in quotes", "own.jsonl"),
    reviews("a lone surrogate", '{"review": "\\ud800", "verdict": "good"}', "surrogates not allowed", "own.jsonl"),
    reviews("no Parquet", BOTH, "own.parquet cannot be read: Parquet magic bytes not found", "own.parquet"),
    reviews("text that is numbers", parquet(review=[1], verdict=["good"]), "holds int64, not text", "own.parquet"),
    reviews("no text column", "text,verdict\na,good\n", "text_column: .* no column 'review'; its columns are 'text'"),
    reviews("no label column", "review,stars\na,1\n", "corpus.label_column: .* has no column 'verdict'"),
    reviews("no column to keep", BOTH, "corpus.keep_columns: .* has no column 'film'", keep_columns=["film"]),
    reviews("a column of ours", BOTH, "'label' is a column of the pipeline's own; rename", keep_columns=["label"]),
    reviews("unknown label values", f"{ROWS}a,1\nb,0\n", "labels.negative: no row .* are: '0', '1'"),
    reviews("one class only", f"{ROWS}a,good\nb,good\n", "labels.negative: no row .* are: 'good'"),
    reviews("a label that fits both", f"{ROWS}a,1\n", "fits .* both", labels={"negative": "<=1", "positive": [1]}),
    reviews("no comparison", BOTH, "'bad' is not a comparison", labels={"negative": "bad", "positive": ["good"]}),
    reviews("text null", '{"review": null, "verdict": "good"}\n{"verdict": "bad"}', "no negative", "own.jsonl"),
    reviews("text blank", f'{ROWS}" ",good\n" ",bad\n', "the corpus has no negative review for its train split"),
    Case("no such package", "download", "not installed; re", {"corpus.package": "none"}, corpus="movie_reviews"),
    Case("no archive", "download", "corpus.url: there is no", {"corpus.url": "a.tar"}, corpus="aclimdb"),
    Case("no way to fetch", "download", "cannot read ftp://h/a", {"corpus.url": "ftp://h/a"}, corpus="aclimdb"),
    Case("wrong checksum", "download", "expected md5:7c2.*; correct", {"corpus.url": "params.yaml"}, corpus="aclimdb"),
    split("text only punctuation", ["!!!,good", "?!,good", "...,bad", "?,bad"], "of 2 negative .* is none; raise it"),
    split("two rows", ["fine,good", "poor,bad"], "split.test: 0.2 of 1 negative training reviews is none; raise it"),
    split("all duplicates", ["a,good", "b,bad"] * 50, "nothing is left to train on of 50 negative reviews; add"),
    split("train is test", [f"{n},{LABEL[n % 2]}" for n in range(300)], "holds no negative review once", both=True),
    damaged("no data", "preprocess", "data", None, "corpus.json is missing; fetch the corpus"),
    damaged("damaged data", "preprocess", "data/train.parquet", b"junk", "train.parquet is damaged .*dvc"),
]  # fmt: skip
PREDICTING = [
    texts("missing file to predict", None, "in.csv is no file; give one that ends in .csv"),
    texts("no column to predict", "id,review\n", "has no column 'text'; its columns are 'id', 'review': name one with"),
    texts("a column that would be added", "text,label\nx,y\n", "has a column 'label' already, .*; rename it"),
    texts("the column twice", "text,text\nx,y\n", "the column 'text' is there more than once; rename one"),
    texts("nothing to predict", "", "in.csv is empty; give a file with a column 'text'"),
    texts("a row that does not fit", "text,n\ngood,1\n\nbad\n", "line 4: 1 values, the header has 2; correct the line"),
    texts("a quote never closed", 'text,n\n"good,1\n', "line 2: unexpected end of data; correct the line"),
    texts("a lone carriage return", "text,n\nfine,1\rpoor,2\n", "line 2: new-line character"),
    texts("no UTF-8 to predict", b"text\n\xff\n", "line 2: not UTF-8; convert the file"),
    texts("UTF-16 to predict", "text\ngood\n".encode("utf-16-le"), "line 1: holds a NUL character; convert the file"),
    texts("a bomb of one line", gzip.compress(b"x" * 80 * 2**20, 1), "line 1: longer than 32 MB; split", "in.txt.gz"),
    texts("no JSON to predict", '{"text": "x"}\n{"text"', "line 2: not JSON .*; correct the line", "in.jsonl"),
    texts("no object to predict", "[1]\n", "line 1: not a JSON object; write", "in.jsonl"),
    texts("no text in JSON", '{"text": "x"}\n{"text": 3}\n', "line 2: 'text' is 3, not a text; name", "in.jsonl"),
    texts("no member of JSON", '{"review": "x"}', "line 1 has no column 'text'; its columns are 'review'", "in.jsonl"),
    texts("a label in JSON", '{"text": "x"}\n{"text": "", "label": 1}', "2 has a column 'label' already", "in.jsonl"),
    texts("no gzip", b"no gzip", "in.txt.gz is damaged .*; fetch it again", "in.txt.gz"),
    texts("half a gzip", gzip.compress(b"a line\n" * 999)[:-9], "is damaged .*; fetch it again", "in.txt.gz"),
    texts("no Parquet to predict", b"no parquet", "in.parquet cannot be read", "in.parquet"),
    texts("numbers to predict", parquet(text=[1]), "'text' holds int64, not text; name another", "in.parquet"),
    texts("Parquet in no encoding", no_utf8(text=b"\xff"), "in.parquet cannot be read: .*UTF8", "in.parquet"),
    texts("ending to predict", "", "the ending '.xlsx' is unknown; give a file that ends", "in.xlsx"),
    texts("two endings", "", "the ending '.parquet.gz' is unknown", "in.parquet.gz"),
    asked("texts and a file", "texts and --input are given; leave one", "x", *INPUT),
    asked("a column of lines", "--column body: lines have no columns; leave it out", "--column", "body", "x"),
    asked("no threshold", "--threshold: invalid float value: 'half'; --help", "--threshold", "half", "x"),
    asked("threshold of 2", "--threshold 2.0: not a probability; give", *MODEL, "--threshold", "2", "x"),
    asked("unknown argument", "unrecognized arguments: --modle", *MODEL, "--modle", "x"),
    asked("output in another format", "format is kept; let the name end in .csv", *INPUT, "--output", "a.txt"),
    asked("output over the input", "that is the input; name another", *INPUT, "--output", "reviews.csv"),
    asked("output in no folder", "the folder none does not exist; make", *INPUT, "--output", "none/a.csv"),
    asked("standard input in no encoding", "standard input, line 1: not UTF-8; convert", *MODEL, stdin=b"\xff\n"),
    asked("unknown alias", "models:/sentiment@nobody cannot be fetched", "--model", "models:/sentiment@nobody", "x"),
    asked("unknown run", "cannot be fetched from sqlite", "--model", "0" * 32, "x"),
    asked("no model folder", "model folder none does not exist; train one", "--model", "none", "x"),
    model("model of another version", "config.json", '{"format": 99}', "has format 99, this version reads 2; train"),
    model("configuration cut off", "config.json", "{", "config.json is damaged: it is not JSON"),
    model("configuration without end", "config.json", "[" * 100_000, "config.json is damaged: it is not JSON"),
    model("no weights", "model.safetensors", None, "model.safetensors is missing; make the folder again"),
    model("corrupted weights", "model.safetensors", b"no weights", r"model.safetensors is damaged .*; make the folder"),
    model("vocabulary of another model", "vocab.json", '["<pad>", "<unk>"]', "does not fit config.json and vocab.json"),
    model("vocabulary of numbers", "vocab.json", '["<pad>", "<unk>", 3]', "is no vocabulary"),
    Case("nothing to explain", "explain", "the text has no words; give one", arguments=(*MODEL, "")),
    Case("page over a folder", "explain", "data is a folder; name a file", arguments=(*MODEL, "x", "--output", "data")),
]  # fmt: skip
STAGES = [
    damaged("no dataset", "train", "artifacts/dataset", None, "dataset.json is missing; prepare the dataset"),
    damaged("damaged description", "train", "artifacts/dataset/dataset.json", "{}", "it has no 'digest'; prepare"),
    damaged("no model to evaluate", "evaluate", "artifacts/model", None, "does not exist; train one with `dvc repro`"),
    damaged("no run to evaluate", "evaluate", "artifacts/run.json", None, "run.json is missing; train a model"),
    damaged("no verdict", "register", "reports/verdict.json", None, "verdict.json is missing; run `dvc repro`"),
    damaged("a run of no id", "evaluate", "artifacts/run.json", '{"run_id": 5}', "'run_id': .*string, got 5; train"),
    damaged("half a verdict", "register", "reports/verdict.json", '{"passed": "no"}', "'passed': .*, got 'no'; run"),
    damaged("a verdict of nothing", "register", "reports/verdict.json", "{}", "it has no 'passed'; run `dvc repro`"),
    Case("an argument for a stage", "download", "unrecognized arguments: surplus; --help", arguments=("surplus",)),
    Case("promotion of nothing", "promote", "no finished run with this id, and no sweep", arguments=("nothing",)),
]  # fmt: skip
CASES = [*CONFIGURATION, *CORPUS, *PREDICTING, *STAGES]
