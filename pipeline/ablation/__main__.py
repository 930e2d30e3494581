"""Measure what each part of the recipe contributes, from the trials of `python -m pipeline.train -m sweep=ablation`.

Scores the model of each trial, and each part of it alone, on the test split, which no trial has seen, and adds the
accuracies and test/ece to its run. Writes reports/ablation.json, docs/images/ablation.png and the table in
docs/quality.md. Uses this project's sweep that finished last on the present data; its trials must be trained on the
present dataset, and differ only in the experiment and the seed. `make ablation` prepares, trains and then runs this.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from tqdm import tqdm

from pipeline.cli import EPILOG, Parser, tidy_exit
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.params import load_params
from pipeline.config.schema import Config
from pipeline.evaluation.parts import calibrate_parts
from pipeline.evaluation.predictions import score_split_and_paths
from pipeline.evaluation.summary import split_metrics
from pipeline.inference.model_folder import read_model_info
from pipeline.inference.predictor import Predictor
from pipeline.report.colours import GUESS_COLOUR, MODEL_COLOUR
from pipeline.report.figure_files import write_panels
from pipeline.report.formatting import mean_with_deviation, readable
from pipeline.runtime import paths
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.generated_block import replace_generated
from pipeline.runtime.records import write_json
from pipeline.sweep.parent_run import PARENT_TAG, VALUES_TAG
from pipeline.text.dataset import read_dataset_record
from pipeline.tracking.evaluation_record import log_evaluation
from pipeline.tracking.finished_runs import FinishedRun, download_folder, finished_runs
from pipeline.tracking.provenance import UNKNOWN_ORIGIN, data_md5
from pipeline.tracking.store import Store, connect

QUALITY_PAGE = paths.WORKSPACE / "docs" / "quality.md"
PICTURE = paths.WORKSPACE / "docs" / "images" / "ablation.png"
COMMAND = "make ablation"
MAY_VARY = {"experiment", "seed"}
"""Keys that trials may differ in: a row of the table for each experiment, with a value for each seed."""
EXPERIMENTS = "ablation/"
"""Folder in conf/experiment/ of the experiments that are rows of the table."""

AblationRow = dict[str, Any]
"""Row of `reports/ablation.json`: the name, and for each of `METRIC_COLUMNS` a list with a value for each seed.

