"""A model judged on a file of labelled reviews: the work of the command."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.config.evaluation import LENGTH, UNKNOWN_WORDS, EvaluationConfig
from pipeline.config.params import load_params
from pipeline.config.tracking import TrackingConfig
from pipeline.evaluation.checks import check_metrics
from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.evaluation.predictions import score_rows
from pipeline.inference.predictor import Predictor
from pipeline.judge.comparison import Judged, judge, note_on_seen, require_same_classes, seen_reviews
from pipeline.judge.labelled_file import FileReading, read_labelled_rows
from pipeline.judge.options import stated_checks, stated_ignored, stated_labels
from pipeline.judge.output import (
    DETAILS,
    FIGURES,
    PAGE,
    default_output,
    require_replaceable,
    tell_of_replaced,
    write_judgement,
)
from pipeline.registry.model_lookup import describe_model, find_source, load, resolve_alias, short_name
from pipeline.report.findings import Findings, Judgement
from pipeline.report.formatting import interval, number, p_value
from pipeline.report.terminal import format_report
from pipeline.runtime.atomic import follow_link, replace
from pipeline.runtime.checksum import file_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import DATASET
from pipeline.tables.format_advice import advice_for_command
from pipeline.tables.stated_format import as_in_training, stated_format
from pipeline.tables.table_reader import FORMAT_KEYS, PARQUET, TABLE_ENDINGS, require_effect
from pipeline.tables.unpacked import table_ending

log = logging.getLogger(__name__)


def judge_file(arguments: argparse.Namespace) -> bool:
    """Judge a model; the arguments are those of the command line.

    Returns:
        False if a check failed.
    """
    source = arguments.input
    ending = table_ending(source, TABLE_ENDINGS)
    if not source.is_file():
        raise PipelineError(f"--input {source}: there is no such file; correct the path")
    checks, name = stated_checks(arguments.checks), short_name(arguments.model)
    output = follow_link(arguments.output or default_output(name, source))
    require_replaceable(output)
    stated = stated_format(arguments.format)
    require_effect("--format ", stated, {ending: FORMAT_KEYS[ending]})
    params = load_params()
    address = resolve_alias(arguments.model)
    other_address = None if arguments.compare is None else resolve_alias(arguments.compare)
    to_mlflow = _place_in_mlflow(params.tracking, str(address)) if arguments.log else None

    model, about = _load_described(address, "model")
    judged_file = file_digest(source, "sha256")
    tell_of_replaced(output, judged_file)
    compared, compared_about = None, None
    if other_address is not None:
        compared, compared_about = _load_described(other_address, "compared with")
        require_same_classes(model, compared, arguments.compare)
    reading = FileReading(
        file_format=as_in_training(source, stated, model.info.corpus.format),
        text_columns=arguments.text_columns,
        label_column=arguments.label_column,
        labels=stated_labels(arguments.labels, model.classes),
        ignored=stated_ignored(arguments.ignore_labels),
        slices=arguments.slices,
        usual_slices=params.evaluation.slices,
    )
    with advice_for_command():
        labelled = read_labelled_rows(source, model.info, reading)
    shown = {"slices": [LENGTH, UNKNOWN_WORDS, *labelled.slices], "objective": model.info.objective}
    config = params.evaluation.model_copy(update=shown)
    texts = labelled.rows["text"].to_pylist()
    judged = _judge(source.name, labelled.rows, texts, model, compared, config)
    outcome = check_metrics(judged.metrics, checks, "--check {}") if checks else {}

    seen = seen_reviews(texts, model.info, DATASET)
    known = note_on_seen(seen, len(texts), name)
    judgement = Judgement(
        model=name,
        about=about,
        file=source.name,
        digest=judged_file,
        rows={"judged": len(texts), **labelled.left_out},
        known=known,
        compared=arguments.compare,
        compared_about=compared_about,
        paired=judged.paired,
    )
    if file_digest(source, "sha256") != judged_file:
        raise PipelineError(f"--input {source} was changed while it was judged; run the command again")
    with replace(output) as folder:
        findings = Findings(
            classes=model.classes,
            metrics=judged.metrics,
            checks=outcome,
            tables=judged.tables,
            figures=folder / FIGURES,
            mistakes=confident_mistakes(judged.scored, texts),
            judgement=judgement,
            objective=config.objective,
        )
        record = _record(judgement, outcome)
        write_judgement(folder, findings, judged, labelled.originals, record, parquet=ending == PARQUET)
    slices, classes = judged.tables["slices"], judged.tables.get("classes")
    left_out, objective = labelled.left_out, config.objective
    print(format_report(judged.metrics, slices, outcome, left_out, classes, judged=True, objective=objective))
    for line in _paired_lines(judged, arguments.compare):
        print(line)
    (log.warning if seen else log.info)("%s", known)
    log.info("report: %s", output / PAGE)
    if to_mlflow is not None:
        tags = {"judged.model": str(address)} | ({"judged.compared": str(other_address)} if other_address else {})
        _log_to_mlflow(to_mlflow, tags, judged, output, (source, judged_file))
    return bool(outcome.get("passed", True))


def _load_described(address: Path | str, role: str) -> tuple[Predictor, str]:
    """Load a model; return it and the line about it, which is also logged."""
    model = load(address)
    about = describe_model(address, model.info)
    log.info("%s: %s", role, about)
    return model, about


def _judge(
    name: str,
    rows: pa.Table,
    texts: Sequence[str],
    model: Predictor,
    compared: Predictor | None,
    config: EvaluationConfig,
) -> Judged:
    ordered = model.info.ordered
    scored = score_rows(name, rows, model, ordered=ordered)
    other = None if compared is None else score_rows(name, rows, compared, ordered=ordered)
    return judge(scored, other, texts, model, config)


def _paired_lines(judged: Judged, compared: str | None) -> list[str]:
    if judged.paired is None or compared is None:
        return []
    metrics, paired = judged.metrics, judged.paired
    difference = metrics["test"]["accuracy"] - metrics["baseline"]["accuracy"]
    bounds = interval(metrics["intervals"]["difference"]["accuracy"])
    return [
        f"accuracy minus that of {compared}: {number(difference)} (paired 95 % interval {bounds})",
        f"only the model is right: {paired.first_only:,}, only {compared}: {paired.second_only:,}; McNemar's exact "
        f"test: p {p_value(paired.p_value)}",
    ]


def _record(judgement: Judgement, outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of `judgement.json`."""
    return {
        "model": judgement.model,
        "about": judgement.about,
        "compared": judgement.compared,
        "compared_about": judgement.compared_about,
        "file": judgement.file,
        "sha256": judgement.digest,
        "rows": dict(judgement.rows),
        "known": judgement.known,
        "checks": dict(outcome) or None,
    }


def _place_in_mlflow(tracking: TrackingConfig, model: str) -> tuple[Any, Any]:
    """Return the open store, and the model's place in it, before any work."""
    from pipeline.tracking.store import connect  # here, because mlflow takes long to import

    store = connect(tracking)
    return store, find_source(store, model)


def _log_to_mlflow(
    place: tuple[Any, Any], tags: Mapping[str, str], judged: Judged, output: Path, judged_file: tuple[Path, str]
) -> None:
    from pipeline.tracking.judgement_record import JudgedFile, log_judgement  # here, as above

    store, model = place
    file = JudgedFile(*judged_file, rows=len(judged.scored.labels))
    log_judgement(store, file, model.run_id, model.model_id, judged.metrics, tags, [output / PAGE, output / DETAILS])
