"""Run a DVC stage as a command, and check that its configuration and inputs do not change meanwhile.

Another DVC command in the same checkout may rewrite params.yaml and check out other outputs while a stage runs
(docs/faults.md). So a stage takes the digests of its inputs when it begins, and compares them before it writes.
"""

import os
from collections.abc import Callable
from pathlib import Path

import yaml

from pipeline.cli import EPILOG, Parser, tidy_exit
from pipeline.config.params import load_params
from pipeline.config.schema import Config
from pipeline.runtime import paths, pipeline_lock
from pipeline.runtime.code_digest import Code
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.inputs import Inputs
from pipeline.runtime.parent_process import end_with

GRACE = 10
"""Seconds that a stage has to end by itself after its DVC process has ended, as after a signal to both."""


def run_stage(stage: Callable[[Config, Inputs], object], description: str | None, *reads: str) -> None:
    """Run a stage with `params.yaml` and its inputs. Exits non-zero on error.

    Args:
        stage: called with the configuration and the inputs; it calls `require_unchanged` before it writes.
        description: text of `--help`.
        reads: files and folders of other stages that it reads, relative to the checkout.
    """
    Parser(description=description, epilog=EPILOG).parse_args()
    with tidy_exit():
        workspace, params = paths.WORKSPACE, paths.PARAMS
        inputs = Inputs.note(params, *(workspace / path for path in reads))
        dvc = pipeline_lock.dvc_process()
        pipeline_lock.require_own(workspace, dvc, inputs.digests[params])
        if dvc is not None:
            end_with(dvc.pid, GRACE)  # else it would write its outputs while the next command runs
            # DVC names the stage `../dvc.yaml:train` if it was called from another folder
            require_recorded_code(os.environ[pipeline_lock.STAGE_VARIABLE].rpartition(":")[2], paths.CODE)
        config = load_params(params)
        inputs.require_unchanged(params)  # it may have changed between its digest and its reading
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
    if stage in recorded and recorded[stage] != Code().stage_digests(stage).get(stage):
        raise PipelineError(
            f"the code of {stage} was edited since {file} was written; run `python -m pipeline.compose`, then this "
            "command again"
        )
