"""Each file of conf/experiment/ under DVC, and DVC's queue, which trains experiments in copies of the project."""

import hashlib
import io
import tarfile

import pytest
import yaml

from pipeline.runtime.paths import WORKSPACE
from tests.conftest import Project, reviews
from tests.support.pipeline_runs import copy, store, training_runs

__all__ = ["copy"]  # a fixture


def test_queued_experiments_train_in_copies_and_log_to_the_one_store(copy):
    copy.run("dvc", "exp", "run", "--queue", "-S", "model.hidden_dim=4,6")
    copy.run("dvc", "exp", "run", "--run-all")
    runs = training_runs(copy)
    assert len(runs) == 3
    assert {run.data.params["model.hidden_dim"] for run in runs} == {"16", "4", "6"}
    assert all(run.info.status == "FINISHED" for run in runs)
    client = store(copy)
    champion = client.get_model_version_by_alias("sentiment", "champion")
    assert champion.run_id == next(run.info.run_id for run in runs if run.data.params["model.hidden_dim"] == "16")
    assert client.get_model_version_by_alias("sentiment", "challenger").version != champion.version


def use_archive(project: Project) -> None:
    """Pack the project's reviews into an archive, some of them unlabelled, and configure the corpus aclimdb."""
    archive = project.root / "reviews.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        for row, (text, label) in enumerate(reviews()):
            folder = ("train/unsup", "test/{}", "train/{}", "train/{}")[row // 2 % 4]
            number = row * 20  # far apart, as reviews of different films
            member = tarfile.TarInfo(f"aclImdb/{folder.format('pos' if label == 'good' else 'neg')}/{number}_0.txt")
            member.size = len(text.encode())
            file.addfile(member, io.BytesIO(text.encode()))
    conf = yaml.safe_load((project.root / "conf/experiment/tiny.yaml").read_text())
    conf["defaults"] = [{"override /corpus": "aclimdb"}]
    conf["corpus"] = {"url": "reviews.tar.gz", "checksum": f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"}
    (project.root / "conf/experiment/tiny.yaml").write_text(f"# @package _global_\n{yaml.safe_dump(conf)}")


@pytest.mark.parametrize("path", sorted((WORKSPACE / "conf" / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_runs(path, copy):
    short = ["training.epochs=1", "training.max_reviews=32", "model.embedding_dim=8", "model.hidden_dim=8"]
    if path.stem == "best":
        use_archive(copy)
        short += ["pretraining.two_view.epochs=1", "pretraining.two_view.max_reviews=32"]
        short += ["pseudo_labels.teacher.epochs=1"]
        short += ["pseudo_labels.confidence=0.5"]
    if path.stem == "article":
        short += ["model.wide=null"]  # of which tiny.yaml sets the size
    overrides = [part for value in [f"experiment=[tiny,{path.stem}]", *short] for part in ("-S", value)]
    output = copy.run("dvc", "exp", "run", *overrides).stderr
    if path.stem == "best":
        assert "training on 72 of 72 unlabelled reviews" in output
    _, run = training_runs(copy)
    assert (run.info.status, run.data.params["training.max_reviews"]) == ("FINISHED", "32")
