"""The running prediction is that of `predict` for each beginning of the review."""

import numpy as np

from pipeline.explain.explainer import Explainer
from pipeline.inference.predictor import Predictor
from tests.explain.conftest import TEXT


def test_the_running_probability_is_that_of_the_review_up_to_there(folder):
    explanation = Explainer.load(folder).explain(TEXT)
    prefixes = ["".join(word.before + word.text for word in explanation.words[:end]) for end in (1, 4, 9)]
    predictor = Predictor.load(folder)
    expected = predictor.probabilities(prefixes)[:, predictor.classes.index(explanation.explained)]
    np.testing.assert_allclose([explanation.running[end - 1] for end in (1, 4, 9)], expected, atol=1e-6)
    labels = [prediction.label for prediction in predictor(prefixes)]
    assert [explanation.predictions[end - 1].label for end in (1, 4, 9)] == labels
