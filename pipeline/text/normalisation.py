"""Normalisation: one spelling for what phones, word processors and web pages write in several."""

import html
import re
import unicodedata
from collections.abc import Callable

import regex

_ENTITY = regex.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TAG = regex.compile(
    r"</?(?:a|b|big|blockquote|body|br|center|cite|code|dd|div|dl|dt|em|font|h[1-6]|hr|html|i|img|li|ol|p|pre|q|s|small"
    r"|span|strike|strong|sub|sup|table|tbody|td|th|tr|tt|u|ul)"
    r"""(?:\s++[a-z-]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>]++))*+\s*+/?>""",
    regex.IGNORECASE,
)
"""A tag with its attributes; `a <b and c>` has none of these and stays."""

_TYPOGRAPHIC: dict[int, str | None] = {
    **dict.fromkeys(map(ord, "‘’‚‛′´ʹʻʼˈ՚＇"), "'"),
    **dict.fromkeys(map(ord, "“”„‟«»″‹›〝〞＂"), '"'),
    **dict.fromkeys(map(ord, "‐‑"), "-"),
    **dict.fromkeys(map(ord, "‒–—―−⸺⸻"), "--"),
    **dict.fromkeys(map(ord, "™®©℠"), " "),
    # invisible: soft hyphen, byte order mark, zero-width characters, marks of direction, variation selectors
    **dict.fromkeys([0xAD, 0x61C, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)]),
    **dict.fromkeys(range(0xFE00, 0xFE10)),
}
"""Replacement of a character, by its code point."""
for _code in range(0x80, 0xA0):  # control characters: punctuation of Windows-1252 that was read as Latin-1
    _meant = bytes([_code]).decode("cp1252", "ignore")
    _TYPOGRAPHIC[_code] = _TYPOGRAPHIC.get(ord(_meant), _meant) if _meant else " "

_SMILEYS = {
    **dict.fromkeys((":)", ":-)", "=)", ":]", ":o)"), "🙂"),
    **dict.fromkeys((":d", ":-d", "=d"), "😀"),
    **dict.fromkeys((";)", ";-)"), "😉"),
    **dict.fromkeys((":p", ":-p", "=p"), "😛"),
    **dict.fromkeys((":(", ":-(", "=(", ":["), "🙁"),
    **dict.fromkeys((":'(", ":'-("), "😢"),
    **dict.fromkeys((":/", ":-/", ":|", ":-|"), "😐"),
    "<3": "❤",
    "</3": "💔",
}
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_ADDRESS_MARK = "\ue000"
"""Stands for an address until symbols are separated: a character for private use."""
_SPECIAL, _SPECIAL_ASCII = re.compile(r"[^\w\s'.,!?\"()]|_"), re.compile(r"[^A-Za-z0-9\s'.,!?\"()]", re.ASCII)
"""Characters that may belong to what `_APART` separates, in any text and in one of ASCII alone."""
_APART = regex.compile(
    rf"(?P<address>{_ADDRESS_MARK})"
    r"|(?P<user>(?<![\w@.])@\w{2,}+)"
    rf"|(?P<smiley>(?:{'|'.join(sorted(map(regex.escape, _SMILEYS), key=len, reverse=True))})(?!\w))"
    # dashes, and a hyphen at the edge of a word; not a sign before a digit
    r"|(?P<dash>--++|(?<!\w)-(?!\w)|(?<=\w)-(?!\w)|(?<!\w)-(?=\p{L}))"
    # 7/10 stays whole
    r"|(?P<symbol>(?<![0-9])/|/(?![0-9])|[^\w\s\p{M}'\-.,!?;:\"()/]|_)",
    regex.IGNORECASE,
)
_REPLACEMENTS: dict[str, Callable[[str], str]] = {
    "address": lambda _: "<url>",
    "user": lambda _: "<user>",
    "smiley": lambda smiley: _SMILEYS[smiley.lower()],
    "dash": lambda _: "-",
    "symbol": lambda symbol: symbol,
}


def normalise(text: str) -> str:
    """Return a text in one spelling, for a tokenizer that knows ASCII punctuation alone.

    HTML entities become their characters and tags go; Unicode is in the form NFKC, with ASCII apostrophes, quotes and
    hyphens and without invisible characters; addresses become `<url>` and `@name` becomes `<user>`; smileys become
    emoji; and dashes, emoji and other symbols are separated from words.
    """
    text = text.replace("`", "'")
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not text.isascii():
        # before NFKC, which makes a space and a combining accent of an acute accent that stands for an apostrophe
        text = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHIC))
    return _separate(_ADDRESS.sub(_ADDRESS_MARK, text) if "://" in text or "www." in text.lower() else text)


def _separate(text: str) -> str:
    pieces, end = [], 0
    # finding these first takes a quarter of the time of a search for `_APART`
    for special in (_SPECIAL_ASCII if text.isascii() else _SPECIAL).finditer(text):
        if special.start() >= end and (found := _APART.match(text, special.start())):
            pieces += [text[end : found.start()], f" {_REPLACEMENTS[str(found.lastgroup)](found[0])} "]
            end = found.end()
    return "".join([*pieces, text[end:]]) if pieces else text
