"""Judge the trained model on the held-out test split, beside a simple baseline.

Reads artifacts/model/, artifacts/run.json, artifacts/dataset/, reports/data.json and reports/learning_curve.csv. Writes
reports/metrics.json, reports/verdict.json, reports/behaviour.json (what failed, for people), reports/speed.json,
reports/plots/ (tables for `dvc plots`), reports/figures/ (pictures), reports/report.html (all of it for people) and
artifacts/predictions.parquet, and adds metrics, pictures and report to the MLflow run.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.behaviour.capability_files import SUITE_FOLDER, load_capabilities
from pipeline.behaviour.failures import behaviour_examples, behaviour_metrics, behaviour_table, run_suite
from pipeline.config.comparison import flatten
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.schema import Config
from pipeline.evaluation.baseline import fit_baseline
from pipeline.evaluation.checks import judged, verdict
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.contrast_pairs import judge_pairs, load_pairs
from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.evaluation.predictions import Scored, read_texts, score, write_predictions
from pipeline.evaluation.records import DataRecord
from pipeline.evaluation.slices import slice_table
from pipeline.inference.model_folder import require_digest, require_trained_for
from pipeline.inference.predictor import Predictor
from pipeline.memory_ladder.figure import ladder_panels
from pipeline.memory_ladder.record import read_ladder
from pipeline.report.page import Findings, write_report
from pipeline.report.plot_tables import tables
from pipeline.report.plots import drawings, read_learning_curve, write_figures, write_panels, write_tables
from pipeline.report.summary import collect_metrics, collect_speed, format_report
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.records import read_json, write_json
from pipeline.stage import Inputs, run_stage
from pipeline.text.dataset import read_dataset_info, read_split
from pipeline.tracking.evaluation_record import log_evaluation
from pipeline.tracking.store import Store, connect
from pipeline.tracking.training_record import read_training_record

READS = (
    *("artifacts/dataset/dataset.json", "artifacts/model", "artifacts/run.json"),
    *("reports/data.json", "reports/learning_curve.csv"),
)
JSON_REPORTS = ("metrics", "verdict", "behaviour", "speed", "data")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answers:
    """What was answered to the reviews, and how fast."""

    validation: Scored
    test: Scored
    baseline: Scored | None
    """To the test split; None where the baseline is left out."""
    reviews_per_second: float
    """Of the model."""
    baseline_seconds: float | None
    """To train it and to answer."""


def main(config: Config, inputs: Inputs) -> None:
    """Score, compare, judge, report."""
    artifacts, reports = WORKSPACE / "artifacts", WORKSPACE / "reports"
    dataset, data_path = artifacts / "dataset", reports / "data.json"
    predictor = Predictor.load(artifacts / "model")
    run = read_training_record(artifacts / "run.json", "train a model with `dvc repro`")
    require_trained_for(config, artifacts / "model", read_dataset_info(dataset).digest)
    require_digest(artifacts / "model", run.model)
    learning_curve = read_learning_curve(reports / "learning_curve.csv")
    data = read_json(data_path, DataRecord, "run `dvc repro`") if data_path.exists() else None
    ladder = read_ladder(config.evaluation.memory_ladder, dataset)
    pairs = load_pairs(config.evaluation.contrast_pairs, dataset)
    capabilities = load_capabilities(SUITE_FOLDER) if config.evaluation.behaviour else {}
    store = connect(config.tracking)

    answers = ask(predictor, dataset, with_baseline=config.evaluation.baseline)
    metrics, plots = judge(answers, read_split(dataset, "test").unknown_share, config.evaluation)
    said = run_suite(predictor, capabilities)
    plots["behaviour"] = behaviour_table(capabilities, said)
    if capabilities:
        metrics["behaviour"] = behaviour_metrics(plots["behaviour"])
    if pairs:
        metrics["contrast"], plots["contrast"] = judge_pairs(pairs, predictor)

    findings = Findings(
        metrics=metrics,
        verdict=verdict(metrics, config.registry.checks),
        tables=plots,
        figures=reports / "figures",
        mistakes=confident_mistakes(answers.test, dataset),
        behaviour=behaviour_examples(capabilities, said),
        learning_curve=learning_curve,
        ladder=ladder,
        data=data.model_dump(exclude_unset=True) if data else None,
        made_from=run.tags,
    )
    inputs.require_unchanged()
    write_predictions(artifacts / "predictions.parquet", [answers.validation, answers.test])
    write_json(
        reports / "speed.json", collect_speed(run.model_dump(), answers.reviews_per_second, answers.baseline_seconds)
    )
    write(reports, findings, answers.baseline)
    write_json(reports / "verdict.json", {**findings.verdict, "judged": judged(WORKSPACE)})
    print(format_report(metrics, plots["slices"], findings.verdict))
    log(reports, findings, store, run.run_id)


def ask(predictor: Predictor, dataset: Path, *, with_baseline: bool) -> Answers:
    """Have the model answer validation and test, and a baseline trained on the same reviews the test."""
    start = perf_counter()
    validation, test = (score(dataset, split, predictor) for split in ("validation", "test"))
    reviews_per_second = (len(validation.labels) + len(test.labels)) / (perf_counter() - start)
    if not with_baseline:
        return Answers(validation, test, None, reviews_per_second, None)
    logger.info("baseline: TF-IDF and logistic regression on the same reviews")
    start = perf_counter()
    fitted = fit_baseline(*read_texts(dataset, "train"), *read_texts(dataset, "validation"))
    baseline = score(dataset, "test", fitted)
    return Answers(validation, test, baseline, reviews_per_second, perf_counter() - start)


def judge(
    answers: Answers, unknown_words: NDArray[np.float64], config: EvaluationConfig
) -> tuple[dict[str, Any], dict[str, Columns]]:
    """The metrics and tables of the answers; `unknown_words` is as for `slice_table`."""
    slices = slice_table(answers.test, unknown_words, config)
    metrics = collect_metrics(answers.test, answers.validation, answers.baseline, slices, config)
    return metrics, {**tables(answers.test, config), "slices": slices}


def write(reports: Path, findings: Findings, baseline: Scored | None) -> None:
    """Write what was found: tables, pictures, JSON, and the page that shows all of it."""
    write_tables(reports / "plots", findings.tables)
    write_figures(findings.figures, drawings(findings.tables, baseline, findings.learning_curve, findings.metrics))
    if findings.ladder:
        write_panels(findings.figures / "memory_ladder.png", ladder_panels(findings.ladder))
    for name in ("behaviour", "metrics"):
        write_json(reports / f"{name}.json", getattr(findings, name))
    write_report(reports / "report.html", findings)


def log(reports: Path, findings: Findings, store: Store, run_id: str | None) -> None:
    """Add metrics that are defined, pictures and reports to the MLflow run."""
    defined = {name: value for name, value in flatten(findings.metrics, "/").items() if value is not None}
    files = [reports / "report.html", *(reports / f"{name}.json" for name in JSON_REPORTS)]
    log_evaluation(store, run_id, defined, findings.figures, [file for file in files if file.exists()])


if __name__ == "__main__":
    run_stage(main, __doc__, *READS)
