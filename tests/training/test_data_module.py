"""Batches and their order."""

import json
from hashlib import sha256

import numpy as np
import pytest
import torch

from pipeline.config.labels import LABELS
from pipeline.networks.build import build_network, path_logits
from pipeline.networks.likelihood import LOGISTIC, build_likelihood
from pipeline.networks.padding import pad
from pipeline.text.dataset import EncodedSplit, read_split
from pipeline.text.vocabulary import Vocabulary
from pipeline.training.batches import ReviewBatch
from pipeline.training.data_module import LengthBatches, LossWeights, ReviewDataModule, weights_of_classes
from pipeline.training.training_reviews import TrainingPart, TrainingReviews
from tests.support.training import TINY, train, weights, write_dataset


def test_batches_hold_reviews_of_like_length_each_once_in_an_order_of_their_epoch():
    lengths = np.random.default_rng(0).integers(1, 400, 5000)
    order = LengthBatches(np.arange(5000), lengths, 32, seed=1)
    batches = list(order)
    assert len(batches) == len(order)
    assert sorted(row for batch in batches for row in batch) == list(range(5000))
    padding = 1 - lengths.sum() / sum(lengths[batch].max() * len(batch) for batch in batches)
    assert padding < 0.1
    assert list(order) == batches
    order.set_epoch(1)
    assert list(order) != batches


def test_the_order_of_the_reviews_is_that_of_every_earlier_training():
    lengths = np.random.default_rng(5).integers(1, 300, 5000)
    order = LengthBatches(np.arange(5000)[::2], lengths[::2], 32, seed=3, parts=2)
    order.set_epoch(3)
    batches = list(order)
    assert batches[0][:6] == [4402, 2870, 3010, 1032, 1994, 4790]
    assert sha256(json.dumps(batches).encode()).hexdigest().startswith("1674c422d1d2f103")


def test_the_parts_of_a_pass_are_of_one_size_and_read_no_review_twice():
    lengths = np.random.default_rng(0).integers(1, 400, 1000)
    order = LengthBatches(np.arange(1000), lengths, 32, seed=1, parts=3)
    rows = []
    for epoch in range(3):
        order.set_epoch(epoch)
        part = list(order)
        assert len(part) == len(order) == 10  # of 32 batches
        rows += [row for batch in part for row in batch]
    assert len(rows) == len(set(rows)) >= 30 * 32 - 24  # the last batch has 8 reviews


def test_auxiliary_texts_are_trained_on_with_their_weight(compose, config, tmp_path):
    dataset = write_dataset(tmp_path / "dataset", config, train_rows=220, auxiliary_rows=60)
    settings = {"batch_size": 16, "fixed_length": None, "seed": 1}
    auxiliary = read_split(dataset, "auxiliary")

    data = ReviewDataModule(dataset, **settings, weights=LossWeights(auxiliary=0.25))
    assert len(data.train) == 220
    np.testing.assert_array_equal(data.train[160], auxiliary[0])
    np.testing.assert_array_equal(data.train[219], auxiliary[59])
    weighted = [batch.loss_weights for batch in data.train_dataloader()]
    assert sorted(set(np.concatenate(weighted).tolist())) == [0.25, 1]
    assert sum((part == 0.25).sum().item() for part in weighted) == 60

    assert len(ReviewDataModule(dataset, **settings, weights=LossWeights(auxiliary=0)).train) == 160
    assert all(batch.loss_weights is None for batch in ReviewDataModule(dataset, **settings).train_dataloader())

    trained = {
        weight: weights(train(compose(*TINY, f"training.auxiliary_weight={weight}"), dataset, tmp_path / str(weight)))
        for weight in (0, 0.5, 1)
    }
    for name in ("deep.fc.weight", "wide.ratio", "wide.weight"):
        assert len({trained[weight][name].tobytes() for weight in trained}) == 3, name


