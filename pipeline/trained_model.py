"""One model trained, calibrated and saved within one MLflow run: the work of the stage `train` and of each trial."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.config.objective import ACCURACY
from pipeline.config.schema import Config
from pipeline.inference.model_folder import TRAINED_WITH, save_model
from pipeline.runtime.atomic import write_text
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import DATASET, PRETRAINED, PSEUDO_LABELS
from pipeline.runtime.records import write_json
from pipeline.text.dataset import (
    DatasetRecord,
    read_dataset_record,
    read_vocabulary,
    require_prepared_for,
    require_whole,
)
from pipeline.tracking.hyperparameters import hyperparameters
from pipeline.tracking.provenance import WITHOUT_EFFECT, data_md5, environment, origin_of, run_name
from pipeline.tracking.run import Run
from pipeline.training.callbacks import learning_curve_csv
from pipeline.training.fit import FitResult, fit
from pipeline.training.folds import OUT_OF_FOLD, read_fold, write_out_of_fold
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import load_pretrained, require_fitting_vectors
from pipeline.training.loggers import require_loggers
from pipeline.training.pseudo_labels import load_pseudo_labels
from pipeline.training_run import train_in_run

DECISIVE = {"seed", "model", "pretraining", "pseudo_labels", "training", "debug"}
"""Sections of the configuration that decide the result of a training on given data."""
READING = {"text_column", "label_column", "labels", "ignore_labels", "format"}
"""Keys of `corpus`, which only the user's files have, that are stored with a model: other files are read alike."""


def train_model(
    config: Config,
    inputs: Inputs,
    artifacts: Path,
    reports: Path,
    tags: Mapping[str, str] | None = None,
    searched: Mapping[str, str] | None = None,
    name: str | None = None,
    threads: int | None = None,
) -> dict[str, float]:
    """Train, calibrate and save one model within one MLflow run.

    Args:
        config: the whole configuration; its corpus, split and text must be those of the prepared dataset.
        inputs: the files that the training reads.
        artifacts: folder that gets `model/` and `run.json`, and the answers for the held-out reviews of a fold.
        reports: folder that gets `learning_curve.csv`.
        tags: additional tags and provenance of the MLflow run.
        searched: values that a sweep varies, by key; they are parameters of the run beside `hyperparameters`.
        name: name of the MLflow run; None makes one from the configuration.
        threads: torch threads; None takes the configured number.

    Returns:
        the row of the learning curve with the lowest calibrated validation loss.
    """
    dataset = read_dataset_record(DATASET)
    require_prepared_for(config, dataset)
    require_whole(DATASET, dataset)
    require_fitting_vectors(config.model, DATASET)
    require_loggers(config.logger)
    fold = read_fold(DATASET, config.training)
    hardware = resolve_hardware(config.trainer.model_copy(update={"threads": threads or config.trainer.threads}))
    pretrained = load_pretrained(PRETRAINED, config.pretraining, dataset.digest)
    pseudo_labels = load_pseudo_labels(PSEUDO_LABELS, config, dataset)
    name = name or run_name(config)
    if config.debug is not None:
        name, tags = f"debug: {name}", {**(tags or {}), "debug": "true"}
    origin, objective = origin_of(config), config.evaluation.objective

    def save(run: Run, trained: FitResult) -> None:
        inputs.require_unchanged()
        model = artifacts / "model"
        save_model(model, trained.network, read_vocabulary(DATASET), model_info(config, dataset, trained))
        write_text(reports / "learning_curve.csv", learning_curve_csv(trained.curve))
        speed = {"train_seconds": trained.seconds, "reviews_per_second": trained.reviews_per_second}
        record = {"run_id": run.run_id, **speed, "epochs": len(trained.curve), **hardware.summary()}
        write_json(artifacts / "run.json", {**record, "model": folder_digest(model), "origin": origin})
        run.log_params({"training.epochs": trained.epochs})
        run.log_artifact(reports / "learning_curve.csv", "reports")
        run.log_artifacts(model, "model")
        if fold is not None:
            write_out_of_fold(artifacts / OUT_OF_FOLD, DATASET, fold, trained.calibration.rule, trained.probabilities)
            run.log_artifact(artifacts / OUT_OF_FOLD)
        run.log_metrics({f"speed/{name}": value for name, value in speed.items()}, step=0)
        run.log_metrics({"train/best_epoch": trained.best["epoch"]}, step=0)
        if objective != ACCURACY:
            run.log_metrics({"val/objective": trained.objective}, step=0)
        run.log_metrics(trained.val_metrics, trained.steps)

    return train_in_run(
        partial(
            fit,
            config,
            DATASET,
            hardware,
            pretrained=pretrained,
            pseudo_labels=pseudo_labels,
            objective=objective,
            fold=fold,
            name=name,
        ),
        save,
        stage="train",
        name=name,
        tags={**origin, **(tags or {})},
        params={**(searched or {}), **hyperparameters(config)},
        config=config,
        values=config.model_dump(include=DECISIVE),
        dataset=dataset,
        hardware=hardware,
        describe=partial(_describe_run, config, dataset),
        result=_describe_result,
    ).best


def model_info(config: Config, dataset: DatasetRecord, trained: FitResult) -> dict[str, Any]:
    """Return the content of `config.json` of the model folder."""
    return {
        "classes": dataset.corpus.classes,
        "ordered": dataset.corpus.ordered,
        **trained.calibration.summary(),
        **config.model_dump(include=TRAINED_WITH),
        "resolved": {"training": {"epochs": trained.epochs}},
        "corpus": {
            **dataset.corpus.model_dump(include={"name", "source", "licence", "citation"}),
            "content": config.corpus.content,
            "duplicates": config.corpus.duplicates,
            **config.corpus.model_dump(include=READING),
        },
        "dataset": dataset.model_dump(include={"digest", "split", "splits"}),
    }


def _describe_result(trained: FitResult) -> str:
    return f"**{trained.accuracy:.4f} accuracy on the validation split**, after epoch {trained.best['epoch']:.0f}."


def _describe_run(config: Config, dataset: DatasetRecord, run: Run) -> None:
    values = config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    run.log_dict(values, "config.yaml")
    run.log_dict(environment(), "environment.json")
    corpus = dataset.corpus
    facts = corpus.model_dump(include={"source", "licence", "citation"})
    run.log_dataset(corpus.name, facts, data_md5() or dataset.digest[:36], dataset.splits)
