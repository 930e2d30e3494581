"""Training and scoring on a GPU, beside the same on the CPU; skipped where torch sees no GPU."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch

from pipeline.config.labels import LABELS
from pipeline.config.objective import ACCURACY
from pipeline.inference.calibration_fitting import calibrate
from pipeline.inference.model_folder import save_model
from pipeline.inference.predictor import Predictor
from pipeline.inference.scoring import score
from pipeline.networks.build import build_network
from pipeline.text.dataset import read_split
from pipeline.text.vocabulary import Vocabulary
from pipeline.training.hardware import resolve_hardware
from tests.conftest import reviews
from tests.support.training import (
    PRETRAINED,
    REGIONS,
    TINY,
    stop_and_resume,
    train,
    train_language_model,
    train_regions,
    weights,
)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")

ON_GPU = (*TINY, "model.hidden_dim=32", "trainer.accelerator=gpu")
WITHOUT_DROPOUT = (
    *("model.word_dropout=0", "model.embedding_dropout=0"),
    *("model.drop_prob=0", "model.output_dropout=0"),
)
NETWORKS = ["model=sentiment_rnn", "model=article", "model=gru", "model=rnn", "model=bag_of_words"]
LACKING = {
    "model=article": ("model.wide.",),
    "model=bag_of_words": ("model.hidden_dim", "model.drop_prob", "model.embedding_dropout", "model.wide."),
}
"""Keys in the values of this module that a network has not."""
TOLERANCE = 1e-3
"""Largest difference in a probability or a loss: cuDNN multiplies in TF32, with 10 bits behind the point."""


def tiny(compose, network, *overrides):
    """A tiny configuration for a GPU; values of keys that its network lacks are left out."""
    lacking = LACKING.get(network, ())
    return compose(network, *(value for value in (*ON_GPU, *overrides) if not value.startswith(lacking)))


def interrupted_at(stop_at):
    def interrupt(_metrics, step):
        if step >= stop_at - 1:
            raise KeyboardInterrupt

    return interrupt


def test_auto_takes_the_gpu_and_computes_in_bf16_where_it_can(compose):
    hardware = resolve_hardware(compose("trainer=auto").trainer)
    assert hardware.accelerator == "gpu"
    assert hardware.summary()["device"] == torch.cuda.get_device_name()
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    assert hardware.precision == ("bf16-mixed" if native else "32-true")


@pytest.mark.parametrize("network", NETWORKS)
def test_a_gpu_trains_to_the_losses_of_the_cpu(compose, dataset, tmp_path, network):
    on_gpu = tiny(compose, network, *WITHOUT_DROPOUT)
    on_cpu = on_gpu.model_copy(update={"trainer": compose(*TINY).trainer})
    gpu, cpu = (train(config, dataset, tmp_path / name) for config, name in ((on_gpu, "gpu"), (on_cpu, "cpu")))
    assert next(gpu.network.parameters()).device.type == "cpu"
    for one, other in zip(gpu.curve, cpu.curve, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=TOLERANCE)
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=TOLERANCE)


@pytest.mark.parametrize("part", ["wide", "adversarial_weight", "virtual_weight", "bf16-mixed", "16-mixed"])
def test_the_same_seed_gives_the_same_weights_on_a_gpu(compose, dataset, tmp_path, part):
    precision = (f"trainer.precision={part}",)
    overrides = {"wide": (), "bf16-mixed": precision, "16-mixed": precision}.get(part, (f"training.{part}=1.0",))
    config = tiny(compose, "model=sentiment_rnn", *overrides)
    first, second = (train(config, dataset, tmp_path / name) for name in "ab")
    np.testing.assert_equal(weights(first), weights(second))
    assert first.curve == second.curve
    assert first.curve[-1]["train_loss"] < first.curve[0]["train_loss"]


@pytest.mark.parametrize("stop_at", [5, 20, 40])
def test_a_training_resumed_on_a_gpu_ends_as_one_never_stopped(compose, dataset, tmp_path, stop_at):
    config = tiny(compose, "model=sentiment_rnn")
    unbroken = train(config, dataset, tmp_path / "unbroken")
    with pytest.raises(KeyboardInterrupt):
        train(config, dataset, tmp_path / "broken", interrupted_at(stop_at))
    resumed = train(config, dataset, tmp_path / "broken")
    np.testing.assert_equal(weights(resumed), weights(unbroken))
    assert resumed.curve == unbroken.curve


def test_a_language_model_trained_on_a_gpu_starts_a_classifier_on_the_cpu(compose, dataset, tmp_path):
    config = tiny(compose, "model=sentiment_rnn", *PRETRAINED)
    first, curve = train_language_model(config, dataset, tmp_path / "first")
    second, _ = train_language_model(config, dataset, tmp_path / "second")
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert curve[-1]["val_loss"] < curve[0]["val_loss"]
    on_cpu = config.model_copy(update={"trainer": compose(*TINY).trainer})
    trained = train(on_cpu, dataset, tmp_path / "classifier", pretrained=first)
    assert np.isfinite(trained.curve[-1]["val_loss"])


def test_region_vectors_learn_on_a_gpu_as_on_the_cpu_and_are_read_there(compose, dataset, tmp_path):
    on_gpu = tiny(compose, "model=sentiment_rnn", *REGIONS, *WITHOUT_DROPOUT, "model.region_dropout=0")
    on_cpu = on_gpu.model_copy(update={"trainer": compose(*TINY).trainer})
    learned = [train_regions(config, dataset, tmp_path / name) for name, config in (("gpu", on_gpu), ("cpu", on_cpu))]
    again, curve = stop_and_resume(partial(train_regions, on_gpu, dataset, tmp_path / "broken"))
    torch.testing.assert_close(again, learned[0][0], rtol=0, atol=0)
    assert curve == learned[0][1]
    for one, other in zip(learned[0][1], learned[1][1], strict=True):
        assert one["val_loss"] == pytest.approx(other["val_loss"], rel=TOLERANCE)
    gpu, cpu = (
        train(config, dataset, tmp_path / f"from {name}", pretrained=learned[0][0])
        for name, config in (("gpu", on_gpu), ("cpu", on_cpu))
    )
    for one, other in zip(gpu.curve, cpu.curve, strict=True):
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=TOLERANCE)


def test_no_step_of_a_training_waits_for_the_gpu(compose, dataset, tmp_path):
    """It waits where points are logged, every ten steps, and where an epoch ends; else it prepares the next batch."""
    config = tiny(compose, "model=sentiment_rnn", *REGIONS, "training.batch_size=2", "training.epochs=1")
    regions, _ = train_regions(config, dataset, tmp_path / "regions")
    steps: list[int] = []

    def count(metrics, step):
        steps.extend([step] if "train/loss" in metrics else [])

    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            train(config, dataset, tmp_path / "classifier", count, pretrained=regions)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    places = [f"{wait.filename}:{wait.lineno}" for wait in waits if "synchronizing" in str(wait.message)]
    assert steps[-1] > 90
    often = {place for place in places if places.count(place) > steps[-1] // 2}
    assert not often


@pytest.mark.parametrize("network", NETWORKS)
def test_a_gpu_answers_as_the_cpu_does(compose, dataset, tmp_path, network):
    config = tiny(compose, network)
    torch.manual_seed(0)
    vocabulary = Vocabulary.load(dataset / "vocab.json")
    answering = build_network(config.model, len(vocabulary)).eval()
    info = {"temperature": 0.02, "bias": 0.25, "threshold": 0.5, "corpus": {"name": "a test"}}
    info |= {"text": config.text.model_dump(), "model": config.model.model_dump()}
    save_model(tmp_path / "model", answering, vocabulary, info)
    texts = [text * repeated for text, _ in reviews() for repeated in (1, 7)]
    gpu, cpu = (Predictor.load(tmp_path / "model", device=torch.device(name)) for name in ("cuda", "cpu"))
    expected = cpu.probabilities(texts)
    np.testing.assert_allclose(gpu.probabilities(texts), expected, atol=TOLERANCE)
    clear = abs(expected[:, 1] - 0.5) > TOLERANCE
    assert clear.mean() > 0.9
    labels = [np.array([label for label, *_ in predictor(texts)]) for predictor in (gpu, cpu)]
    assert np.array_equal(labels[0][clear], labels[1][clear])


def test_a_model_trained_on_a_gpu_is_calibrated_as_the_cpu_would(compose, dataset, tmp_path):
    config = tiny(compose, "model=sentiment_rnn", "trainer.precision=bf16-mixed", "model.wide=null")
    trained = train(config, dataset, tmp_path)
    validation = read_split(dataset, "validation")
    log_odds = score(trained.network, list(validation), None)
    expected = calibrate(log_odds, validation.labels, trained.calibration.likelihood, ACCURACY, LABELS)
    assert trained.calibration.temperature == pytest.approx(expected.temperature, rel=0.01)
    assert trained.calibration.bias == pytest.approx(expected.bias, abs=0.01)
