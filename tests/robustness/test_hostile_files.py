"""Hostile files: nothing in them is run or written elsewhere, and they fill neither memory nor disk."""

import gzip
import pickle
import sys
import tarfile
import tracemalloc
from contextlib import suppress
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
import yaml
from mlflow.exceptions import MlflowException

from pipeline.corpus.archive import archive_reviews
from pipeline.predict import load
from pipeline.registry.model_lookup import fetch_model
from pipeline.registry.packaging import Candidate
from pipeline.registry.versions import CHAMPION, register_version, set_alias
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.port import HOST, bind
from pipeline.text.dataset import read_split
from pipeline.tracking.store import connect, default_tracking_uri
from pipeline.training.checkpoints import newest_checkpoint
from tests.conftest import configuration
from tests.support.commands import SmallProject, prepared, project
from tests.support.servers import free_port

__all__ = ["prepared", "project"]  # fixtures


class Harm:
    """Object that creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def harm(tmp_path: Path) -> Harm:
    """Harmful pickle: loading it leaves a mark, which must not exist at the end of a test."""
    mark = tmp_path / "harm was done"
    pickle.loads(pickle.dumps(Harm(mark)))  # noqa: S301
    assert mark.exists()
    mark.unlink()
    return Harm(mark)


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.json", "config.json"])
@pytest.mark.parametrize("packed", [pickle.dumps, None])
def test_a_pickle_in_a_model_folder_is_refused(name, packed, project: SmallProject, harm: Harm):
    folder = project.root / "artifacts" / "model"
    (folder / name).write_bytes(pickle.dumps(harm)) if packed else torch.save(harm, folder / name)
    with pytest.raises(PipelineError, match=name):
        load(folder)
    assert not harm.mark.exists()


def test_a_pickle_beside_a_model_is_not_looked_at(project: SmallProject, harm: Harm):
    folder = project.root / "artifacts" / "model"
    for name in ("model.pkl", "pytorch_model.bin", "data.pickle", "python_model.pkl"):
        (folder / name).write_bytes(pickle.dumps(harm))
    assert load(folder)(["a film"])
    assert not harm.mark.exists()


def test_a_pickle_for_a_checkpoint_is_removed_and_training_starts_over(tmp_path: Path, harm: Harm):
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    for name in ("last.ckpt", "best.ckpt"):
        torch.save({"state_dict": {}, "harm": harm}, checkpoints / name)
    assert newest_checkpoint(checkpoints) is None
    assert not list(checkpoints.iterdir()) and not harm.mark.exists()


def test_a_pickle_in_the_dataset_is_refused(project: SmallProject, harm: Harm):
    dataset = project.root / "artifacts" / "dataset"
    np.save(dataset / "train" / "ids.npy", np.array([harm], dtype=object), allow_pickle=True)
    with pytest.raises(PipelineError, match=r"ids.npy is missing or damaged; prepare the dataset"):
        read_split(dataset, "train")
    assert not harm.mark.exists()


def test_a_pickle_among_the_artifacts_of_a_run_is_never_loaded(project: SmallProject, harm: Harm, tmp_path: Path):
    tracking = configuration(f"tracking.uri=sqlite:///{project.root}/mlflow.db").tracking
    store = connect(tracking)
    run_id = store.client.create_run(store.experiment_id).info.run_id
    folder = project.root / "artifacts" / "model"
    (folder / "model.safetensors").write_bytes(pickle.dumps(harm))
    (folder / "python_model.pkl").write_bytes(pickle.dumps(harm))
    store.client.log_artifacts(run_id, str(folder), "model")
    (tmp_path / "fetched").mkdir()
    with pytest.raises(PipelineError, match=r"model.safetensors is damaged"):
        load(fetch_model(store, run_id, tmp_path / "fetched"))
    assert not harm.mark.exists()


def plant(version: Path, harm: Harm, **flavor: str) -> None:
    """Add pickles to the files of a registered model, and name one in `MLmodel`."""
    for folder in (version, version / "artifacts" / "model"):
        for name in ("python_model.pkl", "model.pkl", "model.pt", "best.ckpt"):
            (folder / name).write_bytes(pickle.dumps(harm))
    described = yaml.safe_load((version / "MLmodel").read_text())
    kept = {key: value for key, value in described["flavors"]["python_function"].items() if key in ("env", "code")}
    described["flavors"] = {"python_function": {**kept, "python_version": "3.11", **flavor}}
    (version / "MLmodel").write_text(yaml.safe_dump(described))


PLANTED = [
    {"loader_module": "mlflow.pyfunc.model", "python_model": "python_model.pkl"},
    {"loader_module": "mlflow.sklearn", "data": "model.pkl"},
]


def test_a_registered_model_made_a_pickle_is_never_loaded(project: SmallProject, harm: Harm, monkeypatch, capfd):
    store = connect(configuration(f"tracking.uri=sqlite:///{project.root}/mlflow.db").tracking)
    run_id = store.client.create_run(store.experiment_id).info.run_id
    candidate = Candidate(project.root / "artifacts" / "model", run_id, {}, "A model.")
    set_alias(store, "sentiment", register_version(store, "sentiment", "Models.", candidate), CHAMPION)
    (mlmodel,) = (project.root / "mlartifacts").rglob("MLmodel")
    champion = "models:/sentiment@champion"
    for flavor in PLANTED:
        plant(mlmodel.parent, harm, **flavor)
        assert project.run("predict", "--model", champion, "a film") == 0, "its weights, words and config are enough"
        with default_tracking_uri(store), monkeypatch.context() as patch:
            patch.setattr(sys, "path", [*sys.path])  # MLflow adds the code of the version to it
            patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")  # as docs/serve.md advises
            with pytest.raises(MlflowException, match=r"Deserializing .* is disallowed"):
                mlflow.pyfunc.load_model(champion)
            assert not harm.mark.exists()
            patch.delenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION")
            with suppress(Exception):
                mlflow.pyfunc.load_model(champion)
        assert harm.mark.exists(), "planted where MLflow, left alone, would load it"
        harm.mark.unlink()
    torch.save(harm, mlmodel.parent / "artifacts" / "model" / "model.safetensors")
    assert project.run("predict", "--model", champion, "a film") == 1
    assert "model.safetensors is damaged" in capfd.readouterr().err.splitlines()[-1]
    assert not harm.mark.exists()


def bomb(kind: bytes, size: int) -> bytes:
    """Make an archive with a header that announces `size` bytes, and the first of them."""
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = kind, size
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + b"a" * min(size, 64 * 2**20), 1)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_is_a_bomb_is_refused_unread(kind: bytes, tmp_path: Path):
    (tmp_path / "a.tar.gz").write_bytes(bomb(kind, 64 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(PipelineError, match="a header of 67,108,864 bytes"):
            list(archive_reviews(tmp_path / "a.tar.gz"))
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_number_of_thousands_of_digits_is_no_name(tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.addfile(tarfile.TarInfo(f"aclImdb/train/pos/{'9' * 5000}_9.txt"))
    with pytest.raises(PipelineError, match="is not named <number>_<rating>"):
        list(archive_reviews(tmp_path / "a.tar"))


def test_a_server_is_seen_from_this_machine_alone():
    with bind(free_port()) as bound:
        assert bound.getsockname()[0] == HOST == "127.0.0.1"
