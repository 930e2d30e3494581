"""What a run was made from: code, data, configuration, environment."""

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

from pipeline.config import BagOfWordsConfig, Config
from pipeline.runtime.paths import WORKSPACE

UNKNOWN = "unknown"
WORK = {"pretrain": "Pre-training for", "pseudo_label": "Training of a teacher,", "train": "Training of"}
"""What each stage that opens a run does, for people."""
SPLITS = ("train", "validation", "test", "unlabelled")
WRITTEN_BY_DVC = ("dvc.lock", "data.dvc", "params.yaml", "reports")
"""Tracked files a run changes itself; they do not make its code dirty."""
CHOICES_TAG = "hydra.choices"
"""The tag with the files of conf/ a trial was composed from, by group, as JSON."""
WITHOUT_EFFECT = ("tracking", "sweep")
"""Sections of the configuration that change no result."""

log = logging.getLogger(__name__)


def run_tags(config: Config, workspace: Path = WORKSPACE) -> dict[str, str]:
    """The tags of a training run, from which it can be made again or told apart."""
    commit = git_commit(workspace)
    tags = {
        "git.commit": commit,
        "git.dirty": git_dirty(workspace),
        "data.md5": data_md5(workspace) or UNKNOWN,
        "config.hash": config_hash(config),
        "code.sha256": code_digest(workspace),
        "corpus": config.corpus.name,
        "model": model_kind(config),
        **job_tags(),
    }
    if commit != UNKNOWN:
        tags["mlflow.source.git.commit"] = commit
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = experiment
    return tags


def job_tags() -> dict[str, str]:
    """The SLURM job this process belongs to, such as `12`, or `12_3` in an array; nothing outside SLURM."""
    job = os.environ.get("SLURM_JOB_ID")
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return {"slurm.job": job} if job else {}


def run_description(config: Config, tags: Mapping[str, str], splits: Mapping[str, int]) -> str:
    """What a run trains, on which reviews, and how it is made again, as Markdown.

    Args:
        config: the configuration.
        tags: of the run; `command` is there for a trial.
        splits: reviews in each.
    """
    corpus = config.corpus
    sizes = ", ".join(f"{rows:,} {split}" for split in SPLITS if (rows := splits.get(split)))
    return "\n".join(
        [
            f"{WORK[tags['stage']]} `{model_kind(config)}` on **{corpus.name}**: {corpus.source}.",
            "",
            f"- made by: {_command(tags)}; every choice is under Parameters",
            f"- code: {code_version(tags)}",
            f"- data: md5 `{tags['data.md5']}`; reviews: {sizes}",
        ]
    )


def code_version(tags: Mapping[str, str]) -> str:
    """The commit, and whether the code was more than that, as Markdown."""
    dirty = ", with changes that were not committed" if tags["git.dirty"] == "true" else ""
    return f"commit `{tags['git.commit']}`{dirty}"


def _command(tags: Mapping[str, str]) -> str:
    if experiment := tags.get("dvc.experiment"):
        return f"`dvc exp run`, as `{experiment}`"
    return f"`{tags.get('command', 'dvc repro')}`"


def run_name(config: Config) -> str:
    """A name that tells runs apart at a glance: `lstm-128-movie_reviews-3f9c2a`, the end being the config's hash."""
    model = config.model
    size = model.embedding_dim if isinstance(model, BagOfWordsConfig) else model.hidden_dim
    return f"{model_kind(config)}-{size}-{config.corpus.name}-{config_hash(config)[:6]}"


def model_kind(config: Config) -> str:
    """`lstm`, `gru`, `rnn` or `bag_of_words`."""
    return config.model.network if isinstance(config.model, BagOfWordsConfig) else config.model.cell


def git_commit(workspace: Path = WORKSPACE) -> str:
    """The commit checked out, or `unknown` outside git."""
    return find_commit(workspace, "HEAD") or UNKNOWN


def find_commit(workspace: Path, name: str) -> str | None:
    """The hash of the commit of this name or hash; None where the repository has none."""
    return _git(workspace, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")


def git_dirty(workspace: Path = WORKSPACE) -> str:
    """`true` if code, configuration or another tracked file differs from the commit; `false`; or `unknown`.

    What a run writes does not count, nor do files that are neither tracked nor of the code or the configuration.
    """
    without = [f":(exclude){name}" for name in WRITTEN_BY_DVC]
    changes = _git(workspace, "status", "--porcelain", "--untracked-files=no", "--", ".", *without)
    added = _git(workspace, "ls-files", "--others", "--exclude-standard", "--", "pipeline", "conf")
    return UNKNOWN if changes is None else str(bool(changes or added)).lower()


def data_md5(workspace: Path = WORKSPACE) -> str | None:
    """The md5 by which `data.dvc` pins the data, or None where there is none yet."""
    try:
        pinned = yaml.safe_load((workspace / "data.dvc").read_text(encoding="utf-8"))
        return str(pinned["outs"][0]["md5"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, IndexError, TypeError):
        return None


def config_hash(config: Config) -> str:
    """SHA-256 of everything configured but what changes no result."""
    values = config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def code_digest(workspace: Path = WORKSPACE) -> str:
    """SHA-256 of the names and contents of the package's modules: equal for equal code, committed or not."""
    digest = hashlib.sha256()
    for path in sorted((workspace / "pipeline").rglob("*.py")):
        digest.update(
            f"{path.relative_to(workspace).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
        )
    return digest.hexdigest()


def environment() -> dict[str, object]:
    """Python, platform and the version of every installed package, for the artifact `environment.json`."""
    packages = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }


def _git(workspace: Path, *arguments: str) -> str | None:
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
        "git tells no commit of %s, which belongs to another user, and runs are recorded without one; "
        "`git config --global --add safe.directory %s` lets it",
        workspace,
        workspace,
    )
