"""Pre-training by several methods, and teachers of several seeds: each is a training that is resumed by itself."""

import pytest
import torch

from pipeline.training.hardware import resolve_hardware
from pipeline.training.launcher import ignore_metrics
from pipeline.training.pretraining import pretrain
from pipeline.training.teachers import fit_teachers
from tests.support.training import PRETRAINED, TINY, weights

BOTH = (*PRETRAINED, "pretraining=both", "pretraining.two_view.min_count=2", "pretraining.two_view.batch_size=64")


def stop_within(name):
    """Return a `log_metrics` that interrupts at the second validation of one of the trainings."""
    validations = []

    def interrupt(metrics, step):
        validations.extend([step] if f"{name}/val/loss" in metrics else [])
        if len(validations) == 2:
            raise KeyboardInterrupt

    return interrupt


def trainings_of(points):
    """Return a `log_metrics` that collects the names of the trainings that log anything."""
    return lambda metrics, _step: points.update(name.partition("/")[0] for name in metrics)


def test_a_pretraining_stopped_in_its_second_method_goes_on_there(compose, dataset, tmp_path):
    config = compose(*TINY, *BOTH)
    start = (config.pretraining, dataset, resolve_hardware(config.trainer))
    unbroken = pretrain(*start, tmp_path / "unbroken", ignore_metrics)
    assert list(unbroken) == ["two_view", "language_model"]
    with pytest.raises(KeyboardInterrupt):
        pretrain(*start, tmp_path / "broken", stop_within("language_model"))
    trained = set()
    resumed = pretrain(*start, tmp_path / "broken", trainings_of(trained))
    assert trained == {"language_model"}, "the finished method was trained again"
    for method, (learned, curve) in unbroken.items():
        torch.testing.assert_close(resumed[method][0], learned, rtol=0, atol=0)
        assert resumed[method][1] == curve


def test_teachers_differ_by_their_seeds_and_a_finished_one_is_kept(compose, dataset, tmp_path):
    config = compose(
        *TINY,
        "pretraining=none",
        "pseudo_labels=teacher",
        "pseudo_labels.teacher.epochs=3",
        "pseudo_labels.seeds=[3,4]",
    )
    start = (config, dataset, resolve_hardware(config.trainer))
    unbroken = fit_teachers(*start, tmp_path / "unbroken", ignore_metrics)
    three, four = (weights(teacher)["deep.fc.weight"] for teacher in unbroken.values())
    assert list(unbroken) == [3, 4]
    assert not (three == four).all()
    with pytest.raises(KeyboardInterrupt):
        fit_teachers(*start, tmp_path / "broken", stop_within("seed_4"))
    trained = set()
    resumed = fit_teachers(*start, tmp_path / "broken", trainings_of(trained))
    assert trained == {"seed_4"}, "the finished teacher was trained again"
    for seed, teacher in unbroken.items():
        assert (weights(resumed[seed])["deep.fc.weight"] == weights(teacher)["deep.fc.weight"]).all()
