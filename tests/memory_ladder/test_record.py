"""Reading the memory ladder back for the report."""

from pathlib import Path

import pytest

from pipeline import compose
from pipeline.config.params import load_params
from pipeline.memory_ladder.record import read_ladder
from pipeline.runtime.atomic import write_text
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import write_json
from tests.conftest import configuration, describe_dataset

EVALUATION = configuration("evaluation.length_edges=[3,6]").evaluation


def test_a_ladder_is_shown_if_dvc_knows_of_it_and_it_is_of_this_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    digest = describe_dataset(tmp_path / "dataset")["digest"]
    config = EVALUATION.memory_ladder
    known = config.model_copy(update={"fingerprint": "sha256:0"})
    with pytest.raises(PipelineError, match=r"memory_ladder\.json is missing; run `dvc repro`"):
        read_ladder(known, tmp_path / "dataset")
    write_json(tmp_path / config.path, {"dataset": digest, "models": {}})
    assert read_ladder(config, tmp_path / "dataset") is None
    assert read_ladder(known, tmp_path / "dataset") == {"dataset": digest, "models": {}}
    write_json(tmp_path / config.path, {"dataset": "another", "models": {}})
    assert read_ladder(known, tmp_path / "dataset") is None


def test_compose_tells_dvc_whether_there_is_a_ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(compose, "PARAMS", tmp_path / "params.yaml")
    monkeypatch.setattr(compose, "CODE", tmp_path / "code.yaml")
    fingerprints = []
    for numbers in (None, "{}", "[]"):
        if numbers:
            write_text(tmp_path / EVALUATION.memory_ladder.path, numbers)
        compose.main()
        fingerprints.append(load_params(tmp_path / "params.yaml").evaluation.memory_ladder.fingerprint)
    assert fingerprints[0] is None
    assert len(set(fingerprints)) == 3
