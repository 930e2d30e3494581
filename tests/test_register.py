"""The registration gate: real stores, and tiny models whose answers are known."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from pipeline.registry.champion import Comparison, compare
from pipeline.registry.model_lookup import fetch_model, find_source, load, model_folder
from pipeline.registry.packaging import Candidate
from pipeline.registry.versions import (
    download_model,
    find_alias,
    has_lost_files,
    register_version,
    restore_files,
)
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import write_json
from pipeline.tracking.provenance import origin_of
from pipeline.tracking.run import open_run
from pipeline.tracking.store import Store, default_tracking_uri
from tests.conftest import configuration, describe_dataset
from tests.support.registration import (
    CONFIG,
    TRAINING,
    aliases,
    misleading,
    outcome,
    store,
    versions,
    workspace,
)

__all__ = ["misleading", "store"]  # fixtures


def test_a_model_that_failed_a_check_is_not_registered(store: Store, tmp_path: Path) -> None:
    result = outcome(workspace(tmp_path / "w", errors=0, passed=False))
    assert result["registered"] is False
    assert result["reason"] == "check accuracy failed: test.accuracy is 0.9000, min 0.95; train on more reviews"
    assert versions(store) == []


def test_the_better_model_is_champion_and_the_latest_other_challenger(store: Store, tmp_path: Path) -> None:
    assert outcome(workspace(tmp_path / "first", errors=3))["alias"] == "champion"
    worse = outcome(workspace(tmp_path / "worse", errors=9))
    assert (worse["alias"], worse["value"], worse["champion_value"]) == ("challenger", 0.55, 0.85)
    assert worse["p_value"] == pytest.approx(2 * 0.5**6)
    assert "more than chance" in str(worse["reason"])
    assert aliases(store) == ("1", "2")
    assert outcome(workspace(tmp_path / "better", errors=0))["alias"] == "champion"
    assert aliases(store) == ("3", "2")
    slightly_worse = outcome(workspace(tmp_path / "slightly", errors=1))
    assert "within chance" in str(slightly_worse["reason"])
    assert aliases(store) == ("3", "4")


@pytest.mark.parametrize("splits", [{"train": 8}, {"train": 8, "test": 8}])
def test_the_model_card_confesses_that_the_test_split_was_drawn(
    splits: dict[str, int], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the kind of a corpus decides: an archive may lack test reviews, too."""
    folder = workspace(tmp_path / "w", errors=0)
    describe_dataset(folder / "artifacts" / "dataset", **splits)
    archive = configuration("model=bag_of_words", "model.embedding_dim=1", "corpus=aclimdb")
    monkeypatch.setattr("tests.support.registration.CONFIG", archive)
    outcome(folder)
    card = store.client.get_model_version("sentiment", "1").description
    assert ("drawn at random" in card) == ("test" not in splits)


def test_registering_again_adds_nothing_and_changes_no_alias(store: Store, tmp_path: Path) -> None:
    first, second = workspace(tmp_path / "first", errors=2), workspace(tmp_path / "second", errors=5)
    for _ in range(2):
        assert outcome(first)["version"] == "1"
        assert outcome(second)["version"] == "2"
        assert versions(store) == ["1", "2"]
        assert aliases(store) == ("1", "2")


def test_a_challenger_that_becomes_champion_is_challenger_no_longer(store: Store, tmp_path: Path) -> None:
    folder = workspace(tmp_path / "w", errors=1)
    assert outcome(folder, queued=True)["alias"] == "challenger"
    assert aliases(store) == (None, "1")
    for queued in (False, True):
        assert outcome(folder, queued)["alias"] == "champion"
        assert aliases(store) == ("1", None)


@pytest.mark.parametrize("errors", [0, 3])  # better than the one that the person chose, and as good
def test_a_rollback_survives_the_next_registration_of_the_same_model(store: Store, tmp_path: Path, errors: int) -> None:
    outcome(workspace(tmp_path / "first", errors=3))
    folder = workspace(tmp_path / "second", errors, certainty=4.0)
    assert outcome(folder)["alias"] == "champion"
    store.client.set_registered_model_alias("sentiment", "champion", "1")
    for _ in range(2):
        result = outcome(folder)
        assert (result["alias"], aliases(store)) == ("challenger", ("1", "2"))
    command = 'set_registered_model_alias("sentiment", "champion", "2")'
    assert "but version 1 was made champion by hand" in str(result["reason"]) and command in str(result["reason"])
    assert outcome(workspace(tmp_path / "third", errors=0))["alias"] == "champion"  # never registered before
    assert aliases(store) == ("3", "2")


