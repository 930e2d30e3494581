"""Users' tables: every row is read, alike by training and predictions, or an error names the place."""

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from encodings.aliases import aliases
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.corpus import FilesCorpus
from pipeline.config.file_format import AUTOMATIC, FileFormat, TrainingFormat
from pipeline.corpus.source import corpus_fingerprint, write_corpus
from pipeline.inference.predictor import Prediction
from pipeline.predict.answering import answer_file
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.named_files import existing_files
from pipeline.tables.answer_columns import WantedColumns
from pipeline.tables.joining import SEPARATOR
from pipeline.tables.stated_format import as_in_training, stated_format
from pipeline.tables.table_reader import Table
from tests.conftest import composed
from tests.support.workbooks import workbook_bytes

DETECTED = {"csv": ",", "tsv": "\t", "semicolon.csv": ";", "pipe.csv": "|", "tab.csv": "\t"}
FORMATS = DETECTED | {"unquoted.tsv": "\t", "escaped.csv": ",", "all.csv": ","}
ENDINGS = (*FORMATS, "jsonl", "json", "parquet", "xlsx")
QUOTED = ("escaped.csv", "all.csv")
VALUES = composed("corpus=files")["corpus"]


def stated(**keys: Any) -> FileFormat:
    return AUTOMATIC.model_copy(update=keys)


def packed(data: bytes, packing: str) -> bytes:
    match packing:
        case ".gz":
            return gzip.compress(data)
        case ".zst":
            return bytes(pa.compress(data, "zstd", asbytes=True))
        case ".zip":
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("reviews/a", data)
            return buffer.getvalue()
        case _:
            return data


def made(rows: list[tuple[str, str]], ending: str, line_end: str) -> tuple[bytes, FileFormat]:
    """Write a table as other programs do, with what its ending does not tell."""
    table = [{"text": text, "label": label} for text, label in rows]
    if ending == "parquet":
        buffer = io.BytesIO()
        pq.write_table(pa.table({"text": [t for t, _ in rows], "label": [v for _, v in rows]}), buffer)
        return buffer.getvalue(), AUTOMATIC
    if ending == "xlsx":
        return workbook_bytes([["text", "label"], *rows]), AUTOMATIC
    if ending == "json":
        return json.dumps(table, indent=1).encode(), AUTOMATIC
    if ending == "jsonl":
        return "".join(json.dumps(row) + line_end for row in table).encode(), AUTOMATIC
    escaped, unquoted = ending == "escaped.csv", ending == "unquoted.tsv"
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=FORMATS[ending],
        lineterminator=line_end,
        quoting=csv.QUOTE_NONE if unquoted else csv.QUOTE_ALL if ending in QUOTED else csv.QUOTE_MINIMAL,
        quotechar=None if unquoted else '"',
        escapechar="\\" if escaped else None,
        doublequote=not escaped,
    )
    writer.writerows([["text", "label"], *rows])
    keys: dict[str, Any] = {"escape": "\\"} if escaped else {"quoting": "none"} if unquoted else {"quoting": "standard"}
    return text.getvalue().encode(), stated(**keys)


def texts_seen(path: Path, file_format: FileFormat) -> list[str]:
    """Return the texts that predictions are made for."""
    seen: list[str] = []

    def answer(rows: Iterable[tuple[Any, str]]) -> Iterator[tuple[Any, Prediction]]:
        for row, text in rows:
            seen.append(text)
            yield row, Prediction("positive", 0.5, [0.5, 0.5])

    output = path.with_name(re.sub("xlsx$", "csv", f"out.{re.sub(r'[.](gz|zst|zip)$', '', path.name)}"))
    answer_file(path, output, io.BytesIO(), WantedColumns([["text"]]), answer, file_format)
    if file_format.columns:
        file_format = file_format.model_copy(update={"columns": [*file_format.columns, "label", "probability"]})
    assert sum(batch.num_rows for batch in Table(output, file_format).batches()) == len(seen)
    return seen


def corpus(path: str, file_format: FileFormat = AUTOMATIC, **keys: Any) -> FilesCorpus:
    return FilesCorpus.model_validate(VALUES | {"path": path, "format": file_format.model_dump(), **keys})


