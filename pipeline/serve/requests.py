"""Check requests before the model sees them: refuse those that are too large, or not JSON of the right form."""

import json
import re
from collections.abc import Iterable, Sequence
from email.message import Message
from typing import Any

from pipeline.inference.pyfunc import OUTPUT
from pipeline.serve.limits import Limits
from pipeline.tables.joining import joined_text
from pipeline.tables.lines import RepeatedKeyError, distinct_keys

TEXTS_KEY = "texts"
"""Key of the fast server's own with a list of texts; MLflow does not know it."""
LISTS = (TEXTS_KEY, "inputs", "instances", "dataframe_records")
"""Keys with a list of items, all but the first of MLflow's protocol."""
TABLE_KEY = "dataframe_split"
"""Key of MLflow's protocol with a table, whose `data` is a list of rows."""
TEXT_KEYS = (*LISTS, TABLE_KEY)
"""Keys that hold the texts; a request has one of them."""
PARAMS_KEY = "params"
"""Key of MLflow's protocol with the parameters of a prediction."""
CHAT_KEYS = ("messages", "prompt", "input")
"""Keys by which MLflow recognises a request to a language model, which it answers in another form."""
VALUES_PER_TEXT = 100
"""Maximum number of values in the JSON for each allowed text, such as columns of a table: a limit of memory."""

# Takes linear time on any text: no part can match in two ways, and a string without an end extends to the end.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKET = re.compile(r"[^\[\]{}]+")


