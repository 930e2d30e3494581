"""Record of a judgement in MLflow: a run of its own, whose metrics belong to the judged model and the judged file."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, Metric
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID
from mlflow.utils.time import get_current_time_millis

from pipeline.tracking.errors import translate_mlflow_errors
from pipeline.tracking.evaluation_record import headline
from pipeline.tracking.metric_points import defined_metrics
from pipeline.tracking.query import find_run
from pipeline.tracking.store import Store

DIGEST_LENGTH = 36
"""Maximum length of the digest of a dataset in MLflow."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JudgedFile:
    """File that a model was judged on."""

    path: Path
    digest: str
    """SHA-256 of its bytes."""
    rows: int
    """Rows that were judged."""


def log_judgement(
    store: Store,
    judged: JudgedFile,
    run_id: str | None,
    model_id: str | None,
    metrics: Mapping[str, Any],
    tags: Mapping[str, str],
    files: Iterable[Path],
) -> str:
    """Log a judgement as a run below that of the training, and return its id.

    MLflow shows the metrics on the page of the logged model, too, with the dataset.

    Args:
        store: an open store.
        judged: the file; it becomes a dataset, the input of the run.
        run_id: run that made the model; None, or one that the store no longer has, gives a run without a parent.
        model_id: logged model; None gives metrics of the run alone.
        metrics: as for `defined_metrics`; the run gets `headline` of them.
        tags: further tags of the run.
        files: reports to store.

    Raises:
        PipelineError: the store failed; the run is then marked as failed.
    """
    with translate_mlflow_errors(store.uri):
        parent = {MLFLOW_PARENT_RUN_ID: str(run_id)} if find_run(store, run_id) else {}
        name = f"judge {judged.path.name}"
        logged_to = store.create_run(name, {"stage": "judge", **parent, **tags}, source="pipeline.judge")
        status = "FAILED"
        try:
            dataset = Dataset(
                name=judged.path.name,
                digest=judged.digest[:DIGEST_LENGTH],
                source_type="local",
                source=json.dumps({"uri": str(judged.path)}),
                profile=json.dumps({"num_rows": judged.rows}),
            )
            context = InputTag(MLFLOW_DATASET_CONTEXT, "eval")
            models = [LoggedModelInput(model_id)] if model_id else []
            store.client.log_inputs(logged_to, [DatasetInput(dataset, [context])], models)
            now = get_current_time_millis()
            about = (model_id, dataset.name, dataset.digest, logged_to)
            points = [Metric(key, value, now, 0, *about) for key, value in headline(defined_metrics(metrics)).items()]
            store.client.log_batch(logged_to, metrics=points)
            for file in files:
                store.client.log_artifact(logged_to, str(file), "reports")
            status = "FINISHED"
        finally:
            store.client.set_terminated(logged_to, status)
    log.info("MLflow run %s (%s) in %s", name, logged_to, store.name)
    return logged_to