def read(root: Path) -> tuple[list[str], dict[str, int]]:
    rows = pq.read_table(root / "downloads" / "train.parquet").to_pylist()
    left_out = json.loads((root / "downloads" / "corpus.json").read_text())["left_out"]
    return [row["text"] for row in rows], left_out


CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
PIECES = st.sampled_from(['"', '""', "\\", '\\"', ",", ";", "\t", "'", "\n", "\r\n", "pos", "neg", " ", "a film"])
TEXTS = st.lists(PIECES | st.text(CHARACTERS, max_size=8), min_size=1, max_size=6).map("".join)
ROWS = st.lists(st.tuples(TEXTS, st.sampled_from(["pos", "neg", "", "odd"])), max_size=30)


def fit(text: str, ending: str) -> str:
    """Leave out what a format cannot hold."""
    if ending == "unquoted.tsv":
        return re.sub(r"[\t\r\n]", " ", text)
    if ending == "xlsx":  # no control characters, and no formulas
        text = re.sub(r"^=|[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", " ", text)
    # a csv writer leaves a lone carriage return alone outside quotes
    return text.replace("\r\n", "\n").replace("\r", " ") if ending in {*FORMATS, "xlsx"} else text


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=5, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(["", ".gz", ".zst", ".zip"]), st.sampled_from(["\n", "\r\n"]), ROWS)
def test_every_row_is_used_or_counted_and_predictions_read_the_same_texts(
    ending: str, packing: str, line_end: str, rows: list[tuple[str, str]]
) -> None:
    rows = [("fine", "pos"), ("poor", "neg"), *((fit(text, ending), label) for text, label in rows)]
    if ending == "xlsx":  # where an empty row is none
        rows = [row for row in rows if any(row)]
    data, file_format = made(rows, ending, line_end)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        path = root / f"a.{ending}{packing}"
        path.write_bytes(packed(data, packing))
        for stated_or_not in (file_format, AUTOMATIC) if ending in DETECTED else (file_format,):
            try:
                write_corpus(corpus(str(path), stated_or_not, ignore_labels=[None, "odd"]), root / "downloads")
            except PipelineError:
                if stated_or_not == file_format:
                    raise
                with pytest.raises(PipelineError):
                    texts_seen(path, stated_or_not)
                continue
            used, left_out = read(root)
            assert texts_seen(path, stated_or_not) == [text for text, _ in rows]
            assert used == [text for text, label in rows if label in {"pos", "neg"} and text.strip()]
            assert len(used) + sum(left_out.values()) == len(rows)
        trained = TrainingFormat.model_validate(file_format.model_dump())
        with suppress(PipelineError):
            assert texts_seen(path, as_in_training(path, AUTOMATIC, trained)) == [text for text, _ in rows]


def rows_of(path: Path, **keys: Any) -> list[dict[str, Any]]:
    return [row for batch in Table(path, stated(**keys)).batches() for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('text,label\na,pos\n"b,neg\nc,pos\n', "line 3: a quote that is not closed opens here"),
        ('text,label\na,pos\n"b,neg\n"c",pos\n', "line 3: text follows the quote that closes the one which opens here"),
        ('text,label\na "b" c,pos\n', "line 2: a quote inside a value that is not in quotes"),
        ('text,label\n"a\nb",pos\n\n"c" d,neg\n', "line 5: text follows"),
        ('text,label\na,pos\nb,neg\n"c,pos\nd,neg\ne",pos\n' + "f,pos\n" * 9, "line 4: a quote that opens here"),
        ("text,label\na,pos\nb\n", "line 3: 1 values, the header has 2"),
        ("text\na\nso, so\n", "line 3: 2 values, the header has 1; put texts that hold ',' in quotes, or set c"),
        ("sep=;\ntext;label\na;b;pos\n", "line 3: 3 values, the header has 2"),
        ("text,label\na,pos,9\n", "line 2: 3 values, the header has 2"),
        ("text,label\na,pos\rb,neg\n", "line 2: a carriage return without a line feed"),
        ('text,label\n"a \\"b\\"",pos\n', r"line 2: .* 'corpus.format.escape=.*' \(predict: --format 'escape=\\'\)"),
        ('text,label\n"a", "pos"\n', "line 2: a space before the quote that opens a value; remove the spaces"),
        ('te"xt,label\n', "line 1: a quote inside a value"),
        ("text,label\n" + "a,pos\n" * 10**6 + '"b,neg\n', "line 1000002: a quote that is not closed opens here"),
    ],
)  # fmt: skip
def test_no_row_is_lost_without_the_line_where_the_fault_begins(data: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(data, newline="")
    with pytest.raises(PipelineError, match=f"a.csv, {message}"):
        rows_of(path)
    path.write_text(data.replace("label", "value"), newline="")
    with pytest.raises(PipelineError, match=f"a.csv, {message}"):
        texts_seen(path, AUTOMATIC)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "semicolon.csv"])
