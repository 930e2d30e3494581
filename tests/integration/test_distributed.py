"""Trainings in two processes: when one dies, when torchrun starts them, and as one MLflow run."""

import csv
import multiprocessing
from datetime import timedelta

import pytest

from pipeline.runtime.errors import PipelineError
from pipeline.training import checkpoints
from pipeline.training.fit import fit
from pipeline.training.pretraining import pretrain
from tests.conftest import Project
from tests.support.pipeline_runs import store, training_runs
from tests.training.test_distributed import EPOCH, PRETRAINING, dataset, in_two, train

__all__ = ["dataset", "in_two", "train"]


def test_two_processes_pretrain_as_one_does(train, tmp_path):
    one, two = (
        train(processes, tmp_path / str(processes), pretraining=PRETRAINING, function=pretrain)[0]
        for processes in (1, 2)
    )
    assert list(one) == list(two) == ["two_view", "language_model"]
    for method, (_, curve) in one.items():
        for row, other in zip(curve, two[method][1], strict=True):
            assert other == pytest.approx(row, abs=1e-3), method


def test_a_process_that_dies_ends_the_training_which_then_goes_on(train, in_two, tmp_path):
    def kill_one(step):
        for child in multiprocessing.active_children():
            if child.name == "process 1" and step >= EPOCH:  # the first of three epochs is finished and kept
                child.kill()

    with pytest.raises(PipelineError, match="training process 1 was ended by SIGKILL"):
        train(2, tmp_path, kill_one)
    assert not multiprocessing.active_children()
    curve, points = train(2, tmp_path)
    assert min(step for _, step in points) >= EPOCH, "a finished epoch was trained again"
    assert curve == in_two[0]


def fit_with_checkpoints(*arguments, **options):
    """Fit, and save a checkpoint after each step; it runs in the processes of the training."""
    checkpoints.WITHIN_EPOCH_EVERY = timedelta(0)
    return fit(*arguments, **options)


def test_two_processes_go_on_within_an_epoch(train, in_two, tmp_path):
    def kill_both(step):
        for child in multiprocessing.active_children():
            if step >= EPOCH + 7:  # the second point within the second epoch
                child.kill()

    with pytest.raises(PipelineError, match="was ended by SIGKILL"):
        train(2, tmp_path, kill_both, function=fit_with_checkpoints)
    curve, points = train(2, tmp_path)
    assert min(step for _, step in points) >= EPOCH + 7, "what was saved was trained again"
    assert curve == in_two[0]


def test_an_error_of_a_process_is_one_line(train, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match=r"training process \d failed: \w+Error: .*file"):
        train(2, tmp_path / "file" / "checkpoints")


@pytest.fixture(scope="module")
def project(trained, tmp_path_factory) -> Project:
    """A trained project to change."""
    root = tmp_path_factory.mktemp("distributed") / "project"
    return trained.copy_to(root)


def test_two_processes_are_one_run_with_one_point_for_each_step(project):
    (before,) = training_runs(project)
    project.run("python", "-m", "pipeline.train", "trainer.processes=2", "hydra.run.dir=trials/two")
    _, run = training_runs(project)
    assert run.info.status == "FINISHED"
    assert run.data.params["hardware.processes"] == "2"
    for name in ("train/loss", "val/loss"):
        steps, others = (
            [point.step for point in store(project).get_metric_history(each.info.run_id, name)]
            for each in (run, before)
        )
        assert steps == others
    with (project.root / "trials" / "two" / "learning_curve.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert (project.root / "trials" / "two" / "model" / "model.safetensors").exists()
    assert not list((project.root / ".checkpoints").glob("*/"))


def test_processes_that_torchrun_started_are_one_trial(project):
    known = {run.info.run_id for run in training_runs(project)}
    torchrun = ("torchrun", "--standalone", "--nproc-per-node=2", "-m", "pipeline.train")
    project.run(*torchrun, "trainer.processes=2", "training.epochs=1")
    (run,) = [run for run in training_runs(project) if run.info.run_id not in known]
    assert run.info.status == "FINISHED"
    steps = [point.step for point in store(project).get_metric_history(run.info.run_id, "val/loss")]
    assert len(steps) == 1 + 1 + 1, "untrained, the epoch, the model that was kept"
    assert len(list((project.root / "trials").glob("*/*/run.json"))) == 1
    assert not (project.root / "train.log").exists()
