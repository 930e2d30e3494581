"""Schema of the format of users' tables: what their file extension does not tell."""

import codecs
from typing import Literal

from pydantic import Field, field_validator

from pipeline.config.section import Section
from pipeline.runtime.records import Record

NOT_OF_FILES = {"idna", "punycode", "undefined", "unicode-escape"}
"""Python codecs that no file of lines is in: for single names, for nothing, or without line breaks."""

Character = Field(pattern=r"^[^\r\n\x00]$")


class FileFormat(Section):
    """Format of a user's table; a key that is null is detected automatically, and the result is printed."""

    delimiter: str | None = Character
    """Delimiter of CSV and TSV, `\\t` for a tab; null: detected from the first rows."""
    quoting: Literal["standard", "none"] | None
    """Quoting of CSV and TSV: `standard` (RFC 4180: a value in quotes may hold the delimiter, line breaks and doubled
    quotes) or `none` (quotes are part of the text); null: standard, but an error if rows seem to be swallowed by
    quotes."""
    escape: str | None = Character
    """Escape character of CSV and TSV, before a quote, a delimiter or itself within a value, such as '\\'; null:
    none."""
    encoding: str | None
    """Encoding of CSV, TSV and JSON, such as cp1252; null: UTF-8, or UTF-16 if the file begins with its mark."""
    columns: list[str] | None = Field(min_length=1)
    """Column names, for CSV, TSV and XLSX files without a header; null: the first row holds them."""
    sheet: str | None
    """Sheet of XLSX files; null: the only one with rows."""

    @field_validator("delimiter", mode="before")
    @classmethod
    def _may_be_a_tab(cls, delimiter: object) -> object:
        return "\t" if delimiter == "\\t" else delimiter

    @field_validator("encoding")
    @classmethod
    def _is_of_text(cls, encoding: str | None) -> str | None:
        if encoding is not None:
            try:
                known = codecs.lookup(encoding)
            except (LookupError, ValueError):
                raise ValueError(f"the encoding {encoding!r} is unknown; write one such as utf-8 or cp1252") from None
            if known.name in NOT_OF_FILES or not getattr(known, "_is_text_encoding", True):
                raise ValueError(f"{encoding!r} is no encoding of text; write one such as utf-8 or cp1252")
        return encoding


AUTOMATIC = FileFormat(delimiter=None, quoting=None, escape=None, encoding=None, columns=None, sheet=None)
"""Everything is detected."""


class TrainingFormat(Record):
    """Part of the format of its files that a model keeps: the quoting, which cannot be detected in other files."""

    quoting: Literal["standard", "none"] | None = None
    escape: str | None = None
