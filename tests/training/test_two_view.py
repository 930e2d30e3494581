"""Pre-training of region vectors."""

import shutil
from functools import partial

import numpy as np
import pytest
import torch

from pipeline.networks.build import build_network
from pipeline.networks.sequence_keys import sequence_keys
from pipeline.runtime.errors import PipelineError
from pipeline.text.dataset import read_split
from pipeline.text.vocabulary import UNKNOWN, Vocabulary
from pipeline.training.initial_weights import load_pretrained, save_pretrained, start_from_pretrained
from pipeline.training.two_view import frequent_ngrams
from tests.support.training import REGIONS, TINY, stop_and_resume, train, train_regions, weights, write_dataset


@pytest.fixture(scope="module")
def two_view(compose):
    return compose(*TINY, *REGIONS)


@pytest.fixture(scope="module")
def unbroken(two_view, dataset, tmp_path_factory):
    return train_regions(two_view, dataset, tmp_path_factory.mktemp("unbroken") / "checkpoints")


def test_regions_are_learned_and_a_stopped_pretraining_ends_as_one_never_stopped(unbroken, two_view, dataset, tmp_path):
    vectors, curve = unbroken
    assert len(curve) == 4  # two epochs of two parts
    assert curve[-1]["val_loss"] < curve[0]["val_loss"]
    resumed, again = stop_and_resume(partial(train_regions, two_view, dataset, tmp_path / "broken"))
    torch.testing.assert_close(resumed, vectors, rtol=0, atol=0)
    assert again == curve


def test_the_most_frequent_n_grams_of_known_words_have_vectors(compose, two_view, dataset):
    reviews, size = read_split(dataset, "train"), len(Vocabulary.load(dataset / "vocab.json"))
    counts = {}
    for review in reviews:
        for order in (2, 3):
            for end in range(order, len(review) + 1):
                ngram = tuple(review[end - order : end].tolist())
                counts[ngram] = counts.get(ngram, 0) + (UNKNOWN not in ngram)
    expected = {ngram: count for ngram, count in counts.items() if count >= 2}
    keys = frequent_ngrams([reviews], size, two_view.pretraining.two_view)
    key = lambda ngram: int(sequence_keys(torch.tensor([ngram]), len(ngram), size)[-1, 0, -1])  # noqa: E731
    assert keys[:-1].tolist() == sorted(map(key, expected))
    few = compose(*TINY, *REGIONS, "pretraining.two_view.max_ngrams=5").pretraining.two_view
    fewest = sorted(expected.values())[-5]
    chosen = [ngram for ngram in expected if key(ngram) in frequent_ngrams([reviews], size, few)[:-1]]
    assert len(chosen) == 5
    assert min(expected[ngram] for ngram in chosen) == fewest


def test_the_vectors_learn_from_training_and_unlabelled_reviews_only(compose, dataset, tmp_path):
    """Another validation split changes no vector; the test split is not even there."""
    folder = shutil.copytree(dataset, tmp_path / "dataset")
    assert not (folder / "test").exists()
    ids = np.load(folder / "validation" / "ids.npy")
    np.save(folder / "validation" / "ids.npy", np.full_like(ids, 2))
    one_epoch = compose(
        *TINY, *REGIONS, "pretraining.two_view.epochs=1", "pretraining.two_view.validations_per_epoch=1"
    )
    first, second = (train_regions(one_epoch, data, tmp_path / name) for name, data in (("a", dataset), ("b", folder)))
    torch.testing.assert_close(first[0], second[0], rtol=0, atol=0)


def test_auxiliary_texts_are_read_like_reviews(two_view, config, tmp_path):
    one, two = (write_dataset(tmp_path / str(rows), config, train_rows=220, auxiliary_rows=rows) for rows in (0, 60))
    assert (two / "auxiliary").exists()
    torch.testing.assert_close(
        train_regions(two_view, one, tmp_path / "a")[0], train_regions(two_view, two, tmp_path / "b")[0], rtol=0, atol=0
    )


def test_a_vocabulary_too_large_to_number_its_n_grams_is_refused(two_view, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.training.two_view.NO_NGRAM", 1000)
    with pytest.raises(PipelineError, match=r"two_view.orders: n-grams of 3 .*; set text.max_vocabulary to at most"):
        train_regions(two_view, dataset, tmp_path)


def test_a_training_reads_them_beside_its_word_vectors_and_leaves_them(unbroken, two_view, dataset, tmp_path):
    save_pretrained(tmp_path / "folder", two_view.pretraining, "digest", {"two_view": unbroken})
    vectors = load_pretrained(tmp_path / "folder", two_view.pretraining, "digest")
    first, second = (train(two_view, dataset, tmp_path / name, pretrained=vectors) for name in "ab")
    np.testing.assert_equal(weights(first), weights(second))
    np.testing.assert_equal(weights(first)["deep.regions.vectors"], vectors["regions.vectors"].numpy())
    assert first.network.deep.lstm.input_size == 8 + 6


@pytest.mark.parametrize("part", ["adversarial_weight", "virtual_weight"])
def test_adversarial_losses_perturb_the_word_vectors_alone(part, unbroken, compose, dataset, tmp_path):
    config = compose(*TINY, *REGIONS, f"training.{part}=1.0", "training.epochs=1")
    trained = train(config, dataset, tmp_path / "a", pretrained=unbroken[0])
    assert np.isfinite(trained.curve[-1]["train_loss"])


def test_vectors_of_another_size_are_refused(unbroken, compose):
    other = compose(*TINY, *REGIONS, "pretraining.two_view.dimension=7")
    network = build_network(other.model, 62, pretraining=other.pretraining)
    with pytest.raises(PipelineError, match="do not fit the model's size"):
        start_from_pretrained(network, unbroken[0], other.pretraining)
