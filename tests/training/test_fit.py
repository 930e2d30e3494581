"""One training, without DVC and MLflow around it."""

import math
import shutil

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.networks.ngrams import NgramLogOdds
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.runtime.errors import PipelineError
from pipeline.text.dataset import DatasetRecord, read_split
from pipeline.training.data_module import LengthBatches, SentimentDataModule
from pipeline.training.fit import fit
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import load_pretrained, save_pretrained
from pipeline.training.optimizer import learning_rate_factor
from pipeline.training.pretraining import pretrain
from pipeline.training.pseudo_labels import load_pseudo_labels, save_pseudo_labels
from tests.conftest import reviews

TINY = (
    *("training.epochs=3", "training.batch_size=16", "training.lr=1e-2", "training.ema_decay=0.9"),
    *("model.embedding_dim=8", "model.hidden_dim=8", "model.word_dropout=0.1", "model.drop_prob=0.2"),
    *("trainer.threads=1", "trainer.precision=32-true", "trainer.accelerator=cpu"),
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, config):
    """A folder as preprocess writes it, and the size of its vocabulary."""
    folder = tmp_path_factory.mktemp("dataset")
    rows = reviews()
    batches = []
    for split, part in (("train", rows[:220]), ("validation", rows[220:])):
        labels = pa.array([label == "good" for _, label in part]).cast(pa.int8())
        batches.append((split, pa.record_batch({"text": [text for text, _ in part], "label": labels})))
    batches.append(("unlabelled", pa.record_batch({"text": [text for text, _ in rows[:50]]})))
    vocabulary, _, _ = encode_corpus(folder, config.text, [batches], map)
    return folder, len(vocabulary)


@pytest.fixture(scope="module")
def config(compose):
    return compose(*TINY)


def train(config, dataset, checkpoints, log_metrics=lambda *_: None):
    folder, vocab_size = dataset
    return fit(config, folder, vocab_size, resolve_hardware(config.trainer), checkpoints, log_metrics)


def weights(training):
    return {name: tensor.numpy() for name, tensor in training.network.state_dict().items()}


def test_the_network_learns_and_the_best_epoch_is_kept(config, dataset, tmp_path):
    training = train(config, dataset, tmp_path)
    assert [row["epoch"] for row in training.curve] == [1, 2, 3]
    assert training.curve[-1]["train_loss"] < training.curve[0]["train_loss"] - 0.005
    assert training.curve[-1]["val_loss"] < training.curve[0]["val_loss"]
    assert not training.network.training


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(config, dataset, tmp_path):
    first, second = (train(config, dataset, tmp_path / name) for name in "ab")
    np.testing.assert_equal(weights(first), weights(second))
    assert first.curve == second.curve
    other = train(config.model_copy(update={"seed": 2}), dataset, tmp_path / "c")
    assert not np.array_equal(weights(first)["deep.fc.weight"], weights(other)["deep.fc.weight"])


@pytest.mark.parametrize("stop_at", [5, 20, 40])  # in the first, the second and the third epoch of 14 steps
def test_a_training_stopped_and_resumed_ends_as_one_never_stopped(config, dataset, tmp_path, stop_at):
    unbroken = train(config, dataset, tmp_path / "unbroken")

    def interrupt(_metrics, step):
        if step >= stop_at - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, dataset, tmp_path / "broken", interrupt)
    steps = []
    resumed = train(config, dataset, tmp_path / "broken", lambda _metrics, step: steps.append(step))
    assert min(steps) >= (stop_at - 1) // 14 * 14, "finished epochs were trained again"
    np.testing.assert_equal(weights(resumed), weights(unbroken))
    assert resumed.curve == unbroken.curve


