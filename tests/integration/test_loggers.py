"""Loggers that people use beside MLflow, with their real packages."""

from pathlib import Path

import pytest

from tests.conftest import Project

TRAIN = ("python", "-m", "pipeline.train")
SHORT = ("training=smoke", "training.epochs=1")


@pytest.fixture
def project(trained: Project, tmp_path: Path) -> Project:
    return trained.copy_to(tmp_path / "project")


def test_tensorboard_has_the_curves_and_no_metric_that_was_not_measured(project: Project) -> None:
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard: pip install tensorboard"
    )
    project.run(*TRAIN, *SHORT, "logger=tensorboard")
    (folder,) = (project.root / "logs" / "tensorboard").glob("*/*")
    points = events.EventAccumulator(str(folder)).Reload()
    assert "hp_metric" not in points.Tags()["scalars"]
    assert [point.step for point in points.Scalars("val/accuracy")] == [0, 12]


def test_wandb_gets_a_run_for_each_trial_of_a_sweep(project: Project) -> None:
    pytest.importorskip("wandb", reason="needs wandb: pip install wandb")
    project.run(*TRAIN, "-m", *SHORT, "model.hidden_dim=4,6", "logger=wandb", WANDB_MODE="offline")
    runs = sorted((project.root / "logs" / "wandb").glob("offline-run-*/*.wandb"))  # named by the time
    for size, run in zip((4, 6), runs, strict=True):
        assert b"val/accuracy" in run.read_bytes()
        assert f"hidden_dim={size}".encode() in run.read_bytes()


def test_wandb_without_a_login_is_one_line(project: Project) -> None:
    pytest.importorskip("wandb", reason="needs wandb: pip install wandb")
    home = {"HOME": str(project.root), "WANDB_API_KEY": "", "WANDB_MODE": "online"}
    failed = project.run(*TRAIN, *SHORT, "logger=wandb", check=False, **home)
    assert failed.returncode == 1
    assert "error: logger=wandb: No API key configured" in failed.stderr
    assert "Traceback" not in failed.stderr
