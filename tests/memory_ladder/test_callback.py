"""The sweep that compares the memory of four networks, and its picture."""

import json

import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient

from pipeline.memory_ladder.callback import format_ladder, measure_ladder
from pipeline.memory_ladder.figure import ladder_panels
from pipeline.memory_ladder.record import LadderRecord
from pipeline.report.figure_files import write_panels
from pipeline.runtime import paths
from pipeline.runtime.records import write_json
from pipeline.sweep.parent_run import PARENT_TAG
from tests.support.models import FIVE, SPAM, word_model
from tests.support.scored import write_dataset

MODELS = ("bag_of_words", "rnn", "gru", "lstm")
PNG = b"\x89PNG"


def test_the_networks_of_the_ladder_differ_only_in_their_cell(compose):
    bag, *cells = (compose(f"model=memory/{name}").model.model_dump() for name in MODELS)
    assert [model.pop("cell") for model in cells] == ["rnn", "gru", "lstm"]
    assert cells[0] == cells[1] == cells[2]
    assert (cells[0]["pooling"], cells[0]["bidirectional"]) == (["last"], False)
    shared = bag.keys() - {"network"}
    assert {key: bag[key] for key in shared} == {key: cells[0][key] for key in shared}


@pytest.fixture(scope="module")
def project(trained, tmp_path_factory):
    """A trained project in which the sweep of the memory ladder has run."""
    project = trained.copy_to(tmp_path_factory.mktemp("ladder") / "project")
    tiny = project.root / "conf" / "experiment" / "tiny.yaml"
    tiny.write_text("".join(line for line in tiny.open() if not line.startswith(("model:", "training:"))))
    project.commit("The networks of the ladder are as conf/ has them")
    project.run("python", "-m", "pipeline.train", "-m", "sweep=memory_ladder", "training=smoke")
    return project


def ladder_of(project):
    return json.loads((project.root / "reports" / "memory_ladder.json").read_text())


def test_the_sweep_writes_its_numbers_and_its_picture(project):
    (sweep,) = (project.root / "trials").glob("*/*")
    for name in ("memory_ladder.json", "memory_ladder.png"):
        assert (sweep / name).read_bytes() == (project.root / "reports" / name).read_bytes()
    assert (sweep / "memory_ladder.png").read_bytes().startswith(PNG)
    ladder = ladder_of(project)
    assert ladder["split"] == "validation"
    assert tuple(ladder["models"]) == MODELS
    for model in ladder["models"].values():
        assert len(model["gradient"]) == ladder["long_reviews"]["tokens_at_least"]
        assert sum(model["gradient"]) == pytest.approx(1)
    bag = ladder["models"]["bag_of_words"]["sentence"]
    assert bag["start"] == pytest.approx(bag["end"]), "a bag of words knows no order"
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_every_run_of_the_ladder_has_its_numbers_its_curve_and_the_picture(project):
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("sentiment").experiment_id], "tags.stage = 'train'")
    of_sweep = [run for run in runs if PARENT_TAG in run.data.tags]
    assert len(of_sweep) == len(MODELS)
    for run in of_sweep:
        model = ladder_of(project)["models"][run.data.params.get("model.cell", "bag_of_words")]
        assert run.data.metrics["memory/accuracy"] == model["accuracy"]
        assert run.data.metrics["memory/sentence/start/flip_rate"] == model["sentence"]["start"]["flip_rate"]
        history = sorted(client.get_metric_history(run.info.run_id, "memory/gradient"), key=lambda point: point.step)
        assert [(point.step, point.value) for point in history] == list(enumerate(model["gradient"]))
        stored = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "reports")}
        assert {"reports/memory_ladder.json", "reports/memory_ladder.png"} <= stored
        assert run.info.status == "FINISHED"


def test_a_sweep_that_fails_writes_no_picture_and_keeps_the_last(project):
    before = (project.root / "reports" / "memory_ladder.png").read_bytes()
    failed_sweep = project.run(
        *("python", "-m", "pipeline.train", "-m", "sweep=memory_ladder", "training=smoke"),
        *("model=memory/bag_of_words", "training.max_reviews=32,1"),
        check=False,
    )
    assert failed_sweep.returncode == 1
    folder = max((project.root / "trials").glob("*/*"))
    assert list(folder.glob("0/model"))
    assert not list(folder.glob("memory_ladder*"))
    assert (project.root / "reports" / "memory_ladder.png").read_bytes() == before


def test_a_picture_shows_the_models_there_are(project, tmp_path):
    ladder = ladder_of(project)
    for name, models in (("all.png", MODELS), ("one.png", ("lstm",)), ("again.png", ("lstm",))):
        write_panels(
            tmp_path / name, ladder_panels({**ladder, "models": {key: ladder["models"][key] for key in models}})
        )
    one, again, every = ((tmp_path / name).read_bytes() for name in ("one.png", "again.png", "all.png"))
    assert one == again != every


def test_networks_of_several_seeds_share_a_line_of_the_legend_and_a_bar(project):
    lstm = ladder_of(project)["models"]["lstm"]
    models = {"rnn": lstm | {"kind": "rnn"}, "lstm": lstm, "lstm 2": lstm}
    panels = ladder_panels({**ladder_of(project), "models": models})
    drawn = [Figure().subplots() for _ in panels]
    for draw, axes in zip(panels, drawn, strict=True):
        draw(axes)
    assert [len(axes.get_lines()) for axes in drawn[1:]] == [3, 2], "a curve of each; marks on the two bars of the LSTM"
    assert [len(axes.get_legend().get_texts()) for axes in drawn] == [2, 2, 2]
    assert len(drawn[2].patches) == 4, "two bars of each type"


@pytest.mark.parametrize(
    ("classes", "ordered", "measured"),
    [(("negative", "neutral", "positive"), False, True), (FIVE, True, False), (SPAM, False, False)],
)
def test_sentences_are_measured_where_the_corpus_has_their_classes(
    compose, tmp_path, monkeypatch, caplog, classes, ordered, measured
):
    caplog.set_level("INFO")
    write_dataset(tmp_path / "dataset")
    path = tmp_path / "dataset" / "dataset.json"
    dataset = json.loads(path.read_text())
    dataset["corpus"] |= {"classes": classes, "ordered": ordered}
    write_json(path, dataset)
    monkeypatch.setattr(paths, "DATASET", tmp_path / "dataset")
    word_model(tmp_path / "0" / "model", compose, classes, ordered)

    ladder = measure_ladder({"bag_of_words": tmp_path / "0"}, compose("evaluation.length_edges=[3]").evaluation)
    LadderRecord.model_validate(ladder)
    model = ladder["models"]["bag_of_words"]
    assert sum(model["gradient"]) == pytest.approx(1)
    assert sum(model["accuracy_by_length"]["reviews"]) == dataset["splits"]["validation"]
    assert bool(model["sentence"]) == bool(ladder["sentences"]) == ("flips" in format_ladder(ladder)) == measured
    said = [message for message in caplog.messages if message.startswith("memory ladder: its sentences are")]
    assert len(said) == (0 if measured else 1)
    panels = ladder_panels(ladder)
    assert len(panels) == (3 if measured else 2)
    write_panels(tmp_path / "ladder.png", panels)
