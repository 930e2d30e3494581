"""CSV and TSV as text: the delimiter of each ending, and rows as lines."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

DELIMITERS = {".csv": ",", ".tsv": "\t"}


def csv_line(values: Iterable[Any], **dialect: Any) -> str:
    """Format a row; values with a delimiter, a quote or a line break are quoted, unless `csv.writer` is told otherwise.

    Raises:
        csv.Error: a value cannot be written in this dialect.
    """
    line = StringIO()
    # with this terminator a lone \r or \n in a value is quoted by older Pythons, too
    csv.writer(line, lineterminator="\r\n", **dialect).writerow(values)
    return line.getvalue().removesuffix("\r\n") + "\n"


def csv_text(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Format a table with its header, separated by commas."""
    return "".join(map(csv_line, (header, *rows)))
