"""Normalisation: one spelling for what phones, word processors, web pages and Markdown write differently."""

import html
import re
import unicodedata

import regex

_ENTITY = regex.compile(r"&(?:amp;)*(#[0-9]{1,7};|#[xX][0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{1,31};)")
"""An entity, also one of a text that was escaped several times: `&amp;#39;`."""
_TAG = regex.compile(
    r"</?(?:a|b|big|blockquote|body|br|center|cite|code|dd|div|dl|dt|em|font|h[1-6]|hr|html|i|img|li|ol|p|pre|q|s|small"
    r"|span|strike|strong|sub|sup|table|tbody|td|th|tr|tt|u|ul)"
    r"""(?:\s++[a-z-]++\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>]++))*+\s*+/?>""",
    regex.IGNORECASE,
)
"""A tag with its attributes; `a <b and c>` has none of these and stays."""

_ADDRESS, _ADDRESS_MARK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE), "\ue000"
_USER, _USER_MARK = regex.compile(r"(?<![\w@.])@\w{2,}+"), "\ue001"
"""Each mark, a private-use character, stands for its token until symbols are separated."""

_TYPOGRAPHIC = {
    **dict.fromkeys("‘’‚‛❛❜′´ʹʻʼˈˊ՚΄᾽᾿＇", "'"),
    **dict.fromkeys("“”„‟❝❞«»″‹›〝〞＂", '"'),
    **dict.fromkeys("‐‑", "-"),
    **dict.fromkeys("‒–—―−⸺⸻﹘︱︲", "--"),
    "⋯": "...",
    **dict.fromkeys("™®©℠•‣▪◦●", " "),
    # invisible: soft hyphen, byte order mark, zero-width characters, marks of direction, variation selectors, fillers
    **dict.fromkeys(map(chr, (0xAD, 0x34F, 0x61C, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F))), ""),
    **dict.fromkeys(map(chr, (*range(0x2060, 0x2070), *range(0xFE00, 0xFE10), *range(0x180B, 0x1810))), ""),
    **dict.fromkeys(map(chr, (0x115F, 0x1160, 0x3164, 0xFFA0, *range(0xE0000, 0xE0080), *range(0xE0100, 0xE01F0))), ""),
    **dict.fromkeys((_ADDRESS_MARK, _USER_MARK), ""),
}
"""Replacement of a character."""
for _code in range(0x80, 0xA0):  # control characters: punctuation of Windows-1252 that was read as Latin-1
    _meant = bytes([_code]).decode("cp1252", "ignore")
    _TYPOGRAPHIC[chr(_code)] = _TYPOGRAPHIC.get(_meant, _meant) if _meant else " "

# patterns that begin with a character, where they can: `regex` looks for it much faster than for a class or a boundary
_EDGE_UNDERSCORES = regex.compile(r"(?<!\w)_++|(?<!_)_++(?!\w)")
_HASHTAG = regex.compile(r"(?<![\w&#])#++(?=\p{L})(\w++)")
_HEADING = regex.compile(r"^[ \t]*+#{1,6}+[ \t]++(?![\s#0-9])", regex.MULTILINE)
_RATING = r"[\s0-9/]|\*++(?:\s|$)|\(?(?i:(?:out )?of|from|stars?)\b"
"""Continuation of stars that are no markup: `* 1/2`, `*** out of ****`."""
_LIST_ITEM = regex.compile(rf"\*(?<=^[ \t]*\*)[ \t]++(?!{_RATING})", regex.MULTILINE)
_FRAMED = regex.compile(rf"\*(?<=^[ \t]*\*)(\**+)[ \t]++(?!{_RATING})([^*\n]*+)(?<=[ \t])\*\1[ \t]*+$", regex.MULTILINE)
"""A line between stars."""
_EMPHASIS = {
    mark: regex.compile(rf"(?<![\w{mark}])({mark_run})(?![\s{mark})\].,;:!?])([^{mark}]*+)(?<![\s(\[])\1(?![\w{mark}])")
    for mark, mark_run in (("*", r"\*++"), ("~", "~{1,3}+"), ("`", "`++"))
}
"""Text between two runs of a mark, as in Markdown: the first begins a word, and the second ends one."""
_FREE_STARS = regex.compile(r"(?<!\*)\*++(?!(?<=\p{L}\*+)\p{L}|(?<=(?<!\p{L})\p{L}{1,3}\*{2,})(?!\w))")
"""Stars, except those that hide letters of a word: `sh*t`, `f***`."""

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
_SMILEYS_BY_EYES = {
    eyes: regex.compile(
        rf"{eyes}(?:{'|'.join(regex.escape(smiley[1:]) for smiley in _SMILEYS if smiley[0] == eyes)})(?!\w)",
        regex.IGNORECASE,
    )
    for eyes in ":;=<"
}
_DASH = regex.compile(r"-(?:-++|(?!\w)|(?<!\w-)(?=\p{L}))")
"""Dashes, and a hyphen at the edge of a word; not a sign before a digit."""
_SLASH = regex.compile(r"/(?:(?<![0-9]/)|(?![0-9]))")
"""Any slash except that of 7/10."""
_ASCII_SYMBOLS = [
    symbol
    for symbol in map(chr, range(128))
    if not symbol.isalnum() and not symbol.isspace() and symbol not in "'\".,!?;:()-/*_"
]
_OTHER_SYMBOLS = regex.compile(r"[^\w\s\p{M}]")
_ASCII = bytes(range(128))


