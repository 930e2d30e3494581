"""Folders of trials, kept apart from the pipeline's own; a tag in MLflow is no proof that a folder is a trial's."""

import shutil
from pathlib import Path

from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE, lies_in, project_root
from pipeline.tracking.training_record import read_training_record

TRIALS = "trials"
"""Folder of the project that conf/config.yaml puts trials into."""
PIPELINE_FOLDERS = {
    *("artifacts", "behaviour_suite", "benchmarks", "conf", "data", "docs", "downloads", "hydra_plugins"),
    *("mlartifacts", "pipeline", "reports", "tests"),
}


def require_separate(key: str, folder: Path) -> None:
    """Refuse a folder that contains, or is inside, one of the pipeline's own folders.

    Args:
        key: key of the configuration that names the folder.
        folder: where trials would be put.

    Raises:
        PipelineError: the folder is the pipeline's.
    """
    folder, workspace = folder.resolve(), WORKSPACE.resolve()
    if folder.is_relative_to(workspace) and folder != workspace:
        top = folder.relative_to(workspace).parts[0]
        separate = top not in PIPELINE_FOLDERS and not top.startswith(".")
    else:
        separate = not workspace.is_relative_to(folder)
    if not separate:
        raise PipelineError(f"{key}: {folder} belongs to the pipeline; choose another folder, such as trials/mine")


def trial_folder(tag: str, sweep: Path) -> Path:
    """Return the folder of a trial that its tag in MLflow names: below `trials/` or the sweep's own folder.

    Args:
        tag: a path relative to the project root, or an absolute one.
        sweep: `hydra.sweep.dir`.

    Raises:
        PipelineError: it is elsewhere; anyone who can edit the run can write the tag.
    """
    path = (project_root() / tag).resolve()
    if not any(lies_in(path, folder) for folder in (sweep, project_root() / TRIALS)):
        raise PipelineError(f"its tag trial.folder is {tag!r}, which is not a folder of this sweep")
    return path


def remove_model_folder(folder: Path, run_id: str) -> None:
    """Remove the model from a trial's folder, if the training record beside it names the run.

    Raises:
        PipelineError: the record, run.json, is damaged.
    """
    run, model = folder / "run.json", folder / "model"
    if run.exists() and read_training_record(run, f"delete {run}").run_id == run_id and model.is_dir():
        shutil.rmtree(model)
