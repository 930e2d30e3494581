"""The console script `sentiment`: the list of commands, the way to each, and completion in a shell."""

import subprocess
import sys
import tomllib

import pytest

from pipeline import __main__ as script
from pipeline.completion import SCRIPTS, completions
from pipeline.runtime.paths import WORKSPACE


@pytest.fixture
def sentiment(monkeypatch, capsys):
    """Run the script in this process; return its exit code and what it printed."""
    monkeypatch.setattr(script, "begin_command", lambda: None)  # it changes the warnings and signals of this process

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["sentiment", *arguments])
        code = 0
        try:
            script.main()
        except SystemExit as end:
            code = end.code
        return code, "".join(capsys.readouterr())

    return run


def test_the_script_is_installed_and_lists_every_command_on_a_line_of_its_own(sentiment):
    scripts = tomllib.loads((WORKSPACE / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"sentiment": f"{script.__name__}:main"}
    code, printed = sentiment()
    listed = [line.split()[0] for line in printed.splitlines() if line.startswith("  ") and not line[2:3].isspace()]
    assert code == 0
    assert listed[1:] == [*script.command_files()]  # the first is --help
    assert not {*script.SCRIPTS_OF_MAKE} & {*listed}
    assert max(map(len, printed.splitlines())) <= 80


def test_the_list_needs_none_of_the_libraries():
    heavy = "{'torch', 'hydra', 'mlflow', 'pydantic'} & sys.modules.keys()"
    code = f"import sys; sys.argv = ['sentiment']; from pipeline.__main__ import main; main(); assert not {heavy}"
    assert subprocess.run([sys.executable, "-c", code], cwd=WORKSPACE, capture_output=True, check=False).returncode == 0


def test_a_command_gets_the_other_arguments(sentiment):
    assert sentiment("completion", "--line", "sentiment pse") == (0, "pseudo_label\n")
    assert sentiment("site-cache", "--help")[1].startswith("usage: ")


def test_a_mistyped_command_is_refused_with_the_one_that_was_meant(sentiment):
    expected = "error: predct is no command, --help lists them; did you mean predict?\n"
    assert sentiment("predct", "a film") == (2, expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sentiment reg", ["register"]),
        ("sentiment predict --pr", ["--prefix", "--probabilities"]),
        ("sentiment predict --mo", ["--model"]),  # a function of another module adds it
        ("sentiment train mod", ["model="]),
        ("sentiment train seed=2 model=gr", ["model=gru"]),
        ("sentiment train training.sch", ["training.schedule="]),
        ("sentiment memory-ladder --st", ["--steps"]),  # as it may be typed, and runs
        ("sentiment nothing ", []),
    ],
)
def test_a_word_is_completed(line, expected):
    assert completions(line)[: len(expected)] == expected


def test_bash_completes_the_part_behind_an_equals_sign(tmp_path):
    stand_in = tmp_path / "sentiment"
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline "$@"\n')
    stand_in.chmod(0o755)
    typed = "COMP_LINE='sentiment train model=gr'; COMP_POINT=${#COMP_LINE}; _sentiment sentiment gr ="
    told = subprocess.run(
        ["bash", "-c", f'PATH="{tmp_path}:$PATH"; {SCRIPTS["bash"]}\n{typed}; echo "${{COMPREPLY[@]}}"'],
        cwd=WORKSPACE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.stdout, told.stderr) == ("gru\n", "")
