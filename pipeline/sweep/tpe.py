"""What to try next: Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), its study kept in optuna.db.

The study is named by the sweep's key, so that the same command on the same data and code goes on with it. What is asked
next depends on the seed and the trials before it alone: a sweep that was stopped tries what it would have tried.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import optuna
from filelock import FileLock
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from sqlalchemy.exc import DatabaseError

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import project_root
from pipeline.runtime.worker_pool import available_cores
from pipeline.sweep.search_space import Space
from pipeline.sweep.session import present_session

MOST_CHOICES = 10_000
REPEATS = "repeats"
"""Attribute of a trial that tries the values of an earlier one again: its number."""

Launch = Callable[[Sequence[Sequence[str]], int], Sequence[float | None]]
"""Runs a batch of trials, given their overrides and the number of the first; returns their losses, None for failed."""


def search(space: Space, n_trials: int, seed: int, config: DictConfig, launch: Launch) -> None:
    """Try values until `n_trials` trials have been launched, counting those that finished in earlier calls.

    Args:
        space: what to search, and overrides every trial gets.
        n_trials: in all.
        seed: of the sampler.
        config: composed; its launcher tells how many trials run at once, its `sweep.rerun` whether to start over.
        launch: runs a batch.

    Raises:
        PipelineError: a value cannot be searched.
    """
    distributions = {key: distribution(override) for key, override in space.searched.items()}
    study = open_study(project_root() / "optuna.db", present_session().key, anew=config.sweep.rerun)
    left = n_trials - len(study.get_trials(states=[TrialState.COMPLETE]))
    at_once = batch_size(config.hydra.launcher)
    while left > 0:
        trials = [ask(study, distributions, seed) for _ in range(min(at_once, left))]
        batch = [[*space.fixed, *(f"{key}={value}" for key, value in trial.params.items())] for trial in trials]
        for trial, loss in zip(trials, launch(batch, trials[0].number), strict=True):
            if loss is None or not math.isfinite(loss):
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, loss)
        left -= len(trials)


def distribution(override: Override) -> BaseDistribution:
    """What Optuna samples a value from.

    Choices are names without an order, ranges whole numbers at equal steps, intervals all numbers between their ends;
    `tag(log, …)` makes an interval logarithmic, `int(…)` whole.

    Raises:
        PipelineError: there is nothing to choose from, or an interval cannot be.
    """
    value = override.value()
    if isinstance(value, IntervalSweep):
        return _interval(value, override.input_line)
    if isinstance(value, RangeSweep) and all(isinstance(part, int) for part in (value.start, value.stop, value.step)):
        numbers = value.range() if value.step else range(0)
        assert isinstance(numbers, range)
        if len(numbers) > 1:
            return IntDistribution(min(numbers[0], numbers[-1]), max(numbers[0], numbers[-1]), step=abs(numbers.step))
        choices = [str(number) for number in numbers]
    else:
        choices = list(islice(override.sweep_string_iterator(), MOST_CHOICES + 1))
    if not 1 <= len(choices) <= MOST_CHOICES:
        raise PipelineError(f"{override.input_line}: name 1 to {MOST_CHOICES:,} values to search, or an interval")
    return CategoricalDistribution(choices)


def _interval(interval: IntervalSweep, line: str | None) -> BaseDistribution:
    low, high, logarithmic = interval.start, interval.end, "log" in interval.tags
    assert low is not None and high is not None  # Hydra's grammar wants both
    if not -math.inf < low <= high < math.inf or (logarithmic and low <= 0):
        raise PipelineError(f"{line}: the ends of an interval are finite and rise, and tag(log, …) wants them above 0")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=logarithmic)
    return FloatDistribution(float(low), float(high), log=logarithmic)


def open_study(database: Path, name: str, *, anew: bool) -> optuna.Study:
    """The study of this name: a new one, or the one that was stopped, which will first try again what did not finish.

    Args:
        database: sqlite file.
        name: the sweep's key.
        anew: forget the study there is.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with FileLock(f"{database}.lock"), _damage_named(database):  # two processes that create the tables at once fail
        storage = optuna.storages.RDBStorage(f"sqlite:///{database}")
        if anew and name in optuna.get_all_study_names(storage):
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
def _damage_named(database: Path) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        raise PipelineError(
            f"{database} cannot be used: {error.orig}; where it is damaged, delete it: a sweep then asks anew"
        ) from error


def ask(study: optuna.Study, distributions: dict[str, BaseDistribution], seed: int) -> optuna.Trial:
    """The next trial. One sampler for the whole process would, in a new process, repeat its first random trials."""
    asked = sum(REPEATS not in trial.user_attrs for trial in study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=seed + asked)
    return study.ask(distributions)


def batch_size(launcher: DictConfig) -> int:
    """As many trials as the launcher runs at a time: joblib's `n_jobs`, -1 for all cores; SLURM's parallelism."""
    jobs = int(launcher.get("n_jobs") or launcher.get("array_parallelism") or 1)
    return jobs if jobs > 0 else available_cores()
