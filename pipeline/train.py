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

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from pipeline.checkpointed import checkpointed_run
from pipeline.cli import run_stage, tidy_exit
from pipeline.config import WORKSPACE, Config, flatten, project_root, validate
from pipeline.files import write_json, write_text
from pipeline.model.callbacks import learning_curve_csv
from pipeline.model.fitting import Training, fit
from pipeline.model.hardware import Hardware, resolve_hardware
from pipeline.model.pretrained import load_pretrained
from pipeline.model.pseudo_labels import load_pseudo_labels
from pipeline.model.word_vectors import require_fitting_vectors
from pipeline.serving.folder import save
from pipeline.text.dataset import read_info, require_prepared_for
from pipeline.text.vocabulary import Vocabulary
from pipeline.tracking.provenance import data_md5, environment, run_name, run_tags
from pipeline.tracking.run import Run
from pipeline.tracking.store import connect

DATASET = WORKSPACE / "artifacts" / "dataset"
PRETRAINED = WORKSPACE / "artifacts" / "pretrained"
PSEUDO_LABELS = WORKSPACE / "artifacts" / "pseudo_labels"


def main(config: Config) -> None:
    """The DVC stage: write `artifacts/model/`, `artifacts/run.json` and `reports/learning_curve.csv`."""
    train(config, WORKSPACE / "artifacts", WORKSPACE / "reports")


def train(config: Config, artifacts: Path, reports: Path, tags: Mapping[str, str] | None = None) -> dict[str, float]:
    """Train, calibrate and save one model within one MLflow run.

    Args:
        config: what to train; its corpus, split and text must be those of the prepared dataset.
        artifacts: gets `model/` and `run.json`.
        reports: gets `learning_curve.csv`.
        tags: of the MLflow run, beside the usual.

    Returns:
        the row of the learning curve with the least calibrated validation loss.
    """
    dataset = read_info(DATASET)
    require_prepared_for(config, dataset)
    require_fitting_vectors(config.model, DATASET)
    hardware = resolve_hardware(config.trainer)
    store = connect(config.tracking)
    pretrained = load_pretrained(PRETRAINED, config.pretraining, dataset["digest"])
    pseudo_labels = load_pseudo_labels(PSEUDO_LABELS, config, dataset["digest"])
    made_from = run_tags(config)
    values = config.model_dump(include={"seed", "model", "pretraining", "pseudo_labels", "training"})
    with checkpointed_run(
        store,
        run_name(config),
        config,
        {"stage": "train", **(tags or {})},
        values=values,
        digest=dataset["digest"],
        splits=dataset["splits"],
        hardware=hardware,
    ) as (run, checkpoints):
        _describe(run, config, dataset, hardware)
        vocabulary = Vocabulary.load(DATASET / "vocab.json")
        training = fit(
            config, DATASET, len(vocabulary), hardware, checkpoints, run.log_metrics, pretrained, pseudo_labels
        )
        _save_model(artifacts / "model", config, dataset, training, vocabulary)
        best = min(training.curve, key=lambda row: row["val_calibrated_loss"])
        speed = {"train_seconds": training.seconds, "reviews_per_second": training.reviews_per_second}
        write_text(reports / "learning_curve.csv", learning_curve_csv(training.curve))
        facts = {"run_id": run.run_id, **speed, "epochs": len(training.curve), **hardware.summary()}
        write_json(artifacts / "run.json", {**facts, "tags": made_from})
        run.log_artifact(reports / "learning_curve.csv", "reports")
        run.log_artifacts(artifacts / "model", "model")
        run.log_metrics(flatten({"best": best, "speed": speed}, "/"), step=0)
    return best


def _save_model(
    folder: Path, config: Config, dataset: dict[str, Any], training: Training, vocabulary: Vocabulary
) -> None:
    info = {
        **asdict(training.calibration),
        **config.model_dump(include={"seed", "text", "model", "pretraining", "pseudo_labels", "training", "trainer"}),
        "corpus": {key: dataset["corpus"][key] for key in ("name", "source", "licence", "citation")},
        "dataset": {key: dataset[key] for key in ("digest", "split", "splits")},
    }
    save(folder, training.network, vocabulary, info)


def _describe(run: Run, config: Config, dataset: dict[str, Any], hardware: Hardware) -> None:
    values = config.model_dump(mode="json", exclude={"tracking"})  # its URI may hold a password
    run.log_params(flatten({**values, "hardware": hardware.summary()}))
    run.log_dict(values, "config.yaml")
    run.log_dict(environment(), "environment.json")
    corpus = dataset["corpus"]
    digest = data_md5() or dataset["digest"][:36]
    run.log_dataset(corpus["name"], corpus["source"], digest, dataset["splits"])


@hydra.main(version_base="1.3", config_path=str(WORKSPACE / "conf"), config_name="config")
def trial(composed: DictConfig) -> float:
    """One trial of a sweep; returns the least calibrated validation loss, for a sweeper to minimise."""
    with tidy_exit():
        config = validate(OmegaConf.to_container(composed, resolve=True))
        hydra_config = HydraConfig.get()
        output = Path(hydra_config.runtime.output_dir)
        chosen = {group: hydra_config.runtime.choices.get(group) for group in ("experiment", "sweep")}
        tags = {group: name for group, name in chosen.items() if name}
        tags["command"] = shlex.join(["python", "-m", "pipeline.train", *hydra_config.overrides.task])
        return train(config, output, output, tags)["val_calibrated_loss"]


if __name__ == "__main__":
    if len(sys.argv) == 1 or {"-h", "--help"} & set(sys.argv):
        run_stage(main, __doc__)
    else:
        os.chdir(project_root())
        trial()
