"""Judge the trained model on the held-out test split, beside a simple baseline.

Reads artifacts/model/, artifacts/run.json, artifacts/dataset/, reports/data.json and reports/learning_curve.csv. Writes
reports/metrics.json, reports/verdict.json, reports/behaviour.json (what failed, for people), reports/speed.json,
reports/plots/ (tables for `dvc plots`), reports/figures/ (pictures), reports/report.html (all of it for people) and
artifacts/predictions.parquet, and adds metrics, pictures and report to the MLflow run.
"""

import logging
from time import perf_counter

from pipeline.cli import run_stage
from pipeline.config import WORKSPACE, Config, flatten
from pipeline.evaluation.baseline import fit_baseline
from pipeline.evaluation.behaviour import behaviour_examples, behaviour_metrics, behaviour_table, run_suite
from pipeline.evaluation.capabilities import FOLDER, load_capabilities
from pipeline.evaluation.contrast import judge_pairs, load_pairs
from pipeline.evaluation.curves import tables
from pipeline.evaluation.html_report import Findings, write_report
from pipeline.evaluation.ladder import read_ladder
from pipeline.evaluation.memory_figures import panels
from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.evaluation.plots import drawings, read_learning_curve, write_figures, write_panels, write_tables
from pipeline.evaluation.report import collect_metrics, collect_speed, format_report
from pipeline.evaluation.scoring import Scored, read_texts, score, write_predictions
from pipeline.evaluation.slices import slice_table
from pipeline.evaluation.verdict import verdict
from pipeline.files import read_json, write_json
from pipeline.serving.predictor import Predictor
from pipeline.text.dataset import read_split
from pipeline.tracking.evaluation import log_evaluation
from pipeline.tracking.store import connect

JSON_REPORTS = ("metrics", "verdict", "behaviour", "speed", "data")

logger = logging.getLogger(__name__)


def main(config: Config) -> None:
    """Score, compare, judge, report."""
    artifacts, reports = WORKSPACE / "artifacts", WORKSPACE / "reports"
    dataset = artifacts / "dataset"
    predictor = Predictor.load(artifacts / "model")
    run = read_json(artifacts / "run.json", "train a model with `dvc repro`", "run_id")
    learning_curve = read_learning_curve(reports / "learning_curve.csv")
    pairs = load_pairs(config.evaluation.contrast_pairs, dataset)
    capabilities = load_capabilities(FOLDER) if config.evaluation.behaviour else {}
    store = connect(config.tracking)

    start = perf_counter()
    validation, test = (score(dataset, split, predictor) for split in ("validation", "test"))
    reviews_per_second = (len(validation.labels) + len(test.labels)) / (perf_counter() - start)

    baseline: Scored | None = None
    baseline_seconds = None
    if config.evaluation.baseline:
        logger.info("baseline: TF-IDF and logistic regression on the same reviews")
        start = perf_counter()
        baseline = score(
            dataset, "test", fit_baseline(*read_texts(dataset, "train"), *read_texts(dataset, "validation"))
        )
        baseline_seconds = perf_counter() - start

    slices = slice_table(test, read_split(dataset, "test").unknown_share, config.evaluation)
    metrics = collect_metrics(test, validation, baseline, slices, config.evaluation)
    answers = run_suite(predictor, capabilities)
    examples = behaviour_examples(capabilities, answers)
    behaviour = behaviour_table(capabilities, answers)
    plots = {**tables(test, config.evaluation), "slices": slices, "behaviour": behaviour}
    if capabilities:
        metrics["behaviour"] = behaviour_metrics(behaviour)
    if pairs:
        metrics["contrast"], plots["contrast"] = judge_pairs(pairs, predictor)
    result = verdict(metrics, config.registry.checks)

    write_predictions(artifacts / "predictions.parquet", [validation, test])
    write_tables(reports / "plots", plots)
    write_figures(reports / "figures", drawings(plots, baseline, learning_curve, metrics))
    write_json(reports / "speed.json", collect_speed(run, reviews_per_second, baseline_seconds))
    write_json(reports / "behaviour.json", examples)
    write_json(reports / "metrics.json", metrics)
    write_json(reports / "verdict.json", result)
    ladder = read_ladder(config.evaluation.memory_ladder, dataset)
    if ladder:
        write_panels(reports / "figures" / "memory_ladder.png", panels(ladder))
    data = reports / "data.json"
    findings = Findings(
        metrics=metrics,
        verdict=result,
        tables=plots,
        figures=reports / "figures",
        mistakes=confident_mistakes(test, dataset),
        behaviour=examples,
        learning_curve=learning_curve,
        ladder=ladder,
        data=read_json(data, "run `dvc repro`") if data.exists() else None,
        made_from=run.get("tags", {}),
    )
    write_report(reports / "report.html", findings)
    print(format_report(metrics, slices, result))

    defined = {name: value for name, value in flatten(metrics, "/").items() if value is not None}
    files = [reports / "report.html", *(reports / f"{name}.json" for name in JSON_REPORTS)]
    log_evaluation(store, run["run_id"], defined, reports / "figures", [file for file in files if file.exists()])


if __name__ == "__main__":
    run_stage(main, __doc__)
