"""Paths of the checkout, where each stage reads and writes; and a check of paths that come from outside."""

import os
from pathlib import Path

WORKSPACE = Path(__file__).resolve().parents[2]
"""The checkout this code belongs to; DVC outputs live here. A queued experiment has a checkout of its own."""

CONF = WORKSPACE / "conf"
PARAMS = WORKSPACE / "params.yaml"
CODE = WORKSPACE / "code.yaml"
DOWNLOADS = WORKSPACE / "downloads"
DATA = WORKSPACE / "data"
ARTIFACTS = WORKSPACE / "artifacts"
DATASET = ARTIFACTS / "dataset"
PRETRAINED = ARTIFACTS / "pretrained"
PSEUDO_LABELS = ARTIFACTS / "pseudo_labels"
MODEL = ARTIFACTS / "model"
TRAINING_RECORD = ARTIFACTS / "run.json"
REPORTS = WORKSPACE / "reports"


def project_root() -> Path:
    """Return the user's project folder, also inside the temporary copy in which DVC runs a queued experiment."""
    return Path(os.environ.get("DVC_ROOT", WORKSPACE)).resolve()


def lies_in(path: Path, folder: Path) -> bool:
    """Return whether a path lies below a folder once links are resolved; for every path that comes from outside."""
    path, folder = path.resolve(), folder.resolve()
    return path != folder and path.is_relative_to(folder)
