"""Judge a model on a file of labelled reviews.

Prints the metrics of `evaluate` with intervals, and writes a page that opens offline, metrics and predictions to a
folder. With --compare a second model judges the same rows, and a paired test says whether they differ by more than
chance. The labels are read as in the model's training; --labels states them where they are written otherwise.

  python -m pipeline.judge --model models:/sentiment@champion --input new.csv
  python -m pipeline.judge --model models:/sentiment@champion --compare artifacts/model --input new.csv
  python -m pipeline.judge --input stars.csv --label-column stars --labels "{negative: '<=2', positive: '>=4'}" \\
    --ignore-labels "[3]"
  python -m pipeline.judge --input new.csv --check 'test.accuracy>=0.9' --check 'test.ece<=0.05'

Exit codes: 0, 1 if a check failed, 2 if nothing could be judged.

More: docs/judge.md
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.cli import Parser, tidy_exit
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
from pipeline.judge.output import DETAILS, FIGURES, PAGE, default_output, require_replaceable, write_judgement
from pipeline.registry.model_lookup import add_model_option, describe_model, find_source, load, short_name
from pipeline.report.findings import Findings, Judgement
from pipeline.report.formatting import interval, number, p_value
from pipeline.report.terminal import format_report
from pipeline.runtime.atomic import follow_link, replace
from pipeline.runtime.checksum import file_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.memory_allocator import set_up_allocator
from pipeline.runtime.paths import DATASET
from pipeline.tables.format_advice import advice_for_command
from pipeline.tables.stated_format import add_format_option, as_in_training, stated_format
from pipeline.tables.table_reader import FORMAT_KEYS, PARQUET, TABLE_ENDINGS, require_effect
from pipeline.tables.unpacked import table_ending

log = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> bool:
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
    to_mlflow = _place_in_mlflow(params.tracking, str(arguments.model)) if arguments.log else None

    model = load(arguments.model)
    judged_file = file_digest(source, "sha256")
    about = describe_model(arguments.model, model.info)
    log.info("model: %s", about)
    compared, compared_about = None, None
    if arguments.compare is not None:
        compared = load(arguments.compare)
        compared_about = describe_model(arguments.compare, compared.info)
        log.info("compared with: %s", compared_about)
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
        _log_to_mlflow(to_mlflow, arguments, judged, output, (source, judged_file))
    return bool(outcome.get("passed", True))


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
    place: tuple[Any, Any], arguments: argparse.Namespace, judged: Judged, output: Path, judged_file: tuple[Path, str]
) -> None:
    from pipeline.tracking.judgement_record import JudgedFile, log_judgement  # here, as above

    store, model = place
    file = JudgedFile(*judged_file, rows=len(judged.scored.labels))
    tags = {"judged.model": arguments.model} | ({"judged.compared": arguments.compare} if arguments.compare else {})
    log_judgement(store, file, model.run_id, model.model_id, judged.metrics, tags, [output / PAGE, output / DETAILS])


def _parse_options() -> argparse.Namespace:
    parser = Parser(__doc__)
    add_model_option(parser)
    parser.add_argument(
        "--input", type=Path, required=True, metavar="FILE", help=f"labelled reviews: {', '.join(TABLE_ENDINGS)}"
    )
    parser.add_argument("--compare", metavar="MODEL", help="another model that judges the same rows, named as --model")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="folder to write (default: judgements/FILE-MODEL)"
    )
    parser.add_argument(
        "--text-column",
        action="append",
        dest="text_columns",
        metavar="COLUMN",
        help="column with the texts (default: as in training, or else text); again for each further one that is joined",
    )
    parser.add_argument("--label-column", metavar="COLUMN", help="default: as in training, or else label")
    parser.add_argument(
        "--labels",
        metavar="VALUES",
        help="values of classes, as in corpus.labels: \"{negative: [0], positive: '>=4'}\" (default: as in training)",
    )
    parser.add_argument(
        "--ignore-labels",
        metavar="VALUES",
        help='values whose rows are left out, as in corpus.ignore_labels: "[mixed, 3]" (default: as in training)',
    )
    parser.add_argument(
        "--slice",
        action="append",
        default=[],
        dest="slices",
        metavar="COLUMN",
        help="column by whose values accuracy is reported, too; again for each further one",
    )
    parser.add_argument(
        "--check",
        action="append",
        default=[],
        dest="checks",
        metavar="CHECK",
        help="condition on a value of details.json, in quotes: 'test.accuracy>=0.9'; again for each further one",
    )
    add_format_option(parser)
    parser.add_argument("--log", action="store_true", help="log it to MLflow, as an evaluation of the model")
    return parser.parse_args()


if __name__ == "__main__":
    options = _parse_options()
    with tidy_exit(failure=2):
        set_up_allocator()
        passed = main(options)
    sys.exit(0 if passed else 1)
