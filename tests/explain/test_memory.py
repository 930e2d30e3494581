"""The parts of an LSTM's units add up to its prediction, and the shares of the words to its memory."""

import numpy as np
import pytest

from pipeline.explain.explainer import Explainer
from pipeline.explain.memory import written
from tests.explain.conftest import TEXT


def test_the_units_add_up_to_the_change_of_the_lstms_prediction(folder):
    explanation = Explainer.load(folder).explain(TEXT)
    assert bool(explanation.directions) == (explanation.cell == "lstm")
    if explanation.directions:
        deep_change = explanation.change - (0 if explanation.wide is None else explanation.wide.sum())
        attribution = sum(direction.attribution.sum() for direction in explanation.directions)
        assert attribution == pytest.approx(deep_change, abs=1e-4)
        for direction in explanation.directions:
            assert direction.gates["forget"].shape == (len(explanation.words), 8)
            assert (direction.half_life > 0).all()


def test_the_words_left_in_memory_make_up_the_memory_at_the_end(wide):
    ahead, back = Explainer.load(wide).explain(TEXT).directions
    for direction in (ahead, back):
        learned, forget = direction.gates["learned"], direction.gates["forget"]
        steps = list(range(len(learned)))
        if direction is back:
            steps.reverse()
        left = np.zeros_like(learned)
        for step in steps:
            left *= forget[step]
            left[step] = learned[step]
        np.testing.assert_allclose(left.sum(0), direction.gates["long_term"][steps[-1]], atol=1e-5)
        np.testing.assert_allclose(direction.written, abs(left) / abs(left).sum(0), atol=1e-6)
    np.testing.assert_allclose(written(ahead.gates, backward=False).sum(0), 1)
