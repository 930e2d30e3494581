"""The model card of a version, in the registry and beside its weights."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from pipeline.config.schema import Config
from pipeline.inference.model_folder import FORMAT_VERSION
from pipeline.inference.model_info import ModelInfo
from pipeline.networks.likelihood import build_likelihood
from pipeline.registry.model_card import front_matter, model_card, version_card
from pipeline.registry.packaging import Candidate
from pipeline.registry.versions import download_model, register_version
from pipeline.runtime.records import write_json
from pipeline.text.dataset import DatasetRecord
from pipeline.tracking.run import open_run
from pipeline.tracking.store import connect
from pipeline.tracking.training_record import TrainingRecord
from tests.conftest import configuration, corpus_record
from tests.support.registration import TRAINING

METRICS = {
    "test": {"accuracy": 0.9, "ece": 0.02},
    "baseline": {"accuracy": 0.88},
    "intervals": {"test": {"accuracy": {"low": 0.89, "high": 0.91}}},
    "behaviour": {
        "negation_at_end": {"failure_rate": 0.25, "cases": 100},
        **{f"easy_{i}": {"failure_rate": i / 1000, "cases": 100} for i in range(10)},
    },
    "contrast": {"consistency": 0.5, "pairs": 40},
    "worst_slice": {"part": "length: over_800", "accuracy": 0.7, "reviews": 60},
}
ORIGIN = {"git.commit": "abc123", "git.dirty": "false", "data.md5": "456.dir", "config.hash": "789"}
LEFT_OUT = {"ignored_labels": 1200, "duplicates": 3}
OWN = ("corpus=files", "corpus.path=tickets.csv", "corpus.source=support tickets")


def card_of(config: Config, details: Mapping[str, Any] = METRICS, **origin: str) -> str:
    classes = config.corpus.classes
    splits = {"train": 180, "validation": 20, "test": 40}
    record = {"digest": "d", "corpus": {**corpus_record(list(classes)), "left_out": LEFT_OUT}, "split": {}, "text": {}}
    training = TrainingRecord(**TRAINING, run_id="r", model="m", origin=ORIGIN | origin)
    dataset = DatasetRecord(**record, vocabulary=10, splits=splits)
    meaning = build_likelihood(len(classes), config.corpus.in_order)
    calibration = {
        "temperature": [1.0] * meaning.columns,
        "bias": [0.0] * meaning.outputs,
        "ordered": config.corpus.in_order,
    }
    calibration["threshold"] = 0.4816 if len(classes) == 2 else None
    chosen = config.model_dump(include={"text": True, "model": True, "evaluation": {"objective"}})
    info = ModelInfo.model_validate({"format": FORMAT_VERSION, "classes": classes, **calibration, **chosen})
    return version_card(config, details, training, dataset, info)


def test_a_card_says_what_the_model_is_for_how_good_and_where_it_fails() -> None:
    card = card_of(configuration())
    for title in ("Use it", "Intended use", "Architecture", "Training", "Limits", "Reproduce it"):
        assert f"### {title}\n" in card
    assert "| accuracy&emsp; | 0.9000 (0.8900 to 0.9100)&emsp; | 0.8800&emsp; |" in card
    assert "| negation at end&emsp; | 25.0%&emsp; |" in card
    assert "easy 0" not in card  # the worst alone
    assert "both right in 50.0%" in card
    assert "MIT (the package); the reviews belong to their authors" in card
    assert "Maas" in card
    assert "rows left out: 1,200 ignored labels, 3 duplicates" in card
    assert "`abc123`" in card
    assert "Worst slice: length: over_800, accuracy 0.7000 on 60 test reviews." in card
    assert "reviews: 180 train, 20 validation, 40 test" in card
    assert "2 epochs in 0:00:02 on cpu, 32-true, 1 threads" in card
    assert "labels are chosen for: accuracy; positive from probability 0.4816 on" in card
    assert len(card) < 5000


def test_a_card_names_the_auxiliary_texts_and_how_good_it_is_on_them() -> None:
    held_out = {"reviews": 1705, "accuracy": 0.8, "accuracy_low": 0.78, "accuracy_high": 0.82}
    card = card_of(configuration(), METRICS | {"auxiliary": held_out})
    assert "On 1,705 held-out texts of rotten_tomatoes its accuracy is 0.8000 (95 % interval 0.7800 to 0.8200)." in card
    assert "Pang, Lee (2005)" in card
    without = configuration("corpus/auxiliary=none")
    assert "uxiliary" not in card_of(without)


def test_a_card_claims_no_more_than_was_measured() -> None:
    card = card_of(configuration(), {"test": {"accuracy": 0.9}}, **{"git.dirty": "true"})
    assert "| accuracy&emsp; | 0.9000&emsp; | &emsp; |" in card
    assert "behaviour" not in card
    assert "interval" not in card
    assert "with changes that were not committed" in card


def test_a_card_says_which_parts_the_network_joins_and_how_good_each_is_alone() -> None:
    parts = {
        "gru": {"accuracy": 0.81, "log_loss": 0.41, "adds": {"accuracy": 0.07, "low": 0.05, "high": 0.09}},
        "ngrams": {"accuracy": 0.83, "log_loss": 0.43},
        "joint": {"accuracy": 0.9, "log_loss": 0.3},
    }
    joined = card_of(configuration("model=gru"), METRICS | {"parts": parts})
    assert joined.startswith("### BiGRU and n-grams trained on movie_reviews\n")
    assert (
        "- BiGRU: word vectors of 200 numbers, 1 layer of 128 units in each direction, pooled by max and mean" in joined
    )
    assert "- n-grams: log-odds of up to 3 words each" in joined
    assert "| BiGRU&emsp; | 0.8100&emsp; | 0.4100&emsp; |\n| n-grams&emsp; | 0.8300&emsp; |" in joined
    assert "adds 0.0700 to the accuracy of the n-grams (95 % interval 0.0500 to 0.0900)" in joined
    alone = card_of(configuration("model.wide=null"))
    assert alone.startswith("### BiLSTM trained on movie_reviews\n")
    assert "n-grams" not in alone


def test_a_card_says_how_much_of_a_long_text_is_read() -> None:
    assert "longer than 400 words the BiLSTM reads only the beginning and the end; the n-grams read all.\n" in card_of(
        configuration()
    )
    assert "longer than 400 words the BiLSTM reads only the beginning and the end.\n" in card_of(
        configuration("model.wide=null")
    )
    article = card_of(configuration("experiment=article"))
    assert "longer than 200 words it reads only the beginning.\n" in article


@pytest.mark.parametrize("tokenizer", ["basic_english", "unicode_words", "characters", "sentencepiece"])
def test_a_card_says_into_what_texts_are_split(tokenizer: str) -> None:
    config = configuration(f"text.tokenizer={tokenizer}")
    card = card_of(config)
    assert f"(`{tokenizer}`)" in card
    assert ("as English does" in card) == (tokenizer == "basic_english")


def test_a_card_of_other_texts_says_nothing_of_films() -> None:
    card = card_of(configuration(*OWN, "model.max_length=null"))
    assert "support tickets" in card
    assert "film" not in card.lower()
    assert "longer than" not in card


def card(labels: str, *overrides: str, classes: Mapping[str, Mapping[str, float]] | None = None) -> str:
    settings = configuration(*OWN, f"corpus.labels={labels}", *overrides)
    metrics = {**METRICS, "test": {"accuracy": 0.9, "macro_f1": 0.8, **({"classes": classes} if classes else {})}}
    return card_of(settings, metrics)


def test_a_card_says_which_classes_there_are() -> None:
    two = card("{ham: [0], spam: [1]}")
    assert "Telling spam texts from ham ones" in two
    f1 = {name: {"f1": value} for name, value in (("C_", 0.3), ("neutral", 0.9), ("good", None))}
    several = " ".join(card("{C+: [0], neutral: [1], good: [2]}", "corpus.ordered=true", classes=f1).split())
    assert "texts of 3 classes" in several
    assert "The classes are C+, neutral, good (in this order)." in several
    assert "lowest F1 on the test reviews: C+ 0.3000, neutral 0.9000." in several
    assert "| macro F1&emsp; | 0.8000&emsp; |" in several
    for text in (two, several):
        assert "neutral or mixed" not in text
        assert "positive" not in text


def test_the_front_matter_is_what_model_hubs_read() -> None:
    values = yaml.safe_load(front_matter(configuration(), METRICS).strip().strip("-"))
    assert (values["language"], values["datasets"]) == ("en", ["movie_reviews", "rotten_tomatoes"])
    assert {"lstm", "n-grams", "sentiment-analysis"} <= set(values["tags"])
    (result,) = values["model-index"][0]["results"]
    assert {"type": "accuracy", "value": 0.9} in result["metrics"]
    assert "language" not in yaml.safe_load(front_matter(configuration(*OWN), METRICS).strip().strip("-"))


def test_the_registered_model_says_what_it_returns() -> None:
    card = model_card(configuration())
    assert "returns a `label`, one of the classes that the\nversion was trained on, and a `probability`" in card
    assert card == model_card(configuration(*OWN, "corpus.labels={bad: [0], fair: [1], good: [2]}"))


def test_the_card_lies_beside_the_weights_and_the_registry_holds_what_it_can(
    tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(fresh_database, tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    store = connect(configuration().tracking)
    with open_run(store, "run", {}) as run:
        pass
    chosen = configuration("model=bag_of_words").model_dump(mode="json", include={"text", "model"})
    write_json(
        tmp_path / "model" / "config.json",
        {"format": FORMAT_VERSION, "temperature": 1, "bias": 0, "threshold": 0.5, **chosen},
    )
    for name, card in {"short": "A card.", "long": "x" * 6000}.items():
        register_version(store, name, "", Candidate(tmp_path / "model", run.run_id, {}, card, "---\n"))
        folder = download_model(store, name, "1", tmp_path / name)
        assert (folder / "README.md").read_text() == f"---\n{card}"
        assert (folder / "config.json").exists()
    client = MlflowClient(store.uri)
    assert client.get_model_version("short", "1").description == "A card."
    shortened = client.get_model_version("long", "1").description
    assert len(shortened) == 5000
    assert shortened.endswith("README.md.")
    assert not (tmp_path / "model" / "README.md").exists()  # a DVC output of `train`
