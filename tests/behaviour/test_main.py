"""The command, called as `python -m pipeline.behaviour` calls it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.behaviour import __main__ as behaviour
from pipeline.behaviour.capability_files import SUITE_FOLDER, load_capabilities
from pipeline.inference.model_folder import save_model
from pipeline.networks.build import build_network
from pipeline.text.vocabulary import SPECIALS, Vocabulary
from tests.conftest import configuration


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Run the command with arguments; return the lines it prints."""

    def run(*arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["behaviour", *arguments])
        behaviour.main()
        return capsys.readouterr().out.splitlines()

    return run


def test_the_command_judges_a_template_of_the_users_own(trained: Any, command: Callable[..., list[str]]) -> None:
    model = ["--model", str(trained.root / "artifacts" / "model")]
    first, second, last = command("A {word}.", "--fill", "word=pure joy, pure misery", "--expect", "positive", *model)
    assert first.startswith("ok    positive  ")
    assert first.endswith("  A pure joy.")
    assert second.startswith("FAIL  negative  ")
    assert last == "1 of 2 cases failed"
    shown = command("It is {word}.", "--changed", "It is {word}!", "--fill", "word=pure joy", *model)
    assert [line.split("  ")[2] for line in shown] == ["It is pure joy.", "It is pure joy!"]
    assert len(command("I {loved} this {film}.", "--cases", "7", *model)) == 7  # from the lexicon


def test_the_command_prints_the_table_of_the_suite(trained: Any, command: Callable[..., list[str]]) -> None:
    lines = command("--model", str(trained.root / "artifacts" / "model"))
    assert [line.split()[0] for line in lines] == ["capability", *load_capabilities(SUITE_FOLDER)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["It is {so}."], "error: your template: the slot {so} has no fillers"),
        (["It is.", "--fill", "so"], "error: --fill 'so': write it as slot=one,two"),
        (["It is.", "--expect", "rises"], "error: your template: nothing changes in 'It is.'"),
        (["It is.", "--cases", "0"], "error: your template: cases: Input should be greater"),
        (["--model", "nowhere"], "error: model folder nowhere does not exist"),
    ],
)
def test_a_mistake_of_the_user_is_one_line(
    arguments: list[str],
    message: str,
    command: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        command(*arguments)
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(message)


def test_options_of_a_template_are_refused_without_one(
    command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        command("--fill", "film=play")
    assert caught.value.code == 2
    assert "put it before them" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["It is good."]])
def test_a_model_of_other_classes_is_one_line(
    arguments: list[str],
    tmp_path: Path,
    command: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = configuration("model=bag_of_words", "model.embedding_dim=1")
    vocabulary = Vocabulary([*SPECIALS, "good"])
    info = {"classes": ("ham", "spam"), "temperature": [1.0], "bias": [0.0], "threshold": 0.5}
    info |= settings.model_dump(include={"text", "model"})
    save_model(tmp_path / "model", build_network(settings.model, len(vocabulary)), vocabulary, info)
    with pytest.raises(SystemExit) as caught:
        command(*arguments, "--model", str(tmp_path / "model"))
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "error: the behaviour tests expect negative or positive, but the classes of this model are 'ham',"
    )
