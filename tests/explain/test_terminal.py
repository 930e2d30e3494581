"""The terminal shows colours or numbers, and never control characters of a review."""

import re
from itertools import pairwise

from pipeline.explain.explainer import Explainer
from pipeline.explain.terminal import as_text
from tests.explain.conftest import TEXT


def test_the_terminal_shows_colours_or_numbers_and_obeys_no_review(wide):
    explanation = Explainer.load(wide).explain("A good film \x1b[2J not zebra.")
    plain, coloured = as_text(explanation, colour=False), as_text(explanation, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[2J" not in coloured
    for word, value in zip(explanation.words, explanation.total, strict=True):
        if word.text in ("good", "film") and abs(value) >= 0.05 * abs(explanation.total).max():
            assert f"{word.text}({value:+.2f})" in plain
            assert re.search(
                rf"\x1b\[30;48;5;{'(153|75|32)' if value > 0 else '(223|215|172)'}m{word.text}\x1b", coloured
            )
    assert "[zebra]" in plain
    assert f"{explanation.probability:.4f}" in plain.splitlines()[0]
    turns = sum((a >= 0.5) != (b >= 0.5) for a, b in pairwise([explanation.baseline, *explanation.running]))
    assert len(re.findall(" from .* on ", plain)) == turns


def test_the_terminal_says_where_the_label_of_several_classes_turns(three):
    explanation = Explainer.load(three).explain(TEXT, "good")
    said = re.findall(r"  (.*) from .* on \((.*)\)", as_text(explanation, colour=False))
    predictions = [explanation.unread, *explanation.predictions]
    turns = [after for before, after in pairwise(predictions) if before.label != after.label]
    assert len(turns) > 1
    assert said == [
        (after.label, f"{'' if after.label == 'good' else 'good '}{after.probabilities[2]:.2f}") for after in turns
    ]