def test_a_finished_training_is_not_trained_again(config, dataset, tmp_path):
    first = train(config, dataset, tmp_path)
    logged = []
    again = train(config, dataset, tmp_path, lambda metrics, _step: logged.extend(metrics))
    assert "train/loss" not in logged
    np.testing.assert_equal(weights(again), weights(first))
    assert again.curve == first.curve


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_damaged_checkpoint_is_removed_and_training_starts_over(config, dataset, tmp_path, name):
    first = train(config, dataset, tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    np.testing.assert_equal(weights(train(config, dataset, tmp_path)), weights(first))


def test_points_are_logged_once_each_with_rate_gradient_and_validation(config, dataset, tmp_path):
    points = []
    train(config, dataset, tmp_path, lambda metrics, step: points.extend((name, step) for name in metrics))
    assert len(points) == len(set(points))
    assert {name for name, _ in points} == {
        *("train/loss", "train/accuracy", "train/lr", "train/grad_norm"),
        *("val/loss", "val/calibrated_loss", "val/accuracy"),
    }
    assert sum(name == "val/loss" for name, _ in points) == 3


def test_training_stops_early_when_validation_no_longer_improves(compose, dataset, tmp_path):
    config = compose(*TINY, "training.epochs=30", "training.patience=1", "training.lr=1.0", "training.ema_decay=null")
    assert len(train(config, dataset, tmp_path).curve) < 30


def test_max_reviews_takes_half_of_each_label(compose, dataset, tmp_path):
    config = compose(*TINY, "training.max_reviews=20", "training.epochs=1")
    seen = []
    train(config, dataset, tmp_path, lambda _metrics, step: seen.append(step))
    assert max(seen) <= 2


@pytest.mark.parametrize(
    ("schedule", "halfway", "end"), [("constant", 1, 1), ("linear", 0.5, 0.01), ("cosine", 0.5, 0.001)]
)
def test_the_learning_rate_rises_then_follows_its_schedule(compose, schedule, halfway, end):
    config = compose(f"training.schedule={schedule}", "training.warmup=0.1").training
    factors = [learning_rate_factor(step, 1000, config) for step in range(1000)]
    assert factors[:100] == sorted(factors[:100])
    assert factors[99] == 1
    assert factors[550] == pytest.approx(halfway, abs=0.01)
    assert factors[-1] == pytest.approx(end, abs=0.01)


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


def test_a_gpu_that_is_not_there_is_refused(compose):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(PipelineError, match=r"trainer\.accelerator: gpu asked for"):
        resolve_hardware(compose("trainer=gpu").trainer)


def test_threads_are_set(compose):
    assert resolve_hardware(compose("trainer.threads=1").trainer).threads == torch.get_num_threads() == 1


def test_the_wide_path_counts_the_training_reviews_and_no_other(config, dataset, tmp_path):
    folder, _ = dataset
    trained = train(config, dataset, tmp_path).network
    counted = NgramLogOdds(config.model.wide.orders, config.model.wide.bits)
    split = read_split(folder, "train")
    counted.count(list(split), split.labels)
    assert torch.equal(trained.wide.ratio, counted.ratio)


@pytest.mark.parametrize("part", ["adversarial_weight", "virtual_weight"])
def test_adversarial_training_is_reproducible_and_changes_the_weights(part, compose, config, dataset, tmp_path):
    perturbed = compose(*TINY, f"training.{part}=1.0")
    first, second = (train(perturbed, dataset, tmp_path / name) for name in "ab")
    np.testing.assert_equal(weights(first), weights(second))
    plain = train(config, dataset, tmp_path / "plain")
    assert not np.array_equal(weights(first)["deep.lstm.weight_hh_l0"], weights(plain)["deep.lstm.weight_hh_l0"])


def test_the_learning_curve_shows_the_training_loss_that_validation_shows(compose, dataset, tmp_path):
    still = ("training.lr=1e-9", "training.epochs=1", "training.adversarial_weight=1.0", "model.wide=null")
    (row,) = train(compose(*TINY, *still), dataset, tmp_path).curve
    assert row["train_loss"] == pytest.approx(math.log(2), abs=0.05)  # not twice that, with the perturbed reviews
    assert row["val_loss"] == pytest.approx(math.log(2), abs=0.05)


def test_virtual_adversarial_training_reads_the_unlabelled_reviews(compose, dataset, tmp_path):
    config = compose(*TINY, "training.virtual_weight=1.0")
    folder, vocab_size = dataset
    labelled = tmp_path / "labelled"
    shutil.copytree(folder, labelled, ignore=shutil.ignore_patterns("unlabelled"))
    with_them, without = (
        train(config, (place, vocab_size), tmp_path / name) for place, name in ((folder, "with"), (labelled, "without"))
    )
    assert not np.array_equal(weights(with_them)["deep.fc.weight"], weights(without)["deep.fc.weight"])


PRETRAINED = ("pretraining=language_model", "pretraining.cutoffs=[10,30]", "pretraining.parts=2")


def language_model(compose, dataset, checkpoints, log_metrics=lambda *_: None):
    config = compose(*TINY, *PRETRAINED)
    folder, vocab_size = dataset
    hardware = resolve_hardware(config.trainer)
    return pretrain(config.pretraining, folder, vocab_size, hardware, checkpoints, log_metrics), config


def test_a_language_model_learns_and_a_stopped_one_ends_as_one_never_stopped(compose, dataset, tmp_path):
    (unbroken, curve), _ = language_model(compose, dataset, tmp_path / "unbroken")
    assert len(curve) == 4  # two epochs of two parts
    assert len({row["val_loss"] for row in curve}) == 4, "an epoch went without a validation of its own"
    assert curve[-1]["val_loss"] < curve[0]["val_loss"]
    assert curve[-1]["val_perplexity"] == pytest.approx(math.exp(curve[-1]["val_loss"]))

    validations = []

    def interrupt(metrics, step):
        validations.extend([step] if "val/loss" in metrics else [])
        if len(validations) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        language_model(compose, dataset, tmp_path / "broken", interrupt)
    steps = []
    (resumed, again), _ = language_model(
        compose, dataset, tmp_path / "broken", lambda _metrics, step: steps.append(step)
    )
    assert min(steps) > validations[0], "the finished part was trained again"
    torch.testing.assert_close(resumed, unbroken, rtol=0, atol=0)
    assert again == curve


def test_a_training_that_starts_from_a_language_model_is_reproducible(compose, dataset, tmp_path):
    (pretrained, _), config = language_model(compose, dataset, tmp_path / "pretrained")
    folder, vocab_size = dataset
    hardware = resolve_hardware(config.trainer)
    first, second, random = (
        fit(config, folder, vocab_size, hardware, tmp_path / name, lambda *_: None, start)
        for name, start in (("a", pretrained), ("b", pretrained), ("c", None))
    )
    np.testing.assert_equal(weights(first), weights(second))
    assert not np.array_equal(weights(first)["deep.embedding.weight"], weights(random)["deep.embedding.weight"])


def test_the_pretrained_folder_is_refused_for_another_configuration_or_dataset(compose, dataset, tmp_path):
    trained, config = language_model(compose, dataset, tmp_path / "checkpoints")
    save_pretrained(tmp_path / "folder", config.pretraining, "digest", trained)
    read = load_pretrained(tmp_path / "folder", config.pretraining, "digest")
    torch.testing.assert_close(read, trained[0], rtol=0, atol=0)
    other = compose(*TINY, *PRETRAINED, "pretraining.lr=0.5").pretraining
    with pytest.raises(PipelineError, match=r"pretraining.lr: 0.5 is asked for, but .* was made with 0.002"):
        load_pretrained(tmp_path / "folder", other, "digest")
    with pytest.raises(PipelineError, match="another dataset"):
        load_pretrained(tmp_path / "folder", config.pretraining, "other")
    with pytest.raises(PipelineError, match="dvc repro pretrain"):
        load_pretrained(tmp_path / "nowhere", config.pretraining, "digest")
    assert load_pretrained(tmp_path / "nowhere", compose().pretraining, "digest") is None


TEACHER = (*TINY, "pseudo_labels=teacher", "pseudo_labels.confidence=0.75")


def made_of(digest="digest", **splits):
    return DatasetRecord.model_construct(digest=digest, splits=splits)


def test_a_student_trains_on_the_reviews_its_teacher_is_sure_of(compose, dataset, tmp_path):
    config = compose(*TEACHER)
    folder, vocab_size = dataset
    probabilities = np.full(50, 0.5, np.float32)
    probabilities[[3, 5, 7, 9]] = 0.9, 0.7, 0.1, 0.75
    save_pseudo_labels(tmp_path / "labels", config, "digest", probabilities, {})
    found = load_pseudo_labels(tmp_path / "labels", config, made_of(unlabelled=50))

    data = SentimentDataModule(folder, batch_size=16, fixed_length=None, max_reviews=None, seed=1, pseudo_labels=found)
    texts, labels = data.labelled()
    unlabelled = read_split(folder, "unlabelled")
    assert labels[220:].tolist() == [1, 0, 1]
    for text, row in zip(texts[220:], [3, 7, 9], strict=True):
        np.testing.assert_array_equal(text, unlabelled[row])
    assert sum(batch.size for batch in data.train_dataloader()) == 223

    hardware = resolve_hardware(config.trainer)
    first, second, alone = (
        fit(config, folder, vocab_size, hardware, tmp_path / name, lambda *_: None, None, pseudo_labels)
        for name, pseudo_labels in (("a", found), ("b", found), ("c", None))
    )
    np.testing.assert_equal(weights(first), weights(second))
    assert not np.array_equal(weights(first)["deep.fc.weight"], weights(alone)["deep.fc.weight"])
    assert not np.array_equal(weights(first)["wide.ratio"], weights(alone)["wide.ratio"])


def test_pseudo_labels_are_refused_for_another_configuration_or_dataset(compose, tmp_path):
    folder, config = tmp_path / "labels", compose(*TEACHER)
    with pytest.raises(PipelineError, match="dvc repro pseudo_label"):
        load_pseudo_labels(folder, config, made_of(unlabelled=2))
    save_pseudo_labels(folder, config, "digest", np.array([0.9, 0.6], np.float32), {})
    for change, told in (
        ("model.hidden_dim=16", "model.hidden_dim: 16 is asked for, but .* was made with 8"),
        ("pseudo_labels.teacher.epochs=7", "pseudo_labels.teacher.epochs: 7 is asked for"),
    ):
        with pytest.raises(PipelineError, match=told):
            load_pseudo_labels(folder, compose(*TEACHER, change), made_of(unlabelled=2))
    with pytest.raises(PipelineError, match="another dataset"):
        load_pseudo_labels(folder, config, made_of("other", unlabelled=2))
    less_sure = compose(*TEACHER, "pseudo_labels.confidence=0.55", "training.epochs=7")
    assert load_pseudo_labels(folder, less_sure, made_of(unlabelled=2)).rows.tolist() == [0, 1]
    assert load_pseudo_labels(folder, compose(), made_of(unlabelled=2)) is None
    whole = (folder / "probabilities.npy").read_bytes()
    (folder / "probabilities.npy").write_bytes(whole[:-2])
    with pytest.raises(PipelineError, match="damaged"):
        load_pseudo_labels(folder, config, made_of(unlabelled=2))


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
