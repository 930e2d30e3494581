"""One training of the classifier, without DVC and MLflow around it."""

import json
import logging
import math
import re
import shutil
from datetime import timedelta

import numpy as np
import pytest
import torch

from pipeline.inference.scoring import score
from pipeline.networks.ngrams import NgramLogOdds
from pipeline.text.dataset import read_split
from pipeline.text.vocabulary import Vocabulary
from pipeline.training import checkpoints as checkpoint_files
from pipeline.training.callbacks import EpochBar
from tests.support.training import TINY, train, weights, write_dataset


@pytest.fixture(scope="module")
def unbroken(config, dataset, tmp_path_factory):
    """A training, its folder of checkpoints, and the points that it logged; nothing of it must be changed."""
    folder, points = tmp_path_factory.mktemp("unbroken"), []
    log = lambda metrics, step: points.extend((name, step) for name in metrics)  # noqa: E731
    return train(config, dataset, folder, log), folder, points


@pytest.fixture
def checkpoints(unbroken, tmp_path):
    """A copy of its checkpoints, to change."""
    return shutil.copytree(unbroken[1], tmp_path / "checkpoints")


def test_the_network_learns_and_the_best_epoch_is_kept(unbroken):
    training, _, _ = unbroken
    assert [row["epoch"] for row in training.curve] == [1, 2, 3]
    assert training.curve[-1]["train_loss"] < training.curve[0]["train_loss"]
    assert training.curve[-1]["val_loss"] < training.curve[0]["val_loss"]
    assert not training.network.training


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(unbroken, config, dataset, tmp_path):
    first, second = unbroken[0], train(config, dataset, tmp_path / "b")
    np.testing.assert_equal(weights(first), weights(second))
    assert first.curve == second.curve
    other = train(config.model_copy(update={"seed": 2}), dataset, tmp_path / "c")
    assert not np.array_equal(weights(first)["deep.fc.weight"], weights(other)["deep.fc.weight"])


@pytest.mark.parametrize("stop_at", [5, 20, 40])  # in the first, the second and the third epoch of 14 steps
def test_a_training_stopped_and_resumed_ends_as_one_never_stopped(unbroken, config, dataset, tmp_path, stop_at):
    whole, _, _ = unbroken

    def interrupt(_metrics, step):
        if step >= stop_at - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, dataset, tmp_path / "broken", interrupt)
    steps = []
    resumed = train(config, dataset, tmp_path / "broken", lambda _metrics, step: steps.append(step))
    assert min(steps) >= (stop_at - 1) // 14 * 14, "finished epochs were trained again"
    assert resumed.seconds * resumed.reviews_per_second == pytest.approx(whole.seconds * whole.reviews_per_second)
    np.testing.assert_equal(weights(resumed), weights(whole))
    assert resumed.curve == whole.curve


def test_a_training_stopped_within_an_epoch_goes_on_from_there(
    unbroken, config, dataset, tmp_path, monkeypatch, caplog
):
    whole, _, points = unbroken
    monkeypatch.setattr(checkpoint_files, "WITHIN_EPOCH_EVERY", timedelta(0))
    for stop_at in (10, 20, 30, 40):  # each time it goes on, and is stopped again

        def interrupt(_metrics, step, stop_at=stop_at):
            if step >= stop_at - 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(config, dataset, tmp_path / "broken", interrupt)
    again = []
    caplog.set_level(logging.INFO)
    resumed = train(
        config, dataset, tmp_path / "broken", lambda metrics, step: again.extend((name, step) for name in metrics)
    )
    assert "resuming within an epoch, after step 40" in caplog.text
    assert set(again) == {(name, step) for name, step in points if step >= 40}
    np.testing.assert_equal(weights(resumed), weights(whole))
    assert resumed.curve == whole.curve
    assert not (tmp_path / "broken" / "within_epoch.ckpt").exists()


def test_the_time_of_a_resumed_training_is_that_of_all_its_epochs(unbroken, checkpoints, config, dataset):
    last = torch.load(checkpoints / "last.ckpt", weights_only=True)
    (curve,) = (state for state in last["callbacks"].values() if "rows" in state)
    assert 0 < curve["seconds"] <= unbroken[0].seconds
    curve["seconds"] += 3600
    torch.save(last, checkpoints / "last.ckpt")
    resumed = train(config, dataset, checkpoints)
    assert resumed.seconds > curve["seconds"]
    assert resumed.reviews_per_second == pytest.approx(200 * 3 / resumed.seconds, rel=0.2)


