"""Registrations for tests: tiny models whose answers are known, in workspaces as `evaluate` leaves them.

A test with the fixture `store` runs in a folder whose own mlflow.db, the one MLflow takes by default, has another
champion of the same name.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline import registration
from pipeline.inference.model_folder import save_model
from pipeline.inference.predictor import Predictor
from pipeline.networks.build import build_network
from pipeline.registry.versions import find_alias
from pipeline.runtime.records import write_json
from pipeline.text.vocabulary import SPECIALS, Vocabulary
from pipeline.tracking.store import Store, connect
from tests.conftest import configuration, describe_dataset, made_once
from tests.support.commands import PATHS

NUMBERS = [str(i) for i in range(10)]
TEXTS = [f"a {word} film, number {number}" for number in NUMBERS for word in ("good", "bad")]
LABELS = [1, 0] * len(NUMBERS)
TRAINING = {"train_seconds": 1.5, "reviews_per_second": 16.0, "epochs": 2}
TRAINING |= {"device": "cpu", "precision": "32-true", "threads": 1}
METRICS = {"test": {"accuracy": 0.9, "ece": 0.02}, "baseline": {"accuracy": 0.88}, "val": {"accuracy": 0.9}}
CONFIG = configuration("model=bag_of_words", "model.embedding_dim=1")


@pytest.fixture(scope="session")
def misleading(tmp_path_factory: pytest.TempPathFactory, fresh_database: Path) -> Path:
    """A folder with a store in which versions 1 to 3 of the same model are registered; each is always wrong."""

    def register_wrong_ones(folder: Path) -> None:
        shutil.copy(fresh_database, folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DVC_ROOT", str(folder))
            for number in range(3):
                assert outcome(workspace(folder / str(number), errors=0, certainty=-5.0 - number))["registered"]

    return made_once(tmp_path_factory, "misleading", register_wrong_ones)


@pytest.fixture
def store(tmp_path: Path, fresh_database: Path, misleading: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    (tmp_path / "store").mkdir()
    shutil.copy(fresh_database, tmp_path / "store")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "store"))
    monkeypatch.chdir(misleading)
    torch.set_num_threads(1)
    before = digests(misleading)
    yield connect(CONFIG.tracking)
    assert digests(misleading) == before


def digests(folder: Path) -> dict[Path, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def known_network(errors: int, certainty: float) -> torch.nn.Module:
    """A network that gets `errors` good reviews with low numbers wrong; with certainty < 0, all the others instead."""
    network = build_network(CONFIG.model, len(SPECIALS) + 2 + len(NUMBERS))
    weights = [0.0, 0.0, 1.0, -1.0] + [-3.0 if i < errors else 0.0 for i in range(len(NUMBERS))]
    torch.nn.init.constant_(network.fc.bias, 0.0)
    torch.nn.init.constant_(network.fc.weight, certainty)
    network.embedding.weight = torch.nn.Parameter(torch.tensor(weights)[:, None])
    return network


def workspace(
    folder: Path, errors: int, certainty: float = 5.0, run_id: str | None = None, passed: bool = True
) -> Path:
    """A workspace as `evaluate` leaves it."""
    artifacts, reports = folder / "artifacts", folder / "reports"
    info = {"temperature": 1.0, "bias": 0.0, "threshold": 0.5, **CONFIG.model_dump(include={"text", "model"})}
    vocabulary = Vocabulary([*SPECIALS, "good", "bad", *NUMBERS])
    save_model(artifacts / "model", known_network(errors, certainty), vocabulary, info)
    ids = [f"review-{i}" for i in range(len(TEXTS))]
    rows = {"id": ids, "text": TEXTS, "label": pa.array(LABELS, pa.int8())}
    (artifacts / "dataset" / "validation").mkdir(parents=True)
    describe_dataset(artifacts / "dataset", validation=len(ids))
    pq.write_table(pa.table(rows), artifacts / "dataset" / "validation" / "rows.parquet")
    answers = Predictor.load(artifacts / "model").probabilities(TEXTS)[:, 1]
    predicted = (answers >= 0.5).astype(np.int8)
    assert (predicted != np.array(LABELS)).sum() == (errors if certainty > 0 else len(LABELS) - errors)
    predictions = {"split": ["validation"] * len(ids), "id": ids, "label": rows["label"], "predicted": predicted}
    pq.write_table(pa.table(predictions), artifacts / "predictions.parquet")
    write_json(artifacts / "run.json", TRAINING | {"run_id": run_id or "unknown", "model": "its digest"})
    check = {"name": "accuracy", "metric": "test.accuracy", "value": 0.9, "min": 0.8 if passed else 0.95, "max": None}
    check["remedy"] = None if passed else "train on more reviews"
    write_json(reports / "details.json", METRICS)
    write_json(reports / "verdict.json", {"passed": passed, "checks": [{**check, "passed": passed}], "judged": {}})
    return folder


def outcome(folder: Path, queued: bool = False) -> dict[str, object]:
    with pytest.MonkeyPatch.context() as patch:
        for name, path in PATHS.items():
            patch.setattr(registration, name, folder / path, raising=False)
        registration.register(CONFIG, registration.read_checks(), queued)
    return dict(json.loads((folder / "reports" / "registration.json").read_text()))


def versions(store: Store) -> list[str]:
    return sorted(str(version.version) for version in store.client.search_model_versions("name='sentiment'"))


def aliases(store: Store) -> tuple[str | None, str | None]:
    return find_alias(store, "sentiment", "champion"), find_alias(store, "sentiment", "challenger")
