"""A model judged on a file of labelled reviews: the work of the command."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.config.evaluation import LENGTH, UNKNOWN_WORDS, EvaluationConfig
from pipeline.config.file_format import FileFormat
from pipeline.config.objective import ObjectiveConfig
from pipeline.config.params import load_params
from pipeline.config.registry import CheckConfig
from pipeline.config.tracking import TrackingConfig
from pipeline.evaluation.checks import check_metrics
from pipeline.evaluation.mistakes import confident_mistakes
from pipeline.evaluation.predictions import score_rows
from pipeline.inference.predictor import Predictor
from pipeline.judge.comparison import (
    Judged,
    judge,
    note_on_repeats,
    note_on_seen,
    require_same_classes,
    review_keys,
    seen_reviews,
)
from pipeline.judge.labelled_file import FileReading, LabelledRows, read_labelled_rows
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
from pipeline.registry.model_lookup import ModelSource, describe_model, find_source, load, resolve_alias, short_name
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

if TYPE_CHECKING:
    from pipeline.tracking.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckedOptions:
    """Options of the command, as far as they can be checked before a model is loaded."""

    source: Path
    """The labelled file."""
    ending: str
    """Ending that tells its format."""
    stated: FileFormat
    """Format of the file, as `--format` states it."""
    output: Path
    checks: Mapping[str, CheckConfig]
    model: Path | str
    """Address of the model; no alias, which may name another version later."""
    compared: Path | str | None
    """Address of the other model."""
    evaluation: EvaluationConfig
    in_mlflow: "ModelInMlflow | None"
    """Model in MLflow to log the judgement to; None without `--log`."""


@dataclass(frozen=True)
class ModelInMlflow:
    """A model's place in an open store."""

    store: "Store"
    source: ModelSource


@dataclass(frozen=True)
class LoadedModel:
    """A model, and the line about it."""

    predictor: Predictor
    about: str


@dataclass(frozen=True)
class Results:
    """The judged rows, the metrics, the outcome of the checks, and what the judgement is about."""

    labelled: LabelledRows
    texts: Sequence[str]
    """Texts of the judged rows."""
    judged: Judged
    checks: Mapping[str, Any]
    """From `check_metrics`; empty if none were asked for."""
    about: Judgement
    objective: ObjectiveConfig

    @property
    def passed(self) -> bool:
        """False if a check failed."""
        return bool(self.checks.get("passed", True))


def judge_file(arguments: argparse.Namespace) -> bool:
    """Judge a model; the arguments are those of the command line.

    Returns:
        False if a check failed.
    """
    options = _checked_options(arguments)
    model = _load_model(options.model, "model")
    digest = file_digest(options.source, "sha256")
    tell_of_replaced(options.output, digest)
    compared = None
    if options.compared is not None:
        compared = _load_model(options.compared, "compared with")
        require_same_classes(model.predictor, compared.predictor, arguments.compare)
    labelled = _read_rows(arguments, options, model.predictor)
    texts = labelled.rows["text"].to_pylist()
    config = _evaluation_config(options, labelled, model.predictor)
    judged = _judge(options.source.name, labelled.rows, texts, model, compared, config)
    outcome = check_metrics(judged.metrics, options.checks, "--check {}") if options.checks else {}
    name = short_name(arguments.model)
    models = {"known": (name, model)} | ({"compared_known": (arguments.compare, compared)} if compared else {})
    of_reviews = review_keys(texts)
    seen = {key: seen_reviews(of_reviews, loaded.predictor.info, DATASET) for key, (_, loaded) in models.items()}
    notes = {key: note_on_seen(seen[key], len(texts), of) for key, (of, _) in models.items()}
    about = Judgement(
        model=name,
        about=model.about,
        file=options.source.name,
        digest=digest,
        rows={"judged": len(texts), **labelled.left_out},
        compared=arguments.compare,
        compared_about=compared.about if compared else None,
        paired=judged.paired,
        repeated=note_on_repeats(of_reviews),
        **notes,
    )
    results = Results(labelled, texts, judged, outcome, about, config.objective)
    if file_digest(options.source, "sha256") != digest:
        raise PipelineError(f"--input {options.source} was changed while it was judged; run the command again")
    _write(options, results)
    _print_results(results)
    for key, note in notes.items():
        (log.warning if seen[key] else log.info)("%s", note)
    if about.repeated:
        log.warning("%s", about.repeated)
    log.info("report: %s", options.output / PAGE)
    if options.in_mlflow is not None:
        _log_to_mlflow(options.in_mlflow, options, results)
    return results.passed


