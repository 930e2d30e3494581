"""Pre-train the network on artifacts/dataset/, labelled and unlabelled reviews alike, as conf/pretraining/ says.

Writes artifacts/pretrained/, from which `train` starts. With pretraining=none, the default, there is nothing to do. A
pre-training that was stopped goes on after its last finished part of an epoch when the same command is given again.
"""

import logging
from functools import partial

from pipeline.config import Config, NoPretraining, flatten
from pipeline.runtime.paths import WORKSPACE
from pipeline.stage import Inputs, run_stage
from pipeline.text.dataset import read_dataset_info, read_vocabulary, require_prepared_for, require_whole
from pipeline.tracking.provenance import run_name, run_tags
from pipeline.tracking.store import connect
from pipeline.training import distributed
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import save_pretrained
from pipeline.training.launcher import in_processes
from pipeline.training.pretraining import pretrain
from pipeline.training_run import checkpointed_run, help_leader

DATASET = WORKSPACE / "artifacts" / "dataset"
PRETRAINED = WORKSPACE / "artifacts" / "pretrained"


def main(config: Config, inputs: Inputs) -> None:
    """Write `artifacts/pretrained/`."""
    dataset = read_dataset_info(DATASET)
    require_prepared_for(config, dataset)
    digest = dataset.digest
    if isinstance(config.pretraining, NoPretraining):
        logging.info("pretraining=none: nothing to pre-train")
        inputs.require_unchanged()
        save_pretrained(PRETRAINED, config.pretraining, digest, None)
        return
    require_whole(DATASET, dataset)
    hardware = resolve_hardware(config.trainer)
    values = config.pretraining.model_dump()
    training = partial(pretrain, config.pretraining, DATASET, len(read_vocabulary(DATASET)), hardware)
    if distributed.rank() > 0:
        help_leader(training, values, digest, hardware)
        return
    store = connect(config.tracking)
    with checkpointed_run(
        store,
        f"pretrain-{run_name(config)}",
        config,
        {**run_tags(config), "stage": "pretrain"},
        values=values,
        digest=digest,
        splits=dataset.splits,
        hardware=hardware,
    ) as (run, checkpoints):
        run.log_params(flatten({"pretraining": values, "hardware": hardware.summary()}))
        trained = in_processes(partial(training, checkpoints), hardware, run.log_metrics)
        inputs.require_unchanged()
        save_pretrained(PRETRAINED, config.pretraining, digest, trained)
        run.log_artifacts(PRETRAINED, "pretrained")


if __name__ == "__main__":
    run_stage(main, __doc__, "artifacts/dataset/dataset.json")
