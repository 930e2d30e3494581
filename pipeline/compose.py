"""Compose conf/ into params.yaml, the one configuration every later stage reads.

Refuses what does not fit, and notes a fingerprint of the user's own files, so that DVC notices an edit of one. Within
`dvc exp run` DVC itself has composed params.yaml, with the overrides of -S; then it is checked, not composed again.
Also writes code.yaml, a digest of the code of each stage, so that DVC notices an edit of it.

To try another choice or value once, pass it to `dvc exp run`, each after -S; for good, edit conf/:

  dvc exp run -S model=gru -S training.lr=1e-3
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.cli import Parser, tidy_exit
from pipeline.config.comparison import flatten
from pipeline.config.composition import compose_config
from pipeline.config.debug import require_no_debug
from pipeline.config.model import require_embedding_dim
from pipeline.config.params import read_params
from pipeline.config.reference import configuration_help
from pipeline.config.schema import Config, validate
from pipeline.config.text import FileVectors
from pipeline.config.training import require_no_fold
from pipeline.corpus.source import corpus_fingerprint
from pipeline.preprocessing.vector_source import vector_dimension, vectors_fingerprint
from pipeline.runtime import checksum, pipeline_lock
from pipeline.runtime.atomic import write_text
from pipeline.runtime.code_digest import Code
from pipeline.runtime.credentials import hide_secrets, masked, refusal_of, secret_keys
from pipeline.runtime.errors import PipelineError, first_of
from pipeline.runtime.named_files import existing_file
from pipeline.runtime.paths import CODE, CONF, PARAMS, WORKSPACE, project_root
from pipeline.site_cache import keep_in_project

HEADER = "# Generated from conf/ by `python -m pipeline.compose`; edits are overwritten.\n"
CODE_HEADER = "# Digests of the code of each stage, written by `python -m pipeline.compose`; git ignores this file.\n"
LISTED = 5
"""Number of changes that are named; further ones are counted."""

log = logging.getLogger(__name__)


def main() -> None:
    """Write `code.yaml`, and `params.yaml` if it would say anything new.

    Raises:
        PipelineError: the configuration does not fit, or another command runs the pipeline of this checkout.
    """
    holder = pipeline_lock.dvc_process()
    pipeline_lock.acquire(WORKSPACE, holder)
    values = _read_composed() if "DVC_EXP_NAME" in os.environ else compose_config([])
    config = validate(values)
    require_no_fold(config.training)
    require_no_debug(config.debug)
    _add_fingerprints(values, config)
    text = _to_yaml(values)
    if not PARAMS.exists() or text.encode() != PARAMS.read_bytes():
        _report_changes(values)
        write_text(PARAMS, text)
    write_text(CODE, CODE_HEADER + yaml.safe_dump(Code().stage_digests(), sort_keys=False))
    pipeline_lock.record_params(WORKSPACE, holder, checksum.file_digest(PARAMS, "sha256"))


def _add_fingerprints(values: Any, config: Config) -> None:
    """Note a hash of each file that the configuration names, next to its name; None where there is no such file.

    Raises:
        PipelineError: a file is missing, or the word vectors have another dimension than the model's embedding.
    """
    evaluation = config.evaluation
    values["corpus"]["fingerprint"] = corpus_fingerprint(config.corpus)
    if (vectors := config.text.vectors) is not None:
        require_embedding_dim(config.model, vector_dimension(vectors))
        if isinstance(vectors, FileVectors):
            values["text"]["vectors"]["fingerprint"] = vectors_fingerprint(vectors)
    pairs = evaluation.contrast_pairs.path
    values["evaluation"]["contrast_pairs"]["fingerprint"] = _fingerprint(
        None if pairs is None else existing_file("evaluation.contrast_pairs.path", pairs)
    )
    ladder = project_root() / evaluation.memory_ladder.path
    values["evaluation"]["memory_ladder"]["fingerprint"] = _fingerprint(ladder if ladder.is_file() else None)


def _fingerprint(path: Path | None) -> str | None:
    return None if path is None else checksum.file_fingerprint(path)


def _report_changes(values: Mapping[str, Any]) -> None:
    """Name the values of params.yaml that are about to change, which a user may have set there or with -S."""
    try:
        before, after = flatten(read_params(PARAMS)), flatten(values)
    except (PipelineError, AttributeError):  # missing, not YAML, or no mapping
        if PARAMS.exists():
            log.warning("params.yaml cannot be read, so it is composed again from conf/; edit the files there instead")
        return
    changed = [
        key for key in {**after, **before} if before.get(key) != after.get(key) and not key.endswith(".fingerprint")
    ]
    if changed:
        shown = first_of([f"{key} {_shown(key, before)} → {_shown(key, after)}" for key in changed], LISTED)
        sections = dict.fromkeys(key.partition(".")[0] for key in changed)
        files = dict.fromkeys(f"conf/{name}/" if (CONF / name).is_dir() else "conf/config.yaml" for name in sections)
        log.warning(
            "params.yaml: %s, as composed from conf/; a value set in params.yaml itself is not kept: edit %s, "
            "or set it for one run with -S in `dvc exp run`",
            shown,
            " and ".join(files),
        )


def _shown(key: str, values: Mapping[str, Any]) -> str:
    return masked(str(values[key])) if key in values else "(none)"


def _read_composed() -> Any:
    """Read what DVC has composed; take out a secret that `hydra_plugins` could not see, and refuse to go on."""
    values = read_params(PARAMS)
    if secret := secret_keys(values):
        hide_secrets(values)
        write_text(PARAMS, _to_yaml(values))
        queued = f"dvc queue remove {os.environ['DVC_EXP_NAME']} && " if project_root() != WORKSPACE else ""
        raise PipelineError("; ".join(refusal_of(key, f"{queued}git gc --prune=now") for key in secret))
    return values


def _to_yaml(values: Any) -> str:
    return HEADER + yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    Parser(description=__doc__, epilog=configuration_help()).parse_args()
    with tidy_exit():
        keep_in_project(project_root())
        main()