@pytest.mark.parametrize(
    "override", ["training.accumulate_grad_batches=4", "training.virtual_weight=1", "training.ema_decay=null"]
)
def test_what_a_step_depends_on_is_kept_within_an_epoch(compose, dataset, tmp_path, monkeypatch, override):
    config = compose(*TINY, "training.epochs=2", override)
    if "virtual" in override:
        dataset = write_dataset(tmp_path / "dataset", config, train_rows=200, unlabelled_rows=90)
    whole = train(config, dataset, tmp_path / "whole")
    monkeypatch.setattr(checkpoint_files, "WITHIN_EPOCH_EVERY", timedelta(0))

    def interrupt(_bar, _trainer, _module, _outputs, _batch, batch_idx):
        if batch_idx == 9:  # amid the gradients of a step of four batches
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(EpochBar, "on_train_batch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(config, dataset, tmp_path / "broken")
    resumed = train(config, dataset, tmp_path / "broken")
    np.testing.assert_equal(weights(resumed), weights(whole))


def test_a_finished_training_is_not_trained_again(unbroken, checkpoints, config, dataset):
    first, logged = unbroken[0], []
    again = train(config, dataset, checkpoints, lambda metrics, _step: logged.extend(metrics))
    assert "train/loss" not in logged
    np.testing.assert_equal(weights(again), weights(first))
    assert again.curve == first.curve


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_damaged_checkpoint_is_removed_and_training_starts_over(unbroken, checkpoints, config, dataset, name):
    whole = (checkpoints / name).read_bytes()
    (checkpoints / name).write_bytes(whole[: len(whole) // 2])
    np.testing.assert_equal(weights(train(config, dataset, checkpoints)), weights(unbroken[0]))


def test_points_are_logged_once_each_with_rate_gradient_and_validation(unbroken):
    _, _, points = unbroken
    assert len(points) == len(set(points))
    assert {name for name, _ in points} == {
        *("train/loss", "train/accuracy", "train/lr", "train/grad_norm"),
        *("val/loss", "val/calibrated_loss", "val/accuracy"),
    }
    assert sum(name == "val/loss" for name, _ in points) == 1 + 3, "untrained, and the epochs"


def test_training_stops_early_when_validation_no_longer_improves(compose, dataset, tmp_path):
    config = compose(*TINY, "training.epochs=30", "training.patience=1", "training.lr=1.0", "training.ema_decay=null")
    assert len(train(config, dataset, tmp_path).curve) < 30


def test_accumulated_batches_make_one_step(compose, dataset, tmp_path):
    steps = []
    config = compose(*TINY, "training.epochs=1", "training.accumulate_grad_batches=4")
    train(config, dataset, tmp_path, lambda metrics, step: steps.append(step) if "val/loss" in metrics else None)
    assert 0 < max(steps) <= 4  # of 14 batches


def test_a_debugged_training_is_short_or_learns_few_reviews_by_heart(compose, dataset, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    short = train(compose(*TINY, "debug=profile", "debug.limit_batches=2"), dataset, tmp_path / "short")
    assert len(short.curve) == 1
    assert "its figures mean nothing" in caplog.text
    assert "run_training_batch" in caplog.text  # the profiler's table
    by_heart = train(compose(*TINY, "debug=overfit", "debug.epochs=2"), dataset, tmp_path / "overfit")
    assert len(by_heart.probabilities) == 32  # validated on, too


def test_a_training_begins_with_its_parameters_and_feeds_the_loggers_beside_mlflow(
    compose, dataset, tmp_path, caplog, monkeypatch
):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    trained = train(compose(*TINY, "training.epochs=1", "logger=csv"), dataset, tmp_path / "checkpoints", name="mine")
    (line,) = (line for line in caplog.messages if line.startswith("training "))
    total, *parts = (int(number.replace(",", "")) for number in re.findall(r" ([\d,]*\d)", line))
    assert total == sum(parts) == sum(weight.numel() for weight in trained.network.parameters() if weight.requires_grad)
    (points,) = (tmp_path / "logs" / "csv" / "mine").glob("*/metrics.csv")
    assert "val/calibrated_loss" in points.read_text().splitlines()[0]


def test_max_reviews_takes_half_of_each_label(compose, dataset, tmp_path):
    config = compose(*TINY, "training.max_reviews=20", "training.epochs=1")
    seen = []
    train(config, dataset, tmp_path, lambda _metrics, step: seen.append(step))
    assert max(seen) <= 2


def test_the_wide_path_counts_the_training_reviews_and_no_other(unbroken, config, dataset):
    trained = unbroken[0].network
    counted = NgramLogOdds(config.model.wide.orders, config.model.wide.bits, negation=trained.wide.negation)
    split = read_split(dataset, "train")
    counted.count(list(split), split.labels)
    assert torch.equal(trained.wide.ratio, counted.ratio)


def test_negations_come_from_the_configuration_and_a_language_without_them_is_warned_of(
    compose, dataset, tmp_path, caplog
):
    short = (*TINY, "training.epochs=1")
    marked = train(compose(*short, "model.wide.negation.words=[is]"), dataset, tmp_path / "marked").network
    plain = train(compose(*short, "model.wide.negation=null"), dataset, tmp_path / "plain").network
    assert not torch.equal(marked.wide.ratio, plain.wide.ratio)
    assert plain.wide.negation is None
    with caplog.at_level(logging.WARNING):
        train(compose(*short, "model.wide.negation.words=[nicht]"), dataset, tmp_path / "german")
    assert "model.wide.negation.words: the vocabulary has none of them" in caplog.text


def test_of_characters_only_a_single_one_can_be_a_negation(compose, tmp_path):
    config = compose(*TINY, "training.epochs=1", "text.tokenizer=characters", "model.wide.negation.words=[is,a]")
    folder = write_dataset(tmp_path / "dataset", config, train_rows=40)
    found = train(config, folder, tmp_path / "checkpoints").network.wide.negation.negations
    assert (found >= 0).tolist() == [True, False]  # "a", not the letters of "is", which are in "this" too


@pytest.mark.parametrize("ordered", [False, True])
def test_several_classes_are_trained_calibrated_and_reproducible(ordered, compose, dataset, tmp_path):
    config = compose(*TINY, "training.epochs=10", "training.lr=3e-2", "model.word_dropout=0")
    folder = shutil.copytree(dataset, tmp_path / "dataset")
    corpus_of_three(dataset, folder, ordered)
    first = train(config, folder, tmp_path / "first")
    reviews = read_split(folder, "train")
    probabilities = first.calibration.probabilities(score(first.network, list(reviews), None))
    assert probabilities.shape == (len(reviews), 3)
    assert (probabilities.argmax(1) == reviews.labels).mean() > 0.7
    perturbed = compose(*TINY, "training.epochs=1", "training.virtual_weight=1", "training.adversarial_weight=1")
    one, same = (train(perturbed, folder, tmp_path / name) for name in ("one", "same"))
    np.testing.assert_equal(weights(one), weights(same))


def corpus_of_three(dataset, folder, ordered):
    """Make a third class of the negative reviews that hold a certain word, in place."""
    record = json.loads((folder / "dataset.json").read_text())
    record["corpus"] |= {"classes": ["poor", "fair", "good"], "ordered": ordered}
    (folder / "dataset.json").write_text(json.dumps(record))
    word = Vocabulary.load(dataset / "vocab.json").words.index("is")
    for split in ("train", "validation"):
        reviews = read_split(dataset, split)
        fair = np.array([word in review for review in reviews])
        np.save(folder / split / "labels.npy", np.where(reviews.labels == 1, 2, fair).astype(np.int8))


@pytest.mark.parametrize("part", ["adversarial_weight", "virtual_weight"])
def test_adversarial_training_is_reproducible_and_changes_the_weights(part, unbroken, compose, dataset, tmp_path):
    perturbed = compose(*TINY, f"training.{part}=1.0")
    first, second = (train(perturbed, dataset, tmp_path / name) for name in "ab")
    np.testing.assert_equal(weights(first), weights(second))
    plain, _, _ = unbroken
    assert not np.array_equal(weights(first)["deep.lstm.weight_hh_l0"], weights(plain)["deep.lstm.weight_hh_l0"])


def test_the_learning_curve_shows_the_training_loss_that_validation_shows(compose, dataset, tmp_path):
    still = ("training.lr=1e-9", "training.epochs=1", "training.adversarial_weight=1.0", "model.wide=null")
    (row,) = train(compose(*TINY, *still), dataset, tmp_path).curve
    assert row["train_loss"] == pytest.approx(math.log(2), abs=0.05)  # not twice that, with the perturbed reviews
    assert row["val_loss"] == pytest.approx(math.log(2), abs=0.05)


def test_virtual_adversarial_training_reads_the_unlabelled_reviews(compose, dataset, tmp_path):
    config = compose(*TINY, "training.virtual_weight=1.0")
    labelled = tmp_path / "labelled"
    shutil.copytree(dataset, labelled, ignore=shutil.ignore_patterns("unlabelled"))
    with_them, without = (
        train(config, folder, tmp_path / name) for folder, name in ((dataset, "with"), (labelled, "without"))
    )
    assert not np.array_equal(weights(with_them)["deep.fc.weight"], weights(without)["deep.fc.weight"])
