"""Pre-training of a language model."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from pipeline.config.split import PRETRAINING_SPLITS
from pipeline.text.dataset import present_splits, read_split
from pipeline.training.language_model import TextDataModule
from tests.support.training import PRETRAINED, TINY, stop_and_resume, train, train_language_model, weights


def test_a_language_model_learns_and_a_stopped_one_ends_as_one_never_stopped(compose, dataset, tmp_path):
    config = compose(*TINY, *PRETRAINED)
    unbroken, curve = train_language_model(config, dataset, tmp_path / "unbroken")
    assert len(curve) == 4  # two epochs of two parts
    assert len({row["val_loss"] for row in curve}) == 4, "an epoch went without a validation of its own"
    assert curve[-1]["val_loss"] < curve[0]["val_loss"]
    assert curve[-1]["val_perplexity"] == pytest.approx(math.exp(curve[-1]["val_loss"]))

    resumed, again = stop_and_resume(partial(train_language_model, config, dataset, tmp_path / "broken"))
    torch.testing.assert_close(resumed, unbroken, rtol=0, atol=0)
    assert again == curve


def test_a_training_that_starts_from_a_language_model_is_reproducible(compose, dataset, tmp_path):
    config = compose(*TINY, *PRETRAINED)
    pretrained, _ = train_language_model(config, dataset, tmp_path / "pretrained")
    first, second, random = (
        train(config, dataset, tmp_path / name, pretrained=start)
        for name, start in (("a", pretrained), ("b", pretrained), ("c", None))
    )
    np.testing.assert_equal(weights(first), weights(second))
    assert not np.array_equal(weights(first)["deep.embedding.weight"], weights(random)["deep.embedding.weight"])


def test_max_reviews_are_of_each_split(compose, dataset):
    config = compose(*TINY, *PRETRAINED, "pretraining.language_model.max_reviews=3").pretraining.language_model
    module = TextDataModule(dataset, config)
    splits = [read_split(dataset, name) for name in present_splits(dataset, PRETRAINING_SPLITS)]
    firsts = [review for split in splits for review in [review for review in split if len(review) > 1][:3]]
    assert [review.tolist() for review in module._train] == [review.tolist() for review in firsts]
