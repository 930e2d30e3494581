"""Models by name: an alias is looked up once, whatever it names by the end of the command."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.explain.__main__ import main as explain
from pipeline.inference import model_folder
from pipeline.inference.model_folder import read_model_info
from pipeline.predict.__main__ import main as predict
from pipeline.registry.model_lookup import find_source, resolve_alias
from pipeline.registry.versions import set_alias
from pipeline.runtime.errors import PipelineError
from pipeline.serve.__main__ import _scoring
from pipeline.serve.limits import Limits
from pipeline.tracking.store import Store, connect
from tests.support.registration import CONFIG, misleading, outcome, store, workspace

__all__ = ["misleading", "store"]  # fixtures

CHAMPION = "models:/sentiment@champion"


def predict_one() -> None:
    predict(["a good film"], None, None, None, CHAMPION, None)


def serve() -> str:
    return _scoring(CHAMPION, Limits())[1]


@pytest.mark.usefixtures("store")
def test_the_logged_model_of_a_run_of_another_experiment_is_found(tmp_path: Path) -> None:
    run_id = str(outcome(workspace(tmp_path / "w", errors=3))["run_id"])
    other = connect(CONFIG.tracking.model_copy(update={"experiment": "other"}))
    by_version, by_run = (find_source(other, model) for model in ("models:/sentiment/1", run_id))
    assert by_run == by_version
    assert by_run.model_id is not None


def test_latest_is_the_newest_version(store: Store, tmp_path: Path) -> None:
    for number, errors in enumerate((3, 9)):
        outcome(workspace(tmp_path / str(number), errors=errors))
    assert resolve_alias("models:/sentiment/latest", store) == "models:/sentiment/2"
    assert find_source(store, "models:/sentiment/latest") == find_source(store, "models:/sentiment/2")
    with pytest.raises(PipelineError, match=r"^models:/other: .* has no version of it; "):
        resolve_alias("models:/other/latest", store)


def test_an_alias_that_looks_like_a_number_is_an_alias(store: Store, tmp_path: Path) -> None:
    for number, errors in enumerate((3, 9)):
        outcome(workspace(tmp_path / str(number), errors=errors))
    for alias, version in (("2", "1"), ("2024", "2")):
        store.client.set_registered_model_alias("sentiment", alias, version)
        assert resolve_alias(f"models:/sentiment@{alias}", store) == f"models:/sentiment/{version}"
        named, numbered = (find_source(store, f"models:/sentiment{which}") for which in (f"@{alias}", f"/{version}"))
        assert named == numbered
    with pytest.raises(PipelineError, match="has no alias 1: "):
        resolve_alias("models:/sentiment@1", store)


@pytest.mark.parametrize("command", [predict_one, explain, serve])
def test_the_version_that_was_loaded_is_named_though_another_is_champion_by_then(
    command: Callable[[], str | None],
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number, errors in enumerate((3, 9)):
        outcome(workspace(tmp_path / str(number), errors=errors))

    def meanwhile(*arguments: Any) -> Any:
        set_alias(store, "sentiment", "2", "champion")
        return read_model_info(*arguments)

    monkeypatch.setattr(model_folder, "read_model_info", meanwhile)  # while the model is loaded
    monkeypatch.setattr(sys, "argv", ["explain", "a good film", "--model", CHAMPION])
    caplog.set_level("INFO")
    said = command() or next(message for message in caplog.messages if message.startswith("model: "))
    assert said.removeprefix("model: ").startswith("sentiment version 1 (no alias)")
