"""Pre-train on the labelled and unlabelled reviews of artifacts/dataset/ without labels, as conf/pretraining/ says.

Writes artifacts/pretrained/, from which `train` starts. With pretraining=none there is nothing to do. If a pre-training
was stopped, run the same command again: it resumes from its newest checkpoint.
"""

import logging
from collections.abc import Mapping
from functools import partial

from pipeline.config.schema import Config
from pipeline.runtime.atomic import replace
from pipeline.runtime.garbage import importing
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.paths import DATASET, PRETRAINED
from pipeline.stage import run_stage
from pipeline.text.dataset import read_dataset_record, require_prepared_for, require_whole
from pipeline.tracking.hyperparameters import set_values
from pipeline.tracking.provenance import origin_of, run_name
from pipeline.training.pretrained_record import write_pretrained_record


def main(config: Config, inputs: Inputs) -> None:
    """Write `artifacts/pretrained/`."""
    dataset = read_dataset_record(DATASET)
    require_prepared_for(config, dataset)
    if not config.pretraining.methods:
        logging.info("pretraining=none: nothing to pre-train")
        inputs.require_unchanged()
        with replace(PRETRAINED) as folder:
            folder.mkdir(parents=True)
            write_pretrained_record(folder, config.pretraining, dataset.digest, {})
        return
    with importing():  # torch, Lightning and MLflow, which take longer than to say that there is nothing to do
        from pipeline.tracking.run import Run
        from pipeline.training.hardware import resolve_hardware
        from pipeline.training.initial_weights import save_pretrained
        from pipeline.training.pretraining import Pretrained, pretrain
        from pipeline.training_run import train_in_run
    require_whole(DATASET, dataset)
    hardware = resolve_hardware(config.trainer)

    def save(run: Run, trained: Mapping[str, Pretrained]) -> None:
        inputs.require_unchanged()
        save_pretrained(PRETRAINED, config.pretraining, dataset.digest, trained)
        run.log_artifacts(PRETRAINED, "pretrained")

    train_in_run(
        partial(pretrain, config.pretraining, DATASET, hardware),
        save,
        stage="pretrain",
        name=f"pretrain {run_name(config)}",
        tags=origin_of(config),
        config=config,
        values=(values := config.model_dump(include={"pretraining"})),
        params=set_values(values),
        dataset=dataset,
        hardware=hardware,
    )


if __name__ == "__main__":
    run_stage(main, __doc__, "artifacts/dataset/dataset.json")
