"""The training that a run or a sweep stands for, as `promote` and its users name it."""

import logging

from mlflow.entities import Run as StoredRun

from pipeline.report.formatting import printable
from pipeline.runtime.errors import PipelineError
from pipeline.sweep.parent_run import DATA_TAG, find_sweeps, find_trials, latest_trials, ranked
from pipeline.tracking.finished_runs import FinishedRun, find_finished, with_provenance
from pipeline.tracking.provenance import UNKNOWN_ORIGIN, data_md5
from pipeline.tracking.store import Store

log = logging.getLogger(__name__)


def find_winner(store: Store, run: str) -> FinishedRun:
    """Return the training run with this id, or the best trial of the sweep with this id or name.

    An id may be that of anybody's sweep. A name stands for the latest sweep of this project; which one was taken is
    logged, and what may make it the wrong one.

    Raises:
        PipelineError: there is none, or several sweeps match.
    """
    if training := find_finished(store, run):
        return with_provenance(store, training)
    sweeps = find_sweeps(store, run)
    if not sweeps:
        raise PipelineError(
            f"{run}: {store.name} has no finished run with this id, and no sweep of this name by this project; give "
            "the id of another project's"
        )
    if len(names := sorted({sweep.info.run_name for sweep in sweeps})) > 1:
        raise PipelineError(f"{run} matches the sweeps {'; '.join(names)}; use one of these names, or an id")
    trials = latest_trials(find_trials(store, sweeps[0].info.run_id))
    best = ranked(trials)
    winner = find_finished(store, best[0].run_id) if best else None
    if winner is None:
        raise PipelineError(f"{run}: no trial of this sweep has finished; run the sweep again")
    _tell_which(sweeps[0], f"{len(best)} of {len(trials)} trials finished")
    return with_provenance(store, winner)


def _tell_which(sweep: StoredRun, trials: str) -> None:
    name, tags = printable(sweep.info.run_name), sweep.data.tags
    user, corpus = (printable(tags.get(key, UNKNOWN_ORIGIN)) for key in ("mlflow.user", "corpus"))
    log.info("sweep %s (%s) by %s on %s: %s, %s", name, sweep.info.run_id, user, corpus, sweep.info.status, trials)
    if sweep.info.status not in ("FINISHED", "FAILED"):
        log.warning("sweep %s has not ended: a better trial may follow", name)
    if (data := tags.get(DATA_TAG)) != (present := data_md5() or UNKNOWN_ORIGIN):
        log.warning("sweep %s was trained on other data (md5 %s) than that of this checkout (%s)", name, data, present)
