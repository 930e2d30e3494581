"""Predictions of a saved model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from pipeline.inference.decision_rule import DecisionRule
from pipeline.inference.predictor import CHUNK_SIZE
from pipeline.networks.build import path_names
from pipeline.predict import load
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE

TEXTS = ["A good film.", "", "the plot <br /> not good! " * 30, "zebra", "Bad, bad film"]


def test_a_saved_model_answers_as_the_network_did(saved):
    folder, network, encoder = saved
    predictor = load(folder)
    fixed = getattr(predictor.info.model, "fixed_length", None)
    for text, (_, probability) in zip(TEXTS, predictor.probabilities(TEXTS), strict=True):
        ids = torch.from_numpy(encoder.encode(text))[None]
        if fixed:
            ids = torch.nn.functional.pad(ids[:, :fixed], (max(0, fixed - ids.shape[1]), 0))
        expected = torch.sigmoid(network.logits(ids)[0] / 2.0 + 0.25).item()
        assert probability == pytest.approx(expected, abs=1e-5)


def test_answers_come_in_order_and_do_not_depend_on_the_batch(saved):
    predictor = load(saved[0])
    many = [TEXTS[i % len(TEXTS)] for i in range(CHUNK_SIZE + 50)]
    answers = predictor.probabilities(many)
    np.testing.assert_allclose(answers, np.resize(predictor.probabilities(TEXTS), (len(many), 2)), atol=1e-5)
    assert [text for text, _ in predictor.stream((text, text) for text in many)] == many
    assert predictor.probabilities([]).shape == (0, 2)


def test_the_paths_come_with_the_same_answers_and_make_them_up(saved):
    predictor = load(saved[0])
    many = [TEXTS[i % len(TEXTS)] for i in range(CHUNK_SIZE + 50)]
    probabilities, paths = predictor.probabilities_and_paths(many)
    np.testing.assert_array_equal(probabilities, predictor.probabilities(many))
    assert paths.shape == (len(many), 1, len(path_names(predictor.info.model)) or 1)
    joined = predictor.info.calibration.probabilities(paths.sum(axis=2))  # untrained: each path has the weight 1
    np.testing.assert_allclose(probabilities, joined, atol=1e-6)


@pytest.mark.parametrize(
    "texts",
    [
        ["bad", None, float("nan"), pd.NA, pd.NaT, np.float32("nan")],
        pd.Series(["bad", *[None] * 5], dtype="string"),
        np.array(["bad", *[None] * 5]),
    ],
    ids=["list", "series", "array"],
)
def test_missing_texts_are_empty(saved, texts):
    model = load(saved[0])
    expected = model(["bad", *[""] * 5])
    assert model(texts) == expected
    assert model(text for text in texts) == expected


TABLE = pd.DataFrame({"text": ["bad", "good"], "id": [1, 2]})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("an awful mess", r"a single text, .*give a list: model\(\[text\]\)"),
        (b"an awful mess", "a single text"),
        (TABLE, r"a DataFrame, .*model\(table\['text'\]\)"),
        (pa.Table.from_pandas(TABLE), "a Table, whose items are not the texts"),
        ({"text": "an awful mess"}, "a dict, whose items are not the texts"),
        ({"good", "bad"}, "a set has no order"),
        (["good", 1], "item 1 is 1, not a text"),
        ([b"good"], "item 0 is b'good', not a text"),
        (TABLE["id"], "item 0 is 1, not a text"),
        (np.array([["good", "bad"]]), "item 0 is array"),
        (np.array([["a good film"] * 2, ["a bad film"] * 2]), "item 0 is array"),
        (TABLE.groupby("id"), "item 0 is "),
        (Path("reviews.csv"), r"a PosixPath holds no texts; give a list: model\(\[text\]\)"),
        (np.array("good"), "a ndarray holds no texts"),
        (None, "a NoneType holds no texts"),
        (3, "a int holds no texts"),
    ],
)
def test_what_does_not_yield_texts_is_refused(saved, given, message):
    model = load(saved[0])
    for call in (model, model.probabilities):
        with pytest.raises(PipelineError, match=message) as caught:
            call(given)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "rows",
    [
        *("ab", {"id": "text"}, pd.DataFrame({"id": [1], "ab": ["good"]}), ["ab", "cd"], [(1, 2)], pd.Series(["ab"])),
        *([1], [(1,)], [(1, "good", "bad")], None),
    ],
)
def test_what_does_not_yield_pairs_of_an_object_and_a_text_is_refused(saved, rows):
    with pytest.raises(PipelineError):
        list(load(saved[0]).stream(rows))


def test_labels_follow_the_threshold(saved):
    predictor = load(saved[0])
    *_, highest = sorted(predictor.probabilities(TEXTS)[:, 1].tolist())
    predictor.rule = DecisionRule(highest)
    assert [label == "positive" for label, *_ in predictor(TEXTS)] == [
        probability >= highest for _, probability, _ in predictor(TEXTS)
    ]
    assert {label for label, *_ in predictor(TEXTS)} == {"negative", "positive"}


def test_predicting_loads_neither_mlflow_nor_lightning_nor_pickles(saved):
    code = (
        "import sys, pickle\n"
        "def refuse(*_): raise AssertionError('unpickled')\n"
        "pickle.load = pickle.loads = pickle.Unpickler = refuse\n"
        "from pipeline.predict import load\n"
        f"print(load({str(saved[0])!r}).probabilities(['a good film'])[0])\n"
        "print(sorted({'mlflow', 'pytorch_lightning', 'hydra', 'sklearn', 'scipy'} & sys.modules.keys()))\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=WORKSPACE)
    assert finished.stdout.splitlines()[1] == "[]"


def test_answers_do_not_depend_on_the_threads(saved, monkeypatch):
    texts = TEXTS * 100
    alone = load(saved[0]).probabilities(texts)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    np.testing.assert_array_equal(load(saved[0]).probabilities(texts), alone)
