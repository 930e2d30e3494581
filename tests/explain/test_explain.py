"""A verdict taken apart: it must add up, for every network, and show the review as it is."""

import json
import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch

from pipeline.explain import attribution
from pipeline.explain.__main__ import main
from pipeline.explain.attribution import ngram_contributions
from pipeline.explain.explainer import Explainer
from pipeline.explain.memory import written
from pipeline.explain.page import UNITS_SHOWN, write
from pipeline.explain.terminal import as_text
from pipeline.explain.words import WORD_LIMIT, read, spell
from pipeline.inference.model_folder import load_model, save_model
from pipeline.inference.predictor import Predictor
from pipeline.networks.build import build_network, deep_part
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.text.tokenizer import Tokenizer
from pipeline.text.vocabulary import SPECIALS, Encoder, Vocabulary

WORDS = ["a", "bad", "film", "good", "long", "not", "plot", "the", "warm", ".", ",", "!", "'", "t", "don"]
TEXT = 'The plot? A  "good" film: zebra,\nnot bad. Don\'t!'
KINDS = {
    "wide": ["model=sentiment_rnn"],
    "forwards": ["model=sentiment_rnn", "model.bidirectional=false", "model.wide=null", "model.pooling=[last]"],
    "stacked": ["model=sentiment_rnn", "model.n_layers=2", "model.wide=null", "model.pooling=[last,mean,max]"],
    "article": ["model=article"],
    "gru": ["model=gru"],
    "rnn": ["model=rnn", "model.wide=null"],
    "bag_of_words": ["model=bag_of_words"],
}


def small_model(folder, compose, overrides, hidden=8):
    """A model folder with weights large enough that words matter."""
    config = compose(*overrides)
    sizes = {"embedding_dim": 12} | ({} if config.model.network == "bag_of_words" else {"hidden_dim": hidden})
    model = config.model.model_copy(update=sizes)
    torch.manual_seed(3)
    network = build_network(model, len(SPECIALS) + len(WORDS)).eval()
    with torch.no_grad():
        deep_part(network).embedding.weight.normal_()
        deep_part(network).fc.weight.normal_()
        for name, weight in deep_part(network).named_parameters():
            if "weight_ih" in name or "weight_hh" in name:
                weight.normal_(std=0.5)
        if hasattr(network, "wide"):
            network.wide.weight.normal_()
            network.wide.ratio.normal_()
            network.path_weights.copy_(torch.tensor([0.7, 1.3]))
    info = {
        "temperature": 2.0,
        "bias": 0.25,
        "threshold": 0.5,
        "text": config.text.model_dump(),
        "model": model.model_dump(),
    }
    save_model(folder, network, Vocabulary([*SPECIALS, *WORDS]), info)
    return folder


@pytest.fixture(scope="module")
def wide(compose, tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("wide") / "model", compose, KINDS["wide"])


@pytest.fixture(scope="module", params=KINDS)
def folder(request, compose, tmp_path_factory):
    return small_model(tmp_path_factory.mktemp(request.param) / "model", compose, KINDS[request.param])


def log_odds(probability):
    return float(np.log(probability / (1 - probability)))


def test_the_words_add_up_to_the_change_of_the_answer(folder):
    found = Explainer.load(folder).explain(TEXT)
    assert found.probability == pytest.approx(Predictor.load(folder).probabilities([TEXT])[0], abs=1e-6)
    assert found.change == pytest.approx(log_odds(found.probability) - log_odds(found.baseline), abs=1e-4)
    assert abs(found.change) > 0.1
    assert found.exact
    assert found.total.sum() == pytest.approx(found.change, abs=0.01 * max(1, abs(found.change)))
    unknown = next(number for number, word in enumerate(found.words) if word.text == "zebra")
    assert found.deep[unknown] == 0  # as in the baseline


def test_the_running_verdict_is_the_answer_to_the_review_up_to_there(folder):
    found = Explainer.load(folder).explain(TEXT)
    prefixes = ["".join(word.before + word.text for word in found.words[:end]) for end in (1, 4, 9)]
    expected = Predictor.load(folder).probabilities(prefixes)
    np.testing.assert_allclose([found.running[end - 1] for end in (1, 4, 9)], expected, atol=1e-6)


