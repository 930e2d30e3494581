"""Hydra sweeper that runs Optuna's TPE; Hydra finds sweepers only in the namespace `hydra_plugins`.

Every command that composes a configuration imports this module, so Optuna is imported only for a sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class TPESweeperConf:
    """Defaults of `hydra.sweeper` after `override /hydra/sweeper: tpe`."""

    _target_: str = "hydra_plugins.tpe_sweeper.TPESweeper"
    n_trials: int = 20
    seed: int = 1
    params: dict[str, Any] | None = None


ConfigStore.instance().store(group="hydra/sweeper", name="tpe", node=TPESweeperConf, provider="sentiment-pipeline")


class TPESweeper(Sweeper):
    """Launches the trials that Optuna proposes; resumes the study of a sweep that was stopped."""

    def __init__(self, n_trials: int, seed: int, params: dict[str, Any] | None) -> None:
        self.n_trials, self.seed, self.params = n_trials, seed, params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Create the launcher; Hydra calls this before `sweep`."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Launch batches of trials until there are `n_trials`, counting those that finished before."""
        from pipeline.cli import tidy_exit
        from pipeline.sweep.search_space import parse_space
        from pipeline.sweep.tpe import search

        assert self.hydra_context is not None and self.config is not None  # Hydra has called setup
        with tidy_exit():
            space = parse_space(self.params, arguments, self.hydra_context.config_loader)
            search(space, self.n_trials, self.seed, self.config, self._launch)

    def _launch(self, batch: Sequence[Sequence[str]], first: int) -> list[float | None]:
        self.validate_batch_is_legal(batch)
        return [job.return_value for job in self.launcher.launch(batch, initial_job_idx=first)]
