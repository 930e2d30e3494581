"""The command, called as `python -m pipeline.explain` calls it."""

import io
import re
import sys

import pytest

from pipeline.explain.__main__ import main
from pipeline.inference.predictor import Predictor
from tests.explain.conftest import small_model
from tests.support.models import SPAM, THREE


@pytest.fixture
def explain(wide, tmp_path, monkeypatch, capsys):
    """Run the command on an argument and standard input; return the text it prints and the page it writes."""

    def run(text, *options, stdin=b"", model=wide):
        page = tmp_path / "page.html"
        monkeypatch.setattr(sys, "argv", ["explain", text, "--model", str(model), "--output", str(page), *options])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        main()
        return capsys.readouterr().out, page.read_text(encoding="utf-8")

    return run


def test_the_command_explains_standard_input(wide, explain):
    printed, page = explain("-", stdin=b"A good film.")
    expected = Predictor.load(wide).probabilities(["A good film."])
    assert f"\t{expected[0, 1]:.4f}" in printed.splitlines()[0]
    assert "\x1b" not in printed
    assert page


def test_the_command_says_which_model_it_explains(explain, three, caplog):
    with caplog.at_level("INFO"):
        explain("A good film.", model=three)
    assert caplog.messages == [f"model: {three}, trained on an unknown corpus, answers bad, so so or good"]


def test_bytes_that_are_not_utf_8_are_shown_as_such(explain):
    """Python hands on an argument in another encoding with surrogates."""
    printed, page = explain("caf\udce9 film")
    assert "[\N{REPLACEMENT CHARACTER}]" in printed
    assert "\N{REPLACEMENT CHARACTER}</button>" in page


def test_the_class_asked_for_is_explained_and_the_label_stays(explain, three):
    label, probability, probabilities = Predictor.load(three)(["A good film."])[0]
    for number, name in enumerate(THREE):
        printed, page = explain("A good film.", "--class", name, model=three)
        assert printed.splitlines()[0] == f"{label}\t{probability:.4f}"
        assert f"probability of {name} after each word" in printed
        assert f"the words add to the output for {name}, less the mean of the other classes' outputs:" in printed
        assert f"probability of {name} is <strong>{probabilities[number]:.3f}</strong>" in page
        assert f"called {label}, and not {name}</h1>" in page or name == label


def test_the_command_says_which_end_of_an_order_the_words_count_towards(explain, five):
    printed, page = explain("A good film.", model=five)
    assert "the words add to the score that ranks the classes, from 1 star up to 5 stars:" in printed
    assert "counts towards 5 stars" in page and "</span> towards 1 star;" in page


def test_two_classes_of_other_names_are_called_by_them(explain, compose, tmp_path):
    model = small_model(tmp_path / "model", compose, "wide", SPAM)
    printed, page = explain("A good film. Not bad!", model=model)
    assert printed.splitlines()[0].startswith(("ham\t", "spam\t"))
    assert "probability of spam after each word" in printed
    assert "words add to the log-odds:" in printed
    assert "The probability of spam is" in page and "a review spam from\n0.50 on." in page
    printed, page = explain("A good film. Not bad!", "--class", "ham", model=model)
    assert "probability of ham after each word" in printed
    assert "a review ham above 0.50." in page
    assert not re.search("positive(?![-;)])|negative(?![-;)])", re.sub("<style.*</style>", "", page, flags=re.DOTALL))
