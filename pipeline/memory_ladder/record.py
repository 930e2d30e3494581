"""Read the memory ladder back for the report."""

import logging
from pathlib import Path
from typing import Any

from pipeline.config.evaluation import MemoryLadderConfig
from pipeline.evaluation.records import LadderRecord
from pipeline.runtime.paths import project_root
from pipeline.runtime.records import read_json
from pipeline.text.dataset import read_dataset_info

log = logging.getLogger(__name__)


def read_ladder(config: MemoryLadderConfig, dataset: Path) -> dict[str, Any] | None:
    """Read `memory_ladder.json`; None if the sweep has not run, or ran on another dataset than this folder's.

    A file without a fingerprint in the configuration is not read, because DVC would not know that the report depends
    on it.

    Raises:
        PipelineError: the file is missing or damaged.
    """
    if config.fingerprint is None:
        return None
    path = project_root() / config.path
    ladder = read_json(path, LadderRecord, "run `dvc repro`, which checks for it")
    if ladder.dataset != read_dataset_info(dataset).digest:
        log.info("%s is of another dataset and left out of the report; docs/memory.md shows how to measure again", path)
        return None
    return ladder.model_dump()
