"""Compose conf/ into params.yaml, the one configuration every later stage reads.

Refuses what does not fit, and notes a fingerprint of the user's own files, so that DVC notices an edit of one. Within
`dvc exp run` DVC itself has composed params.yaml, with the overrides of -S; then it is checked, not composed again.
Also writes code.yaml, a digest of the code of each stage, so that DVC notices an edit of it.
"""

import os
from typing import Any

import yaml

from pipeline.cli import Parser, tidy_exit
from pipeline.config import FileVectors, read_params, require_embedding_dim, validate
from pipeline.config.composition import compose_config
from pipeline.corpus.source import corpus_fingerprint
from pipeline.preprocessing.vector_source import vector_dimension, vectors_fingerprint
from pipeline.runtime import checksum, pipeline_lock
from pipeline.runtime.atomic import write_text
from pipeline.runtime.code_digest import Code
from pipeline.runtime.credentials import hide_secrets, refusal_of, secret_keys
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.named_files import existing_file
from pipeline.runtime.paths import CODE, PARAMS, WORKSPACE, project_root
from pipeline.site_cache import keep_in_project

CODE_HEADER = "# Digests of the code of each stage, written by `python -m pipeline.compose`; git ignores this file.\n"


def main() -> None:
    """Write `code.yaml`, and `params.yaml` if it would say anything new.

    Raises:
        PipelineError: the configuration does not fit, or another command runs the pipeline of this checkout.
    """
    holder = pipeline_lock.dvc_process()
    pipeline_lock.acquire(WORKSPACE, holder)
    values = _read_composed() if "DVC_EXP_NAME" in os.environ else compose_config([])
    config = validate(values)
    assert isinstance(values, dict)  # or it would not have been valid
    values["corpus"]["fingerprint"] = corpus_fingerprint(config.corpus)
    if (vectors := config.text.vectors) is not None:
        require_embedding_dim(config.model, vector_dimension(vectors))
        if isinstance(vectors, FileVectors):
            values["text"]["vectors"]["fingerprint"] = vectors_fingerprint(vectors)
    if (pairs := config.evaluation.contrast_pairs.path) is not None:
        file = existing_file("evaluation.contrast_pairs.path", pairs)
        values["evaluation"]["contrast_pairs"]["fingerprint"] = checksum.file_fingerprint(file)
    ladder = project_root() / config.evaluation.memory_ladder.path
    found = checksum.file_fingerprint(ladder) if ladder.is_file() else None
    values["evaluation"]["memory_ladder"]["fingerprint"] = found
    text = _to_yaml(values)
    if not PARAMS.exists() or text.encode() != PARAMS.read_bytes():
        write_text(PARAMS, text)
    write_text(CODE, CODE_HEADER + _to_yaml(Code().stage_digests()))
    pipeline_lock.record_params(WORKSPACE, holder, checksum.file_digest(PARAMS, "sha256"))


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
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    Parser(description=__doc__).parse_args()
    with tidy_exit():
        keep_in_project(project_root())
        main()
