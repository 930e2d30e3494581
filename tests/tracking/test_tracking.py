"""The tracking room, on real stores read back through MLflow's own client."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mlflow.entities import Run as StoredRun

from pipeline.config import TrackingConfig
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.tracking.description import NOTE_TAG
from pipeline.tracking.evaluation_record import log_evaluation
from pipeline.tracking.finished_runs import search_runs
from pipeline.tracking.provenance import (
    config_hash,
    data_md5,
    git_commit,
    git_dirty,
    run_description,
    run_name,
    run_tags,
)
from pipeline.tracking.query import equals
from pipeline.tracking.run import Run, training_run
from pipeline.tracking.store import Store, connect, tracking_uri
from tests.conftest import configuration

OPEN_AND_LOG = """
import sys
from pipeline.config import TrackingConfig
from pipeline.tracking.run import training_run
from pipeline.tracking.store import connect
store = connect(TrackingConfig(experiment="shared", uri=None, system_metrics=False, patience=5))
with training_run(store, sys.argv[1], {}) as run:
    run.log_metrics({"loss": 1.0}, 0)
"""


def tracking(uri: str | None = None, experiment: str = "reviews") -> TrackingConfig:
    return TrackingConfig(experiment=experiment, uri=uri, system_metrics=False, patience=5)


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project root in whose fresh store four processes have each made a run at the same moment."""
    root = tmp_path_factory.mktemp("a project")
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    environment |= {"DVC_ROOT": str(root), "PYTHONPATH": str(WORKSPACE)}
    command = [sys.executable, "-c", OPEN_AND_LOG]
    processes = [
        subprocess.Popen([*command, str(i)], cwd="/", env=environment, stderr=subprocess.PIPE, text=True)
        for i in range(4)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    return root


@pytest.fixture
def root(shared_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(shared_project / "mlflow.db", tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def store(root: Path) -> Store:
    return connect(tracking(f"sqlite:///{root}/mlflow.db"))


def read(store: Store, run: Run) -> StoredRun:
    return store.client.get_run(run.run_id)


def points(store: Store, run: Run, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in store.client.get_metric_history(run.run_id, key)]


def test_processes_that_open_a_fresh_store_at_once_share_it(
    shared_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(shared_project))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = connect(tracking(experiment="shared"))
    runs = store.client.search_runs([store.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["0", "1", "2", "3"]
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_store_whose_making_was_killed_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with subprocess.Popen([sys.executable, "-c", OPEN_AND_LOG, "killed"], cwd=WORKSPACE) as process:
        while not any(path.stat().st_size for path in tmp_path.rglob("mlflow.db")):
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        process.kill()
    assert not (tmp_path / "mlflow.db").exists(), "mlflow does not go on with tables half made"
    store = connect(tracking())
    assert store.client.search_runs([store.experiment_id]) == []
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock", "mlartifacts"}


def test_runs_and_artifacts_stay_in_the_project_wherever_it_is_called_from(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    with training_run(connect(tracking()), "run", {}) as run:
        run.log_text("hello", "notes/greeting.txt")
    assert [path.read_text() for path in (root / "mlartifacts").rglob("greeting.txt")] == ["hello"]
    assert list(elsewhere.iterdir()) == []


def test_a_moved_project_finds_its_artifacts(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (root / "old").mkdir()
    (root / "mlflow.db").rename(root / "old" / "mlflow.db")
    with training_run(connect(tracking("sqlite:///old/mlflow.db")), "run", {}) as run:
        run.log_text("hello", "greeting.txt")
    new = tmp_path_factory.mktemp("new") / "place"
    (root / "old").rename(new)
    store = connect(tracking(f"sqlite:///{new}/mlflow.db"))
    assert Path(store.client.download_artifacts(run.run_id, "greeting.txt")).read_text() == "hello"
    with training_run(store, "run", {}) as later:
        later.log_text("again", "greeting.txt")
    assert len(list(new.rglob("greeting.txt"))) == 2
    assert not (root / "old").exists()


def test_the_environment_names_the_store_before_the_configuration(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(root / "mlflow.db", tmp_path / "other")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other/mlflow.db")
    store = connect(tracking("http://127.0.0.1:9"))
    assert store.uri == f"sqlite:///{tmp_path}/other/mlflow.db"
    assert store.client.get_experiment(store.experiment_id).artifact_location.endswith("/other/mlartifacts")


def test_a_registry_in_another_store_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{root}/mlflow.db")
    connect(tracking())
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:9")
    with pytest.raises(PipelineError, match="MLFLOW_REGISTRY_URI names another store"):
        connect(tracking())


def test_a_server_that_refuses_is_one_line_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")
    with pytest.raises(PipelineError, match=r"MLflow store http://\*\*\*@127.0.0.1:9 cannot be used: it does not") as e:
        connect(tracking())
    assert "secret" not in str(e.value)
    assert "\n" not in str(e.value)


def test_a_server_that_keeps_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        with pytest.raises(PipelineError, match="does not answer"):
            connect(tracking())


def test_what_is_no_database_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow.db").write_text("not a database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(PipelineError, match="file is not a database"):
        connect(tracking())


def test_a_deleted_experiment_is_named_with_the_remedy(store: Store) -> None:
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(PipelineError, match="mlflow experiments restore --experiment-id"):
        connect(tracking())


@pytest.mark.parametrize(
    ("ending", "status", "error"),
    [
        (None, "FINISHED", None),
        (ValueError("no reviews"), "FAILED", "ValueError: no reviews"),
        (KeyboardInterrupt(), "KILLED", None),
        (SystemExit(143), "KILLED", None),
    ],
)
def test_a_run_ends_as_the_training_did(
    store: Store, ending: BaseException | None, status: str, error: str | None
) -> None:
    try:
        with training_run(store, "run", {"corpus": "mine"}) as run:
            assert read(store, run).info.status == "RUNNING"
            if ending:
                raise ending
    except BaseException as caught:
        assert caught is ending
    stored = read(store, run)
    assert stored.info.status == status
    assert stored.data.tags.get("error") == error
    assert stored.data.tags["corpus"] == "mine"


def test_a_resumed_run_goes_on_without_a_point_twice(store: Store, tmp_path: Path) -> None:
    record = tmp_path / "run_id"
    with pytest.raises(ValueError, match="stop"), training_run(store, "run", {}, record) as first:
        first.log_params({"lr": 0.1})
        for step in (1, 2):
            first.log_metrics({"loss": 1 / step}, step)
        raise ValueError("stop")
    with training_run(store, "other name", {}, record) as second:
        stored = read(store, second)
        assert (stored.info.status, stored.data.tags.get("error")) == ("RUNNING", None)
        second.log_params({"lr": 0.2, "epochs": 3})
        for step in (2, 3):
            second.log_metrics({"loss": 1 / step, "accuracy": 0.5}, step)
    assert second.run_id == first.run_id
    assert points(store, second, "loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert points(store, second, "accuracy") == [(2, 0.5), (3, 0.5)]
    stored = read(store, second)
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"lr": "0.1", "epochs": "3"}


def test_a_run_that_was_deleted_or_never_there_is_made_anew(store: Store, tmp_path: Path) -> None:
    record = tmp_path / "run_id"
    with training_run(store, "deleted", {}) as run:
        pass
    store.client.delete_run(run.run_id)
    for lost in (run.run_id, "f" * 32):
        record.write_text(lost)
        with training_run(store, "new", {}, record) as new:
            assert new.run_id != lost
        assert record.read_text() == new.run_id


def test_a_run_holds_its_dataset_parameters_and_files(store: Store, tmp_path: Path) -> None:
    digest = "0123456789abcdef0123456789abcdef.dir"
    (tmp_path / "figure.png").write_bytes(b"png")
    with training_run(store, "run", {}) as run:
        for _ in range(2):  # as after a resume
            run.log_dataset("mine", "my own files", digest, {"train": 8, "test": 2})
        run.log_params({f"key{i}": i for i in range(150)})
        run.log_artifact(tmp_path / "figure.png", "figures")
        run.log_dict({"python": "3"}, "environment.json")
    stored = read(store, run)
    (dataset,) = [found.dataset for found in stored.inputs.dataset_inputs]
    assert (dataset.name, dataset.digest, json.loads(dataset.profile)) == ("mine", digest, {"train": 8, "test": 2})
    assert len(stored.data.params) == 150
    assert [found.path for found in store.client.list_artifacts(run.run_id, "figures")] == ["figures/figure.png"]


def test_system_metrics_go_to_the_run_and_leave_no_thread(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    key = "system/cpu_utilization_percentage"
    for _ in range(2):
        with training_run(store, "run", {}, tmp_path / "run_id", system_metrics=True) as run:
            time.sleep(1)
    steps = [step for step, _ in points(store, run, key)]
    assert len(steps) > 2
    assert steps == list(range(len(steps)))
    assert "SystemMetricsMonitor" not in [thread.name for thread in threading.enumerate()]


def test_an_evaluation_joins_the_ended_run_once(store: Store, tmp_path: Path) -> None:
    figures, report = tmp_path / "figures", tmp_path / "metrics.json"
    figures.mkdir()
    (figures / "roc.png").write_bytes(b"png")
    report.write_text("{}")
    with training_run(store, "run", {}) as run:
        pass
    before = read(store, run).info
    for _ in range(2):
        assert log_evaluation(store, run.run_id, {"test/accuracy": 0.9}, figures, [report])
    assert read(store, run).data.tags[NOTE_TAG].count("| accuracy | 0.9000 |") == 1
    assert points(store, run, "test/accuracy") == [(0, 0.9)]
    after = read(store, run).info
    assert (after.status, after.end_time) == ("FINISHED", before.end_time)
    assert sorted(found.path for found in store.client.list_artifacts(run.run_id)) == ["figures", "reports"]
    assert not log_evaluation(store, "f" * 32, {"test/accuracy": 0.9}, figures, [])
    assert not log_evaluation(store, None, {"test/accuracy": 0.9}, figures, [])


def test_what_a_person_wrote_of_a_run_stays_above_its_figures(store: Store) -> None:
    with training_run(store, "run", {NOTE_TAG: "Mine."}) as run:
        pass
    log_evaluation(store, run.run_id, {"memory/recall": 0.5}, None, [])
    assert read(store, run).data.tags[NOTE_TAG] == "Mine."
    log_evaluation(store, run.run_id, {"test/accuracy": 0.8}, None, [])
    log_evaluation(store, run.run_id, {"test/accuracy": 0.9, "baseline/accuracy": 0.7}, None, [])
    description = read(store, run).data.tags[NOTE_TAG]
    assert description.startswith("Mine.")
    assert "| accuracy | 0.9000 | 0.7000 |" in description
    assert "0.8000" not in description


def test_an_experiment_is_described_once(store: Store) -> None:
    assert "tags.stage" in store.client.get_experiment(store.experiment_id).tags[NOTE_TAG]
    store.client.set_experiment_tag(store.experiment_id, NOTE_TAG, "Our own words.")
    again = connect(tracking(store.uri))
    assert store.client.get_experiment(again.experiment_id).tags[NOTE_TAG] == "Our own words."


@pytest.mark.parametrize(
    ("more", "made_by"),
    [
        ({}, "`dvc repro`"),
        ({"command": "python -m pipeline.train model=gru"}, "`python -m pipeline.train model=gru`"),
        ({"dvc.experiment": "wide"}, "`dvc exp run`, as `wide`"),
    ],
)
def test_a_run_says_what_it_trains_and_how_it_is_made_again(more: dict[str, str], made_by: str) -> None:
    tags = {"stage": "train", "git.commit": "abc", "git.dirty": "true", "data.md5": "123", **more}
    description = run_description(configuration("model=gru"), tags, {"test": 2000, "train": 18000})
    for said in ("`gru` on **movie_reviews**", "commit `abc`, with changes that were not committed", "md5 `123`"):
        assert said in description
    assert "18,000 train, 2,000 test" in description
    assert f"made by: {made_by}" in description


def test_provenance_of_a_checkout(tmp_path: Path) -> None:
    assert (git_commit(tmp_path), git_dirty(tmp_path), data_md5(tmp_path)) == ("unknown", "unknown", None)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    (tmp_path / "dvc.lock").write_text("a")
    (tmp_path / "code.py").write_text("a")
    (tmp_path / "data.dvc").write_text("outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  path: data\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    assert len(git_commit(tmp_path)) == 40
    assert data_md5(tmp_path) == "0123456789abcdef0123456789abcdef.dir"
    (tmp_path / "dvc.lock").write_text("b")  # DVC writes it while the pipeline runs
    assert git_dirty(tmp_path) == "false"
    (tmp_path / "code.py").write_text("b")
    assert git_dirty(tmp_path) == "true"


def test_provenance_without_git_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_tags(configuration(), tmp_path)["git.commit"] == "unknown"


def test_the_name_and_hash_of_a_run_follow_what_changes_its_result() -> None:
    default, gru = configuration(), configuration("model=gru", "model.hidden_dim=32")
    assert run_name(default).startswith("lstm-128-movie_reviews-")
    assert run_name(gru).startswith("gru-32-movie_reviews-")
    assert config_hash(default) != config_hash(gru)
    assert config_hash(default) == config_hash(configuration("tracking.experiment=other"))


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("HTTP://Host:5000/A", "http://Host:5000/A"),
        ("Https://host", "https://host"),
        (" http://host\n", "http://host"),
        ("PostgreSQL://host/runs", "postgresql://host/runs"),
        ("SQLITE:///a.db", "sqlite:///{root}/a.db"),
        ("sqlite+pysqlite:///a.db", "sqlite:///{root}/a.db"),
        ("sqlite:///./a b.db", "sqlite:///{root}/a b.db"),
        ("sqlite:////elsewhere/a.db", "sqlite:////elsewhere/a.db"),
        ("sqlite:///~/a.db", "sqlite:///{home}/a.db"),
        ("  ", "sqlite:///{root}/mlflow.db"),
    ],
)
def test_a_uri_is_read_as_it_is_meant(given, read, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    expected = read.format(root=tmp_path, home=Path.home())
    assert tracking_uri(tracking(given)) == expected
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    assert tracking_uri(tracking()) == expected


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:", "SQLite://", "sqlite:///:memory:", "sqlite://host/a.db"])
def test_a_database_that_is_no_file_is_refused(uri, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(
        PipelineError, match=r"a sqlite store is a file; let MLFLOW_TRACKING_URI or tracking\.uri name it"
    ):
        connect(tracking(uri))
    assert not list(tmp_path.iterdir())


def test_whatever_a_tag_holds_only_the_runs_that_bear_it_are_found(store: Store) -> None:
    values = ["plain", "it's", 'a "quote"', "a AND b", "x' OR '1'='1", "%", "", "back`tick", "é\n--"]
    ids = {}
    for value in values:
        ids[value] = store.client.create_run(store.experiment_id, tags={"odd": value}).info.run_id
    for value in values:
        found = search_runs(store, equals({"odd": value}, status="RUNNING"))
        assert [run.info.run_id for run in found] == [ids[value]]
    for value in ("both ' and \"", "at the end \\"):
        with pytest.raises(PipelineError, match="cannot be searched for in MLflow"):
            equals(run_id=value)


def test_a_folder_that_git_does_not_trust_is_said_once_with_the_remedy(tmp_path, monkeypatch, caplog):
    for command in (
        ["init", "--quiet"],
        ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"],
    ):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    assert git_commit(tmp_path) != "unknown"
    assert not caplog.messages
    for name, value in (
        ("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"),
        ("GIT_CONFIG_GLOBAL", ""),
        ("GIT_CONFIG_NOSYSTEM", "1"),
    ):
        monkeypatch.setenv(name, value)
    assert git_commit(tmp_path) == git_dirty(tmp_path) == "unknown"
    (line,) = caplog.messages
    assert line.endswith(f"`git config --global --add safe.directory {tmp_path}` lets it")
