"""Tree-structured Parzen estimator (TPE, Bergstra et al. 2011): Optuna proposes the next trials from those before.

The study is kept in optuna.db under the id of the sweep's run, so that the command that continues that run resumes it.
Each proposal depends only on the seed and the trials before it: a resumed sweep tries what it would have tried anyway.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from sqlalchemy.exc import DatabaseError

from pipeline.config.tracking import TrackingConfig
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import project_root
from pipeline.runtime.worker_pool import available_cores
from pipeline.sweep.parent_run import find_trials
from pipeline.sweep.search_space import SearchSpace
from pipeline.sweep.session import Session, present_session
from pipeline.sweep.trial import searched_values
from pipeline.tracking.store import connect

COMPLETE = TrialState.COMPLETE
MAX_CHOICES = 10_000
REPEATS = "repeats"
"""Attribute of a trial that repeats an earlier one: the number of that one."""

Launch = Callable[[Sequence[Sequence[str]], int], Sequence[float | None]]
"""Runs a batch of trials, given their overrides and the number of the first; returns losses, None for a failure."""

log = logging.getLogger(__name__)


def search(space: SearchSpace, n_trials: int, seed: int, config: DictConfig, launch: Launch) -> None:
    """Launch trials until there are `n_trials`, counting those that finished in earlier calls of the same sweep.

    Those of them whose runs were deleted from MLflow are launched again first.

    Args:
        space: search space, and the overrides that all trials share.
        n_trials: number of trials in all.
        seed: seed of the sampler.
        config: composed; `hydra.launcher` limits the trials at a time, `sweep.rerun` starts the study over, and
            `tracking` names the store.
        launch: runs a batch.

    Raises:
        PipelineError: a value cannot be searched, or the store failed.
    """
    distributions = {key: distribution(override) for key, override in space.searched.items()}
    session = present_session()
    study = open_study(project_root() / "optuna.db", session.run_id, restart=config.sweep.rerun)
    completed = {trial.number: overrides_of(space, trial.params) for trial in study.get_trials(states=[COMPLETE])}
    for number in _without_run(completed, session, config):
        log.warning("trial #%d is no longer in MLflow; it is trained again", number)
        launch([[*space.fixed, *completed[number]]], number)  # the study has its loss already
    remaining = n_trials - len(completed)
    at_once = batch_size(config.hydra.launcher)
    while remaining > 0:
        trials = [ask_study(study, distributions, seed) for _ in range(min(at_once, remaining))]
        batch = [[*space.fixed, *overrides_of(space, trial.params)] for trial in trials]
        for trial, loss in zip(trials, launch(batch, trials[0].number), strict=True):
            if loss is None or not math.isfinite(loss):
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, loss)
        remaining -= len(trials)


def _without_run(completed: Mapping[int, Sequence[str]], session: Session, config: DictConfig) -> list[int]:
    """Return the numbers of the trials, of which the overrides are given, that have no finished run in MLflow."""
    if not completed:
        return []
    store = connect(TrackingConfig.model_validate(OmegaConf.to_container(config.tracking, resolve=True)))
    finished = [trial.values for trial in find_trials(store, session.run_id) if trial.status == "FINISHED"]
    return [number for number, tried in completed.items() if searched_values(session.searched, tried) not in finished]


def overrides_of(space: SearchSpace, params: Mapping[str, Any]) -> list[str]:
    """Return the overrides of a trial that vary, with the `+` or `++` with which their keys were given."""
    return [f"{space.searched[key].get_key_element()}={value}" for key, value in params.items()]


def distribution(override: Override) -> BaseDistribution:
    """Return the distribution from which Optuna samples a value.

    Choices have no order; a range holds integers at equal steps; an interval holds all numbers between its ends, on a
    logarithmic scale with `tag(log, …)`, or the integers among them with `int(…)`.

    Raises:
        PipelineError: there are no values or too many, or the ends of an interval do not fit.
    """
    value = override.value()
    if isinstance(value, IntervalSweep):
        return _interval_distribution(value, override.input_line)
    if isinstance(value, RangeSweep) and all(isinstance(part, int) for part in (value.start, value.stop, value.step)):
        numbers = value.range() if value.step else range(0)
        assert isinstance(numbers, range)
        if len(numbers) > 1:
            return IntDistribution(min(numbers[0], numbers[-1]), max(numbers[0], numbers[-1]), step=abs(numbers.step))
        choices = [str(number) for number in numbers]
    else:
        choices = list(islice(override.sweep_string_iterator(), MAX_CHOICES + 1))
    if not 1 <= len(choices) <= MAX_CHOICES:
        raise PipelineError(f"{override.input_line}: list 1 to {MAX_CHOICES:,} values to search, or use an interval")
    return CategoricalDistribution(choices)


def _interval_distribution(interval: IntervalSweep, line: str | None) -> BaseDistribution:
    low, high, logarithmic = interval.start, interval.end, "log" in interval.tags
    assert low is not None and high is not None  # Hydra's grammar requires both
    if not -math.inf < low <= high < math.inf or (logarithmic and low <= 0):
        raise PipelineError(f"{line}: the ends of an interval must be finite and ascending, with tag(log, …) above 0")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=logarithmic)
    return FloatDistribution(float(low), float(high), log=logarithmic)


def open_study(database: Path, name: str, *, restart: bool) -> optuna.Study:
    """Open the study of this name, or create it; it first repeats the trials that did not finish.

    Args:
        database: sqlite file.
        name: id of the sweep's run.
        restart: delete an existing study first.

    Raises:
        PipelineError: the database is damaged.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with FileLock(f"{database}.lock"), _translate_damage(database):  # creating the tables twice at once fails
        storage = optuna.storages.RDBStorage(f"sqlite:///{database}")
        if restart and name in optuna.get_all_study_names(storage):
            optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
    trials = study.get_trials()
    repeated = {trial.user_attrs.get(REPEATS) for trial in trials}
    for trial in trials:
        if trial.state is TrialState.RUNNING:  # its process was killed
            study.tell(trial.number, state=TrialState.FAIL)
        if trial.state in (TrialState.RUNNING, TrialState.FAIL) and trial.number not in repeated:
            study.enqueue_trial(trial.params, {REPEATS: trial.number})
    return study


@contextmanager
def _translate_damage(database: Path) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        raise PipelineError(
            f"{database} cannot be used: {error.orig}; if it is damaged, delete it, and sweeps start new studies"
        ) from error


def ask_study(study: optuna.Study, distributions: dict[str, BaseDistribution], seed: int) -> optuna.Trial:
    """Return the next trial.

    It has a sampler of its own: one sampler for the whole process would, in a new process, repeat its first trials.
    """
    proposed = sum(REPEATS not in trial.user_attrs for trial in study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=seed + proposed)
    return study.ask(distributions)


def batch_size(launcher: DictConfig) -> int:
    """Return how many trials the launcher runs at a time: joblib's `n_jobs` (-1: all cores), or SLURM's parallelism."""
    jobs = int(launcher.get("n_jobs") or launcher.get("array_parallelism") or 1)
    return jobs if jobs > 0 else available_cores()
