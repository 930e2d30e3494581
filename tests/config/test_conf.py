"""Every configuration a user can choose."""

import re
import sys
from pathlib import Path

import pytest
import yaml
from dvc.exceptions import DvcException
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl

from hydra_plugins.known_names import KnownNames
from pipeline.config.reference import configuration_help, problem_of_override
from pipeline.config.schema import Config, validate
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from tests.conftest import Project

CONF = WORKSPACE / "conf"
GROUPS = sorted(path for path in CONF.rglob("*.yaml") if path.parent != CONF)
OWN_FILE = {
    "corpus=files": "corpus.path=reviews.csv",
    "text/vectors=file": "text.vectors.path=vectors.txt",
    "evaluation/objective=cost": "evaluation.objective.costs={negative: {positive: 5}, positive: {negative: 1}}",
}


def choice(path: Path) -> list[str]:
    nested = path.parent.relative_to(CONF).as_posix()
    group = (
        nested
        if nested in {"corpus/auxiliary", "text/vectors", "evaluation/objective", "hydra/launcher"}
        else path.relative_to(CONF).parts[0]
    )
    chosen = f"{group}={path.relative_to(CONF / group).with_suffix('').as_posix()}"
    return [chosen, *([OWN_FILE[chosen]] if chosen in OWN_FILE else [])]


@pytest.mark.parametrize("path", GROUPS, ids=lambda path: str(path.relative_to(CONF)))
def test_every_config_composes_and_survives_params_yaml(path, compose):
    config = compose(*choice(path))
    assert isinstance(config, Config)
    assert validate(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config


def test_an_experiment_overrides_several_groups(compose):
    config = compose("experiment=article")
    assert (config.model.embedding_dim, config.text.max_tokens, config.training.batch_size) == (400, 200, 50)
    assert compose("experiment=article", "training.batch_size=7").training.batch_size == 7


def test_the_network_has_one_output(compose):
    with pytest.raises(PipelineError, match=r"model.output_size: Input should be 1, got 2"):
        compose("model.output_size=2")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=bag_of_words", "pretraining=two_view"], "pretraining.two_view goes with .*; set pretraining=none, or"),
        (
            ["pretraining=language_model", "pretraining.language_model.hidden_dim=9"],
            "hidden_dim: is 9, .* set model.hidden_dim alone",
        ),
        (
            ["pretraining=language_model", "text/vectors=file", "text.vectors.path=vectors.txt"],
            "text.vectors: pretraining.language_model learns word vectors of its own, .*; set text/vectors=none",
        ),
        (
            ["pretraining=language_model", "pretraining.language_model.cell=gru"],
            "pretraining.language_model.cell: is gru, but the model, .* lstm",
        ),
    ],
)
def test_a_network_that_cannot_take_what_pretraining_brings_is_refused(overrides, message, compose):
    with pytest.raises(PipelineError, match=message):
        compose(*overrides)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("text.max_vocabulary=null", "sentencepiece needs a size: set text.max_vocabulary"),
        ("text/vectors=glove_6b_50d", "text.vectors has vectors of words, .*: set text/vectors=none"),
    ],
)
def test_what_sentencepiece_cannot_do_is_refused(override, message, compose):
    with pytest.raises(PipelineError, match=message):
        compose("text.tokenizer=sentencepiece", override)


@pytest.mark.parametrize("override", ["model=transformer", "model.hiden_dim=3", "experiment=nothing"])
def test_an_override_conf_does_not_know_is_refused(override, compose):
    with pytest.raises(PipelineError, match=r"^conf/: "):
        compose(override)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("model.hiden_dim=3", "model.hiden_dim: unknown key or group, .*; did you mean model.hidden_dim"),
        ("lr=3", "lr: unknown key or group, .*; did you mean training.lr"),
        ("modl=gru", "modl: unknown key or group, .*; did you mean model"),
        ("model=gruu", "model=gruu: there is no such choice, .*; did you mean gru"),
        ("model=transformer", "model=transformer: there is no such choice, [^;]*$"),
        ("model=gru,rnn", None),
        ("experiment=null", None),
        ("training.lr=1e-3", None),
        ("corpus.labels.good=[1]", None),
        ("registry.checks.mine.min=0.5", None),
        ("hydra.sweeper.n_trials=3", None),
    ],
)
def test_a_mistyped_name_is_answered_with_the_one_that_was_meant(override, problem):
    found = problem_of_override(*override.split("=", 1))
    assert re.match(problem, found) if problem else found is None


@pytest.mark.parametrize("given", [["-S", "model.hiden_dim=3"], ["--set-param=params.yaml:model.hiden_dim=3"]])
def test_dvc_exp_run_says_so_too(given, monkeypatch):
    search_path = ConfigSearchPathImpl()
    search_path.append("main", f"file://{CONF}")
    monkeypatch.setattr(sys, "argv", ["dvc", "exp", "run", *given])
    KnownNames().manipulate_search_path(search_path)  # other commands that compose say it themselves
    monkeypatch.setitem(sys.modules, "dvc.utils.hydra", sys)
    with pytest.raises(DvcException, match=r"did you mean model\.hidden_dim"):
        KnownNames().manipulate_search_path(search_path)


COMMANDS = sorted(
    path.parent.name if path.stem == "__main__" else path.stem
    for path in (*(WORKSPACE / "pipeline").glob("[!_]*.py"), *(WORKSPACE / "pipeline").glob("*/__main__.py"))
    if '__name__ == "__main__"' in path.read_text()
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    found = Project(WORKSPACE).run("python", "-m", f"pipeline.{command}", "--help")
    assert found.stdout.startswith("usage:")
    assert len(found.stdout.splitlines()) > 5
    assert (configuration_help() in found.stdout) == (command in {"compose", "train"})
