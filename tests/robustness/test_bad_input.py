"""Bad input of any kind: one line names it and the remedy, and no output is changed."""

import os
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file

from pipeline.runtime.paths import WORKSPACE
from tests.conftest import Project
from tests.support.bad_input import CASES, HEADINGS, MODEL, Case
from tests.support.commands import SmallProject, params, prepared, project

__all__ = ["prepared", "project"]  # fixtures

TABLE = os.environ.get("BAD_INPUT_TABLE")
"""Path of a file to which each case and its message are appended as a row of Markdown, under a heading per command."""


def prepare(case: Case, project: SmallProject) -> None:
    (project.root / "params.yaml").write_text(params(case.corpus, case.changes))
    for name, content in case.files.items():
        path = project.root / name
        if content is None:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if case.command == "preprocess" and "own.csv" in case.files:
        assert project.run("download") == 0
        shutil.rmtree(project.root / "data")
        shutil.copytree(project.root / "downloads", project.root / "data")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_one_line_and_changes_nothing(case, project, capfd):
    prepare(case, project)
    before = project.contents()
    capfd.readouterr()
    assert project.run(case.command, *case.arguments, stdin=case.stdin) in {1, 2}
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ") and re.search(case.message, line), line
    assert project.contents() == before
    if TABLE:
        with Path(TABLE).open("a", encoding="utf-8") as table:
            if case == next(first for first in CASES if first.command == case.command):
                table.write(f"\n### {HEADINGS[case.command]}\n\n| case | message |\n|---|---|\n")
            shown = line.removeprefix("error: ").replace(str(project.root), "…").replace("|", "\\|")
            table.write(f"| {case.name} | {shown[:300]} |\n")


def test_the_page_lists_every_case_and_what_is_said():
    page = (WORKSPACE / "docs" / "bad-input.md").read_text(encoding="utf-8")
    for command, heading in HEADINGS.items():
        table = page.partition(f"\n### {heading}\n")[2].partition("\n#")[0]
        rows = {row[1]: row[2] for line in table.splitlines() if len(row := re.split(r" ?(?<!\\)\| ?", line)) == 4}
        cases = [case for case in CASES if case.command == command]
        assert [*rows][2:] == [case.name for case in cases]
        for case in cases:
            assert re.search(case.message, "error: " + rows[case.name].replace("\\|", "|")), case.name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pipeline.train", "model.hiden_dim=3"], "error: conf/: model.hiden_dim: unknown key .*; did you mean"),
        (["pipeline.train", "model=gruu"], "error: conf/: model=gruu: there is no such choice, .*; did you mean gru"),
        (
            ["pipeline.train", "model=bag_of_words", "pretraining=language_model"],
            "error: conf/: pretraining.language_model.hidden_dim is taken from model.hidden_dim, which the chosen ",
        ),
        (["pipeline.train", "-m", "seed=range(1,0)"], "error: -m: there is nothing to train; give at least one value"),
        (["pipeline.train", "-m", "training.epochs=2"], "error: -m: nothing varies; give a key several values, as in "),
        (["pipeline.train", "training.epochs=2", "-m", "seed=3"], "error: -m: nothing varies; give a key several "),
        (["pipeline.train", "-m", "sweep=grid", "--cfg", "job"], "error: -m: --cfg and --info show the configuration "),
        (["pipeline.train", "-m", "sweep=grid", "--cfg=job"], "error: -m: --cfg and --info show the configuration "),
        (["pipeline.train", "seed=3", "--resolve"], "error: --resolve: what is to be resolved is shown by --cfg: "),
        (["pipeline.train", "seed=3", "--epochs=2"], "error: unrecognized arguments: --epochs=2; --help lists the "),
        (["pipeline.train", "-m", "sweep=tpe", "hydra.sweeper.n_trials=0"], "error: -m: there is nothing to train;"),
        (
            ["pipeline.train", "-m", "sweep=tpe", "hydra.sweeper.seed=-1"],
            "error: hydra.sweeper.seed: must be from 0 to 4294867295, got -1",
        ),
        (
            ["pipeline.train", "--experimental-rerun", "x"],
            "error: --experimental-rerun unpickles the file it is given;",
        ),
        (
            ["pipeline.train", "hydra.run.dir=reports", "hydra.output_subdir=null", "hydra/job_logging=none"],
            "error: hydra.run.dir: .*/reports belongs to the pipeline; choose another folder",
        ),
        (
            ["pipeline.train", "-m", "seed=1,2", "hydra.sweep.dir=artifacts"],
            "error: hydra.sweep.dir: .*/artifacts belongs to",
        ),
        (
            ["pipeline.train", "hydra.mode=MULTIRUN", "seed=1,2"],
            "error: -m: each trial would read .*/conf again, with later edits; ask",
        ),
        (["pipeline.predict", "--model", "none", "x"], "error: model folder none does not exist"),
    ],
)
def test_a_command_of_its_own_says_the_same(arguments, message):
    completed = Project(WORKSPACE).run("python", "-m", *arguments, check=False)
    assert completed.returncode in {1, 2}
    assert re.fullmatch(f"{message}.*\n", completed.stderr)


def test_weights_of_another_shape_are_refused(project, capfd):
    path = project.root / "artifacts" / "model" / "model.safetensors"
    save_file({name: weight[..., :-1].contiguous() for name, weight in load_file(path).items()}, path)
    assert project.run("predict", *MODEL, "a film") == 1
    assert "does not fit config.json and vocab.json beside it; make the folder again" in capfd.readouterr().err


def test_line_ends_may_be_mixed(project):
    (project.root / "own.csv").write_bytes(b"review,verdict\r\na b,good\nc,bad\nd,good\r\n")
    (project.root / "params.yaml").write_text(params("files", {"corpus.path": "own.csv"}))
    assert project.run("download") == 0
    assert pq.read_table(project.root / "downloads" / "train.parquet")["text"].to_pylist() == ["a b", "c", "d"]
