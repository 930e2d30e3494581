"""The command, called as `python -m pipeline.explain` calls it."""

import io
import sys

import pytest

from pipeline.explain.__main__ import main
from pipeline.inference.predictor import Predictor


@pytest.fixture
def explain(wide, tmp_path, monkeypatch, capsys):
    """Run the command on an argument and standard input; return the text it prints and the page it writes."""

    def run(text, stdin=b""):
        page = tmp_path / "page.html"
        monkeypatch.setattr(sys, "argv", ["explain", text, "--model", str(wide), "--output", str(page)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        main()
        return capsys.readouterr().out, page.read_text(encoding="utf-8")

    return run


def test_the_command_explains_standard_input(wide, explain):
    printed, page = explain("-", b"A good film.")
    expected = Predictor.load(wide).probabilities(["A good film."])
    assert f"\t{expected[0]:.4f}" in printed.splitlines()[0]
    assert "\x1b" not in printed
    assert page


def test_bytes_that_are_not_utf_8_are_shown_as_such(explain):
    """Python hands on an argument in another encoding with surrogates."""
    printed, page = explain("caf\udce9 film")
    assert "[\N{REPLACEMENT CHARACTER}]" in printed
    assert "\N{REPLACEMENT CHARACTER}</button>" in page
