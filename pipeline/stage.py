"""A DVC stage as a command: its configuration, its inputs, and that both stay what they were while it runs.

Another DVC command in the same checkout may rewrite params.yaml and check outputs out under a running stage
(docs/faults.md). A stage notes the digests of what it is given when it begins, and compares before it writes.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline.cli import EPILOG, Parser, tidy_exit
from pipeline.config import Config, load_params
from pipeline.runtime import paths, pipeline_lock
from pipeline.runtime.checksum import content_digest
from pipeline.runtime.code_digest import Code
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.parent_process import end_with

GRACE = 10
"""Seconds in which a stage whose DVC has ended may end by itself, as after a signal to both."""


@dataclass(frozen=True)
class Inputs:
    """Digests of files and folders a command reads, as they were when it began; None where there was nothing."""

    digests: Mapping[Path, str | None]

    @classmethod
    def note(cls, *paths: Path) -> "Inputs":
        """Take the digests now."""
        return cls({path: content_digest(path) for path in paths})

    def require_unchanged(self) -> None:
        """Call it before writing a result.

        Raises:
            PipelineError: an input is no longer what it was; names it.
        """
        for path, before in self.digests.items():
            if content_digest(path) != before:
                raise PipelineError(
                    f"{path} was changed by another command while this one used it; "
                    "give this command again when the other has ended"
                )


def run_stage(stage: Callable[[Config, Inputs], object], description: str | None, *reads: str) -> None:
    """Run a stage with `params.yaml` and its inputs. Exits non-zero on error.

    Args:
        stage: called with the configuration and the inputs, whose `require_unchanged` it calls before it writes.
        description: for `--help`.
        reads: what it reads, relative to the checkout: files and folders that other stages have written.
    """
    Parser(description=description, epilog=EPILOG).parse_args()
    with tidy_exit():
        workspace = paths.WORKSPACE
        params = workspace / "params.yaml"
        inputs = Inputs.note(params, *(workspace / path for path in reads))
        dvc = pipeline_lock.dvc_process()
        pipeline_lock.require_own(workspace, dvc, inputs.digests[params])
        if dvc is not None:
            end_with(dvc.pid, GRACE)  # or it would write its outputs into the next command's work
            # DVC names the stage `../dvc.yaml:train` where it was called from another folder
            require_recorded_code(os.environ[pipeline_lock.STAGE_VARIABLE].rpartition(":")[2], workspace / "code.yaml")
        config = load_params(params)
        inputs.require_unchanged()  # since the digests were taken, before anything is concluded from it
        stage(config, inputs)
        inputs.require_unchanged()


def require_recorded_code(stage: str, file: Path) -> None:
    """Refuse to run a stage with other code than DVC will record for what it writes.

    Args:
        stage: its name in dvc.yaml.
        file: the digests that `compose` has written.

    Raises:
        PipelineError: the code was edited since.
    """
    recorded = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    if stage in recorded and recorded[stage] != Code().stage_digests().get(stage):
        raise PipelineError(
            f"the code of {stage} was edited since {file} was written; run `python -m pipeline.compose`, then this "
            "command again"
        )
