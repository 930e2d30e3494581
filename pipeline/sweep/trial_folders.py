"""Folders of trials: never one of the pipeline's own, and never one that a tag in MLflow alone vouches for."""

import shutil
from pathlib import Path

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import lies_in
from pipeline.runtime.paths import WORKSPACE, project_root
from pipeline.tracking.training_record import read_training_record

TRIALS = "trials"
"""Where conf/config.yaml has trials put."""
PIPELINE_FOLDERS = {
    *("artifacts", "benchmarks", "conf", "data", "docs", "downloads", "hydra_plugins", "mlartifacts", "pipeline"),
    *("reports", "tests"),
}


def require_separate(key: str, folder: Path) -> None:
    """Refuse a folder that holds, or lies in, what belongs to the pipeline.

    Args:
        key: of the configuration that names it.
        folder: where trials are to be put.

    Raises:
        PipelineError: it is one of the pipeline's own.
    """
    folder, workspace = folder.resolve(), WORKSPACE.resolve()
    if folder.is_relative_to(workspace) and folder != workspace:
        top = folder.relative_to(workspace).parts[0]
        separate = top not in PIPELINE_FOLDERS and not top.startswith(".")
    else:
        separate = not workspace.is_relative_to(folder)
    if not separate:
        raise PipelineError(f"{key}: {folder} is for what the pipeline makes; name a folder of the trial's own")


def trial_folder(tag: str, sweep: Path) -> Path:
    """The folder of a trial, as its tag in MLflow names it: below `trials/` or the sweep's own folder.

    Args:
        tag: a path relative to the project root, or an absolute one.
        sweep: `hydra.sweep.dir`.

    Raises:
        PipelineError: it lies elsewhere; whoever may edit the run may have written it.
    """
    path = (project_root() / tag).resolve()
    if not any(lies_in(path, folder) for folder in (sweep, project_root() / TRIALS)):
        raise PipelineError(f"the tag trial.folder says {tag!r}, which is no folder of this sweep; it is left alone")
    return path


def remove_model(folder: Path, run_id: str) -> None:
    """Remove the model from a trial's folder, if what the training has left beside it names the run.

    Raises:
        PipelineError: the folder's run.json is damaged.
    """
    run, model = folder / "run.json", folder / "model"
    if run.exists() and read_training_record(run, f"delete {run}").run_id == run_id and model.is_dir():
        shutil.rmtree(model)
