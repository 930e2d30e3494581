"""The whole pipeline under real DVC, on a small corpus, in a copy of the project."""

import ast
import json
import re
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.runtime.code_digest import Code
from tests.conftest import Project
from tests.support.pipeline_runs import STAGES, copy, edit, report, stages_run, store, training_runs

__all__ = ["copy"]  # a fixture


def test_one_command_leaves_data_model_reports_and_a_champion(trained):
    artifacts = trained.root / "artifacts"
    assert {path.name for path in (artifacts / "model").iterdir()} == {"model.safetensors", "vocab.json", "config.json"}
    data, metrics = report(trained, "data"), report(trained, "details")
    assert sum(split["reviews"] for split in data["splits"].values()) == 288
    of_splits = {"test", "val", "baseline", "intervals", "parts"}
    assert set(metrics) == of_splits | {"slices", "behaviour", "contrast"}
    assert metrics["contrast"]["pairs"] == 60
    assert 0 <= metrics["test"]["accuracy"] <= 1
    assert report(trained, "verdict")["passed"]
    predictions = pq.read_table(artifacts / "predictions.parquet").to_pydict()
    assert set(predictions["split"]) == {"validation", "test"}
    assert set(predictions["cinema"]) == {"screen 0", "screen 1", "screen 2"}
    registration = report(trained, "registration")
    assert store(trained).get_model_version_by_alias("sentiment", "champion").version == int(registration["version"])


def artifact(run, path: str) -> str:
    """Text of an artifact in the folder where the store keeps it."""
    return Path(urlsplit(f"{run.info.artifact_uri}/{path}").path).read_text()


def test_the_run_tells_all_there_is_to_tell(trained):
    (run,) = training_runs(trained)
    client = store(trained)
    assert run.info.status == "FINISHED"
    assert run.data.params["model.hidden_dim"] == "16"
    assert run.data.params["training.epochs"] == "2"
    assert len(run.data.params) < 40
    assert "None" not in run.data.params.values()
    model = json.loads((trained.root / "artifacts" / "model" / "config.json").read_text())
    assert model["resolved"] == {"training": {"epochs": 2}}
    assert run.data.tags["git.dirty"] == "false"
    assert len(run.data.tags["mlflow.source.git.commit"]) == 40
    assert len([key for key in run.data.tags if not key.startswith("mlflow.")]) <= 10
    origin = json.loads(artifact(run, "provenance.json"))
    assert origin["data.md5"] == yaml.safe_load((trained.root / "data.dvc").read_text())["outs"][0]["md5"]
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("files", origin["data.md5"])
    metrics = report(trained, "details")
    assert run.data.metrics["test/accuracy"] == metrics["test"]["accuracy"]
    assert run.data.metrics["val/accuracy"] == metrics["val"]["accuracy"]  # one name for one number
    assert run.data.metrics["parts/ngrams/accuracy"] == metrics["parts"]["ngrams"]["accuracy"]
    assert len(run.data.metrics) <= 26
    for name in ("train/loss", "train/lr", "train/grad_norm", "val/loss", "val/accuracy"):
        steps = [point.step for point in client.get_metric_history(run.info.run_id, name)]
        assert steps
        assert len(steps) == len(set(steps)), name
    # MLflow's page that compares runs draws the metric that was logged first
    assert next(iter(run.data.metrics)) == "val/accuracy"
    assert client.get_metric_history(run.info.run_id, "val/accuracy")[0].step == 0
    artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"config.yaml", "environment.json", "figures", "logs", "model", "reports", "tables"} <= artifacts
    assert artifact(run, "tables/behaviour.csv").startswith("capability,")
    assert json.loads(artifact(run, "reports/details.json")) == metrics


def test_predict_answers_from_the_trained_model(trained):
    answers = trained.run("python", "-m", "pipeline.predict", "This film is pure joy.", "This film is pure misery.")
    rows = [line.split("\t") for line in answers.stdout.splitlines()]
    assert [row[2] for row in rows] == ["This film is pure joy.", "This film is pure misery."]
    assert all(label in {"positive", "negative"} and 0 <= float(probability) <= 1 for label, probability, _ in rows)


