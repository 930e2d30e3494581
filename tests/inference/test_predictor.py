"""The model folder, and what answers from it."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException

from pipeline.inference.model_folder import save
from pipeline.inference.predictor import CHUNK_SIZE
from pipeline.inference.pyfunc import SentimentModel
from pipeline.networks.build import build_network
from pipeline.predict import load
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from pipeline.text.vocabulary import SPECIALS, Encoder, Vocabulary

WORDS = ["a", "bad", "film", "good", "long", "nan", "none", "not", "plot", "the", "warm", ".", "!"]
TEXTS = ["A good film.", "", "the plot <br /> not good! " * 30, "zebra", "Bad, bad film"]


@pytest.fixture(scope="module", params=["sentiment_rnn", "article", "bag_of_words"])
def saved(request, compose, tmp_path_factory):
    """A model folder, and the network and the encoder it was made from."""
    config = compose(f"model={request.param}")
    sizes = {"embedding_dim": 12} | ({"hidden_dim": 8} if request.param != "bag_of_words" else {})
    model = config.model.model_copy(update=sizes)
    torch.manual_seed(0)
    vocabulary = Vocabulary([*SPECIALS, *WORDS])
    network = build_network(model, len(vocabulary)).eval()
    folder = tmp_path_factory.mktemp("saved") / "model"
    info = {
        "temperature": 2.0,
        "bias": 0.25,
        "threshold": 0.5,
        "text": config.text.model_dump(),
        "model": model.model_dump(),
    }
    save(folder, network, vocabulary, {**info, "corpus": {"name": "a test"}})
    return folder, network, Encoder(config.text, vocabulary)


def damaged(saved, tmp_path):
    copy = tmp_path / "model"
    copy.mkdir()
    for path in saved[0].iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def test_a_saved_model_answers_as_the_network_did(saved):
    folder, network, encoder = saved
    predictor = load(folder)
    fixed = getattr(predictor.info.model, "fixed_length", None)
    for text, probability in zip(TEXTS, predictor.probabilities(TEXTS), strict=True):
        ids = torch.from_numpy(encoder.encode(text))[None]
        if fixed:
            ids = torch.nn.functional.pad(ids[:, :fixed], (max(0, fixed - ids.shape[1]), 0))
        expected = torch.sigmoid(network.logits(ids)[0] / 2.0 + 0.25).item()
        assert probability == pytest.approx(expected, abs=1e-5)


def test_answers_come_in_order_and_do_not_depend_on_the_batch(saved):
    predictor = load(saved[0])
    many = [TEXTS[i % len(TEXTS)] for i in range(CHUNK_SIZE + 50)]
    answers = predictor.probabilities(many)
    np.testing.assert_allclose(answers, np.resize(predictor.probabilities(TEXTS), len(many)), atol=1e-5)
    assert [text for text, _ in predictor.stream((text, text) for text in many)] == many
    assert len(predictor.probabilities([])) == 0


def test_labels_follow_the_threshold(saved):
    predictor = load(saved[0])
    predictor.threshold = 0.7
    assert predictor.labels(np.array([0.69, 0.7, 0.9], np.float32)) == ["negative", "positive", "positive"]


def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    folder, network, _ = saved
    info = json.loads((folder / "config.json").read_text())
    del info["format"]
    save(tmp_path / "again", network, Vocabulary([*SPECIALS, *WORDS]), info)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()
    }


def test_a_failed_save_leaves_nothing(saved, tmp_path):
    with pytest.raises(ValueError):
        save(tmp_path / "model", saved[1], Vocabulary(SPECIALS), {"temperature": -1})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.json", "config.json"])
def test_a_missing_file_is_named(saved, tmp_path, name):
    copy = damaged(saved, tmp_path)
    (copy / name).unlink()
    with pytest.raises(PipelineError, match=rf"{name} is missing"):
        load(copy)


def change_config(copy, **values):
    path = copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda copy: (copy / "model.safetensors").write_bytes(b"no weights"), "model.safetensors is damaged"),
        (lambda copy: (copy / "config.json").write_text("{"), r"config.json is damaged: it is not JSON"),
        (lambda copy: change_config(copy, format=99), "config.json has format 99, this version reads 2"),
        (
            lambda copy: change_config(copy, temperature=0),
            "config.json is damaged: 'temperature': Input should be",
        ),
        (
            lambda copy: (copy / "vocab.json").write_text(json.dumps(SPECIALS)),
            "does not fit config.json and vocab.json",
        ),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(saved, tmp_path, change, message):
    copy = damaged(saved, tmp_path)
    change(copy)
    with pytest.raises(PipelineError, match=message) as caught:
        load(copy)
    assert "\n" not in str(caught.value)


def test_predicting_loads_neither_mlflow_nor_lightning_nor_pickles(saved):
    code = (
        "import sys, pickle\n"
        "def refuse(*_): raise AssertionError('unpickled')\n"
        "pickle.load = pickle.loads = pickle.Unpickler = refuse\n"
        "from pipeline.predict import load\n"
        f"print(load({str(saved[0])!r}).probabilities(['a good film'])[0])\n"
        "print(sorted({'mlflow', 'pytorch_lightning', 'hydra', 'sklearn', 'scipy'} & sys.modules.keys()))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=WORKSPACE)
    assert found.stdout.splitlines()[1] == "[]"


@pytest.fixture
def registered(saved):
    """The model as MLflow calls it."""
    model = SentimentModel()
    model.load_context(SimpleNamespace(artifacts={"model": str(saved[0])}))
    return model


def test_the_registered_model_takes_missing_texts_for_empty(saved, registered):
    texts = ["A good film.", None, float("nan"), pd.NA, "", "日本語 😀"]
    for column in (0, "text"):
        found = registered.predict(pd.DataFrame({column: pd.Series(texts, dtype=object)}))
        expected = load(saved[0])(["A good film.", "", "", "", "", "日本語 😀"])
        assert list(found.itertuples(index=False, name=None)) == expected


@pytest.mark.parametrize(
    ("column", "texts", "message"),
    [("text", ["good", 3], "item 1 is 3, not a text"), ("id", ["7"], "the first column is 'id'.*'text'")],
)
def test_the_registered_model_refuses_what_is_no_text(registered, column, texts, message):
    with pytest.raises(MlflowException, match=message) as caught:
        registered.predict(pd.DataFrame({column: texts}))
    assert caught.value.get_http_status_code() == 400


def test_answers_do_not_depend_on_the_threads(saved, monkeypatch):
    texts = TEXTS * 100
    alone = load(saved[0]).probabilities(texts)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    np.testing.assert_array_equal(load(saved[0]).probabilities(texts), alone)
