"""Counterfactual sentences among the reviews that a training learns from."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.labels import LABELS
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.runtime.errors import PipelineError
from pipeline.text.vocabulary import Vocabulary
from pipeline.training import counterfactual_reviews, few_reviews
from pipeline.training.data_module import LossWeights, ReviewDataModule, ReviewSelection
from pipeline.training.folds import Fold
from tests.conftest import describe_dataset
from tests.text.test_counterfactuals import corpus

TEXTS, LABELS_OF_TEXTS = corpus(extra=[("It was not there.", 1)])  # else `not` is unknown
SETTINGS = {"batch_size": 8, "fixed_length": None, "seed": 1}


@pytest.fixture(scope="module")
def dataset(compose, tmp_path_factory):
    """Reviews of one sentence: of a plot, a cast and others to train on, of an ending to validate on."""
    folder, config = tmp_path_factory.mktemp("dataset"), compose()
    of_ending = np.array(["ending" in text for text in TEXTS])
    batches = []
    for split, rows in ("train", ~of_ending), ("auxiliary", ~of_ending), ("validation", of_ending):
        chosen = [text.replace("The", "Its") if split == "auxiliary" else text for text in np.array(TEXTS)[rows]]
        batches.append((split, pa.record_batch({"text": chosen, "label": pa.array(LABELS_OF_TEXTS[rows])})))
    describe_dataset(folder, text=config.text.model_dump())
    encode_corpus(folder, config.text, [batches], map, LABELS)
    return folder


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch):
    monkeypatch.setattr(few_reviews, "FEW_TRAINING", 100)


def trained_on(dataset, classes, weight, fold=None):
    settings = {"selection": ReviewSelection(fold=fold), "weights": LossWeights(counterfactual=weight)}
    return ReviewDataModule(dataset, **SETTINGS, classes=classes, **settings).train


def test_they_follow_the_reviews_with_a_weight_of_their_own(dataset):
    without, reviews = (trained_on(dataset, LABELS, weight) for weight in (0, 0.25))
    words = Vocabulary.load(dataset / "vocab.json").words
    texts = [" ".join(words[token] for token in reviews[row]) for row in range(len(reviews))]
    assert len(texts) > len(without) == 162
    assert set(reviews.loss_weights[:162]) == {1.0} and set(reviews.loss_weights[162:]) == {0.25}
    denied = [row for row in range(162, len(texts)) if texts[row].endswith("plot is not superb .")]
    assert {int(reviews.labels[row]) for row in denied} == {0}


@pytest.mark.parametrize("classes", [("bad", "good"), ("negative", "neutral", "positive"), ()])
def test_there_are_none_of_classes_that_a_denial_does_not_exchange(dataset, classes, caplog):
    with caplog.at_level("INFO"):
        assert len(trained_on(dataset, classes, 1.0)) == 162
    assert caplog.messages == ["no counterfactual sentences: the classes are not negative and positive"]


def test_there_are_none_of_few_reviews(dataset, monkeypatch, caplog):
    monkeypatch.setattr(few_reviews, "FEW_TRAINING", 163)
    with caplog.at_level("INFO"):
        assert len(trained_on(dataset, LABELS, 1.0)) == 162
    assert caplog.messages == ["no counterfactual sentences: fewer than 163 training texts"]


def test_none_is_made_of_a_review_that_is_held_out(dataset, monkeypatch):
    made_of = []
    monkeypatch.setattr(
        counterfactual_reviews, "make_counterfactuals", lambda texts, *_: made_of.extend(texts) or ([], np.empty(0))
    )
    held_out, kept = np.arange(0, 81, 2), np.arange(1, 81, 2)
    fold = Fold(train={"train": kept, "validation": np.arange(16)}, held_out={"train": held_out})
    trained_on(dataset, LABELS, 1.0, fold)
    train, validation = ([text for text in TEXTS if ("ending" in text) == ending] for ending in (False, True))
    assert made_of == [train[row] for row in kept] + validation + [text.replace("The", "Its") for text in train]


def test_a_text_that_is_missing_is_damage(dataset, tmp_path):
    damaged = shutil.copytree(dataset, tmp_path / "dataset")
    rows = pq.read_table(damaged / "train" / "rows.parquet")
    texts = pa.array([None, *rows["text"].to_pylist()[1:]])
    pq.write_table(rows.set_column(rows.column_names.index("text"), "text", texts), damaged / "train" / "rows.parquet")
    with pytest.raises(PipelineError, match=r"train.rows\.parquet is damaged: its column 'text' lacks a value"):
        trained_on(damaged, LABELS, 1.0)
