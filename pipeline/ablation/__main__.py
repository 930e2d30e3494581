"""Read the trials of `python -m pipeline.train -m sweep=ablation` back from MLflow: what does each part earn?

Scores each trial's model on the test split, which no trial has seen, and adds test/accuracy and test/ece to its run.
Writes reports/ablation.json, docs/images/ablation.png and the table in docs/quality.md. Takes the sweep that finished
last on the data that is here now. `make ablation` prepares, trains and then runs this.
"""

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline.ablation.figure import draw_ablation
from pipeline.cli import run_command
from pipeline.config import Config
from pipeline.evaluation.metrics import classification_metrics
from pipeline.evaluation.predictions import score
from pipeline.inference.predictor import Predictor
from pipeline.report.plots import write_panels
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.generated_block import replace_generated
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.records import write_json
from pipeline.sweep.parent_run import PARENT_TAG
from pipeline.tracking.evaluation_record import log_evaluation
from pipeline.tracking.finished_runs import FinishedRun, download_folder, finished_runs
from pipeline.tracking.provenance import UNKNOWN_ORIGIN, data_md5
from pipeline.tracking.store import Store, connect

DATASET = WORKSPACE / "artifacts" / "dataset"
PAGE = WORKSPACE / "docs" / "quality.md"
PICTURE = WORKSPACE / "docs" / "images" / "ablation.png"
COMMAND = "make ablation"
FOLDER = "ablation/"
"""Of the experiments that are rows of the table."""

Row = dict[str, Any]
"""Of `reports/ablation.json`: name, and a list with a value for each seed of each of `COLUMNS`."""
COLUMNS = {
    "validation_accuracy": "best/val_accuracy",
    "test_accuracy": "test/accuracy",
    "test_ece": "test/ece",
    "train_seconds": "speed/train_seconds",
}


def main(config: Config) -> None:
    """Score, collect, write."""
    store = connect(config.tracking)
    runs = trials_of_last_sweep(store, data_md5() or UNKNOWN_ORIGIN)
    scored = [_scored(store, run, config.evaluation.ece_bins) for run in tqdm(runs, desc="test", disable=None)]
    rows = collect(scored)
    machines = machine(scored)
    write_json(WORKSPACE / "reports" / "ablation.json", {"rows": rows, "machine": machines})
    write_panels(PICTURE, [lambda axes: draw_ablation(axes, rows)])
    table = render(rows, machines)
    replace_generated(PAGE, COMMAND, table)
    print(table)


def trials_of_last_sweep(store: Store, data: str) -> list[FinishedRun]:
    """The trials of the sweep that finished last on this data; of equal ones the last that started.

    Raises:
        PipelineError: there is none.
    """
    sweeps = finished_runs(store, {"stage": "sweep", "sweep": "ablation", "data.md5": data})
    if not sweeps:
        raise PipelineError(f"MLflow holds no finished sweep=ablation on this data; run `{COMMAND}`")
    last = max(sweeps, key=lambda sweep: sweep.ended)
    latest: dict[tuple[str, str], FinishedRun] = {}
    for run in finished_runs(store, {"stage": "train", PARENT_TAG: last.run_id}):
        latest.setdefault((_experiment(run), run.params["seed"]), run)
    return [latest[key] for key in sorted(latest)]


def collect(runs: Sequence[FinishedRun]) -> list[Row]:
    """A row for each experiment, by mean test accuracy, the best last."""
    rows: defaultdict[str, Row] = defaultdict(lambda: {name: [] for name in COLUMNS})
    for run in runs:
        row = rows[_experiment(run).removeprefix(FOLDER)]
        for name, metric in COLUMNS.items():
            row[name].append(run.metrics[metric])
    return sorted(({"name": name, **row} for name, row in rows.items()), key=lambda row: np.mean(row["test_accuracy"]))


def machine(runs: Sequence[FinishedRun]) -> list[str]:
    """What the trials were trained on."""
    keys = ("hardware.device", "hardware.precision", "hardware.threads")
    return sorted({"{}, {}, {} torch threads".format(*(run.params[key] for key in keys)) for run in runs})


def render(rows: Sequence[Row], machines: Sequence[str]) -> str:
    """The table in Markdown: means, and standard deviations over the seeds."""
    lines = [
        "| | seeds | validation accuracy | test accuracy | calibration error | training, minutes |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [_spread(row[name]) for name in ("validation_accuracy", "test_accuracy", "test_ece")]
        minutes = np.mean(row["train_seconds"]) / 60
        lines.append(f"| `{row['name']}` | {len(row['test_ece'])} | {' | '.join(cells)} | {minutes:.1f} |")
    return "\n".join([*lines, "", f"Trained on: {'; '.join(machines)}."])


def _experiment(run: FinishedRun) -> str:
    return run.tags.get("experiment", "none")


def _spread(values: Sequence[float]) -> str:
    mean = f"{np.mean(values):.4f}"
    return f"{mean} ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else mean


def _scored(store: Store, run: FinishedRun, bins: int) -> FinishedRun:
    if "test/accuracy" in run.metrics:
        return run
    with tempfile.TemporaryDirectory() as folder:
        predictor = Predictor.load(download_folder(store, run.run_id, "model", Path(folder)))
        test = score(DATASET, "test", predictor)
    judged = classification_metrics(
        test.labels, test.probabilities, threshold=predictor.threshold, ece_bins=bins, name="the test split"
    )
    found = {f"test/{name}": value for name in ("accuracy", "ece") if (value := judged[name]) is not None}
    log_evaluation(store, run.run_id, found, None, [])
    return replace(run, metrics={**run.metrics, **found})


if __name__ == "__main__":
    run_command(main, __doc__)