def test_class_weights_weigh_the_losses_of_a_class_and_of_no_auxiliary_text(compose, config, tmp_path, caplog):
    dataset = write_dataset(tmp_path / "dataset", config, train_rows=220, auxiliary_rows=60)
    settings = {"batch_size": 16, "fixed_length": None, "seed": 1, "classes": LABELS}
    labels = read_split(dataset, "train").labels
    caplog.set_level("INFO")
    data = ReviewDataModule(dataset, **settings, weights=LossWeights(auxiliary=0.5, classes={"positive": 3.0}))
    np.testing.assert_array_equal(data.train.loss_weights[:160], np.where(labels == 1, 3, 1))
    assert set(data.train.loss_weights[160:]) == {0.5}
    assert set(data.train.weights[:160]) == {1}  # n-grams are counted as often as they occur
    assert caplog.messages == ["weights of the classes' losses: negative 1, positive 3"]

    batch = next(iter(data.train_dataloader()))
    outputs = torch.linspace(-2, 2, len(batch.labels))[:, None]
    signs = torch.where(batch.labels == 1, 1.0, -1.0)
    by_hand = (batch.loss_weights * torch.log(1 + torch.exp(-signs * outputs[:, 0]))).mean()
    assert batch.loss_weights.max() == 3
    torch.testing.assert_close(LOGISTIC.loss(outputs, batch.labels, batch.loss_weights), by_hand)

    overrides = {"none": [], "weighted": ["training.class_weights={positive: 3}"]}
    trained = {
        name: weights(train(compose(*TINY, *values), dataset, tmp_path / name)) for name, values in overrides.items()
    }
    assert not np.array_equal(trained["none"]["deep.fc.weight"], trained["weighted"]["deep.fc.weight"])
    np.testing.assert_array_equal(trained["none"]["wide.ratio"], trained["weighted"]["wide.ratio"])


def test_balanced_weights_give_each_class_the_same_sum():
    labels = np.repeat([0, 1, 2], [70, 25, 5]).astype(np.int8)
    rows = np.arange(100)
    part = TrainingPart(EncodedSplit(np.zeros(100, np.int32), np.arange(101), labels), rows, labels)
    balanced = weights_of_classes("balanced", [part], ("a", "b", "c"))
    np.testing.assert_allclose(balanced, [100 / 210, 100 / 75, 100 / 15], rtol=1e-6)
    np.testing.assert_allclose(np.bincount(labels, balanced[labels]), [100 / 3] * 3, rtol=1e-6)
    assert weights_of_classes(None, [part], ("a", "b", "c")) is None


def test_a_review_that_stands_for_several_counts_as_if_it_were_repeated(config, tmp_path):
    dataset = write_dataset(tmp_path / "dataset", config, train_rows=220, auxiliary_rows=60)
    copies = np.random.default_rng(0).integers(1, 6, 160).astype(np.int32)
    np.save(dataset / "train" / "copies.npy", copies)
    weighting = LossWeights(auxiliary=0.5)
    data = ReviewDataModule(dataset, batch_size=1000, fixed_length=None, seed=1, weights=weighting)
    assert data.train.weights.tolist() == [*copies.tolist(), *[0.5] * 60]

    (dataset / "train" / "copies.npy").unlink()
    parts = [read_split(dataset, "train"), read_split(dataset, "auxiliary")]
    rows = [np.repeat(np.arange(160), copies), np.arange(60)]
    repeated = TrainingReviews(
        [
            TrainingPart(part, own, part.labels[own], weight)
            for part, own, weight in zip(parts, rows, (1, 0.5), strict=True)
        ]
    )
    likelihood = build_likelihood(2, ordered=False)
    ratios = []
    for reviews in (data.train, repeated):
        network = build_network(config.model, len(Vocabulary.load(dataset / "vocab.json")), likelihood)
        network.wide.count(reviews, reviews.labels, reviews.weights)
        ratios.append(network.wide.ratio)
    assert ratios[0].abs().sum() > 0
    assert ratios[0].equal(ratios[1])

    (batch,) = data.train_dataloader()
    network.eval()
    again = ReviewBatch(*pad(list(repeated), None))
    losses = [
        likelihood.loss(path_logits(network, read.ids, read.lengths).sum(2), labels, each).item()
        for read, labels, each in (
            (batch.reviews, batch.labels, batch.loss_weights),
            (again, torch.from_numpy(repeated.labels).long(), torch.from_numpy(repeated.loss_weights)),
        )
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
