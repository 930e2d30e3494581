"""Checks of a project folder and its MLflow store against those of an undisturbed run."""

import hashlib
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlparse

OUTPUTS = (
    *("downloads", "artifacts/dataset", "artifacts/pretrained", "artifacts/pseudo_labels", "artifacts/model"),
    *("artifacts/predictions.parquet", "artifacts/registered.json"),
    *("reports/data.json", "reports/learning_curve.csv", "reports/details.json", "reports/verdict.json"),
    *("reports/behaviour.json", "reports/plots", "reports/figures"),
)
"""Outputs that are the same in every run, and complete as soon as they exist."""
READY = 2
"""MLflow's number for a logged model that is complete."""


def outputs(root: Path) -> dict[str, str]:
    """Return a hash of each of `OUTPUTS` that exists."""
    return {name: content(root / name) for name in OUTPUTS if (root / name).exists()}


def content(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of a folder's files."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(path)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def differing(present: Mapping[str, str], reference: Mapping[str, str]) -> list[str]:
    """List the outputs that differ from those of an undisturbed run."""
    return [f"{name} differs" for name, digest in present.items() if digest != reference[name]]


def leftovers(root: Path) -> list[str]:
    """List the files in the project folder that only a running or a killed run has."""
    hidden = [path for path in root.rglob(".*.tmp") if not {".git", ".dvc"} & set(path.relative_to(root).parts)]
    kept = (root / ".checkpoints").glob("conf-*")  # trials read it, and may be jobs that outlive their sweep
    unfinished = {path for path in (root / ".checkpoints").glob("*") if path.is_dir() or path.name.startswith(".")}
    unfinished -= set(kept)
    unsent = list((root / ".unsent").glob("*"))
    cache = list((root / ".dvc" / "cache").rglob("*.tmp"))
    return [f"left: {path.relative_to(root)}" for path in (*hidden, *unfinished, *unsent, *cache)]


def registry_faults(root: Path) -> list[str]:
    """List the faults in the MLflow store of a project that has run once, however often it was killed."""
    with closing(sqlite3.connect(root / "mlflow.db")) as store:
        running = store.execute("SELECT name FROM runs WHERE status = 'RUNNING'").fetchall()
        models = store.execute("SELECT status FROM logged_models WHERE lifecycle_stage = 'active'").fetchall()
        versions = store.execute("SELECT version, status, storage_location FROM model_versions").fetchall()
        aliases = store.execute("SELECT alias, version FROM registered_model_aliases").fetchall()
    faults = [f"MLflow run {name} is RUNNING" for (name,) in running]
    if models != [(READY,)]:
        faults.append(f"logged models in states {[state for (state,) in models]} instead of one that is ready")
    if len(versions) != 1 or aliases != [("champion", versions[0][0])]:
        return [*faults, f"versions {versions} with aliases {aliases} instead of one champion"]
    _, status, location = versions[0]
    folder = Path(unquote(urlparse(location).path)) / "artifacts" / "model"
    stored = {path.name: content(path) for path in folder.iterdir() if path.name != "README.md"}
    if status != "READY" or stored != {path.name: content(path) for path in (root / "artifacts/model").iterdir()}:
        faults.append(f"the registered version is {status} and holds {sorted(stored)}")
    return faults


def changed_since(status: str) -> list[str]:
    """List the stages that `dvc status` reports as changed, except `compose`, which always runs."""
    return [line for line in re.findall(r"^(\S+):$", status, re.MULTILINE) if line != "compose"]
