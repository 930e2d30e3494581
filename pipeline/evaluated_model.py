"""One model scored on its splits, checked and reported: the work of the stage `evaluate`."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.behaviour.capability_files import SUITE_FOLDER, load_capabilities
from pipeline.behaviour.failures import behaviour_examples, behaviour_metrics, behaviour_table, run_suite
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.labels import LABELS
from pipeline.config.registry import CheckConfig
from pipeline.config.schema import Config
from pipeline.evaluation.checks import CHECKED, MORE_REVIEWS, check_metrics, checked_digests, needs_baseline
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.contrast_pairs import load_pairs, score_pairs
from pipeline.evaluation.frequent_words import MIN_FREQUENT_SHARE, frequent_words, share_of_words
from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.evaluation.parts import parts_metrics
from pipeline.evaluation.predictions import ScoredSplit, write_predictions
from pipeline.evaluation.scored_splits import ScoredSplits, score_splits
from pipeline.evaluation.sentiment import is_sentiment
from pipeline.evaluation.slices import slice_table
from pipeline.evaluation.summary import (
    auxiliary_metrics,
    collect_metrics,
    collect_speed,
    headline_metrics,
    metric_table,
)
from pipeline.inference.device import choose_device
from pipeline.inference.model_folder import require_digest, require_trained_for
from pipeline.inference.predictor import Predictor
from pipeline.memory_ladder.figure import ladder_panels
from pipeline.memory_ladder.record import read_ladder
from pipeline.report.data_record import DataRecord
from pipeline.report.figure_files import write_figures, write_panels
from pipeline.report.figures import figure_drawers, figure_sizes
from pipeline.report.findings import Findings
from pipeline.report.page import write_report
from pipeline.report.plot_tables import plot_tables, read_learning_curve, write_tables
from pipeline.report.terminal import format_report
from pipeline.runtime.errors import listed
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import DATASET, MODEL, REPORTS, TRAINING_RECORD, WORKSPACE
from pipeline.runtime.records import read_json, write_json
from pipeline.text.dataset import CorpusRecord, read_dataset_record, read_split
from pipeline.text.rows import stream_texts
from pipeline.tracking.evaluation_record import log_evaluation
from pipeline.tracking.store import Store, connect
from pipeline.tracking.training_record import read_training_record

JSON_REPORTS = ("metrics", "details", "verdict", "behaviour", "speed", "data")

LOGGED_TABLES = ("slices", "classes", "behaviour", "contrast", "reliability")
"""Tables of reports/plots/ that the MLflow run gets beside its metrics."""

CLASSES_NAMED = 5
"""Maximum number of classes that a line of the log names."""

log = logging.getLogger(__name__)


def evaluate_model(config: Config, inputs: Inputs) -> None:
    """Score the splits, compute the metrics, check them, and write every report."""
    data_path = REPORTS / "data.json"
    predictor = Predictor.load(MODEL, device=choose_device(config.trainer.accelerator))
    run = read_training_record(TRAINING_RECORD, "train a model with `dvc repro`")
    dataset = read_dataset_record(DATASET)
    require_trained_for(config, MODEL, dataset.digest)
    require_digest(MODEL, run.model)
    learning_curve = read_learning_curve(REPORTS / "learning_curve.csv")
    data = read_json(data_path, DataRecord, "run `dvc repro`") if data_path.exists() else None
    ladder = read_ladder(config.evaluation.memory_ladder, DATASET)
    inapplicable = [] if is_sentiment(predictor.classes) else _tests_of_sentiment(config.evaluation)
    if inapplicable:
        needed, classes = " and ".join(LABELS), listed(predictor.classes, CLASSES_NAMED)
        log.info("left out: %s, which need %s; the classes are %s", " and ".join(inapplicable), needed, classes)
    trained_on = predictor.info.splits_trained_on
    pairs = [] if inapplicable else load_pairs(config.evaluation.contrast_pairs, DATASET, trained_on)
    capabilities = load_capabilities(SUITE_FOLDER) if config.evaluation.behaviour and not inapplicable else {}
    store = connect(config.tracking)

    checks = _applicable_checks(config)

    scored = score_splits(DATASET, predictor, with_baseline=config.evaluation.baseline)
    metrics, tables = compute_metrics(scored, read_split(DATASET, "test").unknown_share, config.evaluation)
    case_results = run_suite(predictor, capabilities)
    tables["behaviour"] = behaviour_table(capabilities, case_results)
    if capabilities:
        metrics["behaviour"] = behaviour_metrics(tables["behaviour"])
    if pairs:
        metrics["contrast"], tables["contrast"] = score_pairs(pairs, predictor)
    cases = [result.case.text for results in case_results.values() for result in results]
    _warn_of_another_language(
        {
            "the behaviour tests": (cases, "evaluation.behaviour=false"),
            "the contrast pairs": ([pair.original for pair in pairs], "evaluation.contrast_pairs.path=null"),
        }
    )

    findings = Findings(
        classes=predictor.classes,
        metrics=metrics,
        checks=check_metrics(metrics, checks, more_reviews=_more_reviews(dataset.corpus)),
        tables=tables,
        figures=REPORTS / "figures",
        mistakes=confident_mistakes(scored.test, stream_texts(DATASET, "test")),
        behaviour=behaviour_examples(capabilities, case_results),
        learning_curve=learning_curve,
        ladder=ladder,
        data=data,
        origin=run.origin,
        auxiliary=dataset.corpus.auxiliary,
        inapplicable=inapplicable,
        objective=config.evaluation.objective,
    )
    inputs.require_unchanged()
    write_predictions(WORKSPACE / CHECKED["predictions"], [scored.validation, scored.test])
    speed = collect_speed(run.model_dump(), scored.reviews_per_second, scored.baseline_seconds)
    write_json(REPORTS / "speed.json", speed)
    write_reports(findings, scored.baseline)
    left_out = data.left_out if data else {}
    by_class, objective = tables.get("classes"), config.evaluation.objective
    print(format_report(metrics, tables["slices"], findings.checks, left_out, by_class, objective=objective))
    log_to_mlflow(findings, store, run.run_id)


def _applicable_checks(config: Config) -> dict[str, CheckConfig]:
    """Return the checks that can be made, and say which need a baseline that is turned off."""
    checks, baseline = config.registry.checks, config.evaluation.baseline
    left_out = [name for name, check in checks.items() if needs_baseline(check) and not baseline]
    if left_out:
        log.warning("left out: check %s, for want of a baseline (evaluation.baseline=false)", " and ".join(left_out))
    return {name: check for name, check in checks.items() if name not in left_out}


def _more_reviews(corpus: CorpusRecord) -> str:
    """Return how to train on more reviews: beside few of one's own, also those of the default corpus."""
    alone = corpus.config.get("kind") == "files" and corpus.auxiliary is None and is_sentiment(corpus.classes)
    return MORE_REVIEWS + " (beside English ones also corpus/auxiliary=movie_reviews)" * alone