def test_a_second_run_does_nothing_but_compose(copy):
    result = copy.run("dvc", "repro")
    assert stages_run(result.stdout) == ["compose"]
    assert copy.run("git", "status", "--porcelain").stdout == ""
    assert len(training_runs(copy)) == 1


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("conf/text/default.yaml", "max_tokens: null", "max_tokens: 5", ["compose", *STAGES[3:]]),
        ("conf/evaluation/default.yaml", "ece_bins: 15", "ece_bins: 5", ["compose", "evaluate", "register"]),
        ("reviews.csv", "is pure joy.,good", "is sheer joy.,good", STAGES),
    ],
)
def test_an_edit_reruns_what_it_touches_and_nothing_else(copy, file, old, new, expected):
    edit(copy, file, old, new)
    assert stages_run(copy.run("dvc", "repro").stdout) == expected


def test_a_model_that_fails_a_check_is_not_registered(copy):
    edit(copy, "conf/experiment/tiny.yaml", "better_than_majority: {min: -9}", "better_than_majority: {min: 1.1}")
    edit(copy, "conf/experiment/tiny.yaml", "hidden_dim: 16", "hidden_dim: 12")
    assert stages_run(copy.run("dvc", "repro").stdout) == ["compose", *STAGES[5:]]
    registration = report(copy, "registration")
    assert not registration["registered"]
    assert registration["reason"].startswith("check better_than_majority failed: test.relative_gain is")
    assert [version.version for version in store(copy).search_model_versions("name='sentiment'")] == [1]


CODE_EDITS = {
    "the model card's text": ("registry/model_card.md", r"\A", "Edited. ", {"register"}),
    "the page of an explanation": ("pages/explain.html", r"<", r"<!-- edited --><", set()),
    "what that page shows": ("explain/page.py", r"UNITS_SHOWN = ", r"\g<0>1 + ", set()),
    "the template of the report": ("pages/report.html", r"<", r"<!-- edited --><", {"evaluate"}),
    "a figure of sweeps": ("sweep/summary.py", r"MAX_TICKS = ", r"\g<0>1 + ", set()),
    "how a sweep runs its trials": ("sweep/trial.py", r"MAX_TRIAL_NAME = ", r"\g<0>1 + ", set()),
    "a constant of the n-grams": (
        "networks/ngrams.py",
        r"PRIME = ",
        r"\g<0>1 + ",
        {"pretrain", "pseudo_label", "train", "evaluate", "register"},
    ),
    "the message of an exception": (
        "preprocessing/splitting.py",
        r'PipelineError\(\s*f?"',
        r"\g<0>edited ",
        {"preprocess"},
    ),
    "a message that all may give": ("runtime/errors.py", r'\bf"', r"\g<0>edited ", {*STAGES} - {"compose", "data.dvc"}),
}
"""File of the package, what is replaced in it, by what, and the stages that run again."""


def stages_to_run(project: Project) -> set[str]:
    """The stages that `dvc status` calls changed, beside `compose`, which always runs."""
    return json.loads(project.run("dvc", "status", "--json").stdout).keys() - {"compose"}


def test_an_edit_of_conf_or_a_template_concerns_the_stages_that_read_it(copy):
    for file, old, new, expected in (
        ("conf/model/sentiment_rnn.yaml", "# The default", "# Still the default", set()),
        ("conf/tracking/local.yaml", "experiment: sentiment", "experiment: other", {"register"}),
        ("behaviour_suite/typos.yaml", "cases: 120", "cases: 100", {"evaluate"}),
    ):
        edit(copy, file, old, new)
        copy.run("python", "-m", "pipeline.compose")
        assert stages_to_run(copy) == expected
        edit(copy, file, new, old)


