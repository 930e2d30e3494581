import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss

from pipeline.inference.calibration import calibrate, choose_threshold, fit_weights
from pipeline.inference.scoring import Calibration
from pipeline.networks.likelihood import LOGISTIC
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


@pytest.mark.parametrize("seed", range(5))
def test_calibration_never_worsens_the_loss_it_was_fitted_on(seed: int) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, 1_000)
    labels = (random.random(1_000) < expit(logits / random.uniform(0.5, 5) + random.normal())).astype(int)
    before, after = (
        log_loss(labels, calibration.probabilities(logits[:, None])[:, 1].astype(np.float64))
        for calibration in (Calibration(LOGISTIC, [1.0], [0.0], 0.5), calibrate(logits[:, None], labels))
    )
    assert after <= before + 1e-3


def test_a_faultless_tiny_validation_split_gives_no_boundless_confidence() -> None:
    logits = np.array([4.0, 5.0, -4.0, -5.0])
    probabilities = calibrate(logits[:, None], [1, 1, 0, 0]).probabilities(logits[:, None])[:, 1]
    # as sure as three quarters: one more review of each label, on the wrong side, is imagined
    assert probabilities[:2].mean() == pytest.approx(0.75, abs=0.01)
    assert probabilities[2:].mean() == pytest.approx(0.25, abs=0.01)
    with pytest.raises(PipelineError, match="no review"):
        calibrate(np.empty((0, 1)), [])
    with pytest.raises(PipelineError, match="not finite"):
        calibrate([[float("nan")], [1.0]], [0, 1])


def test_threshold_stays_unless_another_is_clearly_better() -> None:
    calibrated = simulated(2_000)
    assert choose_threshold(calibrated.probabilities[:, 1], calibrated.labels) == 0.5
    assert choose_threshold([0.45, 0.9, 0.1, 0.2], [1, 1, 0, 0]) < 0.45  # 4 of 4 instead of 3 of 4
    shifted = np.repeat([0.1, 0.2, 0.3, 0.9], 100)
    assert choose_threshold(shifted, np.repeat([0, 0, 1, 1], 100)) == pytest.approx(0.25)
    assert choose_threshold([0.3, 0.4], [1, 1]) < 0.3
    assert choose_threshold([0.6, 0.7], [0, 0]) > 0.7
