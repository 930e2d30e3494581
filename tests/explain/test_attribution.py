"""The attributions of the words add up to the change of the prediction, for every network."""

import numpy as np
import pytest
import torch

from pipeline.explain import attribution
from pipeline.explain.attribution import attribute_ngrams
from pipeline.explain.explainer import Explainer
from pipeline.explain.terminal import as_text
from pipeline.inference.model_folder import load_model
from pipeline.inference.predictor import Predictor
from pipeline.networks.ngrams import NgramLogOdds
from tests.explain.conftest import TEXT, WORDS


def log_odds(probability):
    return float(np.log(probability / (1 - probability)))


def test_the_words_add_up_to_the_change_of_the_prediction(folder):
    explanation = Explainer.load(folder).explain(TEXT)
    change = log_odds(explanation.probability) - log_odds(explanation.baseline)
    assert explanation.probability == pytest.approx(Predictor.load(folder).probabilities([TEXT])[0], abs=1e-6)
    assert explanation.change == pytest.approx(change, abs=1e-4)
    assert abs(explanation.change) > 0.1
    assert explanation.exact
    assert explanation.total.sum() == pytest.approx(explanation.change, abs=0.01 * max(1, abs(explanation.change)))
    unknown = next(number for number, word in enumerate(explanation.words) if word.text == "zebra")
    assert explanation.deep[unknown] == 0  # as in the baseline


def test_the_wide_paths_words_add_up_exactly_and_share_their_phrases(wide):
    network = load_model(wide)[0].wide
    ids = torch.randint(1, len(WORDS), (25,), generator=torch.Generator().manual_seed(0))  # with repetitions
    prediction = network(ids[None], torch.tensor([25])).item()
    assert attribute_ngrams(network, ids).sum() == pytest.approx(prediction, abs=1e-5)

    phrase = NgramLogOdds(3, 20)
    phrase.ratio.fill_(1)
    with torch.no_grad():
        phrase.weight[phrase.hashed(torch.tensor([[4, 5]]))[1]] = 1
    parts = attribute_ngrams(phrase, torch.tensor([3, 4, 5, 6]))
    np.testing.assert_allclose(parts, [0, 0.5 / 3, 0.5 / 3, 0], atol=1e-7)  # 9 n-grams, the root of which is 3


def test_without_the_deep_path_only_the_n_grams_count(wide):
    network, vocabulary, info = load_model(wide)
    with torch.no_grad():
        network.path_weights[0] = 0
    explanation = Explainer(network, vocabulary, info).explain(TEXT)
    assert not explanation.deep.any()
    assert explanation.wide.sum() == pytest.approx(explanation.change, abs=1e-5)


def test_the_user_is_told_of_an_integral_that_is_too_coarse(wide, monkeypatch):
    monkeypatch.setattr(attribution, "STEPS", (1,))
    explanation = Explainer.load(wide).explain(TEXT)
    assert not explanation.exact
    assert "the numbers of the words are rough" in as_text(explanation, colour=False)
