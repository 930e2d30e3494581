"""Trials, that is, trainings outside of DVC: `python -m pipeline.train` with Hydra overrides."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pipeline.cli import Parser, tidy_exit
from pipeline.config.composition import translate_hydra_errors
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import CONF, project_root
from pipeline.runtime.worker_pool import translate_worker_deaths
from pipeline.sweep.frozen_conf import MULTIRUN, freeze_conf
from pipeline.sweep.prepared_dataset import choices_tag, log_dataset, trial_config
from pipeline.sweep.session import sweep_ended
from pipeline.sweep.trial import run_trial
from pipeline.sweep.trial_folders import require_separate
from pipeline.tracking.provenance import CHOICES
from pipeline.training import distributed
from pipeline.training.inputs import training_inputs

WITHOUT_FOLDER = ["hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=none"]
"""Overrides for the processes of a trial beyond the first, which alone creates the trial's folder."""

SHOWS = {"-c", "--cfg", "-i", "--info"}
"""Hydra's options that show a configuration instead of training with it."""
HELPS = {"-h", "--help"}


def main(train: Callable[..., Mapping[str, float]]) -> None:
    """Train one trial, or with -m all trials of a sweep, as the command line says. Exits non-zero on error.

    Args:
        train: `pipeline.trained_model.train_model`.
    """
    with tidy_exit(), translate_hydra_errors(), sweep_ended(), translate_worker_deaths():
        os.chdir(project_root())
        freeze_conf()
        distributed.adopt_slurm()
        if distributed.rank() > 0:
            sys.argv += WITHOUT_FOLDER
        if any(argument.startswith("--experimental-rerun") for argument in sys.argv):
            raise PipelineError("--experimental-rerun unpickles the file it is given; use the overrides instead")
        options = {argument.partition("=")[0] for argument in sys.argv}  # of `--cfg=job` too
        if MULTIRUN & options and SHOWS & options:
            raise PipelineError("-m: --cfg and --info show the configuration of a single trial; leave -m out")
        if "--resolve" in options and not (SHOWS | HELPS) & options:
            raise PipelineError("--resolve: what is to be resolved is shown by --cfg: --cfg job --resolve")
        os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints errors itself, on many lines
        # Hydra's parser is argparse's, which takes overrides only in one piece, and answers an error with its own usage
        argparse.ArgumentParser.parse_args = argparse.ArgumentParser.parse_intermixed_args  # type: ignore[method-assign]
        argparse.ArgumentParser.error = Parser.error  # type: ignore[assignment,method-assign]
        if sys.version_info >= (3, 14):  # it refuses a help that is no text, as one of Hydra's
            argparse.ArgumentParser._check_help = lambda _parser, _action: None

        @hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
        def task(composed: DictConfig) -> float | None:
            return trial(train, composed)

        task()


def trial(train: Callable[..., Mapping[str, float]], composed: DictConfig) -> float | None:
    """Train one trial; return its lowest calibrated validation loss, for a sweeper to minimise.

    Args:
        train: `pipeline.trained_model.train_model`.
        composed: the trial's configuration.
    """
    hydra_config = HydraConfig.get()
    output, choices = Path(hydra_config.runtime.output_dir), hydra_config.runtime.choices
    tags = {group: str(choices[group]) for group in ("experiment", "sweep") if choices.get(group)}
    tags["command"] = shlex.join(["python", "-m", "pipeline.train", *hydra_config.overrides.task])
    train_here = partial(train, artifacts=output, reports=output)
    if hydra_config.mode is RunMode.MULTIRUN:
        return run_trial(composed, tags, train_here)
    with tidy_exit():
        if distributed.rank() == 0:  # the other processes have no folder
            require_separate("hydra.run.dir", output)
        config, from_dataset = trial_config(composed, hydra_config)
        if distributed.rank() == 0:
            log_dataset(config, from_dataset)
        tags[CHOICES] = choices_tag(choices, from_dataset)
        return train_here(config, Inputs.note(*training_inputs(config)), tags=tags)["val_calibrated_loss"]
