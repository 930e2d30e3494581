"""Distributed training: shares of a batch, the environment, and two processes that train as one process does."""

from functools import partial

import pytest

from pipeline.runtime.errors import PipelineError
from pipeline.training import distributed
from pipeline.training.fit import fit
from pipeline.training.hardware import resolve_hardware
from pipeline.training.launcher import launch
from pipeline.training.pretraining import pretrain
from tests.support.training import write_dataset

TINY = (
    *("training.epochs=3", "training.batch_size=7", "training.lr=1e-2", "training.ema_decay=0.9"),
    *("model.embedding_dim=8", "model.hidden_dim=8", "model.wide.bits=12"),
    *("trainer.threads=1", "trainer.precision=32-true"),
    *("model.word_dropout=0", "model.embedding_dropout=0", "model.output_dropout=0", "trainer=ddp"),
    "trainer.accelerator=cpu",
)
"""Without dropout, which differs between processes. Batches of 7 do not divide evenly, and of 218 reviews the last
batch has one, fewer than there are processes."""
LANGUAGE_MODEL = ("cutoffs=[10,30]", "embedding_dropout=0", "batch_size=7", "validations_per_epoch=2")
TWO_VIEW = ("max_reviews=40", "min_count=2", "excluded_words=3", "batch_size=7", "validations_per_epoch=2")
PRETRAINING = (
    "pretraining=both",
    *(f"pretraining.language_model.{value}" for value in LANGUAGE_MODEL),
    *(f"pretraining.two_view.{value}" for value in TWO_VIEW),
)
EPOCH = 32
"""Steps of an epoch."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, compose):
    return write_dataset(tmp_path_factory.mktemp("dataset"), compose(), train_rows=218)


@pytest.fixture(scope="module")
def train(compose, dataset):
    """Train in a number of processes; return the learning curve and the points that were logged."""

    def run(processes, checkpoints, at_point=lambda _step: None, pretraining=("pretraining=none",), function=fit):
        config = compose(*TINY, *pretraining, f"trainer.processes={processes}")
        hardware = resolve_hardware(config.trainer)
        points = {}

        def log_metrics(metrics, step):
            assert not points.keys() & {(name, step) for name in metrics}, "a point was logged twice"
            points.update({(name, step): value for name, value in metrics.items()})
            at_point(step)

        settings = config.pretraining if function is pretrain else config
        training = partial(function, settings, dataset, hardware, checkpoints)
        trained = training(log_metrics) if processes == 1 else launch(training, hardware, log_metrics)
        return trained if function is pretrain else trained.curve, points

    return run


@pytest.fixture(scope="module")
def in_two(train, tmp_path_factory):
    return train(2, tmp_path_factory.mktemp("two"))


def test_two_processes_train_as_one_does_with_the_same_batches(train, in_two, tmp_path):
    curve, points = train(1, tmp_path)
    assert len(curve) == 3
    for row, other in zip(curve, in_two[0], strict=True):
        assert other == pytest.approx(row, abs=1e-4)
    assert in_two[1] == pytest.approx(points, abs=1e-3)


def test_a_batch_is_shared_out_whole_and_no_process_goes_without(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    shares = []
    for rank in range(4):
        monkeypatch.setenv("RANK", str(rank))
        rows, counted = distributed.share([7, 8, 9])
        assert rows
        shares += rows[:counted]
    assert sorted(shares) == [7, 8, 9]


def test_another_number_of_processes_than_were_started_is_refused(monkeypatch, compose):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(PipelineError, match=r"trainer.processes: 2 asked for, but torchrun or srun started 4"):
        resolve_hardware(compose("trainer=ddp").trainer)


@pytest.mark.parametrize(
    ("environment", "problem"), [({"WORLD_SIZE": "x"}, "WORLD_SIZE is 'x'"), ({"WORLD_SIZE": "2"}, "RANK is 'missing'")]
)
def test_an_environment_that_says_no_number_is_named(monkeypatch, environment, problem):
    monkeypatch.delenv("RANK", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PipelineError, match=f"{problem}, no number; start the processes with torchrun"):
        distributed.rank()


def test_what_srun_says_is_understood(monkeypatch):
    variables = {"STEP_NUM_TASKS": 4, "STEP_NUM_NODES": 2, "STEP_NODELIST": "node[03-04]", "PROCID": 3, "LOCALID": 1}
    for name, value in {**variables, "NODEID": 1, "JOB_ID": 123456}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setattr(distributed.os, "environ", dict(distributed.os.environ))
    distributed.adopt_slurm()
    assert (distributed.world_size(), distributed.local_world_size(), distributed.rank()) == (4, 2, 3)
    assert distributed.os.environ["MASTER_ADDR"] == "node03"
