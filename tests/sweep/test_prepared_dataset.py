"""The dataset that trials share: what a refused search advises instead."""

import shlex

import pytest
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from pipeline.config.composition import compose_config
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import CONF
from pipeline.sweep import prepared_dataset
from pipeline.text.dataset import read_dataset_info
from tests.support.commands import SmallProject, prepared, project

__all__ = ["prepared", "project"]  # fixtures


def test_the_advised_experiments_are_of_the_corpus_that_the_dataset_was_made_from(project: SmallProject, monkeypatch):
    dataset = project.root / "artifacts" / "dataset"
    monkeypatch.setattr(prepared_dataset, "DATASET", dataset)
    (searched,) = OverridesParser.create().parse_overrides(["text.max_tokens=50,100"])
    with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(PipelineError) as refused:
        prepared_dataset.require_same_dataset({"text.max_tokens": searched})
    command = str(refused.value).partition("instead: ")[2].partition(", then dvc queue start")[0]
    arguments = shlex.split(command)
    assert arguments[:4] == ["dvc", "exp", "run", "--queue"] and arguments[-1] == "text.max_tokens=50,100"
    advised = compose_config([override for override in arguments[4:-1] if override != "-S"])
    made = read_dataset_info(dataset)
    for section, values in {"corpus": made.corpus.config, "split": made.split, "text": made.text}.items():
        assert {**advised[section], "fingerprint": None} == {**values, "fingerprint": None}
