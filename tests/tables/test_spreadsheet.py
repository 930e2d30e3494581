"""XLSX: one sheet is read as CSV would be, by training and predictions alike, or an error names the cell."""

import io
import re
import shlex
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.composition import compose_config
from pipeline.config.file_format import AUTOMATIC
from pipeline.predict.answering import answer_file
from pipeline.runtime.errors import PipelineError
from pipeline.tables import spreadsheet
from pipeline.tables.answer_columns import WantedColumns
from pipeline.tables.stated_format import stated_format
from pipeline.tables.table_reader import Table
from tests.support.workbooks import replaced, workbook_bytes

ROWS = [["text", "label"], ["fine", "pos"], ["poor", "neg"]]


def rows_of(path: Path, **keys: Any) -> list[dict[str, str]]:
    table = Table(path, AUTOMATIC.model_copy(update=keys))
    return [row for batch in table.batches() for row in batch.to_pylist()]


def test_values_are_texts_as_in_csv_and_empty_rows_are_none(tmp_path: Path) -> None:
    rows: list[list[Any]] = [[None, None, None], ["text", None, "label"], ["a\nb", None, 1], [], ["", "", ""]]
    rows += [[value, None, 0] for value in (7, 7.0, 0.5, True, date(2024, 5, 1), datetime(2024, 5, 1, 12, 30))]
    rows += [[time(9, 5), None, None], ["_x000D_\n=1", None, 0]]
    (tmp_path / "a.xlsx").write_bytes(workbook_bytes(rows))
    read = rows_of(tmp_path / "a.xlsx")
    assert [row["text"] for row in read] == [
        "a\nb", "7", "7", "0.5", "TRUE", "2024-05-01", "2024-05-01 12:30:00", "09:05:00", "\r\n=1",
    ]  # fmt: skip
    assert [row["label"] for row in read] == ["1", *"000000", "", "0"]


def test_a_formula_gives_its_stored_value_and_one_without_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook_bytes([["text", "label"], ["fine", "=1+1"], ["poor", 0]]))
    with pytest.raises(PipelineError, match="sheet 'Reviews', B2: a formula without its value; open the file in Excel"):
        rows_of(path)
    path.write_bytes(replaced(path.read_bytes(), b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>"))
    assert [row["label"] for row in rows_of(path)] == ["2", "0"]
    path.write_bytes(
        replaced(path.read_bytes(), b'<c r="B2"><f>1+1</f><v>2</v>', b'<c r="B2" t="str"><f>""</f><v></v>')
    )
    assert [row["label"] for row in rows_of(path)] == ["", "0"]


def test_an_error_of_a_formula_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(replaced(workbook_bytes([*ROWS, ["odd", 1]]), b'<c r="B4" t="n"><v>1', b'<c r="B4" t="e"><v>#N/A'))
    with pytest.raises(PipelineError, match="sheet 'Reviews', B4: the error #N/A; correct the formula, or empty the"):
        rows_of(path)


def test_of_several_sheets_with_rows_one_is_to_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook_bytes(ROWS, Notes=[]))
    assert len(rows_of(path)) == 2 and Table(path).form == "XLSX, sheet 'Reviews'"
    path.write_bytes(workbook_bytes(ROWS, **{"More reviews": [["text", "label"], ["odd", "neg"]]}))
    with pytest.raises(PipelineError, match=r"the sheets 'Reviews', 'More reviews' hold rows; choose .*sheet=Reviews"):
        Table(path)
    assert rows_of(path, sheet="More reviews") == [{"text": "odd", "label": "neg"}]
    with pytest.raises(PipelineError, match="has no sheet 'Other'; its sheets are 'Reviews', 'More reviews'"):
        Table(path, AUTOMATIC.model_copy(update={"sheet": "Other"}))


@pytest.mark.parametrize("name", ["Übrige (alt)", "2023", "a ${b}"])
def test_the_choice_of_a_sheet_can_be_copied_into_a_shell(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook_bytes([], **{name: ROWS, "Mai": ROWS}))
    with pytest.raises(PipelineError) as refused:
        Table(path)
    advice = re.search(r"choose one with (.*) \(predict: --format (.*)\)", str(refused.value))
    assert advice
    override, argument = (shlex.split(part) for part in advice.groups())
    assert compose_config(["corpus=files", *override])["corpus"]["format"]["sheet"] == name
    assert stated_format(argument).sheet == name


@pytest.mark.parametrize(
    ("rows", "keys", "message"),
    [
        ([*ROWS, ["a", "pos", "lost"]], {}, "C4 has a value, but its column has no name; name the column, or empty it"),
        (ROWS, {"columns": ["text"]}, "B1 has a value, but its column has no name"),
        ([["text", "text"]], {}, "the column 'text' occurs more than once"),
        ([], {}, "a.xlsx is empty; give a file with a header and rows"),
    ],
)  # fmt: skip
def test_nothing_is_lost_in_silence(rows: list[list[str]], keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook_bytes(rows))
    with pytest.raises(PipelineError, match=message):
        rows_of(path, **keys)


def test_predictions_are_csv_with_the_rows_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.xlsx", workbook_bytes([["text", "stars"], ['a "fine", film', 7]]))
    answered = ("positive", 0.5, [0.5, 0.5])
    form = answer_file(
        path, tmp_path / "b.csv", io.BytesIO(), WantedColumns([["text"]]),
        lambda rows: ((row, answered) for row, _ in rows), AUTOMATIC.model_copy(update={"encoding": "utf-16"}),
    )  # fmt: skip
    assert form == "XLSX, sheet 'Reviews'"
    assert (tmp_path / "b.csv").read_text() == (
        'text,stars,label,probability\n"a ""fine"", film",7,positive,0.500000\n'
    )


ENTITIES = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><worksheet '


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-30], "is not XLSX, or has a password; save it as XLSX without one, or as CSV"),
        (lambda data: replaced(data, b"</row>", b"<row>"), r"is damaged \(.*\); save it again, or as CSV"),
        (lambda data: replaced(data, b"<worksheet ", ENTITIES), "sheet1.xml in it defines entities; save it again"),
        (
            lambda data: replaced(data, b"<row ", b"<row a='" + b"a" * 11 * 2**20 + b"' "),
            "a row is longer than 10 MB; save it as CSV",
        ),
        (
            lambda data: replaced(data, b"</sheetData>", b"</sheetData>" + b" " * 2**26),
            "unpacks to 64 MB, more than 34",
        ),
    ],
)
def test_a_damaged_or_harmful_file_is_one_line(change: Callable[[bytes], bytes], message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(change(workbook_bytes(ROWS)))
    with pytest.raises(PipelineError, match=f"a.xlsx:? {message}|a.xlsx: .*{message}"):
        rows_of(path)


def test_batches_are_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "BATCH_BYTES", 1000)
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook_bytes([["text"], *([f"{number:0400}"] for number in range(7))]))
    batches = list(Table(path).batches())
    assert [batch.num_rows for batch in batches] == [3, 3, 1]
    assert [int(text) for batch in batches for text in batch["text"].to_pylist()] == list(range(7))


def test_a_workbook_with_what_openpyxl_drops_is_read_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "a.xlsx"
    old = b"</sheetData>"
    new = old + b'<extLst><ext uri="{CCE6A557-97BC-4B89-ADB6-D9C93CAAB3DF}"/></extLst>'
    path.write_bytes(replaced(workbook_bytes(ROWS), old, new))
    assert len(rows_of(path)) == 2 and not recwarn.list