def test_an_archived_version_gets_no_alias(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outcome(workspace(tmp_path / "first", errors=3))
    folder = workspace(tmp_path / "second", errors=0)
    outcome(folder, queued=True)
    store.client.delete_registered_model_alias("sentiment", "challenger")
    store.client.transition_model_version_stage("sentiment", "2", "Archived")
    caplog.set_level("INFO")
    assert outcome(folder)["alias"] is None
    assert aliases(store) == ("1", None)
    assert "sentiment: version 2 gets no alias: it is archived; to promote it all the same: Mlflow" in caplog.text


@pytest.mark.parametrize("step", ["set_registered_model_alias", "set_registered_model_tag", "set_model_version_tag"])
def test_a_registration_that_was_killed_as_it_decided_is_completed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    first, second = workspace(tmp_path / "first", errors=3), workspace(tmp_path / "second", errors=0)
    outcome(first)

    def killed(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as now, pytest.raises(KeyboardInterrupt):
        now.setattr(MlflowClient, step, killed)
        outcome(second)
    assert outcome(second)["alias"] == "champion"
    assert aliases(store) == ("2", None)
    store.client.set_registered_model_alias("sentiment", "champion", "1")
    assert outcome(second)["alias"] == "challenger"  # it had been decided on


def test_a_queued_experiment_never_becomes_champion(store: Store, tmp_path: Path) -> None:
    outcome(workspace(tmp_path / "first", errors=5))
    assert outcome(workspace(tmp_path / "second", errors=0), queued=True)["alias"] == "challenger"
    assert aliases(store) == ("1", "2")


@pytest.mark.parametrize("mine_first", [True, False])
def test_a_model_that_two_projects_register_at_the_same_moment_is_one_version(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mine_first: bool
) -> None:
    with open_run(store, "of both", {}) as run:
        pass
    model = workspace(tmp_path / "w", errors=1) / "artifacts" / "model"
    create = MlflowClient.create_model_version
    created: list[Callable[[], ModelVersion]] = []
    done: list[ModelVersion] = []
    registered = []

    def register_from(project: str) -> None:
        with monkeypatch.context() as patch:
            patch.setenv("DVC_ROOT", str(tmp_path / project))
            registered.append(register_version(store, "sentiment", "", Candidate(model, run.run_id, {}, "")))

    def meet(*arguments: Any, **keywords: Any) -> ModelVersion:
        """Both have logged the model when the first version is made."""
        created.append(lambda: create(*arguments, **keywords))
        if len(created) == 1:
            register_from("other")
            return done.pop() if mine_first else created[0]()
        if mine_first:
            done.append(created[0]())
        return created[1]()

    monkeypatch.setattr(MlflowClient, "create_model_version", meet)
    register_from("mine")
    assert registered == ["1", "1"]
    assert versions(store) == ["1"]
    kept = download_model(store, "sentiment", "1", tmp_path)
    assert (kept / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    assert len(store.client.search_logged_models([store.experiment_id])) == 1
    assert len(list((tmp_path / "store" / "mlartifacts").glob("**/MLmodel"))) == 1


def test_a_champion_that_another_project_names_meanwhile_counts(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome(workspace(tmp_path / "first", errors=10))
    outcome(workspace(tmp_path / "second", errors=0), queued=True)
    assert aliases(store) == ("1", "2")

    def meanwhile(*arguments: Any) -> Comparison:
        if find_alias(store, "sentiment", "champion") == "1":
            store.client.set_registered_model_alias("sentiment", "champion", "2")
        return compare(*arguments)

    monkeypatch.setattr("pipeline.registry.champion.compare", meanwhile)
    result = outcome(workspace(tmp_path / "third", errors=9))
    assert (result["alias"], result["champion_before"], result["champion_value"]) == ("challenger", "2", 1.0)
    assert aliases(store) == ("2", "3")


def test_a_copy_of_a_deleted_version_keeps_its_files(store: Store, tmp_path: Path) -> None:
    """As of a model that was promoted under another name: only its download URI tells whose files it has."""
    with open_run(store, "known", {}) as run:
        pass
    folder = workspace(tmp_path / "w", errors=0, run_id=run.run_id)
    outcome(folder)
    store.client.copy_model_version("models:/sentiment/1", "staging")
    store.client.copy_model_version("models:/staging/1", "production")
    for name in ("sentiment", "staging"):
        store.client.delete_model_version(name, "1")
    outcome(folder)
    kept = download_model(store, "production", "1", tmp_path)
    weights = folder / "artifacts" / "model" / "model.safetensors"
    assert (kept / "model.safetensors").read_bytes() == weights.read_bytes()


def test_a_copied_version_has_the_logged_model_of_the_original(store: Store, tmp_path: Path) -> None:
    folder = workspace(tmp_path / "w", errors=0)
    outcome(folder)
    with default_tracking_uri(store):
        store.client.copy_model_version("models:/sentiment/1", "production")
    original, copy = (find_source(store, f"models:/{name}/1") for name in ("sentiment", "production"))
    assert copy == original
    break_model(tmp_path / "store", "gone")
    restore_files(store, "production", "1", Candidate(folder / "artifacts" / "model", str(copy.run_id), {}, ""))
    assert (download_model(store, "production", "1", tmp_path) / "model.safetensors").exists()


def test_models_of_other_reviews_are_not_compared(store: Store, tmp_path: Path) -> None:
    for version, content in (("1", "before"), ("2", "after")):
        folder = workspace(tmp_path / version, errors=5 - int(version))
        described = folder / "artifacts" / "model" / "config.json"
        corpus = {"name": "files", "content": content}
        write_json(described, {**json.loads(described.read_text()), "corpus": corpus})
        result = outcome(folder)
    assert (result["alias"], result["value"]) == ("challenger", None)
    assert "was trained on other reviews" in str(result["reason"])
    assert aliases(store) == ("1", "2")


def test_a_version_belongs_to_the_run_that_made_it_and_tells_its_origin(store: Store, tmp_path: Path) -> None:
    with open_run(store, "known", {}) as run:
        pass
    before = store.client.get_run(run.run_id).info
    folder = workspace(tmp_path / "w", errors=0, run_id=run.run_id)
    origin = origin_of(CONFIG) | {"git.commit": "abc123"}
    write_json(
        folder / "artifacts" / "run.json", TRAINING | {"run_id": run.run_id, "model": "its digest", "origin": origin}
    )
    outcome(folder)
    version = store.client.get_model_version("sentiment", "1")
    assert version.run_id == run.run_id
    assert version.tags["git.commit"] == "abc123"
    assert version.tags["corpus"] == "movie_reviews"
    assert version.tags["test.accuracy"] == "0.9"
    assert len(version.tags) <= 10
    assert "| accuracy&emsp; | 0.9000&emsp; | 0.8800&emsp; |" in version.description
    after = store.client.get_run(run.run_id)
    assert (after.info.status, after.info.end_time) == ("FINISHED", before.end_time)
    assert len(after.outputs.model_outputs) == 1


def test_a_run_this_store_does_not_know_is_stood_in_for(store: Store, tmp_path: Path) -> None:
    folder = workspace(tmp_path / "w", errors=0)
    origin = {"git.commit": "abc123", "git.dirty": "false", "data.md5": "d", "config.hash": "c"}
    write_json(
        folder / "artifacts" / "run.json", TRAINING | {"run_id": "f" * 32, "model": "its digest", "origin": origin}
    )
    result = outcome(folder)
    run = store.client.get_run(str(result["run_id"]))
    assert run.data.tags["source.run_id"] == "f" * 32
    assert run.data.tags["mlflow.source.git.commit"] == "abc123"  # of the training, whatever is checked out here
    assert store.client.get_model_version("sentiment", "1").tags["git.commit"] == "abc123"
    assert run.data.metrics["test/accuracy"] == 0.9
    assert run.data.params["model.network"] == "bag_of_words"
    assert run.info.status == "FINISHED"


def test_a_model_of_links_is_registered_like_any_other(store: Store, tmp_path: Path) -> None:
    folder = workspace(tmp_path / "w", errors=0)
    model, elsewhere, cache = folder / "artifacts" / "model", tmp_path / "elsewhere", tmp_path / "cache"
    model.rename(cache)
    elsewhere.mkdir()
    for file in cache.iterdir():
        (elsewhere / file.name).symlink_to(file)
    model.symlink_to(elsewhere)
    assert outcome(folder)["alias"] == "champion"
    (tmp_path / "kept").mkdir()
    kept = download_model(store, "sentiment", "1", tmp_path / "kept")
    assert (kept / "model.safetensors").read_bytes() == (cache / "model.safetensors").read_bytes()


def test_what_dvc_notes_of_a_registration_is_the_same_in_every_store(store: Store, tmp_path: Path) -> None:
    noted = []
    for name, errors in (("first", 3), ("other", 0), ("again", 3)):
        folder = workspace(tmp_path / name, errors)
        outcome(folder)
        noted.append((folder / "artifacts" / "registered.json").read_text())
    assert noted[0] == noted[2] != noted[1]
    assert aliases(store) == ("2", "1")  # the third found another champion than the first


def break_model(store: Path, how: str) -> None:
    """Do something to the files of the one model that is registered."""
    (weights,) = store.rglob("models/*/artifacts/artifacts/model/model.safetensors")
    folder = weights.parent
    match how:
        case "damaged":
            weights.write_bytes(bytes(weights.stat().st_size))
        case "truncated":
            os.truncate(weights, weights.stat().st_size - 1)
        case "without code":  # as MLflow loads it
            shutil.rmtree(folder.parents[1] / "code")
        case "without MLmodel":
            (folder.parents[1] / "MLmodel").unlink()
        case "unreadable":  # as a link in a circle is even to root
            shutil.rmtree(folder)
            folder.symlink_to(folder)
        case "without weights":
            weights.unlink()
        case "gone":
            shutil.rmtree(store / "mlartifacts")


@pytest.mark.parametrize("how", ["damaged", "unreadable"])
def test_a_champion_that_cannot_be_read_stops_nothing_and_stays(store: Store, tmp_path: Path, how: str) -> None:
    first = workspace(tmp_path / "first", errors=3)
    outcome(first)
    break_model(tmp_path / "store", how)
    assert outcome(first)["reason"] == "version 1 is champion already"
    result = outcome(workspace(tmp_path / "second", errors=0))
    assert result["alias"] == "challenger"
    assert "the champion, version 1, cannot be read (" in str(result["reason"])
    assert aliases(store) == ("1", "2")


@pytest.mark.parametrize("how", ["without weights", "gone", "truncated", "without code", "without MLmodel"])
def test_a_version_whose_files_are_gone_gets_them_again(
    store: Store, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = workspace(tmp_path / "first", errors=3)
    outcome(first)
    break_model(tmp_path / "store", how)
    assert outcome(first)["reason"] == "version 1 is champion already"
    assert "sentiment: the files of version 1 were gone" in caplog.text
    assert (versions(store), aliases(store)) == (["1"], ("1", None))
    again = download_model(store, "sentiment", "1", tmp_path)
    weights = first / "artifacts" / "model" / "model.safetensors"
    assert (again / "model.safetensors").read_bytes() == weights.read_bytes()
    assert {"MLmodel", "code"} <= {path.name for path in next(tmp_path.glob("store/**/MLmodel")).parent.iterdir()}
    assert outcome(workspace(tmp_path / "second", errors=5))["champion_value"] == 0.85
    caplog.clear()
    outcome(first)
    assert "gone" not in caplog.text


def test_who_asks_for_a_model_whose_files_are_gone_is_told_the_command(store: Store, tmp_path: Path) -> None:
    outcome(workspace(tmp_path / "first", errors=3))
    break_model(tmp_path / "store", "gone")
    with pytest.raises(PipelineError, match=r"files are gone or cannot be read; `python -m pipeline.register` stores"):
        fetch_model(store, "models:/sentiment@champion", tmp_path)


def test_who_asks_for_a_damaged_version_is_told_which_and_the_command(store: Store, tmp_path: Path) -> None:
    outcome(workspace(tmp_path / "first", errors=3))
    break_model(tmp_path / "store", "truncated")
    with (
        pytest.raises(PipelineError, match=r"^models:/sentiment/1/model.safetensors .*; `python -m pipeline.reg") as e,
        model_folder("models:/sentiment/1", store) as folder,
    ):
        load(folder)
    assert str(folder) not in str(e.value)


@pytest.mark.parametrize("how", ["without weights", "gone"])
def test_a_champion_whose_files_are_gone_makes_room(store: Store, tmp_path: Path, how: str) -> None:
    outcome(workspace(tmp_path / "first", errors=3))
    break_model(tmp_path / "store", how)
    queued = outcome(workspace(tmp_path / "queued", errors=0), queued=True)
    assert (queued["alias"], aliases(store)) == ("challenger", ("1", "2"))
    result = outcome(workspace(tmp_path / "next", errors=5))
    assert (result["alias"], aliases(store)) == ("champion", ("3", "2"))
    assert str(result["reason"]).startswith(
        "the champion, version 1, cannot be read: its files are gone from sqlite:///"
    )


def test_files_that_may_lie_on_another_machine_are_not_taken_for_gone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that several machines use keeps paths of all of them."""
    first = workspace(tmp_path / "first", errors=3)
    outcome(first)
    break_model(tmp_path / "store", "gone")
    monkeypatch.setattr(Store, "has_own_artifacts", False)
    assert not has_lost_files(store, "sentiment", "1", like=first / "artifacts" / "model")
    assert outcome(workspace(tmp_path / "second", errors=0))["alias"] == "challenger"
    assert aliases(store) == ("1", "2")


USE = """
import sys, mlflow
model = mlflow.pyfunc.load_model("models:/sentiment@champion")
long = "good " * 3000
print(model.predict(["a good film", "a bad film", "", None, long]).to_json(orient="records"))
print(model.predict("a good film").to_json(orient="records"))
assert not {"pytorch_lightning", "hydra", "pipeline.tracking"} & set(sys.modules), "loads too much"
print([module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "pipeline"])
"""


@pytest.mark.usefixtures("store")
def test_the_champion_answers_elsewhere_without_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome(workspace(tmp_path / "w", errors=0))
    stored = [path for path in (tmp_path / "store" / "mlartifacts").rglob("*") if path.is_file()]
    assert not [path for path in stored if path.suffix in (".pkl", ".pyc")]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store/mlflow.db")
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run([sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers, single, code = done.stdout.splitlines()
    assert [answer["label"] for answer in json.loads(answers)][:2] == ["positive", "negative"]
    assert len(json.loads(answers)) == 5
    assert all(0 <= answer["probability"] <= 1 for answer in json.loads(answers))
    assert json.loads(single)[0]["label"] == "positive"
    assert all(str(tmp_path) in file for file in ast.literal_eval(code))  # the registered code, not this checkout's


EVALUATE = """
import mlflow, pandas as pd
mlflow.set_experiment(experiment_id=mlflow.create_experiment("evaluation", "artifacts"))
champion = "models:/sentiment@champion"
table = pd.DataFrame({"country": ["de", "fr", "de", "de"], "text": ["a bad one", "a film", "a good one", None]})
some = table[table["country"] == "de"].copy()
some[["label", "probability"]] = mlflow.pyfunc.load_model(champion).predict(some)
print(some["label"][:2].to_dict())
labelled = pd.DataFrame({"text": ["good", "bad", "good", "bad"], "n": 1, "stars": ["positive", "negative"] * 2})
print(mlflow.models.evaluate(champion, labelled, targets="stars", model_type="classifier",
                             model_config={"output": "label"}).metrics["accuracy_score"])
model = mlflow.pyfunc.load_model(champion)
print(model.predict("good", params={"output": "label"}).tolist(), model.predict("good").columns.tolist())
"""


@pytest.mark.usefixtures("store")
def test_the_champion_answers_rows_by_their_index_and_can_be_evaluated_by_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome(workspace(tmp_path / "w", errors=0))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store/mlflow.db")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run([sys.executable, "-c", EVALUATE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == [
        "{0: 'negative', 2: 'positive'}",
        "1.0",
        "['positive'] ['label', 'probability']",
    ]
