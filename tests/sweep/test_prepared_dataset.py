"""The dataset that trials share: what a refused search advises instead."""

import json
import shlex

import pytest
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from pipeline.config.composition import compose_config
from pipeline.config.params import load_params
from pipeline.corpus.source import corpus_fingerprint
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import CONF
from pipeline.sweep import prepared_dataset
from pipeline.text.dataset import read_dataset_record
from tests.support.commands import SmallProject, prepared, project

__all__ = ["prepared", "project"]  # fixtures


def refusal(key: str, override: str) -> list[str]:
    """Return the arguments of the command that the refusal of a search advises."""
    (searched,) = OverridesParser.create().parse_overrides([override])
    with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(PipelineError) as refused:
        prepared_dataset.require_same_dataset({key: searched})
    return shlex.split(str(refused.value).partition("instead: ")[2].partition(", then dvc queue start")[0])


def test_the_advised_experiments_are_of_the_corpus_that_the_dataset_was_made_from(project: SmallProject, monkeypatch):
    dataset = project.root / "artifacts" / "dataset"
    monkeypatch.setattr(prepared_dataset, "DATASET", dataset)
    arguments = refusal("text.max_tokens", "text.max_tokens=50,100")
    assert arguments[:4] == ["dvc", "exp", "run", "--queue"] and arguments[-1] == "text.max_tokens=50,100"
    advised = compose_config([override for override in arguments[4:-1] if override != "-S"])
    made = read_dataset_record(dataset)
    for section, values in {"corpus": made.corpus.config, "split": made.split, "text": made.text}.items():
        assert {**advised[section], "fingerprint": None} == {**values, "fingerprint": None}


def test_of_a_group_that_is_varied_no_key_is_kept(project: SmallProject, monkeypatch):
    monkeypatch.setattr(prepared_dataset, "DATASET", project.root / "artifacts" / "dataset")
    varied = "corpus=movie_reviews,rotten_tomatoes"
    assert refusal("corpus", varied) == ["dvc", "exp", "run", "--queue", "-S", varied]


def test_an_edit_of_the_files_since_the_dataset_was_made_is_said(project: SmallProject, monkeypatch):
    dataset = project.root / "artifacts" / "dataset"
    monkeypatch.setattr(prepared_dataset, "DATASET", dataset)
    monkeypatch.setenv("DVC_ROOT", str(project.root))
    config = load_params(project.root / "params.yaml")
    record = json.loads((dataset / "dataset.json").read_text())
    record["corpus"]["config"]["fingerprint"] = corpus_fingerprint(config.corpus)
    (dataset / "dataset.json").write_text(json.dumps(record))
    assert prepared_dataset.edited_files_note(config) is None
    with (project.root / "reviews.csv").open("a") as file:
        file.write("one more,good\n")
    assert "edited since artifacts/dataset was made" in str(prepared_dataset.edited_files_note(config))
    (project.root / "reviews.csv").unlink()
    assert prepared_dataset.edited_files_note(config) is None
