"""Check the settings of a sweep before anything of it is recorded."""

from omegaconf import DictConfig

from pipeline.runtime.errors import PipelineError
from pipeline.sweep.search_space import Space

MOST = 100_000
"""Trials of a sweep."""
SETTINGS = {
    "hydra.sweeper.n_trials": (1, MOST),
    "hydra.sweeper.seed": (0, 2**32 - 1 - MOST),
    "hydra.sweeper.max_batch_size": (1, MOST),
    "hydra.launcher.array_parallelism": (1, MOST),
}
"""Least and greatest values; the sampler of each trial has a seed of its own, from the sweep's on."""


def require_possible(space: Space, sweeper: DictConfig, launcher: DictConfig) -> None:
    """Refuse a sweep that cannot be run.

    Args:
        space: what is searched.
        sweeper: `hydra.sweeper`.
        launcher: `hydra.launcher`.

    Raises:
        PipelineError: there is nothing to train, or too much, or a setting is out of range.
    """
    if (sweeper.n_trials if "n_trials" in sweeper else space.combinations(MOST)) < 1:
        raise PipelineError("-m: there is nothing to train; give at least one value of each key, and one trial")
    for key, (least, greatest) in SETTINGS.items():
        _, section, name = key.split(".")
        value = {"sweeper": sweeper, "launcher": launcher}[section].get(name)
        if value is not None and not least <= value <= greatest:
            raise PipelineError(f"{key}: must be from {least} to {greatest}, got {value}")
    if launcher.get("n_jobs") == 0:
        raise PipelineError("hydra.launcher.n_jobs: must not be 0; -1 stands for all cores")
    if "n_trials" in sweeper:
        from pipeline.sweep.tpe import distribution  # and Optuna only where it is used

        for override in space.searched.values():
            distribution(override)
