"""Cleaning of reviews."""

import random
import re

import pytest

from pipeline.text.cleaning import clean, is_empty


@pytest.mark.parametrize("tag", ["<br />", "<br>", "<BR/>", "< br / >", "</br>"])
def test_html_breaks_are_removed(tag):
    assert clean(f" one{tag}two ") == "one two"


def test_what_is_a_break_has_not_changed():
    before, chosen = re.compile(r"<\s*/?\s*br\s*/?\s*>", re.IGNORECASE), random.Random(1)
    for _ in range(20_000):
        text = "".join(chosen.choices(["<", ">", "/", " ", "\n", "b", "r", "BR", "br", "a"], k=chosen.randint(0, 15)))
        assert clean(text) == before.sub(" ", text).strip(), text


@pytest.mark.parametrize("text", ["<" + " " * 10**6, "<br" + " " * 10**6, "</" * 10**6, "< " * 10**6])
def test_a_break_that_does_not_end_takes_no_time(text):
    assert clean(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "<br>",
        "&nbsp;",
        "&amp;#160; &nbsp;",
        "\u200b\ufeff",
        '<p class="x"></p>',
        "\u3164",
        "<p></p> \u241e &nbsp;",
    ],
)
def test_a_text_of_which_nothing_is_left_is_empty(text):
    assert is_empty(text)


@pytest.mark.parametrize(
    "text", ["a", "7", "!", "👎", "<p>a</p>", "<3", "好", "&amp;", "\u3164a", "\ud83d", "<p></p> \u241e a"]
)
def test_any_letter_or_sign_is_a_text(text):
    assert not is_empty(text)
