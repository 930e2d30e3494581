"""The attributions of the words add up to the change of the prediction, for every network."""

import re

import numpy as np
import pytest
import torch

from pipeline.explain import attribution
from pipeline.explain.attribution import attribute_ngrams
from pipeline.explain.explainer import Explainer
from pipeline.explain.target import choose_target
from pipeline.explain.terminal import as_text
from pipeline.inference.model_folder import load_model
from pipeline.inference.predictor import Predictor
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.runtime.errors import PipelineError
from tests.explain.conftest import TEXT, WORDS
from tests.support.models import FIVE


def target(probabilities, number, ordered):
    """The quantity explained, from the probability of each class."""
    if ordered:  # the log-odds of a class above the first rise with the score
        return float(np.log((1 - probabilities[0]) / probabilities[0]))
    logarithms = np.log(probabilities)
    return float(logarithms[number] - np.delete(logarithms, number).mean())


@pytest.mark.parametrize("number", [None, 0, 1, -1])
def test_the_words_add_up_to_the_change_of_the_prediction(folder, number, monkeypatch):
    monkeypatch.setattr(attribution, "STEPS", (*attribution.STEPS, 1024))  # max pooling has kinks
    predictor = Predictor.load(folder)
    explanation = Explainer.load(folder).explain(TEXT, None if number is None else predictor.classes[number])
    probabilities = predictor.probabilities([TEXT])[0]
    asked = (probabilities.argmax() if len(probabilities) > 2 else 1) if number is None else number
    assert explanation.explained == predictor.classes[asked]
    before, after = (
        target(np.array(prediction.probabilities), asked, predictor.info.ordered)
        for prediction in (explanation.unread, explanation.predictions[-1])
    )
    assert explanation.probability == pytest.approx(probabilities[asked], abs=1e-6)
    assert explanation.change == pytest.approx(after - before, abs=1e-3)
    assert abs(explanation.change) > 0.1
    assert explanation.exact
    assert explanation.total.sum() == pytest.approx(explanation.change, abs=0.01 * max(1, abs(explanation.change)))
    unknown = next(number for number, word in enumerate(explanation.words) if word.text == "zebra")
    assert explanation.deep[unknown] == 0  # as in the baseline


def test_the_wide_paths_words_add_up_exactly_and_share_their_phrases(wide):
    network = load_model(wide)[0].wide
    ids = torch.randint(1, len(WORDS), (25,), generator=torch.Generator().manual_seed(0))  # with repetitions
    prediction = network(ids[None], torch.tensor([25])).item()
    positive = choose_target(load_model(wide)[2], 1)
    assert attribute_ngrams(network, ids, positive).sum() == pytest.approx(prediction, abs=1e-5)

    phrase = NgramLogOdds(3, 20)
    phrase.ratio.fill_(1)
    with torch.no_grad():
        phrase.weight[phrase.hashed(torch.tensor([[4, 5]]))[1]] = 1
    parts = attribute_ngrams(phrase, torch.tensor([3, 4, 5, 6]), positive)
    np.testing.assert_allclose(parts, [0, 0.5 / 3, 0.5 / 3, 0], atol=1e-7)  # 9 n-grams, the root of which is 3


def test_a_long_review_is_shown_in_part_and_the_n_grams_of_the_rest_count_too(wide):
    network, vocabulary, info = load_model(wide)
    network.deep.max_length = 5
    explanation = Explainer(network, vocabulary, info).explain(TEXT)
    assert "".join(word.text for word in explanation.words) == "Theplot?t!"
    assert abs(explanation.left_out_attribution) > 0.01
    assert explanation.exact
    assert explanation.sum == pytest.approx(explanation.change, abs=0.01 * max(1, abs(explanation.change)))
    predictor = Predictor(network, vocabulary, info)
    assert explanation.probability == pytest.approx(predictor([TEXT])[0].probability, abs=1e-6)
    shown = as_text(explanation, colour=False)
    assert f"{explanation.left_out} words beyond the network's limit are left out; the n-grams read them" in shown
    assert f"{explanation.left_out_attribution:+.2f}  the words left out" in shown


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


@pytest.mark.parametrize("steps", [(1,), (4,), (16,), (64, 128, 256, 512)])
@pytest.mark.parametrize("folder", ["wide", "three", "five"])
def test_the_numbers_are_called_rough_if_those_that_are_shown_differ(folder, steps, request, monkeypatch):
    """The n-grams take back what the network adds: an error that is small beside one path is large beside their sum."""
    network, vocabulary, info = load_model(request.getfixturevalue(folder))
    explainer = Explainer(network, vocabulary, info)
    with torch.no_grad():
        network.path_weights.mul_(torch.tensor([20.0, 1.0]))
        explanation = explainer.explain(TEXT)
        network.path_weights[1] *= -explanation.deep.sum() / explanation.wide.sum()
    monkeypatch.setattr(attribution, "STEPS", steps)
    explanation = explainer.explain(TEXT)
    assert abs(explanation.change) < 0.05 * abs(explanation.deep.sum())
    assert explanation.exact == (abs(explanation.total.sum() - explanation.change) <= 0.01)
    *_, sums, remark = [line for line in as_text(explanation, colour=False).splitlines() if "words the" not in line]
    added, moved = re.fullmatch(r"all words together (\S+), the prediction moved by (\S+)", sums).groups()
    error = float(added) - float(moved)
    if abs(error) > 0.012:
        assert remark == "the two differ by more than a hundredth: the numbers of the words are rough"
    elif 0.001 < abs(error) < 0.008:
        assert remark == f"the difference, {explanation.error:+.3f}, is the error of the numerical integration"


def test_the_first_of_two_classes_is_the_second_turned_round(wide):
    second, first = (Explainer.load(wide).explain(TEXT, name) for name in ("positive", "negative"))
    np.testing.assert_allclose(first.total, -second.total, rtol=1e-5)
    np.testing.assert_allclose(first.running, 1 - np.array(second.running), rtol=1e-5)
    assert first.label == second.label


def test_the_words_of_ordered_classes_count_towards_the_last_whichever_is_explained(five):
    explanations = [Explainer.load(five).explain(TEXT, name) for name in FIVE]
    for explanation in explanations[1:]:
        np.testing.assert_array_equal(explanation.total, explanations[0].total)
    before, after = explanations[0].unread, explanations[0].predictions[-1]
    means = [np.dot(one.probabilities, range(5)) for one in (before, after)]
    assert (means[1] > means[0]) == (explanations[0].change > 0)


def test_a_class_that_the_model_does_not_have_is_refused(three):
    with pytest.raises(PipelineError, match="the model has no class 'fair'; its classes are 'bad', 'so so', 'good'"):
        Explainer.load(three).explain(TEXT, "fair")
