"""Hydra callback that opens a sweep before its first trial; conf/config.yaml names it, so every multirun has it."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import ChoiceSweep
from hydra.experimental.callback import Callback
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH
from omegaconf import DictConfig, OmegaConf

from pipeline.cli import tidy_exit
from pipeline.config.schema import Config
from pipeline.config.tracking import TrackingConfig
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import DATASET, WORKSPACE, project_root
from pipeline.runtime.worker_pool import available_cores
from pipeline.sweep.folds import require_folds
from pipeline.sweep.frozen_conf import require_frozen
from pipeline.sweep.parent_run import VALUES_TAG, child_tags, open_sweep
from pipeline.sweep.prepared_dataset import log_dataset, require_same_dataset, trial_config
from pipeline.sweep.search_space import SearchSpace, parse_space, short_keys
from pipeline.sweep.session import Session, at_end, training_code
from pipeline.sweep.slurm import survive_lost_jobs
from pipeline.sweep.trial import Trial
from pipeline.sweep.trial_folders import require_separate
from pipeline.text.dataset import read_dataset_record
from pipeline.tracking.provenance import UNKNOWN_ORIGIN, WITHOUT_EFFECT, data_md5, git_commit, git_dirty
from pipeline.tracking.store import connect
from pipeline.training import distributed
from pipeline.training.inputs import TRAINING_INPUTS

MAX_PARAM = 6000
"""Characters that MLflow stores of a parameter."""
ANY_NUMBER = 25 * "0"
"""A number as long as any from a range or an interval."""
MAX_TRIALS = 100_000
RANGES = {
    "hydra.sweeper.n_trials": (1, MAX_TRIALS),
    "hydra.sweeper.seed": (0, 2**32 - 1 - MAX_TRIALS),  # each trial's sampler adds the trial's number
    "hydra.sweeper.max_batch_size": (1, MAX_TRIALS),
    "hydra.launcher.array_parallelism": (1, MAX_TRIALS),
}
"""Smallest and largest values of settings."""
NOT_IN_KEY = ("params", "n_trials", "max_batch_size")
"""Settings of a sweeper that do not identify a sweep: `params` counts as parsed, and a sweep may get more trials."""


class SweepRun(Callback):
    """Opens the parent run of a sweep; the same command opens the same run again, whatever its state."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Open the sweep, or end the command with one line; Hydra would only warn and continue."""
        with tidy_exit():
            try:
                _open_session(config)
            except PipelineError:
                raise
            except Exception as error:
                raise PipelineError(f"the sweep cannot be opened: {type(error).__name__}: {error}") from error


def _open_session(composed: DictConfig) -> None:
    if distributed.world_size() > 1:
        raise PipelineError(
            f"-m: torchrun or srun started {distributed.world_size()} processes, and each would run the whole sweep; "
            "start one process, whose trials start others with trainer=ddp"
        )
    hydra_config = composed.hydra
    require_frozen(hydra_config)
    folder = Path(hydra_config.sweep.dir)
    require_separate("hydra.sweep.dir", folder)
    overrides = [str(override) for override in hydra_config.overrides.task]
    space = parse_space(hydra_config.sweeper.get("params"), overrides, GlobalHydra.instance().config_loader())
    sweeper = hydra_config.sweeper
    require_same_dataset(space.searched)
    require_possible(space, sweeper, hydra_config.launcher)
    config, from_dataset = trial_config(composed, hydra_config)
    require_folds(space, config)
    log_dataset(config, from_dataset)
    launcher = _class_name(hydra_config.launcher)
    if launcher == "SlurmLauncher":
        survive_lost_jobs(partial(_record_loss, config.tracking))
    inputs = Inputs.note(*(WORKSPACE / path for path in TRAINING_INPUTS))
    data, code = read_dataset_record(DATASET).digest, training_code()
    settings = OmegaConf.to_container(sweeper, resolve=True)
    assert isinstance(settings, dict)
    key = sweep_key(config, space, {str(name): value for name, value in settings.items()}, data, code)
    lock = _lock_sweep(key)
    store = connect(config.tracking)
    prefix = [choice] if (choice := hydra_config.runtime.choices.get("sweep")) else []
    name = ": ".join([*prefix, ", ".join(short_keys(space.searched).values()) or "one trial"])[:250]
    origin = {
        "stage": "sweep",
        "sweep": choice or "command",
        "launcher": launcher,
        "git.commit": git_commit(),
        "git.dirty": git_dirty(),
        "code.sha256": code,
        "data.md5": data_md5() or UNKNOWN_ORIGIN,
        "corpus": config.corpus.name,
    }
    params = {f"search.{searched}": shorten(value, MAX_PARAM) for searched, value in space.texts.items()}
    params["sweeper"] = _class_name(sweeper)
    at_once = trials_at_once(hydra_config.launcher, sweeper, space)
    run_id = open_sweep(store, key, name, origin, params, config.model_dump(mode="json"))
    session = Session(
        key=key,
        run_id=run_id,
        searched=list(space.searched),
        at_once=at_once,
        folder=str(folder.resolve()),
        inputs={str(path): digest for path, digest in inputs.digests.items()},
        code=code,
        process=None if launcher == "SlurmLauncher" else os.getpid(),
    )
    session.hand_over()
    at_end(partial(_end_session, config, session, name, lock))


