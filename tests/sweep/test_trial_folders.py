"""Folders named by a setting or a tag are checked before anything is written or deleted there."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.config.tracking import TrackingConfig
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.sweep import trial_folders
from pipeline.sweep.parent_run import FOLDER_TAG, OBJECTIVE, child_tags, open_sweep
from pipeline.sweep.session import Session
from pipeline.sweep.summary import end_sweep
from pipeline.tracking.artifacts import delete
from pipeline.tracking.store import connect
from tests.conftest import configuration
from tests.support.registration import TRAINING


@pytest.fixture
def root(tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project" / "trials").mkdir(parents=True)
    shutil.copy(fresh_database, tmp_path / "project")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    return tmp_path / "project"


@pytest.mark.parametrize("name", ["artifacts", "artifacts/model", "reports/x", ".git", ".", "..", "pipeline/../conf"])
def test_trials_are_never_put_into_folders_of_the_pipeline(name: str) -> None:
    with pytest.raises(PipelineError, match=r"hydra\.sweep\.dir: .* belongs to the pipeline; choose another folder"):
        trial_folders.require_separate("hydra.sweep.dir", WORKSPACE / name)


def test_trials_may_be_put_elsewhere(tmp_path: Path) -> None:
    for folder in (WORKSPACE / "trials" / "today", WORKSPACE / "outputs", tmp_path):
        trial_folders.require_separate("hydra.sweep.dir", folder)


@pytest.mark.parametrize("tag", ["../victim", "trials/../../victim", "trials", "/", "conf", "trials/link/victim"])
def test_a_tag_with_a_folder_elsewhere_is_refused(root: Path, tag: str) -> None:
    (root / "trials" / "link").symlink_to(root.parent)
    with pytest.raises(PipelineError, match="is not a folder of this sweep"):
        trial_folders.trial_folder(tag, root / "trials" / "today")


def test_a_tag_with_a_folder_of_the_sweep_is_accepted(root: Path, tmp_path: Path) -> None:
    assert (
        trial_folders.trial_folder("trials/earlier/0", root / "trials" / "today") == root / "trials" / "earlier" / "0"
    )
    assert trial_folders.trial_folder(str(tmp_path / "sweep" / "0"), tmp_path / "sweep") == tmp_path / "sweep" / "0"


def test_the_end_of_a_sweep_removes_only_models_of_its_own_trials(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = connect(TrackingConfig(experiment="reviews", uri=None, system_metrics=False, server_timeout=5))
    sweep = open_sweep(store, "key", "sweep", {"stage": "sweep", "data.md5": "d"}, {}, {})
    runs = {}
    tags = {"mine": "trials/mine", "victim": "../victim", "other": "trials/of another run", "best": "trials/best"}
    for number, (name, tag) in enumerate(tags.items()):
        labels = {**child_tags(sweep, {"seed": name}), FOLDER_TAG: tag}
        run = store.client.create_run(store.experiment_id, run_name=name, tags=labels).info
        runs[name] = run.run_id
        store.client.log_metric(run.run_id, OBJECTIVE, 9.0 - number)
        store.client.log_metric(run.run_id, "val/accuracy", 0.5)
        store.client.log_text(run.run_id, "weights", "model/model.txt")
        store.client.set_terminated(run.run_id, "FINISHED")
        (root / tag / "model").mkdir(parents=True)
        recorded = {"run_id": "0" * 32 if name == "other" else run.run_id, "model": "its digest"}
        (root / tag / "run.json").write_text(json.dumps(TRAINING | recorded))
    config = configuration("sweep.keep=1")
    tracking = config.tracking.model_copy(update={"experiment": "reviews"})
    session = Session("key", sweep, ["seed"], 1, str(root / "trials"), inputs={}, code="", process=1)
    end_sweep(config.model_copy(update={"tracking": tracking}), session, "sweep", "FINISHED")
    assert {name for name, tag in tags.items() if (root / tag / "model").exists()} == {"victim", "other", "best"}
    kept_in_mlflow = {name for name, run_id in runs.items() if store.client.list_artifacts(run_id, "model")}
    assert kept_in_mlflow == {"victim", "best"}
    assert "the model of trial victim is kept: its tag trial.folder is '../victim'" in caplog.text


def test_artifacts_are_deleted_only_in_a_place_of_their_own(root: Path, tmp_path: Path) -> None:
    (tmp_path / "victim" / "artifacts").mkdir(parents=True)
    store = connect(TrackingConfig(experiment="reviews", uri=None, system_metrics=False, server_timeout=5))
    for address in (f"file://{tmp_path}/victim/artifacts", f"{tmp_path}/victim", "mlflow-artifacts:/victim"):
        with pytest.raises(PipelineError, match="which is not its own folder"):
            delete(store, address, "m-1")
    run = store.client.create_run(store.experiment_id).info
    store.client.log_text(run.run_id, "hello", "model/greeting.txt")
    store.client.log_text(run.run_id, "hello", "greeting.txt")
    delete(store, run.artifact_uri, run.run_id, "model")
    assert [path.name for path in (root / "mlartifacts").rglob("*.txt")] == ["greeting.txt"]