def _checked_options(arguments: argparse.Namespace) -> CheckedOptions:
    """Check the options; find the models' addresses and, with `--log`, the model's place in MLflow."""
    source = arguments.input
    ending = table_ending(source, TABLE_ENDINGS)
    if not source.is_file():
        raise PipelineError(f"--input {source}: there is no such file; correct the path")
    checks = stated_checks(arguments.checks)
    output = follow_link(arguments.output or default_output(short_name(arguments.model), source))
    require_replaceable(output)
    stated = stated_format(arguments.format)
    require_effect("--format ", stated, {ending: FORMAT_KEYS[ending]})
    params = load_params()
    model = resolve_alias(arguments.model)
    return CheckedOptions(
        source=source,
        ending=ending,
        stated=stated,
        output=output,
        checks=checks,
        model=model,
        compared=None if arguments.compare is None else resolve_alias(arguments.compare),
        evaluation=params.evaluation,
        in_mlflow=_find_in_mlflow(params.tracking, str(model)) if arguments.log else None,
    )


def _load_model(address: Path | str, role: str) -> LoadedModel:
    """Load a model; log its role and the line about it."""
    predictor = load(address)
    about = describe_model(address, predictor.info)
    log.info("%s: %s", role, about)
    return LoadedModel(predictor, about)


def _read_rows(arguments: argparse.Namespace, options: CheckedOptions, model: Predictor) -> LabelledRows:
    reading = FileReading(
        file_format=as_in_training(options.source, options.stated, model.info.corpus.format),
        text_columns=arguments.text_columns,
        label_column=arguments.label_column,
        labels=stated_labels(arguments.labels, model.classes),
        ignored=stated_ignored(arguments.ignore_labels),
        slices=arguments.slices,
        usual_slices=options.evaluation.slices,
    )
    with advice_for_command():
        return read_labelled_rows(options.source, model.info, reading)


def _evaluation_config(options: CheckedOptions, labelled: LabelledRows, model: Predictor) -> EvaluationConfig:
    """Return the configuration of `evaluate` with the slices of the file, and the objective of the model."""
    changes = {"slices": [LENGTH, UNKNOWN_WORDS, *labelled.slices], "objective": model.info.objective}
    return options.evaluation.model_copy(update=changes)


def _judge(
    name: str,
    rows: pa.Table,
    texts: Sequence[str],
    model: LoadedModel,
    compared: LoadedModel | None,
    config: EvaluationConfig,
) -> Judged:
    """Let the models score the rows, and compute the metrics."""
    ordered = model.predictor.info.ordered
    scored = score_rows(name, rows, model.predictor, ordered=ordered)
    other = None if compared is None else score_rows(name, rows, compared.predictor, ordered=ordered)
    return judge(scored, other, texts, model.predictor, config)


def _write(options: CheckedOptions, results: Results) -> None:
    """Write the folder of the judgement, whole or not at all."""
    judged = results.judged
    with replace(options.output) as folder:
        findings = Findings(
            classes=judged.scored.classes,
            metrics=judged.metrics,
            checks=results.checks,
            tables=judged.tables,
            figures=folder / FIGURES,
            mistakes=confident_mistakes(judged.scored, results.texts),
            judgement=results.about,
            objective=results.objective,
        )
        record = _record(results.about, results.checks)
        originals = results.labelled.originals
        write_judgement(folder, findings, judged, originals, record, parquet=options.ending == PARQUET)


def _print_results(results: Results) -> None:
    judged = results.judged
    report = format_report(
        judged.metrics,
        judged.tables["slices"],
        results.checks,
        results.labelled.left_out,
        judged.tables.get("classes"),
        judged=True,
        objective=results.objective,
    )
    print(report)
    for line in _paired_lines(judged, results.about.compared):
        print(line)


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
        "compared_known": judgement.compared_known,
        "repeated": judgement.repeated,
        "checks": dict(outcome) or None,
    }


def _find_in_mlflow(tracking: TrackingConfig, model: str) -> ModelInMlflow:
    """Open the store and find the model in it, before any work."""
    from pipeline.tracking.store import connect  # here, because mlflow takes long to import

    store = connect(tracking)
    return ModelInMlflow(store, find_source(store, model))


def _log_to_mlflow(model: ModelInMlflow, options: CheckedOptions, results: Results) -> None:
    from pipeline.tracking.judgement_record import JudgedFile, log_judgement  # here, as above

    tags = {"judged.model": str(options.model)}
    if options.compared:
        tags["judged.compared"] = str(options.compared)
    file = JudgedFile(options.source, results.about.digest, rows=len(results.texts))
    reports = [options.output / PAGE, options.output / DETAILS]
    store, source = model.store, model.source
    log_judgement(store, file, source.run_id, source.model_id, results.judged.metrics, tags, reports)
