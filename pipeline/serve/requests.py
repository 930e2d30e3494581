"""Requests that are refused before the model sees them: too large, of another type, not the JSON it takes."""

import json
import re
from collections.abc import Iterable
from email.message import Message
from typing import Any

from pipeline.inference.pyfunc import COLUMN
from pipeline.serve.limits import Limits

LISTS = ("inputs", "instances", "dataframe_records")
"""Keys under which MLflow's protocol has a list of items."""
SPLIT = "dataframe_split"
"""The key under which it has them as the `data` of a table."""
CHAT = ("messages", "prompt", "input")
"""Keys by which MLflow knows a request to a language model, which it answers in another form."""
VALUES_PER_TEXT = 100
"""Columns that a table may have for each text, so to speak: it bounds what JSON grows to in memory."""

# Linear in any text: no part can match in two ways, and a string without an end reaches to the end.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKET = re.compile(r"[^\[\]{}]+")


class Refusal(Exception):
    """The answer to a request that is not taken: a status of HTTP, and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def check_type(content_type: str | None) -> None:
    """Raises `Refusal` (415) for what does not call itself JSON in UTF-8."""
    header = Message()
    header["content-type"] = content_type or "none/given"
    further = {name.lower(): value.lower() for name, value in header.get_params([])[1:]}
    if header.get_content_type() != "application/json" or further not in ({}, {"charset": "utf-8"}):
        given = f"content type {content_type!r:.100}" if content_type else "no content type"
        raise Refusal(415, f"{given}: only JSON in UTF-8 is taken; send it with 'Content-Type: application/json'")


def check_size(size: int, limits: Limits) -> None:
    """Raises `Refusal` (413) for a body of more bytes than may be."""
    if size > limits.body:
        raise Refusal(413, f"the body is larger than {limits.body} bytes; send its texts in several requests")


def check_body(body: bytes, limits: Limits) -> None:
    """Refuse what would break the parser, is not JSON, or does not give each text once.

    What is JSON, but of another form than the protocol's, is left to MLflow to refuse.

    Raises:
        Refusal: 400 or 413; the reason names the item.
    """
    try:
        text = body.decode("utf-8-sig")
        _check_structure(_STRING.sub('""', text), limits)
        payload = json.loads(text, object_pairs_hook=_once)
    except ValueError as error:
        raise Refusal(400, f"the body is not valid JSON in UTF-8: {error}") from None
    if isinstance(payload, dict):
        for key in CHAT:
            if key in payload:
                raise Refusal(400, f"the key {key!r} is one of language models; give the texts under 'inputs'")
        for key in LISTS:
            items = payload.get(key)
            _check_items([items] if isinstance(items, str) else items, limits, named=False)
        if isinstance(payload.get(SPLIT), dict):
            _check_table(payload[SPLIT], limits)


def _check_structure(outside: str, limits: Limits) -> None:
    """Check JSON, its strings left out, by what can be seen without parsing it."""
    if number := re.search(rf"\d{{{limits.digits + 1}}}", outside):
        raise Refusal(400, f"a number has more than {limits.digits} digits: {number[0]:.20}…; give the texts alone")
    if outside.count(",") >= limits.texts * VALUES_PER_TEXT:
        raise Refusal(413, f"more than {limits.texts * VALUES_PER_TEXT} values; send the texts in several requests")
    depth = 0
    for bracket in _NO_BRACKET.sub("", outside):
        depth += 1 if bracket in "[{" else -1
        if depth > limits.nesting:
            raise Refusal(400, f"brackets are nested more than {limits.nesting} deep; give a plain list of texts")


def _check_table(table: dict[str, Any], limits: Limits) -> None:
    columns = table.get("columns")
    columns = columns if isinstance(columns, list) else []
    named = isinstance(next(iter(columns), None), str)
    if named and columns.count(columns[0]) > 1:
        raise Refusal(400, f"{columns.count(columns[0])} columns are named {columns[0]!r:.100}; give the texts in one")
    data, index = table.get("data"), table.get("index")
    if not isinstance(data, list):  # pandas takes columns, too
        raise Refusal(400, "'data' is not a list of rows; give the texts as [[text], …]")
    if index is not None and not (isinstance(index, list) and len(index) == len(data)):  # it would repeat a single row
        raise Refusal(400, f"the 'index' is not a list of {len(data)}, as many as 'data' has rows; leave it out")
    _check_items(data, limits, named)


def _check_items(items: Any, limits: Limits, named: bool) -> None:
    """Check what shall get an answer each; `named` where the values of a list among them have names, of columns."""
    if not isinstance(items, list):
        return
    if len(items) > limits.texts:
        raise Refusal(413, f"{len(items)} texts; at most {limits.texts} are taken, send them in several requests")
    in_column = any(isinstance(item, dict) and COLUMN in item for item in items)
    for row, item in enumerate(items):
        if isinstance(item, list) and len(item) != 1 and not named:  # MLflow would drop all but the first
            raise Refusal(400, f"item {row} is a list of {len(item)}; give a plain list of texts, one text an item")
        if in_column and isinstance(item, dict) and COLUMN not in item:
            raise Refusal(400, f"item {row} has no {COLUMN!r}, as others have; give one in each, or null for none")
        longest = max((len(value) for value in _values(item) if isinstance(value, str)), default=0)
        if longest > limits.characters:
            raise Refusal(413, f"item {row} has {longest} characters; at most {limits.characters} are taken, cut it")


def _values(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else (item,)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise Refusal(400, f"the key {name!r:.100} is given twice in one object; give it once")
        values[name] = value
    return values
