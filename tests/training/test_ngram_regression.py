"""N-grams of few reviews: their weights at the optimum of a regression."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from pipeline.networks.likelihood import build_likelihood
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.networks.padding import pad
from pipeline.text.dataset import read_split
from pipeline.training import few_reviews
from pipeline.training.ngram_regression import RIDGE_C, fit_ngrams
from pipeline.training.training_reviews import TrainingPart, TrainingReviews
from tests.support.training import TINY, train


@pytest.fixture
def reviews(dataset) -> TrainingReviews:
    split = read_split(dataset, "train")
    return TrainingReviews([TrainingPart(split, np.arange(len(split)), np.asarray(split.labels))])


def test_two_classes_have_the_optimum_of_a_logistic_regression(reviews):
    wide = NgramLogOdds(orders=2, bits=12)
    wide.count(reviews, reviews.labels)
    fit_ngrams(wide, reviews, build_likelihood(2, ordered=False))
    ids, lengths = pad(list(reviews), None)
    buckets, present = wide.features(ids, lengths)
    rows, slots = present.nonzero().T
    values = wide.ratio[buckets[rows, slots], 0].double() / present.sum(1)[rows].sqrt()
    features = csr_matrix((values, (rows, buckets[rows, slots])), (len(reviews), wide.buckets))
    expected = LogisticRegression(C=RIDGE_C, tol=1e-8, max_iter=1000).fit(features, reviews.labels)
    outputs = wide(ids, lengths)[:, 0].numpy()
    np.testing.assert_allclose(outputs, expected.decision_function(features), rtol=0.01)
    assert not any(weight.requires_grad for weight in wide.parameters())


@pytest.mark.parametrize("ordered", [False, True])
def test_several_classes_have_a_lower_loss_than_any_other_weights_nearby(reviews, ordered):
    likelihood = build_likelihood(3, ordered)
    reviews.labels = (np.arange(len(reviews)) % 3).astype(np.int8)
    reviews.loss_weights = np.where(reviews.labels == 2, 3.0, 1.0).astype(np.float32)
    wide = NgramLogOdds(orders=1, bits=12, likelihood=likelihood)
    wide.count(reviews, reviews.labels)
    fit_ngrams(wide, reviews, likelihood)
    labels, weights = torch.from_numpy(reviews.labels).long(), torch.from_numpy(reviews.loss_weights)
    inputs = pad(list(reviews), None)

    def loss() -> float:
        ridge = wide.weight.square().sum() / (2 * RIDGE_C * len(reviews))
        return float(likelihood.loss(wide(*inputs), labels, weights) + ridge)

    lowest = loss()
    assert lowest < np.log(3) * weights.mean().item() - 0.01
    torch.manual_seed(0)
    for parameter in wide.parameters():
        optimum, moved = parameter.clone(), 0.05 * torch.randn_like(parameter)
        for elsewhere in (optimum + moved, optimum - moved):
            parameter.copy_(elsewhere)
            assert loss() > lowest
        parameter.copy_(optimum)


def test_n_grams_of_many_reviews_are_trained_with_the_network(compose, dataset, tmp_path, monkeypatch):
    config = compose(*TINY, "training.epochs=1")
    few = train(config, dataset, tmp_path / "few").network.wide
    monkeypatch.setattr(few_reviews, "FEW_TRAINING", 0)
    many = train(config, dataset, tmp_path / "many").network.wide
    assert torch.equal(few.ratio, many.ratio)
    assert many.weight.any()
    assert not torch.equal(few.weight, many.weight)
