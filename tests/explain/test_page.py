"""The page shows a review as it is, runs none of its markup and stays small."""

import json
import re

import pytest

from pipeline.explain.explainer import Explainer
from pipeline.explain.page import UNITS_SHOWN, write_explanation
from pipeline.runtime.errors import PipelineError
from tests.explain.conftest import TEXT, small_model


def test_the_page_shows_markup_and_runs_none_of_it(wide, tmp_path):
    explanation = Explainer.load(wide).explain("<script>alert(1)</script> <b>good</b> film & plot")
    write_explanation(tmp_path / "page.html", explanation)
    page = (tmp_path / "page.html").read_text()
    assert "&lt;</button>" in page
    assert "alert(1)</button>" not in page  # the tokenizer parts them
    assert not re.search(r"<script>alert|</script>\s*\(|<b>", page)
    assert len(re.findall("<script", page)) == 2  # the data, and the page's own
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert data["words"][:4] == ["<", "script", ">", "alert"]
    assert not re.search(r"""(src|href)="(?!data:)|https?:|url\(""", page)


def test_a_page_of_a_long_review_stays_small(compose, tmp_path):
    folder = small_model(tmp_path / "model", compose, "wide", hidden=40)
    explanation = Explainer.load(folder).explain("A good film, not a bad plot! " * 100)
    write_explanation(tmp_path / "page.html", explanation)
    assert len(explanation.words) == 400
    assert explanation.left_out == 500
    assert len(explanation.directions[0].half_life) > UNITS_SHOWN
    maps = 6 * 2 * 400 * UNITS_SHOWN * 4 / 3  # gates, directions, words, units, base64
    assert maps < (tmp_path / "page.html").stat().st_size < maps + 250_000


@pytest.mark.parametrize(
    ("network", "reason"), [("gru", "cells of the kind GRU"), ("bag_of_words", "no recurrent cells")]
)
def test_the_page_gives_the_reason_for_showing_no_gates(compose, tmp_path, network, reason):
    folder = small_model(tmp_path / network, compose, network)
    write_explanation(tmp_path / "page.html", Explainer.load(folder).explain(TEXT))
    page = (tmp_path / "page.html").read_text()
    assert reason in page
    assert "<canvas" not in page


def test_a_page_that_cannot_be_written_is_named(wide, tmp_path):
    explanation = Explainer.load(wide).explain("good film")
    (tmp_path / "file").write_text("")
    for path, problem in ((tmp_path, "is a folder"), (tmp_path / "file" / "page.html", "cannot be written")):
        with pytest.raises(PipelineError, match=problem):
            write_explanation(path, explanation)
