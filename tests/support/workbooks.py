"""XLSX files, as bytes."""

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from openpyxl import Workbook

SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
_TYPE = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
_NAMESPACE = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def workbook_bytes(rows: Iterable[Sequence[Any]], **more: Iterable[Sequence[Any]]) -> bytes:
    """Make a workbook with the sheet `Reviews`, and others by name; its strings are in a table, like Excel's."""
    workbook = Workbook()
    workbook.active.title = "Reviews"
    for name, values in {"Reviews": rows, **more}.items():
        sheet = workbook[name] if name in workbook.sheetnames else workbook.create_sheet(name)
        for row in values:
            sheet.append(list(row))
    buffer = io.BytesIO()
    workbook.save(buffer)
    strings: list[bytes] = []

    def share(cell: re.Match[bytes]) -> bytes:
        strings.append(b"<si>%s</si>" % cell[1])
        return b't="s"><v>%d</v>' % (len(strings) - 1)

    def with_table(name: str, part: bytes) -> bytes:
        if name.startswith("xl/worksheets/"):
            return re.sub(rb't="inlineStr"><is>(.*?)</is>', share, part, flags=re.DOTALL)
        override = b'<Override PartName="/%s" ContentType="%s"/></Types>' % (STRINGS.encode(), _TYPE)
        return part.replace(b"</Types>", override)

    data = changed_parts(buffer.getvalue(), with_table)
    with zipfile.ZipFile(table := io.BytesIO(data), "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(STRINGS, b'<sst xmlns="%s">%s</sst>' % (_NAMESPACE, b"".join(strings)))
    return table.getvalue()


def changed_parts(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """Change the parts of a workbook, by their names."""
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, change(name, source.read(name)))
    return buffer.getvalue()


def replaced(data: bytes, old: bytes, new: bytes, part: str = SHEET) -> bytes:
    """Replace bytes in a part of a workbook."""

    def change(name: str, content: bytes) -> bytes:
        assert name != part or old in content
        return content.replace(old, new) if name == part else content

    return changed_parts(data, change)
