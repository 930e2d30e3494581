"""A command that runs while another is paused inside a stage never changes its configuration or model."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

from pipeline.config.tracking import TrackingConfig
from pipeline.registry.versions import find_alias
from pipeline.tracking.store import connect
from tests.conftest import Project
from tests.support.pipeline_runs import edit
from tests.support.servers import MLflowServer
from tests.sweep.test_sweep import SHORT, runs, sweep_of

THREE_SEEDS = ("python", "-m", "pipeline.train", "-m", *SHORT, "seed=1,2,3")
STAGES = ["compose", "download", "preprocess", "pretrain", "pseudo_label", "train", "evaluate", "register"]
PAUSE = """
import os, sys, time

package, _, stage = sys.orig_argv[-1].partition(".")
signs = os.environ["PAUSE_FOLDER"]
if package == "pipeline" and stage in os.environ["PAUSE_IN"].split():
    seen = []

    def pause(event, arguments):
        if event == "open" and "paused" not in seen:
            if "params.yaml" in seen:  # has been read
                seen.append("paused")
                open(f"{signs}/{stage}.paused", "w").close()
                while not os.path.exists(f"{signs}/{stage}.go"):
                    time.sleep(0.02)
            elif str(arguments[0]).endswith("params.yaml"):
                seen.append("params.yaml")

    sys.addaudithook(pause)
