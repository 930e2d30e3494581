"""Train a network on artifacts/dataset/.

Without arguments this is the DVC stage: it trains what params.yaml says and writes artifacts/model/, artifacts/run.json
and reports/learning_curve.csv.

With Hydra overrides it trains trials beside the pipeline and writes no output of DVC's: each trial has a folder of its
own under trials/ and an MLflow run of its own. With -m every combination is trained:

  python -m pipeline.train model.hidden_dim=64
  python -m pipeline.train -m model.hidden_dim=64,128 training.lr=1e-3,3e-3
  python -m pipeline.train -m sweep=grid

A training that was stopped goes on after its last finished epoch when the same command is given again; a sweep then
trains only what had not finished. More: docs/sweep.md
"""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pipeline.cli import tidy_exit
from pipeline.config import Config, composition, flatten
from pipeline.config.composition import validated
from pipeline.inference.model_folder import TRAINED_WITH, save
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import write_json, write_text
from pipeline.runtime.paths import WORKSPACE, project_root
from pipeline.runtime.worker_pool import clear_deaths
from pipeline.stage import Inputs, run_stage
from pipeline.sweep.frozen_conf import freeze_conf
from pipeline.sweep.session import TRAINED_ON, sweep_ended, trained_on
from pipeline.sweep.trial import run_trial
from pipeline.sweep.trial_folders import require_separate
from pipeline.text.dataset import DatasetInfo, read_info, read_vocabulary, require_prepared_for, require_whole
from pipeline.tracking.provenance import CHOICES_TAG, WITHOUT_EFFECT, data_md5, environment, run_name, run_tags
from pipeline.tracking.run import Run
from pipeline.tracking.store import connect
from pipeline.training import distributed
from pipeline.training.callbacks import learning_curve_csv
from pipeline.training.fit import Training, fit_prepared
from pipeline.training.hardware import Hardware, resolve_hardware
from pipeline.training.initial_weights import load_pretrained
from pipeline.training.launcher import in_processes
from pipeline.training.pseudo_labels import load_pseudo_labels
from pipeline.training.word_vectors import require_fitting_vectors
from pipeline.training_run import checkpointed_run, help_leader

ARTIFACTS, REPORTS = WORKSPACE / "artifacts", WORKSPACE / "reports"
DATASET, PRETRAINED, PSEUDO_LABELS = ARTIFACTS / "dataset", ARTIFACTS / "pretrained", ARTIFACTS / "pseudo_labels"
WITHOUT_FOLDER = ["hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=none"]
"""For a process of a trial that another leads: Hydra makes the trial's folder but once."""


def main(config: Config, inputs: Inputs) -> None:
    """The DVC stage: write `artifacts/model/`, `artifacts/run.json` and `reports/learning_curve.csv`."""
    train(config, inputs, ARTIFACTS, REPORTS)


def train(
    config: Config,
    inputs: Inputs,
    artifacts: Path,
    reports: Path,
    tags: Mapping[str, str] | None = None,
    name: str | None = None,
    threads: int | None = None,
) -> dict[str, float]:
    """Train, calibrate and save one model within one MLflow run.

    Args:
        config: what to train; its corpus, split and text must be those of the prepared dataset.
        inputs: what it is trained on.
        artifacts: gets `model/` and `run.json`.
        reports: gets `learning_curve.csv`.
        tags: of the MLflow run, beside the usual.
        name: of the MLflow run; None: one made from the configuration.
        threads: for torch; None: as configured.

    Returns:
        the row of the learning curve with the least calibrated validation loss.
    """
    dataset = read_info(DATASET)
    require_prepared_for(config, dataset)
    require_whole(DATASET, dataset)
    require_fitting_vectors(config.model, DATASET)
    hardware = resolve_hardware(config.trainer.model_copy(update={"threads": threads or config.trainer.threads}))
    load_pretrained(PRETRAINED, config.pretraining, dataset.digest)  # or fail before a run is opened
    pseudo_labels = load_pseudo_labels(PSEUDO_LABELS, config, dataset)
    values = config.model_dump(include={"seed", "model", "pretraining", "pseudo_labels", "training"})
    fit_here = partial(fit_prepared, config, DATASET, PRETRAINED, pseudo_labels, hardware)
    if distributed.rank() > 0:
        return help_leader(fit_here, values, dataset.digest, hardware).best
    store = connect(config.tracking)
    made_from = run_tags(config)
    with checkpointed_run(
        store,
        name or run_name(config),
        config,
        {**made_from, "stage": "train", **(tags or {})},
        values=values,
        digest=dataset.digest,
        splits=dataset.splits,
        hardware=hardware,
    ) as (run, checkpoints):
        _describe(run, config, dataset, hardware)
        training = in_processes(partial(fit_here, checkpoints), hardware, run.log_metrics)
        inputs.require_unchanged()
        _save_model(artifacts / "model", config, dataset, training)
        speed = {"train_seconds": training.seconds, "reviews_per_second": training.reviews_per_second}
        write_text(reports / "learning_curve.csv", learning_curve_csv(training.curve))
        facts = {"run_id": run.run_id, **speed, "epochs": len(training.curve), **hardware.summary()}
        write_json(artifacts / "run.json", {**facts, "model": folder_digest(artifacts / "model"), "tags": made_from})
        run.log_artifact(reports / "learning_curve.csv", "reports")
        run.log_artifacts(artifacts / "model", "model")
        run.log_metrics(flatten({"best": training.best, "speed": speed}, "/"), step=0)
    return training.best