A network of one part has no accuracies of parts."""
METRIC_COLUMNS = {
    "validation_accuracy": "val/accuracy",
    "network_accuracy": "parts/{cell}/accuracy",
    "ngrams_accuracy": "parts/ngrams/accuracy",
    "test_accuracy": "test/accuracy",
    "test_ece": "test/ece",
    "train_seconds": "speed/train_seconds",
}


def main(config: Config) -> None:
    """Score the trials on the test split, and write the table and the picture."""
    store = connect(config.tracking)
    runs = trials_of_last_sweep(store, data_md5() or UNKNOWN_ORIGIN)
    require_trained_on(store, runs, read_dataset_record(paths.DATASET).digest)
    scored = [_score_on_test(store, run, config.evaluation) for run in tqdm(runs, "test", leave=False, disable=None)]
    rows = collect(scored)
    machines = training_machines(scored)
    write_json(paths.REPORTS / "ablation.json", {"rows": rows, "machine": machines})
    write_panels(PICTURE, [lambda axes: draw_ablation(axes, rows)])
    table = ablation_table(rows, machines)
    replace_generated(QUALITY_PAGE, COMMAND, table)
    print(table)


def trials_of_last_sweep(store: Store, data: str) -> list[FinishedRun]:
    """Return the trials of this project's sweep that finished last on this data, the latest per experiment and seed.

    Raises:
        PipelineError: no such sweep has finished, or its trials differ in more than experiment and seed.
    """
    sweeps = finished_runs(store, {"stage": "sweep", "sweep": "ablation", "data.md5": data})
    sweeps = [sweep for sweep in sweeps if store.is_own(sweep.tags)]
    if not sweeps:
        raise PipelineError(f"MLflow has no finished sweep=ablation on this data; run `{COMMAND}`")
    last = max(sweeps, key=lambda sweep: sweep.ended)
    latest: dict[tuple[str, str], FinishedRun] = {}
    for run in finished_runs(store, {"stage": "train", PARENT_TAG: last.run_id}):
        if further := json.loads(run.tags.get(VALUES_TAG, "{}")).keys() - MAY_VARY:
            raise PipelineError(
                f"the last sweep=ablation, run {last.run_id}, also varies {', '.join(sorted(further))}, for which the "
                f"table has no place; run `{COMMAND}`, or the sweep with one value of it"
            )
        latest.setdefault((_experiment(run), run.params["seed"]), run)
    return [latest[key] for key in sorted(latest)]


def require_trained_on(store: Store, runs: Sequence[FinishedRun], digest: str) -> None:
    """Refuse trials of another dataset, whose training reviews may be in the present test split.

    Args:
        store: where their models are.
        runs: the trials.
        digest: of the present dataset.

    Raises:
        PipelineError: a trial was trained on another dataset, or has no model; or the store failed.
    """
    for run in runs:
        with tempfile.TemporaryDirectory() as folder:
            info = read_model_info(download_folder(store, run.run_id, "model/config.json", Path(folder)))
        if info.dataset_digest != digest:
            raise PipelineError(
                f"trial {run.name} was trained on another dataset than {paths.DATASET} and may have seen its test "
                f"split; prepare the trial's dataset again, or run `{COMMAND}`"
            )


def collect(runs: Sequence[FinishedRun]) -> list[AblationRow]:
    """Return a row for each experiment, sorted by mean test accuracy with the best last."""
    rows: defaultdict[str, AblationRow] = defaultdict(lambda: {name: [] for name in METRIC_COLUMNS})
    for run in runs:
        row = rows[_experiment(run).removeprefix(EXPERIMENTS)]
        for name, metric in METRIC_COLUMNS.items():
            key = metric.format(cell=run.params.get("model.cell"))
            row[name] += [run.metrics[key]] if key in run.metrics or not key.startswith("parts/") else []
    return sorted(({"name": name, **row} for name, row in rows.items()), key=lambda row: np.mean(row["test_accuracy"]))


def training_machines(runs: Sequence[FinishedRun]) -> list[str]:
    """Describe the hardware that the trials were trained on."""
    keys = ("hardware.device", "hardware.precision", "hardware.threads")
    return sorted({"{}, {}, {} torch threads".format(*(run.params[key] for key in keys)) for run in runs})


def ablation_table(rows: Sequence[AblationRow], machines: Sequence[str]) -> str:
    """Format the rows as a table in Markdown: means, and standard deviations over the seeds."""
    lines = [
        "| | seeds | validation | test | network alone | n-grams alone | calibration error | training, minutes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    columns = ("validation_accuracy", "test_accuracy", "network_accuracy", "ngrams_accuracy", "test_ece")
    for row in rows:
        cells = [_spread(row[name]) for name in columns]
        minutes = np.mean(row["train_seconds"]) / 60
        lines.append(f"| `{row['name']}` | {len(row['test_ece'])} | {' | '.join(cells)} | {minutes:.1f} |")
    return "\n".join([*lines, "", f"Trained on: {'; '.join(machines)}."])


def draw_ablation(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the test accuracy of each row: a dot for each seed, and a line at their mean."""
    for height, row in enumerate(rows):
        accuracies = row["test_accuracy"]
        axes.plot(accuracies, [height] * len(accuracies), "o", color=MODEL_COLOUR, alpha=0.6)
        axes.plot([np.mean(accuracies)] * 2, [height - 0.3, height + 0.3], color=GUESS_COLOUR)
    axes.set_yticks(range(len(rows)), [readable(row["name"]) for row in rows])
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=1))
    axes.set(title="What each part earns", xlabel="accuracy on the test split")


def _experiment(run: FinishedRun) -> str:
    return run.tags.get("experiment", "none")


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return mean_with_deviation(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


def _score_on_test(store: Store, run: FinishedRun, config: EvaluationConfig) -> FinishedRun:
    if "test/accuracy" in run.metrics:
        return run
    with tempfile.TemporaryDirectory() as folder:
        predictor = Predictor.load(download_folder(store, run.run_id, "model", Path(folder)))
        scored = {split: score_split_and_paths(paths.DATASET, split, predictor) for split in ("validation", "test")}
    test, _ = scored["test"]
    metrics = split_metrics(test, "the test split", config)
    added = {f"test/{name}": value for name in ("accuracy", "ece") if (value := metrics[name]) is not None}
    for name, part in calibrate_parts(predictor.info, **scored).items():
        added[f"parts/{name}/accuracy"] = float(np.mean(part.test.predicted == part.test.labels))
    log_evaluation(store, run.run_id, added, None, [])
    return replace(run, metrics={**run.metrics, **added})


if __name__ == "__main__":
    Parser(description=__doc__, epilog=EPILOG).parse_args()
    with tidy_exit():
        main(load_params())
