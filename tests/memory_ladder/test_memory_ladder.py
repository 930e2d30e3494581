"""How far back networks remember: the measures, and the sweep that compares four kinds of them."""

import json
import shutil

import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from pipeline.inference.scoring import Calibration
from pipeline.memory_ladder.figure import panels
from pipeline.memory_ladder.measures import OPPOSITES, farther_half, gradient_curve, long_reviews, replace_sentence
from pipeline.networks.bag_of_words import BagOfWords
from pipeline.networks.sentiment_rnn import SentimentRNN
from pipeline.report.plots import write_panels
from pipeline.text.tokenizer import Tokenizer
from pipeline.tracking.evaluation_record import log_evaluation
from pipeline.tracking.run import training_run
from pipeline.tracking.store import connect
from tests.conftest import copy_project

MODELS = ("bag_of_words", "rnn", "gru", "lstm")
PNG = b"\x89PNG"
GOOD, BAD, OTHER = 2, 3, 4
PAIR = [(np.array([GOOD], np.int32), np.array([BAD], np.int32))]


def some_reviews(*lengths):
    return [np.full(length, OTHER, np.int32) for length in lengths]


def remembering(decay, *, at_start=False):
    """A plain cell of one unit whose state is what it read, and `decay` times its last state.

    One that begins at the end of a review and answers at its start (`at_start`) is the backward half of a
    bidirectional network.
    """
    network = SentimentRNN(5, 1, 1, 1, 1, cell="rnn", bidirectional=True).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.embedding.weight[:, 0] = torch.tensor([0.0, 0.0, 0.01, -0.01, 0.0])
        for cell in (network.lstm, network.lstm_backward):
            cell.weight_ih_l0.fill_(1)
            cell.weight_hh_l0.fill_(decay)
        network.fc.weight[0, 1 if at_start else 0] = 1
    return network


def test_a_bag_of_words_depends_on_every_step_alike():
    curve = gradient_curve(BagOfWords(5, 3).eval(), some_reviews(8, 8, 11))
    np.testing.assert_allclose(curve, 1 / 8, rtol=1e-5)
    assert farther_half(curve) == pytest.approx(0.5)


@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_a_cell_that_forgets_at_a_known_rate_shows_that_rate(decay):
    curve = gradient_curve(remembering(decay), some_reviews(30, 45, 100))
    assert len(curve) == 30
    assert curve.sum() == pytest.approx(1)
    np.testing.assert_allclose(curve[1:] / curve[:-1], decay, rtol=1e-3)


def test_steps_are_counted_from_the_last_word_of_each_review():
    np.testing.assert_array_equal(gradient_curve(remembering(0.0), some_reviews(5, 9)), [1, 0, 0, 0, 0])


def test_a_network_of_fixed_length_is_measured_on_what_it_reads():
    curve = gradient_curve(remembering(0.5), some_reviews(30, 12), fixed_length=20)
    assert len(curve) == 12
    np.testing.assert_allclose(curve[1:] / curve[:-1], 0.5, rtol=1e-3)


@pytest.mark.parametrize(("reads", "at_start"), [("first word", True), ("last word", False)])
def test_a_sentence_flips_the_answer_of_a_network_that_reads_it_and_no_other(reads, at_start):
    network = remembering(0.0, at_start=at_start)
    flips = {
        at_end: replace_sentence(
            network, some_reviews(3, 9), PAIR, calibration=Calibration(2.0, 0.0, 0.5), at_end=at_end
        )
        for at_end in (False, True)
    }
    read, unread = flips[not at_start], flips[at_start]
    assert (read.flip_rate, unread.flip_rate) == (1, 0), reads
    assert read.log_odds_change == pytest.approx(0.02 / 2, rel=1e-3)
    assert unread.log_odds_change == 0


def test_an_answer_that_changes_on_one_side_of_the_threshold_is_no_flip():
    found = replace_sentence(
        remembering(0.0, at_start=True), some_reviews(3), PAIR, calibration=Calibration(1.0, 0.0, 0.6)
    )
    assert found.flip_rate == 0
    assert found.log_odds_change > 0


def test_long_reviews_are_the_longer_half_spread_evenly():
    reviews = some_reviews(*range(1, 102))
    assert [len(review) for review in long_reviews(reviews, 1000)] == list(range(51, 102))
    assert [len(review) for review in long_reviews(reviews, 3)] == [51, 76, 101]


