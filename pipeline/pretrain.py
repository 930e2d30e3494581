"""Pre-train on the labelled and unlabelled reviews of artifacts/dataset/ without labels, as conf/pretraining/ says.

Writes artifacts/pretrained/, from which `train` starts. With pretraining=none, the default, there is nothing to do. If
a pre-training was stopped, run the same command again: it resumes after the last finished part of an epoch.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor

from pipeline.config.pretraining import LanguageModelConfig, NoPretraining, TwoViewConfig
from pipeline.config.schema import Config
from pipeline.runtime.paths import DATASET, PRETRAINED
from pipeline.stage import Inputs, run_stage
from pipeline.text.dataset import read_dataset_info, require_prepared_for, require_whole
from pipeline.tracking.provenance import run_name, run_tags
from pipeline.tracking.run import Run
from pipeline.training.hardware import resolve_hardware
from pipeline.training.initial_weights import save_pretrained
from pipeline.training.language_model import pretrain_language_model
from pipeline.training.two_view import pretrain_regions
from pipeline.training_run import train_in_run


def main(config: Config, inputs: Inputs) -> None:
    """Write `artifacts/pretrained/`."""
    dataset = read_dataset_info(DATASET)
    require_prepared_for(config, dataset)
    if isinstance(config.pretraining, NoPretraining):
        logging.info("pretraining=none: nothing to pre-train")
        inputs.require_unchanged()
        save_pretrained(PRETRAINED, config.pretraining, dataset.digest, None)
        return
    require_whole(DATASET, dataset)
    hardware = resolve_hardware(config.trainer)

    def save(run: Run, trained: tuple[Mapping[str, Tensor], list[dict[str, float]]]) -> None:
        inputs.require_unchanged()
        save_pretrained(PRETRAINED, config.pretraining, dataset.digest, trained)
        run.log_artifacts(PRETRAINED, "pretrained")

    train_in_run(
        partial(_method(config.pretraining), DATASET, hardware),
        save,
        stage="pretrain",
        name=f"pretrain-{run_name(config)}",
        tags=run_tags(config),
        config=config,
        values=config.model_dump(include={"pretraining"}),
        dataset=dataset,
        hardware=hardware,
    )


def _method(config: LanguageModelConfig | TwoViewConfig) -> Callable[..., Any]:
    if isinstance(config, TwoViewConfig):
        return partial(pretrain_regions, config)
    return partial(pretrain_language_model, config)


if __name__ == "__main__":
    run_stage(main, __doc__, "artifacts/dataset/dataset.json")
