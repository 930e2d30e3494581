"""The training that a run or a sweep stands for, as `promote` and its users name it."""

from pipeline.runtime.errors import PipelineError
from pipeline.sweep.parent_run import find_sweeps, find_trials, latest_trials, ranked
from pipeline.tracking.finished_runs import FinishedRun, find_finished, with_provenance
from pipeline.tracking.store import Store


def find_winner(store: Store, run: str) -> FinishedRun:
    """Return the training run with this id, or the best trial of the latest sweep with this id or name.

    Raises:
        PipelineError: there is none, or several sweeps match.
    """
    if training := find_finished(store, run):
        return with_provenance(store, training)
    sweeps = find_sweeps(store, run)
    if not sweeps:
        raise PipelineError(f"{run}: {store.name} has no finished run with this id, and no sweep of this name")
    if len(names := sorted(set(sweeps.values()))) > 1:
        raise PipelineError(f"{run} matches the sweeps {'; '.join(names)}; use one of these names, or an id")
    best = ranked(latest_trials(find_trials(store, next(iter(sweeps)))))
    winner = find_finished(store, best[0].run_id) if best else None
    if winner is None:
        raise PipelineError(f"{run}: no trial of this sweep has finished; run the sweep again")
    return with_provenance(store, winner)
