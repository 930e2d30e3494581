"""One trial of a sweep: done before, or trained now, or recorded as failed; it never ends the sweep."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from pipeline.cli import tidy_exit
from pipeline.config import Config, TrackingConfig
from pipeline.config.composition import validated
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import project_root
from pipeline.runtime.worker_pool import available_cores
from pipeline.stage import Inputs
from pipeline.sweep.parent_run import FOLDER_TAG, TrialRun, child_tags, find_trials, latest_trials, record_failure
from pipeline.sweep.requeue import expect_requeue
from pipeline.sweep.search_space import short_keys
from pipeline.sweep.session import Session, present_session
from pipeline.sweep.trial_folders import require_separate
from pipeline.tracking.provenance import config_hash
from pipeline.tracking.store import Store, connect

LONGEST_NAME = 100

log = logging.getLogger(__name__)


class Train(Protocol):
    """Trains one model within one MLflow run."""

    def __call__(
        self, config: Config, inputs: Inputs, *, tags: Mapping[str, str], name: str, threads: int | None
    ) -> Mapping[str, float]:
        """Return the row of the learning curve with the least `val_calibrated_loss`."""


@dataclass(frozen=True)
class Trial:
    """One trial of the sweep this process belongs to."""

    sweep: Session
    name: str
    """For people."""
    values: Mapping[str, str]
    """What is searched, by key of the configuration."""

    @classmethod
    def of(cls, overrides: Iterable[str], number: int) -> "Trial":
        """Tell the trial from what Hydra gives it.

        Args:
            overrides: such as `training.lr=0.001`.
            number: in this call of the sweep, from 0.
        """
        session = present_session()
        values = searched_values(session.searched, overrides)
        return cls(session, trial_name(values) or f"trial {number}", values)

    @property
    def tags(self) -> dict[str, str]:
        """Of its MLflow run."""
        return {"stage": "train", **child_tags(self.sweep.run_id, self.values)}

    def fail(self, store: Store, reason: str, tags: Mapping[str, str]) -> None:
        """Say why the trial failed, and record it with the run it has opened, else with a new one with these tags.

        Raises:
            PipelineError: the store failed.
        """
        log.error("trial %s failed: %s", self.name, reason)
        record_failure(store, self.name, tags, reason)


def run_trial(composed: DictConfig, tags: Mapping[str, str], train: Train) -> float | None:
    """Train the trial Hydra has composed, unless it finished before.

    Args:
        composed: its configuration.
        tags: of its MLflow run, beside the usual.
        train: trains it.

    Returns:
        what the sweep makes least, or None if the trial failed.

    Raises:
        SystemExit: it was interrupted or terminated, and with it the sweep.
    """
    with tidy_exit():
        expect_requeue()
        hydra_config = HydraConfig.get()
        trial = Trial.of(hydra_config.overrides.task, hydra_config.job.num)
        trial.sweep.end_trials()
        folder = Path(hydra_config.runtime.output_dir)
        require_separate("hydra.sweep.subdir", folder)
        if folder.is_relative_to(project_root()):
            folder = folder.relative_to(project_root())
        tags = {**tags, **trial.tags, FOLDER_TAG: folder.as_posix()}
        store = connect(TrackingConfig.model_validate(OmegaConf.to_container(composed.tracking, resolve=True)))
        try:
            config = validated(composed)
            inputs = trial.sweep.require_unchanged(config)
            if not config.sweep.rerun and (found := _finished(store, trial.sweep, config_hash(config))):
                log.info("trial %s finished before, in MLflow run %s", trial.name, found.run_id)
                return found.objective
            processes = trial.sweep.at_once * config.trainer.processes
            threads = config.trainer.threads or share_of_cores(processes, available_cores())
            return train(config, inputs, tags=tags, name=trial.name, threads=threads)["val_calibrated_loss"]
        except Exception as error:  # whatever it is: the other trials go on
            reason = str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
            trial.fail(store, reason, tags)
            log.debug("where it failed", exc_info=True)
            return None


def _finished(store: Store, session: Session, hash_: str) -> TrialRun | None:
    trials = [trial for trial in find_trials(store, session.run_id) if trial.tags.get("config.hash") == hash_]
    return next((trial for trial in latest_trials(trials) if trial.status == "FINISHED"), None)


def share_of_cores(processes: int, cores: int) -> int | None:
    """Threads for each of the processes that share a machine; None: no need to divide."""
    return None if processes == 1 else max(1, cores // processes)


def searched_values(searched: Iterable[str], overrides: Iterable[str]) -> dict[str, str]:
    """Of a trial's overrides those whose values vary from trial to trial."""
    values = dict(override.partition("=")[::2] for override in overrides)
    return {key: values[key] for key in searched if key in values}


def trial_name(values: Mapping[str, Any]) -> str:
    """Tells trials apart at a glance: `hidden_dim=64 lr=0.001`."""
    short = short_keys(values)
    return " ".join(f"{short[key]}={_shortened(value)}" for key, value in values.items())[:LONGEST_NAME]


def _shortened(value: str) -> str:
    try:
        return value if value.lstrip("-").isdigit() else f"{float(value):.3g}"
    except ValueError:
        return value
