"""Serve says which champion it serves, and where that may not be the model that the user expects."""

import json
from pathlib import Path

import pytest

from pipeline.inference.model_folder import read_model_info
from pipeline.inference.model_info import ModelInfo
from pipeline.registry.versions import set_alias
from pipeline.runtime.errors import PipelineError
from pipeline.serve.champion_notes import champion_notes, require_champion
from pipeline.tracking.store import Store
from tests.support.registration import CONFIG, misleading, outcome, store, workspace

__all__ = ["misleading", "store"]  # fixtures


def champion_of(folder: Path, **corpus: str | None) -> ModelInfo:
    path = folder / "artifacts" / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"corpus": corpus}))
    return read_model_info(path)


@pytest.mark.usefixtures("store")
def test_without_a_champion_one_line_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        require_champion(CONFIG)
    assert str(caught.value).startswith("models:/sentiment: sqlite:///")
    assert str(caught.value).endswith("; register one with `dvc repro`, or serve a folder: --model artifacts/model")
    assert "\n" not in str(caught.value)
    outcome(workspace(tmp_path / "first", errors=0))
    assert require_champion(CONFIG) == "models:/sentiment@champion"


def test_a_champion_of_another_corpus_and_a_newer_challenger_are_named(store: Store, tmp_path: Path) -> None:
    outcome(workspace(tmp_path / "first", errors=0))
    here, present = tmp_path / "first", CONFIG.corpus
    assert champion_notes(CONFIG, champion_of(here, name=present.name, content=present.content)) == []
    assert champion_notes(CONFIG, champion_of(here, name="files", content=None)) == [
        f"the corpus of params.yaml is {present.name}, but the champion was trained on files"
    ]
    assert champion_notes(CONFIG, champion_of(here, name=present.name, content="another")) == [
        f"the corpus of params.yaml is {present.name}, but the champion was trained on another version of it"
    ]
    outcome(workspace(tmp_path / "second", errors=9))
    set_alias(store, CONFIG.registry.model_name, "1", "champion")
    (note,) = champion_notes(CONFIG, champion_of(here, name=present.name, content=present.content))
    assert note.startswith("the newest version, 2, is ")
    assert "serve it with --model models:/sentiment/2, or make it champion" in note