def _tests_of_sentiment(config: EvaluationConfig) -> list[str]:
    """Name the tests asked for whose texts are negative or positive."""
    asked_for = {"the behaviour tests": config.behaviour, "the contrast pairs": config.contrast_pairs.path is not None}
    return [name for name, asked in asked_for.items() if asked]


def _warn_of_another_language(tests: Mapping[str, tuple[Sequence[str], str]]) -> None:
    """Warn of tests in another language than the reviews; `tests` has the texts of each, and an override without it."""
    if not any(texts for texts, _ in tests.values()):
        return
    frequent = frequent_words(stream_texts(DATASET, "train"))
    for name, (texts, remedy) in tests.items():
        if texts and (share := share_of_words(texts, frequent)) < MIN_FREQUENT_SHARE:
            log.warning(
                "%s seem to be in another language than the reviews: only %.0f %% of their words are frequent there; "
                "write some of your own, or leave them out with %s",
                *(name, 100 * share, remedy),
            )


def compute_metrics(
    scored: ScoredSplits, unknown_words: NDArray[np.float64], config: EvaluationConfig
) -> tuple[dict[str, Any], dict[str, Columns]]:
    """Compute the metrics of the splits and the tables of the plots; `unknown_words` is as for `slice_table`."""
    slices = slice_table(scored.test, unknown_words, config)
    metrics = collect_metrics(scored.test, scored.validation, scored.baseline, slices, config)
    if scored.parts:
        metrics["parts"] = parts_metrics(scored.parts, scored.test, metrics)
    if scored.baseline_sample is not None:
        metrics["baseline_sample"] = scored.baseline_sample
    if scored.auxiliary is not None:
        metrics["auxiliary"] = auxiliary_metrics(scored.auxiliary, scored.auxiliary_baseline, config)
    return metrics, {**plot_tables(scored.test, config), "slices": slices}


def write_reports(findings: Findings, baseline: ScoredSplit | None) -> None:
    """Write tables, pictures, JSON files and the page that shows all of it, and last the checks of what was written."""
    write_tables(REPORTS / "plots", findings.tables)
    classes = findings.classes
    figures = figure_drawers(findings.tables, baseline, findings.learning_curve, findings.metrics, classes)
    write_figures(findings.figures, figures, figure_sizes(len(classes)))
    if findings.ladder:
        for form in ("png", "svg"):
            write_panels(findings.figures / f"memory_ladder.{form}", ladder_panels(findings.ladder))
    headline = headline_metrics(findings.metrics, findings.objective)
    for name, values in {"behaviour": findings.behaviour, "details": findings.metrics, "metrics": headline}.items():
        write_json(REPORTS / f"{name}.json", values)
    write_report(REPORTS / "report.html", findings)
    write_json(REPORTS / "verdict.json", {**findings.checks, "judged": checked_digests(WORKSPACE)})


def log_to_mlflow(findings: Findings, store: Store, run_id: str | None) -> None:
    """Add the headline metrics, the tables, the pictures and the reports to the MLflow run."""
    files = [REPORTS / "report.html", *(REPORTS / f"{name}.json" for name in JSON_REPORTS)]
    tables = {"metrics": metric_table(findings.metrics)}
    tables |= {name: findings.tables[name] for name in LOGGED_TABLES if name in findings.tables}
    log_evaluation(store, run_id, findings.metrics, findings.figures, files, tables=tables)