class Refusal(Exception):
    """Refusal of a request: an HTTP status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def check_type(content_type: str | None) -> None:
    """Raise `Refusal` (415) unless the content type is JSON in UTF-8."""
    header = Message()
    header["content-type"] = content_type or "none/given"
    parameters = {name.lower(): value.lower() for name, value in header.get_params([])[1:]}
    if header.get_content_type() != "application/json" or parameters not in ({}, {"charset": "utf-8"}):
        described = f"content type {content_type!r:.100}" if content_type else "no content type"
        raise Refusal(
            415, f"{described}: only JSON in UTF-8 is accepted; send it with 'Content-Type: application/json'"
        )


def check_size(size: int, limits: Limits) -> None:
    """Raise `Refusal` (413) for a body with too many bytes."""
    if size > limits.body:
        raise Refusal(413, f"the body is larger than {limits.body} bytes; send its texts in several requests")


def check_body(body: bytes, limits: Limits, text_columns: Sequence[Sequence[str]]) -> Any:
    """Parse a body; refuse one that would break the parser, is not JSON, or does not give each text once.

    JSON that does not follow the protocol is left to the application to refuse.

    Args:
        body: the body of a request.
        limits: limits of a request.
        text_columns: columns that may hold the texts of a table, one or several that are joined; the first that are
            all there are taken.

    Returns:
        The parsed JSON.

    Raises:
        Refusal: 400 or 413; the reason names the item.
    """
    try:
        text = body.decode("utf-8-sig")
        _check_structure(_STRING.sub('""', text), limits)
        payload = json.loads(text, object_pairs_hook=distinct_keys)
    except RepeatedKeyError as error:
        raise Refusal(400, str(error)) from None
    except ValueError as error:
        raise Refusal(400, f"the body is not valid JSON in UTF-8: {error}") from None
    if isinstance(payload, dict):
        _check_keys(payload)
        for key in LISTS:
            if key in payload:
                _check_items(input_items(key, payload[key]), limits, text_columns)
        if isinstance(table := payload.get(TABLE_KEY), dict):
            _check_table(table)
            _check_items(input_items(TABLE_KEY, table), limits, text_columns)
    return payload


def input_items(key: str, value: Any) -> Any:
    """Return the items of an input field, each of which gets a prediction: texts, lists of a text, or rows by column.

    A table's rows are by column if it names its columns by strings, else as they are. What is not of the protocol is
    returned as it is.

    Args:
        key: name of the field, of `TEXT_KEYS`.
        value: its value; that of `TABLE_KEY` has passed the check of a table's form.
    """
    if key != TABLE_KEY:
        return [value] if isinstance(value, str) else value
    columns, rows = value.get("columns"), value["data"]
    if not (columns and isinstance(columns, list) and all(isinstance(name, str) for name in columns)):
        return rows
    return [dict(zip(columns, row, strict=True)) if isinstance(row, list) else row for row in rows]


def _check_structure(outside: str, limits: Limits) -> None:
    """Check the JSON outside of its strings without parsing it."""
    if number := re.search(rf"\d{{{limits.digits + 1}}}", outside):
        raise Refusal(400, f"a number has more than {limits.digits} digits: {number[0]:.20}…; give the texts alone")
    if outside.count(",") >= limits.texts * VALUES_PER_TEXT:
        raise Refusal(413, f"more than {limits.texts * VALUES_PER_TEXT} values; send the texts in several requests")
    depth = 0
    for bracket in _NO_BRACKET.sub("", outside):
        depth += 1 if bracket in "[{" else -1
        if depth > limits.nesting:
            raise Refusal(400, f"brackets are nested more than {limits.nesting} deep; give a plain list of texts")


def _check_keys(payload: dict[str, Any]) -> None:
    """Refuse a request to a language model, and parameters that the model does not have."""
    for key in CHAT_KEYS:
        if key in payload:
            raise Refusal(400, f"the key {key!r} is for language models; give the texts under 'inputs'")
    if PARAMS_KEY in payload and (not isinstance(params := payload[PARAMS_KEY], dict) or params.keys() - {OUTPUT}):
        raise Refusal(400, f"the 'params' are {params!r:.100}; the only parameter is {OUTPUT!r}")


def _check_table(table: dict[str, Any]) -> None:
    """Check the form of a table, whose rows and columns pandas would otherwise make up."""
    columns = columns if isinstance(columns := table.get("columns"), list) else None
    if columns and columns.count(columns[0]) > 1:
        raise Refusal(400, f"{columns.count(columns[0])} columns are named {columns[0]!r:.100}; give the texts in one")
    rows, index = table.get("data"), table.get("index")
    if not isinstance(rows, list):  # pandas would also accept columns
        raise Refusal(400, "'data' is not a list of rows; give the texts as [[text], …]")
    if index is not None and not (isinstance(index, list) and len(index) == len(rows)):  # it would repeat a single row
        raise Refusal(400, f"the 'index' is not a list of {len(rows)}, as many as 'data' has rows; leave it out")
    if columns is not None:  # pandas would fill a short row up
        for number, row in enumerate(rows):
            if isinstance(row, list) and len(row) != len(columns):
                raise Refusal(
                    400,
                    f"item {number} has {len(row)} of {len(columns)} columns; give a value for each, or null for none",
                )


def _check_items(items: Any, limits: Limits, text_columns: Sequence[Sequence[str]]) -> None:
    """Check the items that get a prediction each."""
    if not isinstance(items, list):  # the model would also accept columns
        raise Refusal(400, f"{items!r:.100} is given, not a list; give a plain list of texts")
    if len(items) > limits.texts:
        raise Refusal(
            413, f"{len(items)} texts, but at most {limits.texts} are accepted; send them in several requests"
        )
    present = {name for item in items if isinstance(item, dict) for name in item}
    # as the model chooses them; without any, it takes the only column, or refuses the request itself
    columns = next((names for names in text_columns if present.issuperset(names)), ())
    for number, item in enumerate(items):
        _check_item(number, item, columns, limits)


def _check_item(number: int, item: Any, columns: Sequence[str], limits: Limits) -> None:
    """Check an item: its form, its texts, and all other strings in it.

    Args:
        number: its place among the items, for messages.
        item: a text, a list of one, or a row by column.
        columns: columns of a row that hold its text.
        limits: limits of a request.
    """
    if isinstance(item, list) and len(item) != 1:
        raise Refusal(400, f"item {number} is a list of {len(item)}; give a plain list of texts, one text an item")
    if isinstance(item, dict):
        values, texts = [*item.values()], row_texts(number, item, columns)
    else:
        values = texts = item if isinstance(item, list) else [item]
        _require_texts(number, texts)
    strings = [value for value in (*values, joined_text(texts)) if isinstance(value, str)]
    _require_whole_characters(number, [*strings, *(item if isinstance(item, dict) else ())])
    longest = max(map(len, strings), default=0)
    if longest > limits.characters:
        raise Refusal(
            413, f"item {number} has {longest} characters, but at most {limits.characters} are accepted; shorten it"
        )


def row_texts(number: int, row: dict[str, Any], columns: Sequence[str]) -> list[str | None]:
    """Return the texts that a row has in these columns.

    Args:
        number: its place among the items, for messages.
        row: values by column.
        columns: columns with the text; several are joined.

    Raises:
        Refusal: 400, a column is missing, or its value is neither a text nor null.
    """
    for column in columns:
        if column not in row:
            raise Refusal(400, f"item {number} has no {column!r}, as others have; give one in each, or null for none")
    texts = [row[column] for column in columns]
    _require_texts(number, texts)
    return texts


def _require_texts(number: int, values: Iterable[Any]) -> None:
    """Refuse a value of an item that is no text: among texts, MLflow would turn it into one."""
    for value in values:
        if not isinstance(value, str | None):
            raise Refusal(400, f"item {number} is {value!r:.100}, not a text; write it in quotes, or null for none")


def _require_whole_characters(number: int, texts: Iterable[str]) -> None:
    """Refuse half of a surrogate pair, which JSON may hold: MLflow accepts it in some forms of a request alone."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Refusal(400, f"item {number} has half a character: {error.reason}; send whole ones") from None
