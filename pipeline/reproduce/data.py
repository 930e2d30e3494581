"""Inputs of a run that are not in git: its data, and the user's own files."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from dvc.config import Config as DvcConfig

from pipeline.config.comparison import flatten
from pipeline.reproduce.clone import succeeds
from pipeline.runtime.atomic import write_text
from pipeline.runtime.checksum import file_fingerprint, verify_checksum
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.named_files import existing_files
from pipeline.tracking.provenance import data_md5

CACHE_REMOTE = "cache-of-the-project"
"""Name under which the clone has the project's DVC cache as a remote."""
FILE_KEYS = (
    *("text.vectors.path", "evaluation.contrast_pairs.path"),
    *("corpus.path", "corpus.train", "corpus.validation", "corpus.test", "corpus.unlabelled", "corpus.url"),
)
"""Configuration keys that may name files, relative to the project root: one, a folder of them, or a pattern."""

log = logging.getLogger(__name__)


def bring_data(project: Path, clone: Path, md5: str) -> None:
    """Put the data with this md5 into `data/` of the clone.

    The data come from the project's DVC cache, else from its default remote, else from the source of the corpus.

    Raises:
        PipelineError: none of them has the data.
    """
    out = {"md5": md5, "hash": "md5", "path": "data"}
    write_text(clone / "data.dvc", yaml.safe_dump({"outs": [out]}))
    remote = _configure_remotes(project, clone)
    if succeeds(clone, "dvc", "pull", "--remote", CACHE_REMOTE, "data.dvc", quiet=True):
        return
    if remote is not None and succeeds(clone, "dvc", "pull", "--remote", remote, "data.dvc"):
        return
    log.info("neither the DVC cache nor a remote has the data of the run: downloading the corpus again")
    # a trial's configuration lacks the fingerprint of the user's own files, which `download` writes into the data
    if succeeds(clone, "pipeline.compose", DVC_EXP_NAME="reproduce") and succeeds(clone, "pipeline.download"):
        (clone / "downloads").replace(clone / "data")
        if succeeds(clone, "dvc", "add", "--quiet", "data") and data_md5(clone) == md5:
            return
    raise PipelineError(
        f"the data of the run, {md5}, are neither in the DVC cache nor in a remote, and downloading the corpus did "
        "not give them; `dvc push` them from where the run was trained"
    )


def _configure_remotes(project: Path, clone: Path) -> str | None:
    """Give the clone the project's remotes, with their credentials, and its cache as one more remote.

    Returns:
        the name of the default remote, if there is one.
    """
    of_project = DvcConfig(str(project / ".dvc"))
    cache = of_project["cache"].get("dir", str(project / ".dvc" / "cache"))
    with DvcConfig(str(clone / ".dvc")).edit("local") as local:
        local["core"] = {**of_project["core"], "site_cache_dir": str(clone / ".dvc" / "tmp")}
        local["remote"] = {**of_project["remote"], CACHE_REMOTE: {"url": cache}}
    default: str | None = of_project["core"].get("remote")
    return default


def bring_files(project: Path, clone: Path, config: Mapping[str, Any]) -> None:
    """Link the files that a run's configuration names and its commit does not contain, or not as the run read them.

    Raises:
        PipelineError: a file has changed since the run.
    """
    values = flatten(config)
    for key in FILE_KEYS:
        name = values.get(key)
        if name is None:
            continue
        section = key.removesuffix(".path")
        recorded = None if section == "corpus" else values.get(f"{section}.fingerprint")
        for file in _files_of(project, key, name):
            path = clone / file.relative_to(project)
            lacking = not path.exists() or (recorded and file_fingerprint(path) != recorded)
            if lacking and path.resolve().is_relative_to(clone.parent.resolve()):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                path.symlink_to(file)
            if recorded:
                verify_checksum(path.resolve(), recorded, "it has changed since the run; restore the file of that time")


def _files_of(project: Path, key: str, name: str) -> list[Path]:
    """Return the files of the project that a key names; the clone sees others where they are."""
    try:
        return [file for file in existing_files(key, name) if file.is_relative_to(project)]
    except PipelineError:  # a URL, or not there: the run may have had it from its commit
        return []