def test_what_the_units_add_is_the_change_of_the_lstms_answer(folder):
    found = Explainer.load(folder).explain(TEXT)
    assert bool(found.directions) == (found.cell == "lstm")
    if found.directions:
        deep_change = found.change - (0 if found.wide is None else found.wide.sum())
        lean = sum(direction.lean.sum() for direction in found.directions)
        assert lean == pytest.approx(deep_change, abs=1e-4)
        for direction in found.directions:
            assert direction.gates["forget"].shape == (len(found.words), 8)
            assert (direction.half_life > 0).all()


def test_the_wide_paths_words_add_up_exactly_and_share_their_phrases(wide):
    network = load_model(wide)[0].wide
    ids = torch.randint(1, len(WORDS), (25,), generator=torch.Generator().manual_seed(0))  # with repetitions
    answer = network(ids[None], torch.tensor([25])).item()
    assert ngram_contributions(network, ids).sum() == pytest.approx(answer, abs=1e-5)

    phrase = NgramLogOdds(3, 20)
    phrase.ratio.fill_(1)
    with torch.no_grad():
        phrase.weight[phrase.hashed(torch.tensor([[4, 5]]))[1]] = 1
    added = ngram_contributions(phrase, torch.tensor([3, 4, 5, 6]))
    np.testing.assert_allclose(added, [0, 0.5 / 3, 0.5 / 3, 0], atol=1e-7)  # 9 n-grams, the root of which is 3


def test_reviews_that_differ_for_the_n_grams_alone_differ_by_them_alone(wide):
    network, vocabulary, info = load_model(wide)
    with torch.no_grad():
        network.path_weights[0] = 0
    found = Explainer(network, vocabulary, info).explain(TEXT)
    assert not found.deep.any()
    assert found.wide.sum() == pytest.approx(found.change, abs=1e-5)


def test_too_coarse_an_integral_is_said(wide, monkeypatch):
    monkeypatch.setattr(attribution, "STEPS", (1,))
    found = Explainer.load(wide).explain(TEXT)
    assert not found.exact
    assert "take the words' numbers for rough ones" in as_text(found, colour=False)


def test_what_is_left_of_each_word_makes_up_the_memory_at_the_end(wide):
    ahead, back = Explainer.load(wide).explain(TEXT).directions
    for direction, order in ((ahead, range(len(TEXT))), (back, None)):
        learned, forget = direction.gates["learned"], direction.gates["forget"]
        steps = list(range(len(learned))) if order else list(reversed(range(len(learned))))
        left = np.zeros_like(learned)
        for step in steps:
            left *= forget[step]
            left[step] = learned[step]
        np.testing.assert_allclose(left.sum(0), direction.gates["long_term"][steps[-1]], atol=1e-5)
        np.testing.assert_allclose(direction.written, abs(left) / abs(left).sum(0), atol=1e-6)
    np.testing.assert_allclose(written(ahead.gates, backward=False).sum(0), 1)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        'say"hi"There',
        "GOOD<br />Film <BR>not",
        "İstanbul, a Film",
        "été 😀 naïve!",
        "a;b:c",
        "ΟΔΟΣ film",
        "...''",
    ],
)
def test_words_keep_their_spelling_and_become_the_ids_the_model_reads(compose, text):
    config = compose().text
    vocabulary = Vocabulary([*SPECIALS, *WORDS])
    reading = read(text, config, vocabulary, None)
    np.testing.assert_array_equal(reading.ids, Encoder(config, vocabulary).encode(text))
    plain = re.sub(r"<br ?/?>", " ", text, flags=re.IGNORECASE)
    shown = "".join(word.before + word.text for word in reading.words)
    assert plain.rstrip('"').startswith(shown) or shown == plain.lower()
    assert [word.text.lower().replace('"', "") for word in reading.words] == Tokenizer(config.tokenizer)(plain)


def test_spelling_needs_no_character_to_follow_the_one_before():
    assert spell('so "so"-so', Tokenizer("basic_english")('so "so"-so')) == [("", "so"), (' "', 'so"-so')]


def test_a_cut_review_says_what_is_left_out(compose):
    config = compose("text.max_tokens=4").text
    reading = read("a good film . the bad plot", config, Vocabulary([*SPECIALS, *WORDS]), None)
    assert [word.text for word in reading.words] == ["a", "good", "bad", "plot"]
    assert (reading.words[2].before, reading.left_out) == (" … ", 3)


def test_a_network_of_fixed_length_is_shown_the_words_it_reads(compose):
    reading = read("a " * 250, compose("model=article").text, Vocabulary([*SPECIALS, *WORDS]), 200)
    assert (len(reading.words), reading.left_out) == (200, 50)


