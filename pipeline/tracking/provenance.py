"""Provenance of a run: digests and versions of the code, the data, the configuration and the environment."""

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

from pipeline.config.model import BagOfWordsConfig
from pipeline.config.schema import Config
from pipeline.runtime.paths import WORKSPACE

UNKNOWN_ORIGIN = "unknown"
"""Value of a tag whose origin cannot be determined, such as the commit outside git."""
WRITTEN_BY_DVC = ("dvc.lock", "data.dvc", "params.yaml", "reports")
"""Tracked files that a run changes itself; they do not make its code dirty."""
CHOICES = "hydra.choices"
"""Key of the provenance with the file of conf/ that each group of a trial was composed from, as JSON."""
PROVENANCE = "provenance.json"
"""Artifact of a run with what it was made from: hashes, the command, the choices of groups."""
NOT_TAGGED = ("git.commit", "data.md5", "code.sha256", "command", CHOICES)
"""Keys of the provenance that do not become tags; the commit is under MLflow's own name."""
WITHOUT_EFFECT = ("tracking", "sweep", "logger")
"""Sections of the configuration that change no result."""

log = logging.getLogger(__name__)


def origin_of(config: Config, workspace: Path = WORKSPACE) -> dict[str, str]:
    """Return what a training is made from, which identifies it and makes it reproducible."""
    origin = {
        "git.commit": git_commit(workspace),
        "git.dirty": git_dirty(workspace),
        "data.md5": data_md5(workspace) or UNKNOWN_ORIGIN,
        "config.hash": config_hash(config),
        "code.sha256": source_sha256(workspace),
        "corpus": config.corpus.name,
        "model": model_kind(config),
        **job_tags(),
    }
    if experiment := os.environ.get("DVC_EXP_NAME"):
        origin["dvc.experiment"] = experiment
    return origin


def shown_tags(origin: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a run, for filters: its provenance without the keys that nobody filters by."""
    tags = {key: value for key, value in origin.items() if key not in NOT_TAGGED}
    commit = origin.get("git.commit", UNKNOWN_ORIGIN)
    return tags | ({} if commit == UNKNOWN_ORIGIN else {"mlflow.source.git.commit": commit})


def job_tags() -> dict[str, str]:
    """Return a tag with the SLURM job of this process, such as `12`, or `12_3` in an array; none outside SLURM."""
    job = os.environ.get("SLURM_JOB_ID")
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return {"slurm.job": job} if job else {}


def run_name(config: Config) -> str:
    """Return a name for people: what differs most stands first, since MLflow's lists cut a name after 18 characters.

    It is the name of the DVC experiment, if there is one, then network, size and learning rate, and the corpus, such
    as `lstm-128 lr=0.004 movie_reviews`.
    """
    model = config.model
    size = model.embedding_dim if isinstance(model, BagOfWordsConfig) else model.hidden_dim
    experiment = [name] if (name := os.environ.get("DVC_EXP_NAME")) else []
    return " ".join([*experiment, f"{model_kind(config)}-{size}", f"lr={config.training.lr:g}", config.corpus.name])


def model_kind(config: Config) -> str:
    """Return `lstm`, `gru`, `rnn` or `bag_of_words`."""
    return config.model.network if isinstance(config.model, BagOfWordsConfig) else config.model.cell


def git_commit(workspace: Path = WORKSPACE) -> str:
    """Return the hash of the commit checked out, or `unknown` outside git."""
    return find_commit(workspace, "HEAD") or UNKNOWN_ORIGIN


def find_commit(workspace: Path, name: str) -> str | None:
    """Return the full hash of the commit with this name or hash; None if the repository has none."""
    return _git_output(workspace, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")


def git_dirty(workspace: Path = WORKSPACE) -> str:
    """Return `true` if code, configuration or another tracked file differs from the commit; else `false` or `unknown`.

    Files that a run writes do not count. Untracked files count only in the code and the configuration.
    """
    without = [f":(exclude){name}" for name in WRITTEN_BY_DVC]
    changes = _git_output(workspace, "status", "--porcelain", "--untracked-files=no", "--", ".", *without)
    folders = ("pipeline", "conf", "behaviour_suite")
    added = _git_output(workspace, "ls-files", "--others", "--exclude-standard", "--", *folders)
    return UNKNOWN_ORIGIN if changes is None else str(bool(changes or added)).lower()


def changed_results(workspace: Path = WORKSPACE) -> list[str]:
    """Return the files that a run writes and that differ from the commit; none outside git."""
    changed = _git_output(workspace, "diff", "--name-only", "--relative", "HEAD", "--", *WRITTEN_BY_DVC)
    return (changed or "").splitlines()


def data_md5(workspace: Path = WORKSPACE) -> str | None:
    """Return the md5 by which `data.dvc` pins the data, or None if it pins none yet."""
    try:
        pinned = yaml.safe_load((workspace / "data.dvc").read_text(encoding="utf-8"))
        return str(pinned["outs"][0]["md5"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, IndexError, TypeError):
        return None


def config_hash(config: Config) -> str:
    """Return the SHA-256 of the configuration, without the sections that change no result."""
    values = config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def source_sha256(workspace: Path = WORKSPACE) -> str:
    """Return the SHA-256 of the names and contents of the package's modules: equal for equal code, committed or not."""
    digest = hashlib.sha256()
    for path in sorted((workspace / "pipeline").rglob("*.py")):
        digest.update(
            f"{path.relative_to(workspace).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
        )
    return digest.hexdigest()


def environment() -> dict[str, object]:
    """Return Python, platform and the version of every installed package, for the artifact `environment.json`."""
    packages = {package.metadata["Name"]: package.version for package in importlib.metadata.distributions()}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }


def _git_output(workspace: Path, *arguments: str) -> str | None:
    command, english = ["git", "-C", str(workspace), *arguments], {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command, capture_output=True, check=True, text=True, timeout=30, env=english
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:  # no git, no repository, no commit
        if "dubious ownership" in str(getattr(error, "stderr", "")):
            _warn_of_owner(workspace)
        return None


@cache
def _warn_of_owner(workspace: Path) -> None:
    log.warning(
        "git does not trust %s, which belongs to another user, so runs are recorded without a commit; "
        "allow it with `git config --global --add safe.directory %s`",
        workspace,
        workspace,
    )
