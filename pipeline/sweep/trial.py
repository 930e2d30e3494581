"""One trial of a sweep: skipped if it finished before, else trained; a failure is recorded and never ends the sweep."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from pipeline.cli import TerminalHandler, tidy_exit
from pipeline.config.schema import Config
from pipeline.config.tracking import TrackingConfig
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import project_root
from pipeline.runtime.worker_pool import available_cores
from pipeline.sweep.parent_run import FOLDER_TAG, TrialRun, child_tags, find_trials, latest_trials, record_failure
from pipeline.sweep.prepared_dataset import choices_tag, trial_config
from pipeline.sweep.search_space import plain_key, short_keys
from pipeline.sweep.session import Session, present_session
from pipeline.sweep.slurm import survive_requeue
from pipeline.sweep.trial_folders import require_separate
from pipeline.tracking.provenance import CHOICES, config_hash
from pipeline.tracking.store import Store, connect

MAX_TRIAL_NAME = 100

log = logging.getLogger(__name__)


class Train(Protocol):
    """Trains one model in one MLflow run."""

    def __call__(
        self,
        config: Config,
        inputs: Inputs,
        *,
        tags: Mapping[str, str],
        searched: Mapping[str, str],
        name: str,
        threads: int | None,
    ) -> Mapping[str, float]:
        """Return the row of the learning curve with the lowest `val_calibrated_loss`."""


@dataclass(frozen=True)
class Trial:
    """A trial of the sweep that this process belongs to."""

    sweep: Session
    name: str
    """Name for people, such as `#3 hidden_dim=64 lr=0.001`, with the number that Hydra gives it."""
    values: Mapping[str, str]
    """Searched values, by key of the configuration."""

    @classmethod
    def of(cls, overrides: Iterable[str], number: int) -> "Trial":
        """Identify a trial.

        Args:
            overrides: its overrides, such as `training.lr=0.001`.
            number: its number in this call of the sweep, from 0.
        """
        session = present_session()
        values = searched_values(session.searched, overrides)
        return cls(session, f"#{number} {trial_name(values)}".strip(), values)

    @property
    def tags(self) -> dict[str, str]:
        """Tags of its MLflow run."""
        return {"stage": "train", **child_tags(self.sweep.run_id, self.values)}

    def fail(self, store: Store, reason: str, tags: Mapping[str, str]) -> None:
        """Log why the trial failed, and record it in the run it opened, or else in a new run with these tags.

        Raises:
            PipelineError: the store failed.
        """
        log.error("trial %s failed: %s", self.name, reason)
        record_failure(store, self.name, tags, reason)


def run_trial(composed: DictConfig, tags: Mapping[str, str], train: Train) -> float | None:
    """Train a trial, unless it finished before.

    Args:
        composed: its configuration, as Hydra composed it.
        tags: tags of its MLflow run, beside the usual ones.
        train: trains it.

    Returns:
        the metric that sweeps minimise, or None if the trial failed.

    Raises:
        SystemExit: the trial was interrupted or terminated, and with it the sweep.
    """
    with tidy_exit():
        survive_requeue()
        hydra_config = HydraConfig.get()
        trial = Trial.of(hydra_config.overrides.task, hydra_config.job.num)
        trial.sweep.end_trials()
        _show_results_alone()
        folder = Path(hydra_config.runtime.output_dir)
        require_separate("hydra.sweep.subdir", folder)
        if folder.is_relative_to(project_root()):
            folder = folder.relative_to(project_root())
        tags = {**tags, **trial.tags, FOLDER_TAG: folder.as_posix()}
        store = connect(TrackingConfig.model_validate(OmegaConf.to_container(composed.tracking, resolve=True)))
        try:
            config, from_dataset = trial_config(composed, hydra_config)
            tags = tags | {CHOICES: choices_tag(hydra_config.runtime.choices, from_dataset)}
            inputs = trial.sweep.require_unchanged(config)
            if not config.sweep.rerun and (earlier := _find_finished(store, trial.sweep, config_hash(config))):
                log.info("trial %s finished before, in MLflow run %s", trial.name, earlier.run_id)
                return earlier.objective
            processes = trial.sweep.at_once * config.trainer.processes
            threads = config.trainer.threads or share_of_cores(processes, available_cores())
            best = train(config, inputs, tags=tags, searched=trial.values, name=trial.name, threads=threads)
            log.info("trial %s: loss %.4f", trial.name, best["val_calibrated_loss"])
            return best["val_calibrated_loss"]
        except Exception as error:  # of any kind: the other trials continue
            reason = str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
            trial.fail(store, reason, tags)
            log.debug("traceback of the failure", exc_info=True)
            return None


def _show_results_alone() -> None:
    """Show on a terminal only warnings and the line of each trial; the files in its folder have all lines."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, TerminalHandler) and handler.stream.isatty():
            handler.addFilter(_is_result_or_warning)  # no second time for the next trial in this process


def _is_result_or_warning(record: logging.LogRecord) -> bool:
    return record.name == __name__ or record.levelno >= logging.WARNING


def _find_finished(store: Store, session: Session, hash_: str) -> TrialRun | None:
    trials = [trial for trial in find_trials(store, session.run_id) if trial.tags.get("config.hash") == hash_]
    return next((trial for trial in latest_trials(trials) if trial.status == "FINISHED"), None)


def share_of_cores(processes: int, cores: int) -> int | None:
    """Return the number of threads of each process that shares a machine; None for a single process."""
    return None if processes == 1 else max(1, cores // processes)


def searched_values(searched: Iterable[str], overrides: Iterable[str]) -> dict[str, str]:
    """Return the values of a trial's overrides that vary from trial to trial, by key."""
    parts = (override.partition("=") for override in overrides)
    values = {plain_key(key): value for key, _, value in parts}
    return {key: values[key] for key in searched if key in values}


def trial_name(values: Mapping[str, Any]) -> str:
    """Name a trial by its searched values: `hidden_dim=64 lr=0.001`."""
    short = short_keys(values)
    return " ".join(f"{short[key]}={_three_digits(value)}" for key, value in values.items())[:MAX_TRIAL_NAME]


def _three_digits(value: str) -> str:
    try:
        rounded = f"{float(value):.3g}"
    except ValueError:
        return value
    return value if float(rounded).is_integer() else rounded  # 0.9995 is not 1