def test_a_sentence_and_its_opposite_are_of_one_length():
    tokenize = Tokenizer("basic_english")
    for positive, negative in OPPOSITES:
        assert len(tokenize(positive)) == len(tokenize(negative)), positive


def test_the_rungs_of_the_ladder_differ_in_their_cell_alone(compose):
    bag, *cells = (compose(f"model=memory/{name}").model.model_dump() for name in MODELS)
    assert [model.pop("cell") for model in cells] == ["rnn", "gru", "lstm"]
    assert cells[0] == cells[1] == cells[2]
    assert (cells[0]["pooling"], cells[0]["bidirectional"]) == (["last"], False)
    shared = bag.keys() - {"network"}
    assert {key: bag[key] for key in shared} == {key: cells[0][key] for key in shared}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose ladder of memory has been trained."""
    project = copy_project(tmp_path_factory.mktemp("ladder"))
    tiny = project.root / "conf" / "experiment" / "tiny.yaml"
    tiny.write_text("".join(line for line in tiny.open() if not line.startswith(("model:", "training:"))))
    project.commit("The networks of the ladder are as conf/ has them")
    for stage in ("compose", "download"):
        project.run("python", "-m", f"pipeline.{stage}")
    shutil.copytree(project.root / "downloads", project.root / "data")
    project.run("python", "-m", "pipeline.preprocess")
    project.commit("Prepared")
    project.run("python", "-m", "pipeline.train", "-m", "sweep=memory_ladder", "training=smoke")
    return project


def ladder_of(project):
    return json.loads((project.root / "reports" / "memory_ladder.json").read_text())


def test_the_ladder_leaves_its_numbers_and_its_picture(project):
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
    assert bag["start"] == pytest.approx(bag["end"]), "the order of words is lost"
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_every_run_of_the_ladder_has_its_numbers_its_curve_and_the_picture(project):
    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("sentiment").experiment_id], "tags.stage = 'train'")
    assert len(runs) == len(MODELS)
    for run in runs:
        model = ladder_of(project)["models"][run.data.params.get("model.cell", "bag_of_words")]
        assert run.data.metrics["memory/accuracy"] == model["accuracy"]
        assert run.data.metrics["memory/sentence/start/flip_rate"] == model["sentence"]["start"]["flip_rate"]
        history = sorted(client.get_metric_history(run.info.run_id, "memory/gradient"), key=lambda point: point.step)
        assert [(point.step, point.value) for point in history] == list(enumerate(model["gradient"]))
        stored = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "reports")}
        assert {"reports/memory_ladder.json", "reports/memory_ladder.png"} <= stored
        assert run.info.status == "FINISHED"


def test_a_sweep_that_fails_leaves_no_picture_and_keeps_the_last(project):
    before = (project.root / "reports" / "memory_ladder.png").read_bytes()
    found = project.run(
        *("python", "-m", "pipeline.train", "-m", "sweep=memory_ladder", "training=smoke"),
        *("model=memory/bag_of_words", "training.max_reviews=32,1"),
        check=False,
    )
    assert found.returncode == 1
    failed = max((project.root / "trials").glob("*/*"))
    assert list(failed.glob("0/model"))
    assert not list(failed.glob("memory_ladder*"))
    assert (project.root / "reports" / "memory_ladder.png").read_bytes() == before


def test_a_picture_shows_the_models_there_are(project, tmp_path):
    ladder = ladder_of(project)
    for name, models in (("all", MODELS), ("one", ("lstm",)), ("again", ("lstm",))):
        write_panels(tmp_path / name, panels({**ladder, "models": {key: ladder["models"][key] for key in models}}))
    one, again, every = ((tmp_path / name).read_bytes() for name in ("one", "again", "all"))
    assert one == again != every


def test_a_curve_is_logged_once(tmp_path, compose):
    store = connect(compose(f"tracking.uri=sqlite:///{tmp_path}/mlflow.db").tracking)
    with training_run(store, "a run", {}) as run:
        pass
    for _ in range(2):
        log_evaluation(store, run.run_id, {}, None, [], {"curve": np.linspace(0, 1, 1500).tolist()})
    assert [point.step for point in store.client.get_metric_history(run.run_id, "curve")] == list(range(1500))
