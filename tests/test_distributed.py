"""One training in two processes: it must be the training that one process would do, and one run."""

import csv
import multiprocessing
import shutil
from functools import partial

import pyarrow as pa
import pytest

from pipeline.errors import PipelineError
from pipeline.model import ranks
from pipeline.model.fitting import fit
from pipeline.model.hardware import resolve_hardware
from pipeline.model.pretraining import pretrain
from pipeline.model.processes import in_processes
from pipeline.text.encoding import encode_corpus
from tests.conftest import Project, reviews
from tests.test_pipeline import store, training_runs

TINY = (
    *("training.epochs=6", "training.batch_size=73", "training.lr=1e-2", "training.ema_decay=0.9"),
    *("model.embedding_dim=8", "model.hidden_dim=8", "trainer.threads=1", "trainer.precision=32-true"),
    *("model.word_dropout=0", "model.embedding_dropout=0", "model.output_dropout=0", "trainer=ddp"),
    *("pretraining=language_model", "pretraining.cutoffs=[10,30]", "pretraining.parts=2", "pretraining.batch_size=73"),
    *("pretraining.embedding_dropout=0", "trainer.accelerator=cpu"),
)
"""Without dropout, which differs between processes; 220 reviews leave a last batch of one, fewer than processes."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, compose):
    folder = tmp_path_factory.mktemp("dataset")
    rows = reviews()
    batches = []
    for split, part in (("train", rows[:220]), ("validation", rows[220:])):
        labels = pa.array([label == "good" for _, label in part]).cast(pa.int8())
        batches.append((split, pa.record_batch({"text": [text for text, _ in part], "label": labels})))
    vocabulary, _, _ = encode_corpus(folder, compose().text, batches, map)
    return folder, len(vocabulary)


@pytest.fixture(scope="module")
def train(compose, dataset):
    """Train in so many processes; give the curve of epochs and the points that were logged."""

    def run(processes, checkpoints, at_point=lambda _step: None, language_model=False):
        config = compose(*TINY, f"trainer.processes={processes}")
        hardware = resolve_hardware(config.trainer)
        points = {}

        def log_metrics(metrics, step):
            assert not points.keys() & {(name, step) for name in metrics}, "a point was logged twice"
            points.update({(name, step): value for name, value in metrics.items()})
            at_point(step)

        function, what = (pretrain, config.pretraining) if language_model else (fit, config)
        trained = in_processes(partial(function, what, *dataset, hardware, checkpoints), hardware, log_metrics)
        return trained[1] if language_model else trained.curve, points

    return run


@pytest.fixture(scope="module")
def in_two(train, tmp_path_factory):
    return train(2, tmp_path_factory.mktemp("two"))


def test_two_processes_train_as_one_does_with_the_same_batches(train, in_two, tmp_path):
    curve, points = train(1, tmp_path)
    assert len(curve) == 6
    for row, other in zip(curve, in_two[0], strict=True):
        assert other == pytest.approx(row, abs=1e-4)
    assert in_two[1] == pytest.approx(points, abs=1e-3)


def test_two_processes_pretrain_as_one_does(train, tmp_path):
    curves = [train(processes, tmp_path / str(processes), language_model=True)[0] for processes in (1, 2)]
    for row, other in zip(*curves, strict=True):
        assert other == pytest.approx(row, abs=1e-3)


def test_a_process_that_dies_ends_the_training_which_then_goes_on(train, in_two, tmp_path):
    def kill_one(step):
        for child in multiprocessing.active_children():
            if child.name == "process 1" and step >= 4:  # the first of six epochs is over and kept
                child.kill()

    with pytest.raises(PipelineError, match="training process 1 was ended by SIGKILL"):
        train(2, tmp_path, kill_one)
    assert not multiprocessing.active_children()
    curve, points = train(2, tmp_path)
    assert min(step for _, step in points) >= 4, "a finished epoch was trained again"
    assert curve == in_two[0]


def test_an_error_of_a_process_is_one_line(train, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match=r"training process \d failed: \w+Error: .*file"):
        train(2, tmp_path / "file" / "checkpoints")


@pytest.fixture(scope="module")
def project(trained, tmp_path_factory) -> Project:
    """A trained project to change."""
    root = tmp_path_factory.mktemp("distributed") / "project"
    shutil.copytree(trained.root, root, symlinks=True)
    return Project(root)


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
    assert len(steps) == 1
    assert len(list((project.root / "trials").glob("*/*/run.json"))) == 1
    assert not (project.root / "train.log").exists()


def test_a_batch_is_shared_out_whole_and_no_process_goes_without(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    shares = []
    for rank in range(4):
        monkeypatch.setenv("RANK", str(rank))
        rows, counted = ranks.share([7, 8, 9])
        assert rows
        shares += rows[:counted]
    assert sorted(shares) == [7, 8, 9]


def test_another_number_of_processes_than_were_started_is_refused(monkeypatch, compose):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(PipelineError, match=r"trainer.processes: 2 asked for, but torchrun or srun started 4"):
        resolve_hardware(compose("trainer=ddp").trainer)


def test_what_srun_says_is_understood(monkeypatch):
    said = {"STEP_NUM_TASKS": 4, "STEP_NUM_NODES": 2, "STEP_NODELIST": "node[03-04]", "PROCID": 3, "LOCALID": 1}
    for name, value in {**said, "NODEID": 1, "JOB_ID": 123456}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setattr(ranks.os, "environ", dict(ranks.os.environ))
    ranks.adopt_slurm()
    assert (ranks.started(), ranks.on_this_node(), ranks.rank()) == (4, 2, 3)
    assert ranks.os.environ["MASTER_ADDR"] == "node03"
