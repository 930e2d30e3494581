"""Normalisation: what people type differently is read alike."""

import pytest

from pipeline.text.normalisation import normalise
from pipeline.text.tokenizer import Tokenizer


def tokens(text: str, tokenizer: str = "basic_english") -> list[str]:
    return Tokenizer(tokenizer)(normalise(text))


@pytest.mark.parametrize(
    ("typographic", "plain"),
    [
        ("I don’t recommend it.", "I don't recommend it."),
        ("I don`t, don´t, don‘t, donʼt", "I don't, don't, don't, don't"),
        ("couldn&#39;t, it&rsquo;s, &quot;so&quot; &amp; so", "couldn't, it's, \"so\" & so"),
        ("“Wonderful” is «the» word", '"Wonderful" is "the" word'),
        ("boring…predictable", "boring...predictable"),
        ("good – no, great—really", "good -- no, great -- really"),
        ("well‑made, ﬁlm, Ｇｏｏｄ", "well-made, film, Good"),
        ("it\x92s fine \x96 really \x93so\x94", 'it\'s fine - really "so"'),
        ("go\xadod\ufeff fi\u200blm", "good film"),
        ("<p class='x'>good</p> <i>film</i><hr/>", "good film"),
        ("re\u0301sume\u0301", "résumé"),
        ("good :-) bad :( <3", "good 🙂 bad 🙁 ❤"),
        ("a/b #good *good* _good_ ~5", "a / b # good * good * _ good _ ~ 5"),
        ("good👍bad", "good 👍 bad"),
        ("see https://a.example/b?c=d#e or www.f.example", "see <url> or <url>"),
        ("thanks @ann_b!", "thanks <user> !"),
    ],
)
def test_spellings_of_one_thing_have_the_same_tokens(typographic, plain):
    assert tokens(typographic) == Tokenizer("basic_english")(plain.replace("--", "-"))


@pytest.mark.parametrize(
    "text",
    [
        "a well-made film, 7/10",
        "-5 degrees",
        "a <b and c> d".replace("<", "(").replace(">", ")"),
        "AT.T",
        "Dir:Ann 10:30",
    ],
)
def test_plain_text_stays(text):
    assert normalise(text) == text


def test_a_comparison_is_no_tag_and_an_ampersand_no_entity():
    assert tokens("x <b and c> y, R&D &notit; &unknown;") == [
        *("x", "<", "b", "and", "c", ">", "y", ",", "r", "&", "d", "¬", "it"),
        *("&", "unknown"),
    ]


@pytest.mark.parametrize(
    "text", ["<" * 10**5, "&" * 10**5, "-" * 10**5, "<a " + "b=" * 10**5, "@" * 10**5, ":'" * 10**5]
)
def test_a_hostile_text_takes_no_time(text):
    normalise(text)


def test_words_of_any_script_keep_accents_and_apostrophes():
    assert tokens("L’été à Köln: नमस्ते, مُدَرِّسَة!", "unicode_words") == [
        *("l'été", "à", "köln", ":", "नमस्ते", ",", "مُدَرِّسَة", "!"),
    ]


def test_characters_are_tokens_with_their_marks():
    assert tokens("好电影", "characters") == [*"好电影"]
    assert tokens("\u0e25\u0e31\u0e07", "characters") == ["\u0e25\u0e31", "\u0e07"]  # Thai: a vowel above its letter
    assert tokens("e\u0301 x", "characters") == ["\u00e9", "x"]