def shorten(text: str, longest: int) -> str:
    """Return the text, or its beginning and an ellipsis, in all `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def require_possible(space: SearchSpace, sweeper: DictConfig, launcher: DictConfig) -> None:
    """Refuse a sweep that cannot run, before anything of it is recorded.

    Args:
        space: its search space.
        sweeper: `hydra.sweeper`.
        launcher: `hydra.launcher`.

    Raises:
        PipelineError: the sweep has no trial or too many, a setting is out of range, or a value too long.
    """
    if not space.searched and _class_name(launcher) == "BasicLauncher":  # others send a single trial elsewhere
        raise PipelineError(
            "-m: nothing varies; give a key several values, as in model.hidden_dim=64,128, or choose a sweep, as in "
            "sweep=grid; without -m it is a single trial"
        )
    if (sweeper.n_trials if "n_trials" in sweeper else space.combinations(MAX_TRIALS)) < 1:
        raise PipelineError("-m: there is nothing to train; give at least one value of each key, and one trial")
    _require_short(space)
    for key, (smallest, largest) in RANGES.items():
        _, section, name = key.split(".")
        value = {"sweeper": sweeper, "launcher": launcher}[section].get(name)
        if value is not None and not smallest <= value <= largest:
            raise PipelineError(f"{key}: must be from {smallest} to {largest}, got {value}")
    if launcher.get("n_jobs") == 0:
        raise PipelineError("hydra.launcher.n_jobs: must not be 0; -1 stands for all cores")
    if "n_trials" in sweeper:
        from pipeline.sweep.tpe import distribution  # imports Optuna, which only this sweeper needs

        for override in space.searched.values():
            distribution(override)


def _require_short(space: SearchSpace) -> None:
    """Refuse values that do not fit into the tag by which a sweep knows its trials."""
    longest = {
        key: max(override.sweep_string_iterator(), key=len, default="")
        if isinstance(override.value(), ChoiceSweep)
        else ANY_NUMBER
        for key, override in space.searched.items()
    }
    if len(child_tags("", longest)[VALUES_TAG]) > MAX_TAG_VAL_LENGTH:
        key = max(longest, key=lambda key: len(longest[key]))
        raise PipelineError(
            f"{key}: one of its values has {len(longest[key]):,} characters, and MLflow keeps {MAX_TAG_VAL_LENGTH:,} "
            "of all the values of a trial; write each value into a file of a group of conf/, and search the group"
        )


def trials_at_once(launcher: DictConfig, sweeper: DictConfig, space: SearchSpace) -> int:
    """Return the largest number of trials that share this machine at a time.

    joblib runs `n_jobs` trials at a time, submitit_local all that the sweeper hands it.

    Args:
        launcher: `hydra.launcher`.
        sweeper: `hydra.sweeper`; a grid hands over all trials, or `max_batch_size`.
        space: the search space.
    """
    if _class_name(launcher) == "LocalLauncher" and "n_trials" not in sweeper:
        return min(space.combinations(MAX_TRIALS), sweeper.get("max_batch_size") or MAX_TRIALS)
    if "n_jobs" in launcher:
        jobs = int(launcher.n_jobs)
        trials = sweeper.get("n_trials") or space.combinations(MAX_TRIALS)
        return min(trials, jobs if jobs > 0 else available_cores())
    return 1


def sweep_key(config: Config, space: SearchSpace, sweeper: Mapping[str, Any], data: str, code: str) -> str:
    """Return the SHA-256 of everything that identifies a sweep; its number of trials does not.

    Args:
        config: composed without the searched values.
        space: the search space, with the fixed overrides of the command line.
        sweeper: `hydra.sweeper`.
        data: digest of the prepared dataset.
        code: digest of the code.
    """
    without_effect = tuple(f"{section}." for section in WITHOUT_EFFECT)
    fixed = sorted(override for override in space.fixed if not override.lstrip("+~").startswith(without_effect))
    settings = {name: value for name, value in sweeper.items() if name not in NOT_IN_KEY}
    values = config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    parts = [values, space.texts, fixed, settings, data, code]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _lock_sweep(key: str) -> FileLock:
    """Keep a second process from running the same sweep; the lock ends with this process."""
    folder = project_root() / ".checkpoints"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"sweep-{key[:16]}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise PipelineError("another process is running this sweep; wait for it or stop it") from None
    return lock


def _class_name(plugin: DictConfig) -> str:
    return str(plugin["_target_"]).rpartition(".")[2]


def _record_loss(tracking: TrackingConfig, overrides: Sequence[str], number: int, reason: str) -> None:
    trial = Trial.of(overrides, number)
    trial.fail(connect(tracking), reason, trial.tags)


def _end_session(config: Config, session: Session, name: str, lock: FileLock, status: str) -> None:
    from pipeline.sweep.summary import end_sweep  # imports matplotlib, slow; each trial's process imports this module

    try:
        end_sweep(config, session, name, status)
    finally:
        lock.release()
