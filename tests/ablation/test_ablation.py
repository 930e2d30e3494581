"""The table of the ablation, from trials in MLflow."""

import json
from dataclasses import replace

import pytest

from pipeline.ablation.__main__ import ablation_table, collect, require_trained_on, trials_of_last_sweep
from pipeline.inference.model_folder import FORMAT_VERSION
from pipeline.runtime.errors import PipelineError
from pipeline.sweep.parent_run import PARENT_TAG, VALUES_TAG
from pipeline.tracking.finished_runs import FinishedRun
from pipeline.tracking.store import PROJECT_TAG
from tests.support.registration import CONFIG, misleading, store  # noqa: F401

SMALL_CORPUS = (  # the corpus of the fixture's `experiment=tiny`
    *("corpus=files", "corpus.path=reviews.csv", "corpus.text_column=review", "corpus.label_column=verdict"),
    *("corpus.labels={negative:[bad],positive:[good]}", "corpus.keep_columns=[cinema]"),
    *("trainer.threads=1", "trainer.precision=32-true", "tracking.system_metrics=false"),
)


def trial(experiment, seed, accuracy=0.9):
    metrics = {"val/accuracy": 0.8, "test/accuracy": accuracy, "test/ece": 0.01, "speed/train_seconds": 90.0}
    tags = {"experiment": f"ablation/{experiment}"}
    if experiment != "no_ngrams":
        metrics |= {"parts/gru/accuracy": accuracy - 0.02, "parts/ngrams/accuracy": accuracy - 0.01}
    return FinishedRun(f"{experiment}{seed}{accuracy}", tags, {"seed": str(seed), "model.cell": "gru"}, metrics)


def recorded(store, started, **tags):  # noqa: F811
    tags = {"sweep": "ablation", "data.md5": "a", **tags}
    run_id = store.client.create_run(store.experiment_id, start_time=started, tags=tags).info.run_id
    store.client.log_param(run_id, "seed", 1)
    return run_id


def test_the_trials_of_the_sweep_that_finished_last_count(store):  # noqa: F811
    full, smoke = recorded(store, 1, stage="sweep"), recorded(store, 2, stage="sweep")
    other = recorded(store, 3, stage="sweep", **{"data.md5": "b"})
    elsewhere = recorded(store, 3, stage="sweep", **{PROJECT_TAG: "of another project"})
    trials = [
        recorded(store, started, stage="train", experiment=f"ablation/{part}", **{PARENT_TAG: sweep})
        for sweep in (full, smoke, other, elsewhere)
        for started, part in enumerate(("no_ngrams", "default", "default"), 4)
    ]
    for ended, run_id in enumerate((*trials, smoke, full, other, elsewhere), 10):
        store.client.set_terminated(run_id, end_time=ended)
    assert [run.run_id for run in trials_of_last_sweep(store, "a")] == [trials[2], trials[0]]


def test_without_trials_the_user_is_told_how_to_get_them(store):  # noqa: F811
    with pytest.raises(PipelineError, match="run `make ablation`"):
        trials_of_last_sweep(store, "a")


def test_trials_that_also_vary_another_key_are_refused(store):  # noqa: F811
    sweep = recorded(store, 1, stage="sweep")
    for started, lr in enumerate(("1e-3", "2e-3"), 2):
        values = json.dumps({"experiment": "ablation/default", "seed": "1", "training.lr": lr})
        recorded(store, started, stage="train", **{PARENT_TAG: sweep, VALUES_TAG: values})
    for run in store.client.search_runs([store.experiment_id]):
        store.client.set_terminated(run.info.run_id)
    with pytest.raises(PipelineError, match=r"also varies training\.lr, for which the table has no place; run `make"):
        trials_of_last_sweep(store, "a")


def test_trials_of_another_dataset_are_not_scored(store):  # noqa: F811
    run_id = recorded(store, 1, stage="train")
    info = {"format": FORMAT_VERSION, "temperature": 1.0, "bias": 0.0, "threshold": 0.5, "dataset": {"digest": "d"}}
    info |= CONFIG.model_dump(mode="json", include={"text", "model"})
    store.client.log_dict(run_id, info, "model/config.json")
    run = replace(trial("default", 1), run_id=run_id)
    require_trained_on(store, [run], "d")
    with pytest.raises(PipelineError, match=r"was trained on another dataset than .* may have seen its test split"):
        require_trained_on(store, [run], "e")


def test_the_table_gives_mean_and_spread_over_the_seeds():
    rows = collect([trial("default", 1, 0.90), trial("default", 2, 0.92), trial("no_ngrams", 1, 0.88)])
    table = ablation_table(rows, ["cpu"])
    assert [row["name"] for row in rows] == ["no_ngrams", "default"]
    assert "| `no_ngrams` | 1 | 0.8000 | 0.8800 |  |  | 0.0100 | 1.5 |" in table
    accuracies = "0.9100 ± 0.0141 | 0.8900 ± 0.0141 | 0.9000 ± 0.0141"
    assert f"| `default` | 2 | 0.8000 ± 0.0000 | {accuracies} | 0.0100 ± 0.0000 | 1.5 |" in table


def test_trials_are_scored_on_test_and_read_back_from_mlflow(trained, tmp_path):
    project = trained.copy_to(tmp_path / "project")
    short = ("training.epochs=1", "training.max_reviews=32", "model.embedding_dim=8", "model.hidden_dim=8")
    parts = ("experiment=ablation/one_direction,ablation/no_ngrams", "pretraining=none", "seed=1")
    project.run("python", "-m", "pipeline.train", "-m", "sweep=ablation", *parts, *SMALL_CORPUS, *short)
    project.run("python", "-m", "pipeline.ablation")
    rows = json.loads((project.root / "reports" / "ablation.json").read_text())["rows"]
    assert all(len(row["test_accuracy"]) == 1 for row in rows)
    assert {row["name"]: len(row["network_accuracy"]) for row in rows} == {"one_direction": 1, "no_ngrams": 0}
    page = (project.root / "docs" / "quality.md").read_text()
    assert all(f"{row['test_accuracy'][0]:.4f}" in page for row in rows)
    assert (project.root / "docs" / "images" / "ablation.png").read_bytes().startswith(b"\x89PNG")
    dataset = project.root / "artifacts" / "dataset" / "dataset.json"
    dataset.write_text(json.dumps({**json.loads(dataset.read_text()), "digest": "0" * 64}))
    refused = project.run("python", "-m", "pipeline.ablation", check=False)
    assert "was trained on another dataset" in refused.stderr