@pytest.mark.parametrize("identify", ["{}".format, "-0.{}".format, "{:x}0-b".format, "{}_pos".format])
def test_rows_between_two_stray_quotes_are_told_by_their_numbers_or_codes(
    identify: Callable[[int], str], name: str, tmp_path: Path
) -> None:
    texts = ["a film", "so so", '"a stray quote', "fine", "poor", 'another one"', *["a film"] * 9]
    rows = ["id,text", *(f"{identify(number)},{text}" for number, text in enumerate(texts))]
    delimiter = {"a.csv": ",", "a.tsv": "\t"}.get(name, ";")
    path = tmp_path / name
    for lines in (rows, [",".join(reversed(row.split(","))) for row in rows]):
        path.write_text("".join(line.replace(",", delimiter) + "\n" for line in lines))
        with pytest.raises(PipelineError, match="line 4: a quote that opens here takes in the next line"):
            texts_seen(path, AUTOMATIC)
        assert len(texts_seen(path, stated(quoting="none"))) == len(texts)


def test_lines_of_a_text_are_no_rows_where_they_have_no_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n" + "".join(f'{n},"Well, it was long\nOverall, I liked it"\n' for n in range(9)))
    assert [row["text"] for row in rows_of(path)] == ["Well, it was long\nOverall, I liked it"] * 9


def test_the_number_of_lines_is_said_where_it_is_not_that_of_the_rows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for text, said in (("a\nb\n", "2"), ('"a\nb"\n\nc', "4 lines, 2"), ('"a\nb"\n"c\n\nd"\n', "5 lines, 2")):
        path = tmp_path / "a.csv"
        path.write_text("text\n" + text)
        table = Table(path)
        assert table.form == "CSV, ',', UTF-8"
        rows = sum(batch.num_rows for batch in table.batches())
        assert f"{table.form}, {rows}" == f"CSV, ',', UTF-8, {said}"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"text": "a", "label": "pos", "text": "b"}', "the key 'text' is given twice in one object; give it once"),
        ('{"text": "a", "label": "pos", "x": {"y": 1, "y": 2}}', "the key 'y' is given twice"),
        ('{"text": "a \\ud83d", "label": "pos"}', r"'text' holds '\\ud83d', half of a character such as an emoji"),
    ],
)
def test_json_that_says_two_things_or_half_a_thing_is_refused_by_both(row: str, message: str, tmp_path: Path) -> None:
    rows = ['{"text": "a", "label": "pos"}', '{"text": "b", "label": "neg"}', row]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    (tmp_path / "a.json").write_text("[" + ",\n".join(rows) + "]")
    for name in ("a.jsonl", "a.json"):
        with pytest.raises(PipelineError, match=f"{name}, line 3: {message}"):
            write_corpus(corpus(str(tmp_path / name)), tmp_path / "downloads")
        with pytest.raises(PipelineError, match=f"{name}, line 3: {message}"):
            texts_seen(tmp_path / name, AUTOMATIC)


def test_half_a_character_in_any_column_is_located(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "pos", "shop": "b"}\n{"text": "a", "label": "\\udc4d"}\n')
    with pytest.raises(PipelineError, match=r"a.jsonl, line 2: 'label' holds '\\udc4d', half of a character"):
        write_corpus(corpus(str(tmp_path / "a.jsonl")), tmp_path / "downloads")


def test_nan_is_a_missing_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": NaN, "label": "pos"}\n{"text": "a", "label": "pos"}\n{"text": "b", "label": "neg"}\n')
    write_corpus(corpus(str(path)), tmp_path / "downloads")
    assert read(tmp_path) == (["a", "b"], {"empty_text": 1})
    assert texts_seen(path, AUTOMATIC) == ["", "a", "b"]