def test_an_edit_of_code_reruns_only_the_stages_that_run_that_code(copy):
    package = copy.root / "pipeline"
    for name, (file, old, new, expected) in CODE_EDITS.items():
        text = (package / file).read_text()
        edited = re.sub(old, new, text, count=1)
        assert edited != text, name
        (package / file).write_text(edited)
        # what `compose` writes, without an interpreter for each
        (copy.root / "code.yaml").write_text(json.dumps(Code(copy.root).stage_digests()))
        assert stages_to_run(copy) == expected, name
        (package / file).write_text(text)

    for path in package.rglob("*.py"):
        path.write_text(with_other_docstrings(path.read_text()))
    copy.run("python", "-m", "pipeline.compose")
    assert stages_to_run(copy) == set()
    with (package / "registry" / "champion.py").open("a") as file:
        file.write("EDITED = 1\n")
    refused = copy.run("dvc", "repro", "--single-item", "--force", "register", check=False)
    assert "error: the code of register was edited since" in refused.stderr + refused.stdout
    copy.run("python", "-m", "pipeline.compose")
    assert stages_to_run(copy) == {"register"}


def with_other_docstrings(text: str) -> str:
    """A module with other docstrings, and a comment more."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines[node.lineno - 1] = lines[node.lineno - 1].replace('"""', '"""Edited. ', 1)
    return "\n".join([*lines, "# edited", ""])


def test_an_experiment_trains_with_its_override_and_a_plain_run_goes_back(copy, trained):
    result = copy.run("dvc", "exp", "run", "--name", "small", "-S", "model.hidden_dim=8")
    assert "train" in stages_run(result.stdout)
    assert training_runs(copy)[-1].data.params["model.hidden_dim"] == "8"
    shown = json.loads(copy.run("dvc", "exp", "show", "--json").stdout)
    assert "small" in json.dumps(shown)
    again = copy.run("dvc", "repro")
    assert yaml.safe_load((copy.root / "params.yaml").read_text())["model"]["hidden_dim"] == 16
    assert "params.yaml: model.hidden_dim 8 → 16, as composed from conf/" in again.stderr
    assert report(copy, "details") == report(trained, "details")
    assert stages_run(again.stdout)[0] == "compose"


def test_a_sweep_gives_a_run_for_each_trial_and_touches_no_output_of_dvc(copy):
    copy.run("python", "-m", "pipeline.train", "-m", "model.hidden_dim=4,6", "training=smoke", "training.epochs=1")
    runs = training_runs(copy)[1:]
    assert sorted(run.data.params["model.hidden_dim"] for run in runs) == ["4", "6"]
    assert len(list((copy.root / "trials").glob("*/*/*/model/model.safetensors"))) == 2
    assert copy.run("git", "status", "--porcelain").stdout == ""
    assert "Data and pipelines are up to date" in copy.run("dvc", "status", "train").stdout


def test_a_sweep_over_another_text_than_the_prepared_one_is_refused(trained):
    result = trained.run("python", "-m", "pipeline.train", "text.max_tokens=7", check=False)
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: text.max_tokens: 7 is asked for, but artifacts/dataset was made with null")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("overrides", "command"),
    [
        (("text.max_tokens=7,8",), "-S text.max_tokens=7,8"),
        (("corpus=files,aclimdb", "text/vectors=none,file"), "-S corpus=files,aclimdb -S text/vectors=none,file"),
        (("sweep=tpe", "split.test=interval(0.1,0.2)"), "-S 'split.test=VALUE,…'"),
    ],
)
def test_a_search_that_changes_the_dataset_is_refused_before_the_first_trial(trained, overrides, command):
    result = trained.run("python", "-m", "pipeline.train", "-m", *overrides, check=False)
    assert result.returncode == 1
    assert f"for each value instead: dvc exp run --queue {command}, then dvc queue start" in result.stderr
    assert "HYDRA" not in result.stdout and "Traceback" not in result.stderr


def test_a_fixed_text_that_the_dataset_was_not_made_with_is_refused_before_the_first_trial(trained):
    overrides = ("-m", "text.max_tokens=7", "model.embedding_dim=4,8")
    result = trained.run("python", "-m", "pipeline.train", *overrides, check=False)
    assert result.returncode == 1
    assert "error: text.max_tokens: 7 is asked for, but artifacts/dataset was made with null; trials" in result.stderr
    assert "HYDRA" not in result.stdout


def test_a_sweep_takes_corpus_and_text_from_the_dataset_and_its_winner_can_be_promoted(copy):
    """The dataset was made with an experiment, so conf/ has another corpus."""
    edit(copy, "conf/config.yaml", "- experiment: tiny", "- experiment: null")
    said = "as artifacts/dataset was prepared with, not as in conf/; its corpus is files"
    overrides = ("training=smoke", "model=bag_of_words", "trainer=cpu", "model.embedding_dim=4")
    swept = copy.run("python", "-m", "pipeline.train", "-m", *overrides[:-1], "model.embedding_dim=4,5")
    assert said in swept.stdout + swept.stderr
    single = copy.run("python", "-m", "pipeline.train", *overrides)
    assert said in single.stdout + single.stderr
    copy.run("python", "-m", "pipeline.promote", "command", "--name", "won")
    promoted = yaml.safe_load((copy.root / "conf" / "experiment" / "won.yaml").read_text())
    assert {"override /corpus": "files"} in promoted["defaults"]


def test_a_killed_training_goes_on_in_the_same_run_and_ends_the_same(copy):
    edit(copy, "conf/experiment/tiny.yaml", "epochs: 2", "epochs: 12")
    undisturbed = Project(copy.root.with_name("undisturbed"))
    shutil.copytree(copy.root, undisturbed.root, symlinks=True)
    undisturbed.run("dvc", "repro", "evaluate")

    copy.run("python", "-m", "pipeline.compose")
    checkpoints = copy.root / ".checkpoints"
    training = copy.start("python", "-m", "pipeline.train")
    deadline = time.monotonic() + 600
    while not list(checkpoints.glob("*/last.ckpt")):
        assert training.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    training.kill()
    training.communicate()

    result = copy.run("dvc", "repro", "evaluate")
    assert "resuming after the last finished epoch" in result.stderr + result.stdout
    assert report(copy, "details") == report(undisturbed, "details")
    first, resumed = training_runs(copy)
    assert resumed.info.status == "FINISHED"
    assert len(store(copy).get_metric_history(resumed.info.run_id, "val/loss")) == 1 + 12 + 1, (
        "untrained, epochs, the kept model"
    )
    points = [point.step for point in store(copy).get_metric_history(resumed.info.run_id, "train/loss")]
    assert len(points) == len(set(points))
    # beside a copy of conf/ that a sweep of another test left in the project that all tests share
    assert not [path for path in checkpoints.iterdir() if path.is_dir() and not path.name.startswith("conf-")]
    assert first.info.run_id != resumed.info.run_id


def test_the_same_training_twice_at_once_is_done_one_after_the_other(copy):
    trial = ["python", "-m", "pipeline.train", "training.epochs=12"]
    both = [copy.start(*trial, f"hydra.run.dir=trials/{name}") for name in "ab"]
    output = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], output
    assert sum("another process runs the same training; waiting" in text for text in output) == 1
    first, second = ((copy.root / "trials" / name / "model" / "model.safetensors").read_bytes() for name in "ab")
    assert first == second
    runs = training_runs(copy)[1:]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    assert all(len(store(copy).get_metric_history(run.info.run_id, "val/loss")) == 1 + 12 + 1 for run in runs)


def test_a_terminated_training_ends_with_143_and_a_killed_run(copy):
    training = copy.start("python", "-m", "pipeline.train", "training.epochs=500")
    while "epoch 2/500" not in training.stdout.readline():
        assert training.poll() is None
    training.terminate()
    output = training.communicate()[0]
    assert training.returncode == 143
    assert "Traceback" not in output
    run = training_runs(copy)[-1]
    assert run.info.status == "KILLED"
    log = Path(store(copy).download_artifacts(run.info.run_id, "logs/train.log"))
    assert log.read_text().splitlines()[-1].endswith("SystemExit(143)")


def test_metrics_params_and_plots_can_be_shown(trained):
    assert "test.accuracy" in trained.run("dvc", "metrics", "show").stdout
    trained.run("dvc", "metrics", "diff")
    trained.run("dvc", "params", "diff")
    shown = json.loads(trained.run("dvc", "plots", "show", "--json").stdout)
    assert not shown.get("errors")
    assert {"ROC curve", "Confusion matrix", "Learning curve"} <= set(shown["data"])
