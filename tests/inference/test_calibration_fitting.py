import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import log_loss

from pipeline.inference.calibration import Calibration
from pipeline.inference.calibration_fitting import calibrate, fit_weights
from pipeline.inference.decision_rule import DecisionRule
from pipeline.inference.rule_fitting import choose_threshold
from pipeline.networks.likelihood import LOGISTIC, CumulativeLogits, Likelihood, Softmax
from pipeline.runtime.errors import PipelineError
from tests.support.scored import simulated


@pytest.mark.parametrize(("scale", "shift"), [(1 / 3, 0), (1, -0.5), (3, 2)])
def test_calibration_undoes_a_known_scale_and_shift(scale: float, shift: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, 20_000)
    labels = (random.random(20_000) < expit(logits)).astype(int)
    calibration = calibrate((logits * scale + shift)[:, None], labels)
    assert calibration.temperature[0] == pytest.approx(scale, rel=0.05)
    assert calibration.bias[0] == pytest.approx(-shift / scale, abs=0.05)


def test_paths_get_the_weights_they_deserve_and_none_a_negative_one() -> None:
    random = np.random.default_rng(0)
    paths = random.normal(0, 1, (20_000, 3))
    labels = (random.random(20_000) < expit(paths @ [2.0, 0.5, -1.0] + 0.7)).astype(int)
    (first, second, third), (bias,) = fit_weights(paths[:, None], labels)
    assert first / second == pytest.approx(4, rel=0.2)
    assert third == 0
    assert bias == pytest.approx(0.7, abs=0.15)


