"""Cleaning of reviews."""

import random
import re

import pytest

from pipeline.text.cleaning import clean


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