"""
"""Content of a `sitecustomize` module that pauses a stage after it has read its configuration."""


@dataclass
class Paused:
    """A command whose stages pause after they have begun."""

    process: subprocess.Popen[str]
    signs: Path

    def wait_for(self, stage: str) -> None:
        while not (self.signs / f"{stage}.paused").exists():
            assert self.process.poll() is None, self.process.communicate()[0]
            time.sleep(0.02)

    def resume(self, stage: str) -> None:
        (self.signs / f"{stage}.go").touch()

    def end(self) -> tuple[int, str]:
        printed = self.process.communicate(timeout=300)[0]
        return self.process.returncode, printed


@contextmanager
def paused(project: Project, folder: Path, stages: list[str], *command: str) -> Iterator[Paused]:
    """Start a command that pauses in stages; it is killed if it has not ended at the end of the block."""
    signs, site = folder / "signs", folder / "site"
    signs.mkdir(parents=True)
    site.mkdir()
    (site / "sitecustomize.py").write_text(PAUSE)
    with subprocess.Popen(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=project.root,
        env=environment(PYTHONPATH=str(site), PAUSE_FOLDER=str(signs), PAUSE_IN=" ".join(stages)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Paused(process, signs)
        finally:
            for stage in STAGES:
                (signs / f"{stage}.go").touch()
            process.kill()


@contextmanager
def printing(project: Project, line: str, *command: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a command in a project, wait until it prints a line with this text, and kill it at the end of the block."""
    with subprocess.Popen(
        command,
        cwd=project.root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            while line not in (printed := process.stdout.readline()):
                assert printed, f"it ended without printing {line!r}"
            yield process
        finally:
            process.kill()


def environment(**further: str) -> Mapping[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **further}


@pytest.fixture
def project(trained: Project, tmp_path: Path) -> Project:
    """Copy the trained project, to change it."""
    return trained.copy_to(tmp_path / "project")


def model_config(project: Project) -> dict[str, dict[str, object]]:
    return dict(json.loads((project.root / "artifacts" / "model" / "config.json").read_text()))


def registered(project: Project) -> dict[str, object]:
    return dict(json.loads((project.root / "reports" / "registration.json").read_text()))


@pytest.mark.parametrize("command", [("dvc", "repro"), ("dvc", "exp", "run", "-n", "one", "-S", "training.lr=2e-2")])
def test_an_experiment_beside_each_stage_is_refused_and_changes_nothing(
    project: Project, tmp_path: Path, command: tuple[str, ...]
) -> None:
    edit(project, "conf/experiment/tiny.yaml", "lr: 1e-2", "lr: 2e-2")
    edit(project, "reviews.csv", "is pure joy.,good", "is sheer joy.,good")  # every stage has work to do
    project.commit("Other reviews, and another learning rate")
    with paused(project, tmp_path / "pause", STAGES, *command) as first:
        for stage in STAGES:
            first.wait_for(stage)
            other = ("-S", "training.lr=3e-2", "-S", "registry.model_name=other", "-S", "evaluation.ece_bins=3")
            refused = project.run("dvc", "exp", "run", "-n", "two", *other, check=False)
            assert refused.returncode != 0
            assert f"another command (process {first.process.pid}) runs the pipeline" in refused.stderr, refused.stderr
            first.resume(stage)
        code, printed = first.end()
    assert code == 0, printed
    assert model_config(project)["training"]["lr"] == 0.02
    assert registered(project)["model"] == "sentiment"
    lock = yaml.safe_load((project.root / "dvc.lock").read_text())["stages"]
    assert lock["train"]["params"]["params.yaml"]["training"]["lr"] == 0.02
    assert lock["evaluate"]["params"]["params.yaml"]["evaluation"]["ece_bins"] == 15
    assert "changed" not in project.run("dvc", "status", "train", "evaluate", "register").stdout
    assert len(runs(project, "train")) == 2


def test_a_command_by_hand_beside_the_pipeline_is_refused(project: Project, tmp_path: Path) -> None:
    edit(project, "conf/experiment/tiny.yaml", "lr: 1e-2", "lr: 2e-2")
    with paused(project, tmp_path / "pause", ["train"], "dvc", "repro") as first:
        first.wait_for("train")
        for module in ("compose", "evaluate"):
            refused = project.run("python", "-m", f"pipeline.{module}", check=False)
            assert refused.returncode == 1
            assert f"error: another command (process {first.process.pid}) runs the pipeline in" in refused.stderr
        first.resume("train")
        assert first.end()[0] == 0


@pytest.mark.parametrize("stage", STAGES[1:])
def test_params_that_change_under_a_stage_are_one_line_and_no_result(
    project: Project, tmp_path: Path, stage: str
) -> None:
    outputs = [entry if isinstance(entry, str) else next(iter(entry)) for entry in stage_outputs(project, stage)]
    shutil.rmtree(project.root / ".dvc" / "cache" / "runs")
    for output in outputs:
        path = project.root / output
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    params = project.root / "params.yaml"
    with paused(project, tmp_path / "pause", [stage], "dvc", "repro", "--force", "--single-item", stage) as first:
        first.wait_for(stage)
        params.write_text(params.read_text().replace("  seed: 1\n", "  seed: 2\n").replace("\nseed: 1", "\nseed: 2"))
        first.resume(stage)
        code, printed = first.end()
    assert code != 0
    assert f"error: {params} was changed by another command while this one used it" in printed
    assert "Traceback" not in printed
    assert not [output for output in outputs if (project.root / output).exists()]


def stage_outputs(project: Project, stage: str) -> list[str | dict[str, object]]:
    described = yaml.safe_load((project.root / "dvc.yaml").read_text())["stages"][stage]
    return [*described["outs"], *described.get("metrics", [])]


def test_a_stage_ends_with_the_dvc_that_runs_it(project: Project) -> None:
    edit(project, "conf/experiment/tiny.yaml", "epochs: 2", "epochs: 5000")
    with printing(project, "epoch 2/5000", "dvc", "repro", "train") as dvc:
        stages = psutil.Process(dvc.pid).children(recursive=True)
        dvc.kill()
        assert stages and not psutil.wait_procs(stages, 60)[1]
    edit(project, "conf/experiment/tiny.yaml", "epochs: 5000", "epochs: 2")
    edit(project, "conf/experiment/tiny.yaml", "lr: 1e-2", "lr: 2e-2")
    project.run("dvc", "repro")  # the lock was released with it
    assert model_config(project)["training"]["lr"] == 0.02


def test_an_old_model_under_a_new_lock_is_noticed_and_can_be_trained_again(project: Project) -> None:
    """DVC of another environment, which ignores the pipeline's lock, can leave this state."""
    old = project.root / "old model"
    shutil.copytree(project.root / "artifacts" / "model", old)
    edit(project, "conf/experiment/tiny.yaml", "lr: 1e-2", "lr: 2e-2")
    project.run("dvc", "repro", "train")
    model = project.root / "artifacts" / "model"
    shutil.rmtree(model)
    shutil.copytree(old, model)
    project.run("dvc", "commit", "--force", "train")
    refused = project.run("dvc", "repro", check=False)
    assert refused.returncode != 0
    assert "error: training.lr: 0.02 is asked for, but" in refused.stderr, refused.stderr
    assert registered(project)["version"] == "1"
    project.run("dvc", "repro", "--single-item", "--force", "train")
    project.run("dvc", "repro")
    assert model_config(project)["training"]["lr"] == 0.02
    assert registered(project)["version"] == "2"


def test_a_sweep_has_one_configuration_however_conf_is_edited(project: Project) -> None:
    with printing(project, "MLflow run #0 seed=1 ", *THREE_SEEDS) as sweep:
        edit(project, "conf/experiment/tiny.yaml", "batch_size: 16, lr: 1e-2", "batch_size: 8, lr: 5e-2")
        printed = sweep.communicate(timeout=300)[0]
    assert sweep.returncode == 0, printed
    parent, trials = sweep_of(project)
    assert {(trial.data.params["training.lr"], trial.data.params["training.batch_size"]) for trial in trials} == {
        ("0.01", "16")
    }
    assert len(trials) == 3
    kept = yaml.safe_load(
        next((project.root / "mlartifacts").rglob(f"{parent.info.run_id}/artifacts/config.yaml")).read_text()
    )
    assert kept["training"]["lr"] == 0.01


def test_a_trial_whose_dataset_changed_is_refused(project: Project) -> None:
    with printing(project, "MLflow run #1 seed=2 ", *THREE_SEEDS) as sweep:
        described = project.root / "artifacts" / "dataset" / "dataset.json"
        values = json.loads(described.read_text())
        described.unlink()  # a link into DVC's cache
        described.write_text(json.dumps({**values, "digest": "0" * 64}))
        printed = sweep.communicate(timeout=300)[0]
    assert sweep.returncode == 1
    assert "2 of 3 trials failed" in printed
    assert "dataset.json was changed by another command while this one used it" in printed
    _, trials = sweep_of(project)
    assert sorted((trial.info.run_name, trial.info.status) for trial in trials) == [
        ("#0 seed=1", "FINISHED"),
        ("#1 seed=2", "FAILED"),
        ("#2 seed=3", "FAILED"),
    ]


def test_the_champion_of_a_server_counts_and_not_the_local_one(project: Project, tmp_path: Path) -> None:
    untrained = ("-S", "training.gradient_clip=1e-300", "-S", "model.wide=null")
    better, worse = project, Project(tmp_path / "worse")
    shutil.copytree(project.root, worse.root, symlinks=True)
    shutil.rmtree(worse.root / "mlartifacts")
    for store in worse.root.glob("mlflow.db*"):
        store.unlink()
    worse.run("dvc", "exp", "run", *untrained)  # the local version 1, and champion
    assert registered(worse)["alias"] == "champion"
    with MLflowServer(tmp_path, f"sqlite:///{tmp_path}/server.db") as server:
        on_server = ("-S", "tracking=server", "-S", f"tracking.uri={server.uri}")
        better.run("dvc", "exp", "run", *on_server)
        assert (registered(better)["version"], registered(better)["alias"]) == ("1", "champion")
        worse.run("dvc", "exp", "run", *on_server, *untrained, "-S", "seed=3")
        outcome = registered(worse)
        assert (outcome["version"], outcome["alias"]) == ("2", "challenger"), outcome
        assert outcome["champion_value"] == 1.0
        tracking = TrackingConfig(experiment="sentiment", uri=server.uri, system_metrics=False, server_timeout=5)
        assert find_alias(connect(tracking), "sentiment", "champion") == "1"
