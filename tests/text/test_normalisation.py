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
        ("couldn&amp;#39;t, it&amp;rsquo;s, &amp;amp;quot;so&amp;quot; &amp;amp; so", "couldn't, it's, \"so\" & so"),
        ("don❜t don΄t donˊt, ❝so❞ ⋯ ﹘ ︱", "don't don't don't, \"so\" ... -- --"),
        ("go\u034fod\U000e0101 fi\u180e\u3164lm", "good film"),
        ("“Wonderful” is «the» word", '"Wonderful" is "the" word'),
        ("boring…predictable", "boring...predictable"),
        ("good – no, great—really", "good -- no, great -- really"),
        ("well‑made, ﬁlm, Ｇｏｏｄ", "well-made, film, Good"),
        ("it\x92s fine \x96 really \x93so\x94", 'it\'s fine - really "so"'),
        ("go\xadod\ufeff fi\u200blm", "good film"),
        ("<p class='x'>good</p> <i>film</i><hr/>", "good film"),
        ("re\u0301sume\u0301", "résumé"),
        ("good :-) bad :( <3", "good 🙂 bad 🙁 ❤"),
        ("a/b 5*3 ~5 •good", "a / b 5 * 3 ~ 5 good"),
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


@pytest.mark.parametrize(
    "marked",
    [
        *("*great*", "**great**", "***great***", "_great_", "__great__", "~great~", "~~great~~", "`great`"),
        *("**_great_**", "_**great**_", "~~*great*~~", "#great", "##great"),
    ],
)
def test_a_marked_word_is_read_like_the_word(marked):
    for text in ("What a {} film!", "{}", "So {}, ({}) and “{}”!", "{} acting.\nNot {}"):
        assert tokens(text.replace("{}", marked)) == tokens(text.replace("{}", "great")), text


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("*two words*, **two words** _two words_ ~~two words~~", "two words, two words two words two words"),
        ("*What a film!* He said *no.* *“So”*", 'What a film! He said no. "So"'),
        ("*a **great** film* and **a *great* film**", "a great film and a great film"),
        ("*** two words ***", "two words"),
        ("* one\n* *two* words\n  * three", "one two words three"),
        ("# Heading\n## Second heading\ntext", "Heading Second heading text"),
        ("#not_good, #MeToo", "not good, MeToo"),
        ("https://a.example/_b_*c* @ann_b_!", "<url> <user>!"),
    ],
)
def test_markdown_is_read_like_its_text(marked, plain):
    assert tokens(marked) == Tokenizer("basic_english")(plain)


@pytest.mark.parametrize("tokenizer", ["basic_english", "unicode_words"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C# is #1 of the 5 * 3", "c # is # 1 of the 5 * 3"),
        ("**** out of ****", "**** out of ****"),
        ("* (OUT OF FOUR)", "* ( out of four )"),
        ("* * of five", "* * of five"),
        ("***½ (out of ****), **.", "*** 1 ⁄ 2 ( out of **** ) , ** ."),
        ("~5 or ~6 minutes", "~ 5 or ~ 6 minutes"),
        ("snake_case and M*A*S*H", "snake_case and m*a*s*h"),
        ("sh*t, f**k, this f*** s***!", "sh*t , f**k , this f*** s*** !"),
        ("a *footnote, a great** note *", "a * footnote , a great ** note *"),
    ],
)
def test_a_star_that_is_no_markup_stays(text, expected, tokenizer):
    assert tokens(text, tokenizer) == expected.split()


def test_a_comparison_is_no_tag_and_an_ampersand_no_entity():
    assert tokens("x <b and c> y, R&D &notit; &unknown;") == [
        *("x", "<", "b", "and", "c", ">", "y", ",", "r", "&", "d", "¬", "it"),
        *("&", "unknown"),
    ]


@pytest.mark.parametrize("beginning", ["", "x", "* x", "<a "])
@pytest.mark.parametrize("repeated", [*"<&-@*_~#`/\n ", ":'", "b=", "* ", "*a", "a* ", "_a", "# ", "~a ", "\n* ", "— "])
def test_a_hostile_text_takes_no_time(beginning, repeated):
    normalise(beginning + repeated * 10**5)


def test_half_of_a_surrogate_pair_is_a_symbol():
    assert normalise("a\ud800b") == "a \ud800 b"


def test_words_of_any_script_keep_accents_and_apostrophes():
    assert tokens("L’été à Köln: नमस्ते, مُدَرِّسَة!", "unicode_words") == [
        *("l'été", "à", "köln", ":", "नमस्ते", ",", "مُدَرِّسَة", "!"),
    ]


def test_characters_are_tokens_with_their_marks():
    assert tokens("好电影", "characters") == [*"好电影"]
    assert tokens("\u0e25\u0e31\u0e07", "characters") == ["\u0e25\u0e31", "\u0e07"]  # Thai: a vowel above its letter
    assert tokens("e\u0301 x", "characters") == ["\u00e9", "x"]
