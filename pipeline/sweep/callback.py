"""Opens the parent run of a sweep before its first trial; named in conf/config.yaml, so that every multirun has it."""

import hashlib
import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.global_hydra import GlobalHydra
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from pipeline.cli import tidy_exit
from pipeline.config import Config
from pipeline.config.composition import validated
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE, project_root
from pipeline.runtime.worker_pool import available_cores
from pipeline.stage import Inputs
from pipeline.sweep.frozen_conf import require_frozen
from pipeline.sweep.limits import MOST, require_possible
from pipeline.sweep.parent_run import open_sweep
from pipeline.sweep.search_space import Space, parse_space, short_keys
from pipeline.sweep.session import Session, at_end, training_code
from pipeline.sweep.trial_folders import require_separate
from pipeline.text.dataset import read_info
from pipeline.tracking.provenance import UNKNOWN, WITHOUT_EFFECT, data_md5, git_commit, git_dirty
from pipeline.tracking.store import connect
from pipeline.training import distributed
from pipeline.training.inputs import TRAINED_ON

DATASET = WORKSPACE / "artifacts" / "dataset"
LONGEST_PARAM = 6000
NOT_OF_THE_KEY = ("params", "n_trials", "max_batch_size")
"""Settings of a sweeper: what is searched counts as parsed, and the same sweep may be given more trials."""


class SweepRun(Callback):
    """The same command finds its parent run again, in whatever state it was left."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Open the parent run, or end the command with one line; Hydra would only warn."""
        with tidy_exit():
            try:
                _open(config)
            except PipelineError:
                raise
            except Exception as error:
                raise PipelineError(f"the sweep cannot be opened: {type(error).__name__}: {error}") from error


def _open(composed: DictConfig) -> None:
    if distributed.started() > 1:
        raise PipelineError(
            f"-m: torchrun or srun started {distributed.started()} processes, and each would run the whole sweep; "
            "start one process, whose trials start others with trainer=ddp"
        )
    hydra_config = composed.hydra
    require_frozen(hydra_config)
    folder = Path(hydra_config.sweep.dir)
    require_separate("hydra.sweep.dir", folder)
    overrides = [str(override) for override in hydra_config.overrides.task]
    space = parse_space(hydra_config.sweeper.get("params"), overrides, GlobalHydra.instance().config_loader())
    sweeper = hydra_config.sweeper
    require_possible(space, sweeper, hydra_config.launcher)
    config = validated(composed)
    launcher = _class_name(hydra_config.launcher)
    if launcher == "SlurmLauncher":
        from pipeline.sweep.slurm import outlive_jobs  # and submitit only where it is used

        outlive_jobs(config.tracking)
    inputs = Inputs.note(*(WORKSPACE / path for path in TRAINED_ON))
    data, code = read_info(DATASET).digest, training_code()
    settings = OmegaConf.to_container(sweeper, resolve=True)
    assert isinstance(settings, dict)
    key = sweep_key(config, space, {str(name): value for name, value in settings.items()}, data, code)
    kind = str(hydra_config.runtime.choices.get("sweep") or "command")
    lock = _lock(key)
    store = connect(config.tracking)
    name = f"{kind}: {', '.join(short_keys(space.searched).values())}"[:250]
    tags = {
        "stage": "sweep",
        "sweep": kind,
        "launcher": launcher,
        "git.commit": git_commit(),
        "git.dirty": git_dirty(),
        "code.sha256": code,
        "data.md5": data_md5() or UNKNOWN,
        "corpus": config.corpus.name,
    }
    params = {f"search.{searched.lstrip('+')}": value[:LONGEST_PARAM] for searched, value in space.texts.items()}
    params["sweeper"] = _class_name(sweeper)
    at_once = trials_at_once(hydra_config.launcher, sweeper, space)
    run_id = open_sweep(store, key, name, tags, params, config.model_dump(mode="json"))
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
    at_end(partial(_end, config, session, name, lock))


def trials_at_once(launcher: DictConfig, sweeper: DictConfig, space: Space) -> int:
    """Most trials that share this machine: joblib runs `n_jobs` at a time, submitit_local all that it is given.

    Args:
        launcher: `hydra.launcher`.
        sweeper: `hydra.sweeper`; a grid's gives all trials, or `max_batch_size`.
        space: what is searched.
    """
    if _class_name(launcher) == "LocalLauncher" and "n_trials" not in sweeper:
        return min(space.combinations(MOST), sweeper.get("max_batch_size") or MOST)
    if "n_jobs" in launcher:
        jobs = int(launcher.n_jobs)
        return min(sweeper.get("n_trials") or space.combinations(MOST), jobs if jobs > 0 else available_cores())
    return 1


def sweep_key(config: Config, space: Space, sweeper: Mapping[str, Any], data: str, code: str) -> str:
    """SHA-256 of all that makes a sweep what it is; how many trials it shall have does not.

    Args:
        config: composed without what varies.
        space: what varies, and what is fixed on the command line.
        sweeper: `hydra.sweeper`.
        data: digest of the prepared dataset.
        code: digest of the code.
    """
    without_effect = tuple(f"{section}." for section in WITHOUT_EFFECT)
    fixed = sorted(given for given in space.fixed if not given.lstrip("+~").startswith(without_effect))
    settings = {name: value for name, value in sweeper.items() if name not in NOT_OF_THE_KEY}
    values = config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    parts = [values, space.texts, fixed, settings, data, code]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _lock(key: str) -> FileLock:
    """Let no second process run the same sweep; the lock dies with this one."""
    folder = project_root() / ".checkpoints"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"sweep-{key[:16]}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise PipelineError("another process runs this very sweep; wait for it, or stop it") from None
    return lock


def _class_name(plugin: DictConfig) -> str:
    return str(plugin["_target_"]).rpartition(".")[2]


def _end(config: Config, session: Session, name: str, lock: FileLock, status: str) -> None:
    from pipeline.sweep.summary import end_sweep  # matplotlib is slow to import, and each trial's process has us

    try:
        end_sweep(config, session, name, status)
    finally:
        lock.release()
