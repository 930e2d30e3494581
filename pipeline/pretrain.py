"""Pre-train the network on artifacts/dataset/, labelled and unlabelled reviews alike, as conf/pretraining/ says.

Writes artifacts/pretrained/, from which `train` starts. With pretraining=none, the default, there is nothing to do. A
pre-training that was stopped goes on after its last finished part of an epoch when the same command is given again.
"""

import logging
import shutil

from pipeline.cli import log_to, run_stage
from pipeline.config import WORKSPACE, Config, NoPretraining, flatten, project_root
from pipeline.files import only_one
from pipeline.model.hardware import resolve_hardware
from pipeline.model.pretrained import save_pretrained
from pipeline.model.pretraining import pretrain
from pipeline.model.trainer import training_key
from pipeline.text.dataset import read_info
from pipeline.text.vocabulary import Vocabulary
from pipeline.tracking.provenance import run_name, run_tags
from pipeline.tracking.run import training_run
from pipeline.tracking.store import connect

DATASET = WORKSPACE / "artifacts" / "dataset"
PRETRAINED = WORKSPACE / "artifacts" / "pretrained"


def main(config: Config) -> None:
    """Write `artifacts/pretrained/`."""
    digest = read_info(DATASET)["digest"]
    if isinstance(config.pretraining, NoPretraining):
        logging.info("pretraining=none: nothing to pre-train")
        save_pretrained(PRETRAINED, config.pretraining, digest, None)
        return
    hardware = resolve_hardware(config.trainer)
    store = connect(config.tracking)
    key = training_key(config.pretraining.model_dump(), digest, hardware)
    checkpoints = project_root() / ".checkpoints" / key
    checkpoints.parent.mkdir(exist_ok=True)
    with only_one(checkpoints.with_suffix(".lock"), f"another process trains the same; waiting for {checkpoints.name}"):
        with training_run(
            store,
            f"pretrain-{run_name(config)}",
            {**run_tags(config), "stage": "pretrain"},
            checkpoints / "run_id",
            config.tracking.system_metrics,
        ) as run:
            run.log_params(flatten({"pretraining": config.pretraining.model_dump(), "hardware": hardware.summary()}))
            with log_to(checkpoints / "train.log", then=lambda path: run.log_artifact(path, "logs")):
                vocabulary = Vocabulary.load(DATASET / "vocab.json")
                trained = pretrain(config.pretraining, DATASET, len(vocabulary), hardware, checkpoints, run.log_metrics)
                save_pretrained(PRETRAINED, config.pretraining, digest, trained)
            run.log_artifacts(PRETRAINED, "pretrained")
        shutil.rmtree(checkpoints)


if __name__ == "__main__":
    run_stage(main, __doc__)
