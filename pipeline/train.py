"""Train a network on artifacts/dataset/.

Without arguments this is the DVC stage: it trains what params.yaml says and writes artifacts/model/, artifacts/run.json
and reports/learning_curve.csv.

With Hydra overrides it trains trials beside the pipeline and writes no output of DVC's: each trial has a folder of its
own under trials/ and an MLflow run of its own. With -m every combination is trained:

  python -m pipeline.train model.hidden_dim=64
  python -m pipeline.train -m model.hidden_dim=64,128 training.lr=1e-3,3e-3
  python -m pipeline.train -m sweep=grid

A training that was stopped goes on after its last finished epoch when the same command is given again.
"""

import hashlib
import json
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from pipeline.cli import log_to, run_stage, tidy_exit
from pipeline.config import WORKSPACE, Config, flatten, project_root, validate
from pipeline.errors import PipelineError
from pipeline.files import write_json, write_text
from pipeline.model.build import fixed_length
from pipeline.model.calibration import choose_threshold, fit_temperature
from pipeline.model.callbacks import learning_curve_csv
from pipeline.model.fitting import Training, fit
from pipeline.model.hardware import Hardware, resolve_hardware
from pipeline.model.scoring import calibrated, score
from pipeline.serving.folder import save
from pipeline.text.dataset import read_info, read_split
from pipeline.text.vocabulary import Vocabulary
from pipeline.tracking.provenance import data_md5, environment, run_name, run_tags
from pipeline.tracking.run import Run, training_run
from pipeline.tracking.store import connect

DATASET = WORKSPACE / "artifacts" / "dataset"
CODE = ("config.py", "model", "text", "train.py")
"""Files of this package a checkpoint depends on."""

log = logging.getLogger(__name__)


def main(config: Config) -> None:
    """The DVC stage: write `artifacts/model/`, `artifacts/run.json` and `reports/learning_curve.csv`."""
    train(config, WORKSPACE / "artifacts", WORKSPACE / "reports")


def train(config: Config, artifacts: Path, reports: Path) -> dict[str, float]:
    """Train, calibrate and save one model within one MLflow run.

    Args:
        config: what to train; its corpus, split and text must be those of the prepared dataset.
        artifacts: gets `model/` and `run.json`.
        reports: gets `learning_curve.csv`.

    Returns:
        the row of the learning curve with the least calibrated validation loss.
    """
    dataset = read_info(DATASET)
    _require_prepared(config, dataset)
    hardware = resolve_hardware(config.trainer)
    checkpoints = project_root() / ".checkpoints" / _key(config, dataset["digest"], hardware)
    known_run = checkpoints / "run_id"
    resumed = known_run.read_text(encoding="utf-8") if known_run.exists() else None
    store = connect(config.tracking)
    with (
        log_to(checkpoints / "train.log"),
        training_run(store, run_name(config), run_tags(config), resumed, config.tracking.system_metrics) as run,
    ):
        write_text(known_run, run.run_id)
        _describe(run, config, dataset, hardware)
        try:
            vocabulary = Vocabulary.load(DATASET / "vocab.json")
            training = fit(config, DATASET, len(vocabulary), hardware, checkpoints, run.log_metrics)
            _save_model(artifacts / "model", config, dataset, training, vocabulary)
        finally:
            run.log_artifact(checkpoints / "train.log", "logs")
        best = min(training.curve, key=lambda row: row["val_calibrated_loss"])
        write_text(reports / "learning_curve.csv", learning_curve_csv(training.curve))
        facts = {
            "run_id": run.run_id,
            "train_seconds": training.seconds,
            "reviews_per_second": training.reviews_per_second,
            "epochs": len(training.curve),
            "device": hardware.device,
            "precision": hardware.precision,
            "threads": hardware.threads,
        }
        write_json(artifacts / "run.json", facts)
        run.log_artifact(reports / "learning_curve.csv", "reports")
        run.log_artifacts(artifacts / "model", "model")
        run.log_metrics(
            {
                **{f"best/{name}": value for name, value in best.items()},
                "speed/train_seconds": training.seconds,
                "speed/train_reviews_per_second": training.reviews_per_second,
            },
            step=0,
        )
    shutil.rmtree(checkpoints)
    return best


def _save_model(
    folder: Path, config: Config, dataset: dict[str, Any], training: Training, vocabulary: Vocabulary
) -> None:
    """Calibrate on all validation reviews, as the saved model will answer them, and write the model folder."""
    validation = read_split(DATASET, "validation")
    reviews = [validation[row] for row in range(len(validation))]
    logits = score(training.network, reviews, fixed_length(config.model))
    temperature = fit_temperature(logits, validation.labels)
    threshold = choose_threshold(calibrated(logits, temperature), validation.labels)
    log.info("calibrated on validation: temperature %.3f, threshold %.3f", temperature, threshold)
    info = {
        "temperature": temperature,
        "threshold": threshold,
        **config.model_dump(include={"seed", "text", "model", "training", "trainer"}),
        "corpus": {key: dataset["corpus"][key] for key in ("name", "source", "licence", "citation")},
        "dataset": {key: dataset[key] for key in ("digest", "split", "splits")},
    }
    save(folder, training.network, vocabulary, info)


def _describe(run: Run, config: Config, dataset: dict[str, Any], hardware: Hardware) -> None:
    values = config.model_dump(mode="json")
    run.log_params(flatten({**values, "hardware": vars(hardware) | {"device": hardware.device}}))
    run.log_dict(values, "config.yaml")
    run.log_dict(environment(), "environment.json")
    corpus = dataset["corpus"]
    digest = data_md5() or dataset["digest"][:36]
    run.log_dataset(corpus["name"], corpus["source"], digest, dataset["splits"])


def _require_prepared(config: Config, dataset: dict[str, Any]) -> None:
    """Refuse to train on a dataset that was made from another configuration."""
    corpus = dataset["corpus"]["config"]
    asked = {"corpus": config.corpus.model_dump(), "split": config.split.model_dump(), "text": config.text.model_dump()}
    made = flatten({"corpus": corpus, "split": dataset["split"], "text": dataset["text"]})
    for key, value in flatten(asked).items():
        if key != "corpus.fingerprint" and made.get(key) != value:
            raise PipelineError(
                f"{key}: {value!r} is asked for, but artifacts/dataset was made with {made.get(key)!r}; "
                "prepare it with `dvc repro preprocess` (or `dvc exp run -S …`) first"
            )


def _key(config: Config, digest: str, hardware: Hardware) -> str:
    """Names a training: equal configuration, data and code resume one another's checkpoints."""
    key = hashlib.sha256(digest.encode())
    values = config.model_dump(include={"seed", "model", "training"})
    key.update(json.dumps([values, vars(hardware)], sort_keys=True).encode())
    package = Path(__file__).parent
    for room in CODE:
        path = package / room
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            key.update(file.read_bytes())
    return key.hexdigest()[:16]


@hydra.main(version_base="1.3", config_path=str(WORKSPACE / "conf"), config_name="config")
def trial(composed: DictConfig) -> float:
    """One trial of a sweep; returns the least calibrated validation loss, for a sweeper to minimise."""
    with tidy_exit():
        config = validate(OmegaConf.to_container(composed, resolve=True))
        output = Path(HydraConfig.get().runtime.output_dir)
        return train(config, output, output)["val_calibrated_loss"]


if __name__ == "__main__":
    if len(sys.argv) == 1 or {"-h", "--help"} & set(sys.argv):
        run_stage(main, __doc__)
    else:
        os.chdir(project_root())
        trial()
