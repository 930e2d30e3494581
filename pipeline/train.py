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

import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path

from pipeline.config import Config, flatten
from pipeline.inference.model_folder import TRAINED_WITH, save
from pipeline.runtime.atomic import write_text
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.paths import WORKSPACE
from pipeline.runtime.records import write_json
from pipeline.stage import Inputs, run_stage
from pipeline.text.dataset import DatasetRecord, read_dataset_info, read_vocabulary, require_prepared_for, require_whole
from pipeline.tracking.provenance import WITHOUT_EFFECT, data_md5, environment, run_name, run_tags
from pipeline.tracking.run import Run
from pipeline.tracking.store import connect
from pipeline.training import distributed
from pipeline.training.callbacks import learning_curve_csv
from pipeline.training.fit import Training, fit_prepared
from pipeline.training.hardware import Hardware, resolve_hardware
from pipeline.training.initial_weights import load_pretrained
from pipeline.training.inputs import TRAINED_ON
from pipeline.training.launcher import in_processes
from pipeline.training.pseudo_labels import load_pseudo_labels
from pipeline.training.word_vectors import require_fitting_vectors
from pipeline.training_run import checkpointed_run, help_leader

ARTIFACTS, REPORTS = WORKSPACE / "artifacts", WORKSPACE / "reports"
DATASET, PRETRAINED, PSEUDO_LABELS = ARTIFACTS / "dataset", ARTIFACTS / "pretrained", ARTIFACTS / "pseudo_labels"


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
    dataset = read_dataset_info(DATASET)
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


def _save_model(folder: Path, config: Config, dataset: DatasetRecord, training: Training) -> None:
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


def _describe(run: Run, config: Config, dataset: DatasetRecord, hardware: Hardware) -> None:
    values = config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    run.log_params(flatten({**values, "hardware": hardware.summary()}))
    run.log_dict(values, "config.yaml")
    run.log_dict(environment(), "environment.json")
    corpus = dataset.corpus
    digest = data_md5() or dataset.digest[:36]
    run.log_dataset(corpus.name, corpus.source, digest, dataset.splits)


if __name__ == "__main__":
    if len(sys.argv) == 1 or {"-h", "--help"} & set(sys.argv):
        run_stage(main, __doc__, *TRAINED_ON)
    else:
        # By its name: an import would count as code of the stage, which a change of sweeps would then run again.
        import_module("pipeline.sweep.command").main(train)