def test_reviews_without_words_and_too_long_ones_are_refused_in_one_line(compose):
    config = compose("text.max_tokens=null").text
    for text, said in (
        ('  ""', "has no words"),
        ("a " * (WORD_LIMIT + 1), "has 501 words, .* at most 500; give a part"),
    ):
        with pytest.raises(PipelineError, match=said):
            read(text, config, Vocabulary(SPECIALS), None)


def test_the_terminal_shows_colours_or_numbers_and_obeys_no_review(wide):
    found = Explainer.load(wide).explain("A good film \x1b[2J not zebra.")
    plain, coloured = as_text(found, colour=False), as_text(found, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[2J" not in coloured
    for word, value in zip(found.words, found.total, strict=True):
        if word.text in ("good", "film") and abs(value) >= 0.05 * abs(found.total).max():
            assert f"{word.text}({value:+.2f})" in plain
            assert re.search(
                rf"\x1b\[30;48;5;{'(153|75|32)' if value > 0 else '(223|215|172)'}m{word.text}\x1b", coloured
            )
    assert "[zebra]" in plain
    assert f"{found.probability:.4f}" in plain.splitlines()[0]
    turns = sum((a >= 0.5) != (b >= 0.5) for a, b in pairwise([found.baseline, *found.running]))
    assert len(re.findall(" from .* on ", plain)) == turns


def test_the_page_shows_markup_and_runs_none_of_it(wide, tmp_path):
    write(tmp_path / "page.html", Explainer.load(wide).explain("<script>alert(1)</script> <b>good</b> film & plot"))
    page = (tmp_path / "page.html").read_text()
    assert "&lt;script&gt;alert" in page
    assert not re.search(r"<script>alert|</script>\s*\(|<b>", page)
    assert len(re.findall("<script", page)) == 2  # the data, and the page's own
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert data["words"][0] == "<script>alert"
    assert not re.search(r"""(src|href)="(?!data:)|https?:|url\(""", page)


def test_a_page_of_a_long_review_stays_small(compose, tmp_path):
    folder = small_model(tmp_path / "model", compose, KINDS["wide"], hidden=40)
    found = Explainer.load(folder).explain("A good film, not a bad plot! " * 100)
    write(tmp_path / "page.html", found)
    assert len(found.words) == 400
    assert found.left_out == 500
    assert len(found.directions[0].half_life) > UNITS_SHOWN
    maps = 6 * 2 * 400 * UNITS_SHOWN * 4 / 3  # gates, directions, words, units, base64
    assert maps < (tmp_path / "page.html").stat().st_size < maps + 250_000


def test_a_network_without_gates_says_so(compose, tmp_path):
    for kind, said in (("gru", "cells of the kind GRU"), ("bag_of_words", "no recurrent cells")):
        folder = small_model(tmp_path / kind, compose, KINDS[kind])
        write(tmp_path / "page.html", Explainer.load(folder).explain(TEXT))
        page = (tmp_path / "page.html").read_text()
        assert said in page
        assert "<canvas" not in page


def test_a_page_that_cannot_be_written_is_named(wide, tmp_path):
    found = Explainer.load(wide).explain("good film")
    (tmp_path / "file").write_text("")
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "file" / "page.html", "cannot be written")):
        with pytest.raises(PipelineError, match=said):
            write(path, found)


def test_the_command_explains_what_it_reads(wide, tmp_path):
    command = [sys.executable, "-m", "pipeline.explain", "-", "--model", wide, "--output", tmp_path / "a.html"]
    found = subprocess.run(command, input="A good film.", capture_output=True, text=True, check=True, cwd=WORKSPACE)
    expected = Predictor.load(wide).probabilities(["A good film."])
    assert f"\t{expected[0]:.4f}" in found.stdout.splitlines()[0]
    assert "\x1b" not in found.stdout
    assert (tmp_path / "a.html").exists()


def test_bytes_that_are_no_text_are_shown_as_such(wide, tmp_path, monkeypatch, capsys):
    """An argument in another encoding than UTF-8, as Python hands it on."""
    options = ["--model", str(wide), "--output", f"{tmp_path}/a.html"]
    monkeypatch.setattr(sys, "argv", ["explain", "caf\udce9 film", *options])
    main()
    assert "[caf\N{REPLACEMENT CHARACTER}]" in capsys.readouterr().out
    assert "caf\N{REPLACEMENT CHARACTER}</button>" in (tmp_path / "a.html").read_text(encoding="utf-8")