@pytest.mark.parametrize("packing", [".gz", ".zst", ".zip"])
def test_a_file_that_is_no_text_is_said_to_be_none(packing: str, tmp_path: Path) -> None:
    for name in ("a.csv", "a.tsv", "a.jsonl", "a.json"):
        (tmp_path / name).write_bytes(packed(b"text,label\na,pos\n", packing))
        with pytest.raises(PipelineError, match=f"{name} is no text, .* should end in {packing}.*; rename"):
            Table(tmp_path / name)
    (tmp_path / "a.csv").write_text("PAR1,text\n1,a\n")
    assert rows_of(tmp_path / "a.csv") == [{"PAR1": "1", "text": "a"}]


def test_a_value_in_quotes_may_span_lines_and_a_stated_format_is_not_doubted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"a, b\nc, d",pos\n' + "e,pos\nf,neg\n" * 9)
    assert rows_of(path)[0] == {"text": "a, b\nc, d", "label": "pos"}
    path.write_text('text,label\n"a,pos\nb",neg\n' + "e,pos\nf,neg\n" * 9)
    assert rows_of(path, quoting="standard")[0] == {"text": "a,pos\nb", "label": "neg"}


@pytest.mark.parametrize(
    ("line", "keys", "text"),
    [
        ('"a \\"good\\" film"', {"escape": "\\"}, 'a "good" film'),
        ('"Fine, he said', {"quoting": "none"}, '"Fine, he said'),
    ],
)
def test_quotes_as_people_write_them_cost_no_row(line: str, keys: dict[str, str], text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("id\ttext\tlabel\n" + "".join(f"{n}\t{line}\tpos\n" for n in range(50)))
    with pytest.raises(PipelineError, match=f"line 2: .*{next(iter(keys))}="):
        rows_of(path)
    assert [row["text"] for row in rows_of(path, **keys)] == [text] * 50


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [
        ("a.csv", b"text;label\nso, so;pos\n", "CSV, ';', UTF-8"),
        ("a.csv", b"text,label\na;b;c,pos\n", "CSV, ',', UTF-8"),
        ("a.csv", b"text\tlabel\na,b\tpos\n", "CSV, tab, UTF-8"),
        ("a.tsv", b"text\tlabel\na|b,c\tpos\n", "TSV, tab, UTF-8"),
        ("a.csv", "text;label\nschön;pos\n".encode("utf-16"), "CSV, ';', UTF-16"),
        ("a.csv", b"sep=;\r\ntext;label\r\nso, so;pos\r\n", "CSV, ';', UTF-8, without its line sep=;"),
        ("a.csv", b'"sep=|"\n\na,b|label\nc|pos\n', "CSV, '|', UTF-8, without its line \"sep=|\""),
        ("a.csv", b"text\na, b\n", "CSV, ',', UTF-8"),
        ("a.json", b' [{"text": "a"}]', "JSON array, UTF-8"),
        ("a.json", b'{"text": "a"}\n', "JSON lines, UTF-8"),
    ],
)
def test_the_format_is_detected_and_said(name: str, data: bytes, form: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert Table(tmp_path / name).form == form


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Der Film ist schön, aber die Länge ermüdet; größer wäre das Vergnügen für weniger Gerede gewesen."),
        ("cp1252", "Ce film est très émouvant, même si la fin est un peu décevante; l'été à Noël, ça va."),
        ("cp1252", "I don\u2019t like it \u2014 it\u2019s naïve and clichéd"),
        ("cp1251", "Прекрасный фильм, я смотрел его с большим удовольствием и советую всем своим друзьям."),  # noqa: RUF001
    ],
)
def test_the_likely_encoding_is_named_and_can_be_stated(encoding: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"text;label\nfine;pos\n{text.replace(';', ',')};pos\n".encode(encoding))
    with pytest.raises(PipelineError, match=f"line 3: not UTF-8; probably {encoding}, in which it reads ") as told:
        rows_of(path)
    _, shown, rest = re.split(r"reads ['\"]|['\"]: ", str(told.value), maxsplit=2)
    assert shown in text.replace(";", ",")
    assert rest.startswith(f"set corpus.format.encoding={encoding} (predict: --format encoding={encoding})")
    assert rows_of(path, encoding=encoding)[1]["text"] == text.replace(";", ",")


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        ("a,b", "utf-16", "a.csv is UTF-8, not UTF-16; leave .*encoding=utf-16 .* out, or convert"),
        ("n'était", "utf-32", "a.csv is UTF-8, not UTF-32; leave .*encoding=utf-32 .* out, or convert"),
        (
            "très, émouvant, déçu, été",
            "cp1252",
            "a.csv is UTF-8, not CP1252; leave .*encoding=cp1252 .* out, or convert",
        ),
        ("очень хорошо", "cp1251", "a.csv is UTF-8, not CP1251; leave .*encoding=cp1251 .* out, or convert"),
    ],
)
def test_an_encoding_that_is_stated_wrongly_is_refused(data: str, encoding: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'text\n"{data}"\n' * 3, encoding="utf-8")
    with pytest.raises(PipelineError, match=message):
        rows_of(path, encoding=encoding)
    path.write_text(f'text\n"{data}"\n', encoding=encoding)
    assert rows_of(path, encoding=encoding) == [{"text": data}]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_and_utf_32_without_a_mark_are_told_by_their_nul_characters(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nfine,pos\n", encoding=encoding)
    with pytest.raises(PipelineError, match=f"line 1: holds a NUL .*corpus.format.encoding={encoding} "):
        rows_of(path)
    with pytest.raises(PipelineError, match=f"is {encoding.upper()}, not UTF-16; set .*encoding={encoding} "):
        rows_of(path, encoding="utf-16")
    assert rows_of(path, encoding=encoding) == [{"text": "fine", "label": "pos"}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_is_believed_before_a_statement(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nfine,pos\n", encoding=encoding)
    with pytest.raises(PipelineError, match=f"is {encoding.removesuffix('-sig').upper()}, not UTF-16-BE; leave "):
        rows_of(path, encoding="utf-16-be")
    assert rows_of(path, encoding=encoding) == rows_of(path) == [{"text": "fine", "label": "pos"}]


def test_another_encoding_that_is_stated_as_utf_16_is_guessed_from_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nun été très naïf à la plage,pos\n", encoding="cp1252")
    with pytest.raises(PipelineError, match="not UTF-16-LE; probably cp1252, in which it reads 'un été très naïf"):
        rows_of(path, encoding="utf-16-le")


@pytest.mark.parametrize("encoding", sorted({*aliases.values(), "idna", "punycode", "undefined"}))
def test_a_file_is_read_and_answered_in_any_encoding_or_it_is_said_to_be_none(encoding: str, tmp_path: Path) -> None:
    """Of all that Python has, by their names."""
    try:
        file_format = stated_format([f"encoding={encoding}"])
    except PipelineError as error:
        assert re.search("=(?P<name>.*): (the encoding |)'(?P=name)' is (no encoding of text|unknown); ", str(error))
        return
    (tmp_path / "a.csv").write_bytes("text,n\nfine. Very,1\npoor,2\n".encode(encoding))
    assert texts_seen(tmp_path / "a.csv", file_format) == ["fine. Very", "poor"]
    assert (tmp_path / "out.a.csv").read_bytes().decode(encoding).splitlines()[2] == "poor,2,positive,0.500000"


def test_a_file_without_a_header_gets_the_names_that_are_stated(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("fine,pos\npoor,neg\n")
    expected = [{"text": "fine", "label": "pos"}, {"text": "poor", "label": "neg"}]
    assert rows_of(tmp_path / "a.csv", columns=["text", "label"]) == expected
    assert texts_seen(tmp_path / "a.csv", stated(columns=["text", "value"])) == ["fine", "poor"]
    assert (tmp_path / "out.a.csv").read_text().splitlines()[0] == "fine,pos,positive,0.500000"


def test_answers_keep_encoding_quotes_and_packing(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.zip"
    path.write_bytes(packed('text\tn\n"schön" sagt er\t1\n'.encode("cp1252"), ".zip"))
    file_format = stated_format(["quoting=none", "encoding=cp1252"])
    output = tmp_path / "b.tsv.zip"
    wanted = WantedColumns([["text"]])
    prediction = Prediction("positive", 0.5, [0.5, 0.5])
    answer_file(path, output, io.BytesIO(), wanted, lambda rows: ((row, prediction) for row, _ in rows), file_format)
    with zipfile.ZipFile(output) as archive:
        written = archive.read("b.tsv").decode("cp1252")
    assert written == 'text\tn\tlabel\tprobability\n"schön" sagt er\t1\tpositive\t0.500000\n'


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["quotes=none"], "no such key; write one of .* with its value, as in quoting=none"),
        (["quoting=some"], "quoting=some: "),
        (["delimiter=;;"], ";;: "),
        (["encoding=unicode_escape"], "encoding=unicode_escape: 'unicode_escape' is no encoding of text; "),
    ],
)
def test_a_format_that_there_is_not_is_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        stated_format(pairs)


def test_a_tab_may_be_written_as_programs_write_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\tlabel\nso, so\tpos\n")
    for file_format in (
        FileFormat.model_validate(VALUES["format"] | {"delimiter": "\\t"}),
        stated_format(["delimiter=\\t"]),
        stated(delimiter="\t"),
    ):
        assert Table(tmp_path / "a.csv", file_format).schema.names == ["a,b", "label"]
        assert file_format.delimiter == "\t"


def test_folders_patterns_and_several_text_columns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reviews = tmp_path / "reviews"
    reviews.mkdir()
    (reviews / "a.csv").write_text("title;body;label\nGood;Very good;pos\n;Fine;pos\n;;pos\n")
    (reviews / "b.jsonl.gz").write_bytes(gzip.compress(b'{"title": "Bad", "body": null, "label": "neg"}\n'))
    (reviews / ".hidden").write_text("no table")
    caplog.set_level("INFO")
    for path in (str(reviews), str(reviews / "*.*")):
        source = corpus(path, text_column=["title", "body"])
        write_corpus(source, tmp_path / "downloads")
        texts, left_out = read(tmp_path)
        assert texts == [f"Good {SEPARATOR} Very good", f" {SEPARATOR} Fine", f"Bad {SEPARATOR} "]
        assert left_out == {"empty_text": 1}
    assert "a.csv: CSV, ';', UTF-8, 3 rows" in caplog.messages
    assert "labels: negative: 'neg' (1 row); positive: 'pos' (3 rows)" in caplog.messages
    before = corpus_fingerprint(source)
    (reviews / "c.csv").write_text("title,body,label\n")
    assert corpus_fingerprint(source) != before


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "reviews" / "2024", tmp_path / "elsewhere"
    for place, label in ((folder, "pos"), (elsewhere / "deep", "neg"), (elsewhere / ".hidden", "neutral")):
        place.mkdir(parents=True)
        (place / f"{label}.csv").write_text(f"text,label\nIt is {label}.,{label}\n")
    (folder / "linked").symlink_to(elsewhere)
    (elsewhere / "deep" / "loop").symlink_to(folder)
    (elsewhere / "again").symlink_to(elsewhere / "deep")
    for path in ("reviews", "reviews/**", "reviews/**/*.csv", "rev*/**/link*/**/*.csv"):
        names = {file.name for file in existing_files("corpus.path", str(tmp_path / path))}
        assert names == {"neg.csv", "pos.csv"}
    write_corpus(corpus(str(tmp_path / "reviews")), tmp_path / "downloads")
    assert sorted(read(tmp_path)[0]) == ["It is neg.", "It is pos."]
    (folder / "gone.csv").symlink_to(tmp_path / "nothing")
    with pytest.raises(PipelineError, match=r"^corpus.path: .*/gone.csv is a link to a file that is not there"):
        existing_files("corpus.path", str(tmp_path / "reviews"))


def test_views_of_strings_are_texts_in_training_as_in_predictions(tmp_path: Path) -> None:
    columns = {"text": pa.array(["a", "b"], pa.string_view()), "value": ["pos", "neg"]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    write_corpus(corpus(str(tmp_path / "a.parquet"), label_column="value"), tmp_path / "downloads")
    assert read(tmp_path)[0] == texts_seen(tmp_path / "a.parquet", AUTOMATIC) == ["a", "b"]