def _save_model(folder: Path, config: Config, dataset: DatasetInfo, training: Training) -> None:
    info = {
        **asdict(training.calibration),
        **config.model_dump(include=set(TRAINED_WITH)),
        "corpus": {
            **dataset.corpus.model_dump(include={"name", "source", "licence", "citation"}),
            "content": config.corpus.content,
        },
        "dataset": dataset.model_dump(include={"digest", "split", "splits"}),
    }
    save(folder, training.network, read_vocabulary(DATASET), info)


def _describe(run: Run, config: Config, dataset: DatasetInfo, hardware: Hardware) -> None:
    values = config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    run.log_params(flatten({**values, "hardware": hardware.summary()}))
    run.log_dict(values, "config.yaml")
    run.log_dict(environment(), "environment.json")
    corpus = dataset.corpus
    digest = data_md5() or dataset.digest[:36]
    run.log_dataset(corpus.name, corpus.source, digest, dataset.splits)


@hydra.main(version_base="1.3", config_path=str(WORKSPACE / "conf"), config_name="config")
def trial(composed: DictConfig) -> float | None:
    """One training beside the pipeline; returns the least calibrated validation loss, for a sweeper to minimise."""
    hydra_config = HydraConfig.get()
    output, choices = Path(hydra_config.runtime.output_dir), hydra_config.runtime.choices
    tags = {group: str(choices[group]) for group in ("experiment", "sweep") if choices.get(group)}
    groups = {group: name for group, name in choices.items() if not group.startswith("hydra/")}
    tags[CHOICES_TAG] = json.dumps(groups, default=list)  # more than one experiment is a list
    tags["command"] = shlex.join(["python", "-m", "pipeline.train", *hydra_config.overrides.task])
    if hydra_config.mode is RunMode.MULTIRUN:
        return run_trial(composed, tags, partial(train, artifacts=output, reports=output))
    with tidy_exit():
        if distributed.rank() == 0:  # the others have none
            require_separate("hydra.run.dir", output)
        config = validated(composed)
        inputs = Inputs.note(*trained_on(config))
        return train(config, inputs, output, output, tags)["val_calibrated_loss"]


if __name__ == "__main__":
    if len(sys.argv) == 1 or {"-h", "--help"} & set(sys.argv):
        run_stage(main, __doc__, *TRAINED_ON)
    else:
        with tidy_exit(), composition.translate_hydra_errors(), sweep_ended(), clear_deaths():
            os.chdir(project_root())
            freeze_conf()
            distributed.adopt_slurm()
            if distributed.rank() > 0:
                sys.argv += WITHOUT_FOLDER
            if any(argument.startswith("--experimental-rerun") for argument in sys.argv):
                raise PipelineError("--experimental-rerun unpickles the file it is given; give the overrides instead")
            os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra would print what is wrong itself, on many lines
            trial()