def normalise(text: str) -> str:
    """Normalise a text, for a tokenizer that knows only ASCII punctuation.

    HTML entities become their characters, and tags are removed; Unicode is in the form NFKC, with ASCII apostrophes,
    quotes and hyphens and without invisible characters; marks of emphasis, lists, headings and hashtags are removed;
    addresses become `<url>` and `@name` becomes `<user>`; smileys become emoji; and dashes, emoji and other symbols are
    separated from words.
    """
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(f"&{entity[1]}"), text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not text.isascii():
        # before NFKC, which makes a space and a combining accent of an acute accent that stands for an apostrophe
        for character in _TYPOGRAPHIC.keys() & _beyond_ascii(text):  # a tenth of the time of `str.translate`
            text = text.replace(character, _TYPOGRAPHIC[character])
        text = unicodedata.normalize("NFKC", text)
    return _separate(_without_markup(text))


def smileys_as_emoji(text: str) -> str:
    """Replace the smileys of a text with emoji between spaces."""
    for eyes, smileys in _SMILEYS_BY_EYES.items():
        if eyes in text:
            text = smileys.sub(lambda smiley: f" {_SMILEYS[smiley[0].lower()]} ", text)
    return text


def _beyond_ascii(text: str) -> set[str]:
    encoded = text.encode("utf-8", "surrogatepass")  # JSON may hold halves of surrogate pairs
    return set(encoded.translate(None, _ASCII).decode("utf-8", "surrogatepass"))


def _without_markup(text: str) -> str:
    """Remove Markdown's marks, and hide addresses and users, whose names may hold such marks."""
    if "www." in text.lower() or (":" in text and "://" in text):  # one character is found much faster than three
        text = _ADDRESS.sub(_ADDRESS_MARK, text)
    if "_" in text:
        text = _EDGE_UNDERSCORES.sub("", text)
    if "@" in text:
        text = _USER.sub(_USER_MARK, text)
    if "#" in text:
        text = _HASHTAG.sub(lambda tag: tag[1].replace("_", " "), _HEADING.sub("", text))
    if "*" in text:
        text = _LIST_ITEM.sub("", _FRAMED.sub(r"\2", text))
    for mark, emphasis in _EMPHASIS.items():
        if mark in text:
            text = emphasis.sub(r"\2", emphasis.sub(r"\2", text))  # twice: emphasis within emphasis
    return text.replace("`", "'")


def _separate(text: str) -> str:
    """Surround symbols, dashes, smileys and stars by spaces."""
    if not text.isascii():
        for symbol in _OTHER_SYMBOLS.findall("".join(_beyond_ascii(text))):
            text = text.replace(symbol, f" {symbol} ")
    text = smileys_as_emoji(text)
    for symbol in _ASCII_SYMBOLS:
        if symbol in text:
            text = text.replace(symbol, f" {symbol} ")
    if "-" in text:
        text = _DASH.sub(" - ", text)
    if "/" in text:
        text = _SLASH.sub(" / ", text)
    if "*" in text:
        text = _FREE_STARS.sub(r" \g<0> ", text)
    return text.replace(_ADDRESS_MARK, "<url>").replace(_USER_MARK, "<user>")