def drawn_paths(random: np.random.Generator, n: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw outputs [n, 1, 2] of a path that has learned nothing and of a useful one, and labels."""
    paths = random.normal(0, 1, (n, 1, 2))
    return paths, (random.random(n) < expit(2 * paths[:, 0, 1])).astype(int)


def test_on_few_reviews_a_path_has_to_prove_itself() -> None:
    random = np.random.default_rng(0)
    trials = [drawn_paths(random, 30) for _ in range(100)]
    free, held = (np.array([fit_weights(*trial, spreads=spreads)[0] for trial in trials]) for spreads in ((), (0.3, 1)))
    assert np.mean(held[:, 0]) < np.mean(free[:, 0]) / 3  # the useless path
    assert np.mean(held[:, 1]) > 0.5  # of the useful one enough is left


def test_the_prior_is_gone_where_there_are_reviews_enough() -> None:
    paths, labels = drawn_paths(np.random.default_rng(0), 1_000)
    free, held = (fit_weights(paths, labels, spreads=spreads) for spreads in ((), (0.3, 1)))
    np.testing.assert_array_equal(free[0], held[0])
    np.testing.assert_array_equal(free[1], held[1])
    fewer = fit_weights(paths[1:], labels[1:], spreads=(0.3, 1))
    assert fewer[0][1] < free[0][1]


def test_the_prior_allows_for_the_scale_of_a_path_and_holds_for_several_classes() -> None:
    paths, labels = drawn_paths(np.random.default_rng(0), 100)
    scaled = paths * [1.0, 5.0]
    weights, larger = (fit_weights(each, labels, spreads=(0.3, 1))[0] for each in (paths, scaled))
    assert larger * [1.0, 5.0] == pytest.approx(weights, rel=1e-3, abs=1e-6)
    outputs, classes = drawn(Softmax(3), 60)
    three = np.stack([outputs, outputs], axis=2)
    (first, second), _ = fit_weights(three, classes, Softmax(3), spreads=(0.3, 1))
    assert first < second / 3


def test_outputs_far_from_0_do_not_shrink_the_weight_of_few_reviews() -> None:
    random = np.random.default_rng(0)
    labels = (random.random(40) < 0.8).astype(int)
    outputs = random.normal(labels, 1.0)[:, None, None]
    weight, bias = fit_weights(outputs, labels, spreads=(1.0,))
    moved, further = fit_weights(outputs + 5, labels, spreads=(1.0,))
    assert moved == pytest.approx(weight, abs=1e-4)
    assert further == pytest.approx(bias - 5 * weight, abs=1e-3)


def test_thirty_reviews_do_not_make_a_hesitant_model_sure() -> None:
    labels = np.array([1] * 28 + [0] * 2)
    outputs = np.where(labels == 1, 0.2, -0.2)[:, None]
    few, many = (calibrate(np.tile(outputs, (n, 1)), np.tile(labels, n)) for n in (1, 100))
    assert few.temperature[0] > 0.4
    assert many.temperature[0] < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_calibration_never_worsens_the_loss_it_was_fitted_on(seed: int) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, 1_000)
    labels = (random.random(1_000) < expit(logits / random.uniform(0.5, 5) + random.normal())).astype(int)
    before, after = (
        log_loss(labels, calibration.probabilities(logits[:, None])[:, 1].astype(np.float64))
        for calibration in (Calibration(LOGISTIC, [1.0], [0.0], DecisionRule(0.5)), calibrate(logits[:, None], labels))
    )
    assert after <= before + 1e-3


def test_a_faultless_tiny_validation_split_gives_no_boundless_confidence() -> None:
    logits = np.array([4.0, 5.0, -4.0, -5.0])
    probabilities = calibrate(logits[:, None], [1, 1, 0, 0]).probabilities(logits[:, None])[:, 1]
    # one more review of each label, on the wrong side, is imagined: three quarters, moved a little by the prior
    assert probabilities[:2].mean() == pytest.approx(0.787, abs=0.01)
    assert probabilities[2:].mean() == pytest.approx(0.213, abs=0.01)
    with pytest.raises(PipelineError, match="no review"):
        calibrate(np.empty((0, 1)), [])
    with pytest.raises(PipelineError, match="not finite"):
        calibrate([[float("nan")], [1.0]], [0, 1])


def test_threshold_stays_unless_another_is_clearly_better() -> None:
    calibrated = simulated(2_000)
    assert choose_threshold(calibrated.probabilities[:, 1], calibrated.labels) == 0.5
    assert choose_threshold([0.45, 0.9, 0.1, 0.2], [1, 1, 0, 0]) == 0.5  # 4 of 4 instead of 3 of 4 may be chance
    shifted = np.repeat([0.1, 0.2, 0.3, 0.9], 100)
    assert choose_threshold(shifted, np.repeat([0, 0, 1, 1], 100)) == pytest.approx(0.25)
    assert choose_threshold([0.3, 0.4] * 5, [1] * 10) < 0.3
    assert choose_threshold([0.6, 0.7] * 5, [0] * 10) > 0.7


def drawn(likelihood: Likelihood, n: int = 20_000) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw outputs of a network that knows the probabilities, and labels with these probabilities."""
    torch.manual_seed(0)
    outputs = likelihood.output_layer()(2 * torch.randn(n, likelihood.columns)).detach()
    labels = torch.multinomial(likelihood.log_probabilities(outputs).exp(), 1)[:, 0]
    return outputs.numpy(), labels.numpy()


def test_each_of_several_classes_gets_its_scale_and_shift_back() -> None:
    outputs, labels = drawn(Softmax(3))
    scale, shift = np.array([2.0, 0.5, 1.0]), np.array([0.0, 1.0, -1.0])
    calibration = calibrate((outputs * scale + shift).astype(np.float32), labels, Softmax(3))
    assert calibration.temperature == pytest.approx(scale.tolist(), rel=0.1)
    expected, actual = (
        one.probabilities(given)
        for one, given in (
            (Calibration(Softmax(3), [1.0] * 3, [0.0] * 3, DecisionRule()), outputs),
            (calibration, (outputs * scale + shift).astype(np.float32)),
        )
    )
    np.testing.assert_allclose(actual, expected, atol=0.05)
    assert calibration.rule == DecisionRule()


def test_ordered_classes_keep_their_order_under_one_scale_and_shift() -> None:
    outputs, labels = drawn(CumulativeLogits(5))
    calibration = calibrate(outputs * 3 + 1.5, labels, CumulativeLogits(5))
    assert calibration.temperature == pytest.approx([3], rel=0.05)
    assert calibration.bias == pytest.approx([-0.5] * 4, abs=0.1)
    probabilities = calibration.probabilities(outputs * 3 + 1.5)
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


def test_calibration_moves_thresholds_that_training_has_set_too_close() -> None:
    outputs, labels = drawn(CumulativeLogits(3))
    shifted = outputs + np.array([-0.4, 0.4])
    before, after = (
        log_loss(labels, calibration.probabilities(shifted))
        for calibration in (
            Calibration(CumulativeLogits(3), [1.0], [0.0, 0.0], DecisionRule()),
            calibrate(shifted, labels, CumulativeLogits(3)),
        )
    )
    assert after < before - 0.02


@pytest.mark.parametrize("likelihood", [Softmax(3), CumulativeLogits(3)])
def test_paths_of_several_classes_get_the_weights_they_deserve(likelihood: Likelihood) -> None:
    outputs, labels = drawn(likelihood)
    noise = (
        np.random.default_rng(1).normal(0, 1, (len(outputs), 1, 1)) * np.linspace(1, -1, likelihood.outputs)[:, None]
    )
    (useful, useless), _ = fit_weights(np.concatenate([outputs[:, :, None], noise], axis=2), labels, likelihood)
    assert useful == pytest.approx(1, rel=0.05)
    assert useless < 0.05


@pytest.mark.parametrize("likelihood", [Softmax(3), CumulativeLogits(3)])
def test_a_class_that_the_validation_split_shows_once_keeps_some_probability(likelihood: Likelihood) -> None:
    outputs, _ = drawn(likelihood, 30)
    labels = np.array([0] * 15 + [2] * 14 + [1])
    probabilities = calibrate(outputs, labels, likelihood).probabilities(outputs)
    assert np.isfinite(probabilities).all()
    assert probabilities.min() > 0


def test_the_most_probable_of_several_classes_is_the_label() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0.6, 0.2, 0.2]], np.float32)
    assert DecisionRule().choose(probabilities).tolist() == [1, 0]
    two = np.array([[0.6, 0.4], [0.5, 0.5], [0.3, 0.7]], np.float32)
    assert DecisionRule(0.5).choose(two).tolist() == [0, 1, 1]
    assert DecisionRule(0.6).choose(two).tolist() == [0, 0, 1]


def test_a_rare_middle_class_leaves_the_probabilities_of_ordered_classes_whole() -> None:
    random = np.random.default_rng(2)
    labels = np.repeat([0, 1, 2], [225, 10, 265])
    outputs = (2.0 * (labels - 1) + random.normal(0, 1, 500))[:, None] + np.array([0.5, -0.5])
    calibration = calibrate(outputs, labels, CumulativeLogits(3))
    probabilities = calibration.probabilities(outputs)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert log_loss(labels, probabilities) < 0.4
