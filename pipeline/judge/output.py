"""Folder of a judgement: report page, figures, metrics and predictions, whole or not at all."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.evaluation.predictions import ScoredSplit
from pipeline.judge.comparison import Judged
from pipeline.report.figure_files import write_figures
from pipeline.report.figures import figure_drawers, figure_sizes
from pipeline.report.findings import Findings
from pipeline.report.page import write_report
from pipeline.runtime.atomic import write_text
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import Record, read_json, write_json
from pipeline.tables.csv_lines import csv_text

RECORD, DETAILS, PAGE, FIGURES, PREDICTIONS = (
    "judgement.json",
    "details.json",
    "report.html",
    "figures",
    "predictions",
)
WRITTEN = {RECORD, DETAILS, PAGE, FIGURES, f"{PREDICTIONS}.csv", f"{PREDICTIONS}.parquet"}
CLASH = "judged_"
"""Prefix of the added columns where the file has columns of their names."""

log = logging.getLogger(__name__)


class JudgementRecord(Record):
    """The part of `judgement.json` that a later judgement reads."""

    sha256: str | None = None
    """Checksum of the judged file."""


def default_output(model: str, source: Path) -> Path:
    """Return the folder for a judgement of a model on a file: `judgements/new.csv-sentiment-champion`."""
    name = re.sub(r"[^\w.-]+", "-", model.partition(":/")[2] or model).strip("-.") or "model"
    return Path("judgements") / f"{source.name}-{name}"


def require_replaceable(folder: Path) -> None:
    """Refuse an output folder that holds anything but an earlier judgement.

    Raises:
        PipelineError: it is a file, or holds a file that no judgement consists of.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise PipelineError(f"--output {folder} is a file; name a folder")
    present = {path.name for path in folder.iterdir()}
    foreign = present - WRITTEN if RECORD in present else present
    if foreign:
        raise PipelineError(f"--output {folder} holds {min(foreign)!r}, which is of no judgement; name another folder")


def tell_of_replaced(folder: Path, digest: str) -> None:
    """Log that the output folder holds a judgement of other reviews, which the new one replaces.

    Args:
        folder: folder that `require_replaceable` let pass.
        digest: SHA-256 of the file that is judged now.
    """
    if (folder / RECORD).exists():
        earlier = read_json(folder / RECORD, JudgementRecord, "remove the folder, or name another with --output").sha256
        if earlier != digest:
            log.warning("%s: the judgement of another file, or of this one before an edit, is replaced", folder)


def write_judgement(
    folder: Path, findings: Findings, judged: Judged, originals: pa.Table, record: Mapping[str, Any], *, parquet: bool
) -> None:
    """Write all files of a judgement to a new folder.

    Args:
        folder: the folder.
        findings: content of the page; its figures are drawn here.
        judged: the predictions and metrics.
        originals: the judged rows with the columns of the file.
        record: content of `judgement.json`.
        parquet: write the predictions as Parquet, not as CSV.
    """
    folder.mkdir()
    figures = figure_drawers(judged.tables, judged.compared, None, judged.metrics, findings.classes, "compared")
    write_figures(findings.figures, figures, figure_sizes(len(findings.classes)))
    write_report(folder / PAGE, findings)
    write_json(folder / DETAILS, judged.metrics)
    table = predictions_table(judged.scored, judged.compared, originals)
    if parquet:
        pq.write_table(table, folder / f"{PREDICTIONS}.parquet")
    else:
        columns = [column.to_pylist() for column in table.columns]
        write_text(folder / f"{PREDICTIONS}.csv", csv_text(table.column_names, zip(*columns, strict=True)))
    write_json(folder / RECORD, record)


def predictions_table(scored: ScoredSplit, compared: ScoredSplit | None, originals: pa.Table) -> pa.Table:
    """Return the judged rows: `row`, the file's columns, true and predicted class, and the probability of each class.

    The columns of the other model begin with `compared_`. Where the file has columns of these names, the names of all
    added ones get the prefix `judged_`.
    """
    classes = list(scored.classes)
    added: dict[str, pa.Array] = {
        "row": pa.array([int(name.removeprefix("row-")) for name in scored.rows["id"].to_pylist()], pa.int64()),
        "actual": pa.array([classes[index] for index in scored.labels], pa.string()),
    }
    for prefix, predictions in {"": scored, "compared_": compared}.items():
        if predictions is not None:
            added[f"{prefix}predicted"] = pa.array([classes[index] for index in predictions.predicted], pa.string())
            for index, name in enumerate(classes):
                column = pa.array(predictions.probabilities[:, index], pa.float32())
                added[f"{prefix}probability_{name}"] = column
    clash = ""
    while any(clash + name in originals.column_names for name in added):
        clash += CLASH
    renamed = {clash + name: column for name, column in added.items()}
    return pa.table({**{name: originals[name] for name in originals.column_names}, **renamed})
