"""What the ladder of memory measured, read back for the report."""

import logging
from pathlib import Path
from typing import Any

from pipeline.config import MemoryLadderConfig
from pipeline.evaluation.records import LadderRecord
from pipeline.runtime.paths import project_root
from pipeline.runtime.records import read_json
from pipeline.text.dataset import read_dataset_info

logger = logging.getLogger(__name__)


def read_ladder(config: MemoryLadderConfig, dataset: Path) -> dict[str, Any] | None:
    """The content of `memory_ladder.json`; None if it has not run, or ran on another dataset than this folder's.

    A file without a fingerprint is not read: DVC would not know that the report depends on it.

    Raises:
        PipelineError: the file has gone or is damaged.
    """
    if config.fingerprint is None:
        return None
    path = project_root() / config.path
    ladder = read_json(path, LadderRecord, "run `dvc repro`, which looks whether it is there")
    if ladder.dataset != read_dataset_info(dataset).digest:
        logger.info("%s is of another dataset, and not in the report: docs/memory.md says how to measure anew", path)
        return None
    return ladder.model_dump()
