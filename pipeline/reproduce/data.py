"""What a run has read that is not in git: its data, and files of the user's."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from dvc.config import Config as DvcConfig

from pipeline.config import flatten
from pipeline.reproduce.clone import succeeds
from pipeline.runtime.checksum import verify
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import write_text
from pipeline.tracking.provenance import data_md5

CACHE = "cache-of-the-project"
OWN_FILES = (
    *("text.vectors.path", "evaluation.contrast_pairs.path"),
    *("corpus.path", "corpus.train", "corpus.validation", "corpus.test", "corpus.url"),
)
"""Keys that may name a file relative to the project root."""

log = logging.getLogger(__name__)


def bring_data(project: Path, clone: Path, md5: str) -> None:
    """Put the data with this md5 into `data/` of the clone.

    They come from the project's DVC cache, else from its default remote, else from where the corpus comes from.

    Raises:
        PipelineError: nowhere are they to be had.
    """
    out = {"md5": md5, "hash": "md5", "path": "data"}
    write_text(clone / "data.dvc", yaml.safe_dump({"outs": [out]}))
    remote = _name_remotes(project, clone)
    if succeeds(clone, "dvc", "pull", "--remote", CACHE, "data.dvc", quiet=True):
        return
    if remote is not None and succeeds(clone, "dvc", "pull", "--remote", remote, "data.dvc"):
        return
    log.info("neither the DVC cache nor a remote has the data of the run: fetching the corpus anew")
    # the fingerprint of the user's own files is among the data; a trial's configuration lacks it
    if succeeds(clone, "pipeline.compose", DVC_EXP_NAME="reproduce") and succeeds(clone, "pipeline.download"):
        (clone / "downloads").replace(clone / "data")
        if succeeds(clone, "dvc", "add", "--quiet", "data") and data_md5(clone) == md5:
            return
    raise PipelineError(
        f"the data of the run, {md5}, are neither in the DVC cache nor in a remote, and the corpus as it is now is not "
        "the same; `dvc push` them from where the run was made"
    )


def _name_remotes(project: Path, clone: Path) -> str | None:
    """Let the clone have the project's remotes, with whatever is secret of them, and its cache as one more.

    Returns:
        the default remote.
    """
    of_project = DvcConfig(str(project / ".dvc"))
    cache = of_project["cache"].get("dir", str(project / ".dvc" / "cache"))
    with DvcConfig(str(clone / ".dvc")).edit("local") as local:
        local["core"] = {**of_project["core"], "site_cache_dir": str(clone / ".dvc" / "tmp")}
        local["remote"] = {**of_project["remote"], CACHE: {"url": cache}}
    default: str | None = of_project["core"].get("remote")
    return default


def bring_files(project: Path, clone: Path, config: Mapping[str, Any]) -> None:
    """Link the files that a run's configuration names and its commit does not hold.

    Raises:
        PipelineError: one has changed since the run.
    """
    values = flatten(config)
    for key in OWN_FILES:
        name = values.get(key)
        if name is None or not (project / name).is_file():
            continue
        path = clone / name
        if not path.exists() and path.resolve().is_relative_to(clone.parent.resolve()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(project / name)
        section = key.removesuffix(".path")
        if section != "corpus" and (recorded := values.get(f"{section}.fingerprint")):
            verify(path, recorded, "it has changed since the run: put the file of that time in its place")
