"""Encoding of a corpus as a dataset."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.labels import LABELS
from pipeline.preprocessing.encoding import encode_corpus, tokenize_batch
from pipeline.runtime.worker_pool import worker_pool
from pipeline.text.dataset import read_split
from pipeline.text.vocabulary import SPECIALS, Encoder, Vocabulary
from tests.conftest import describe_dataset
from tests.text.test_tokenizer import hostile_texts
from tests.text.test_vocabulary import config


def batch(split, rows):
    columns = {
        "id": [f"{split}-{number}" for number in range(len(rows))],
        "text": [text for text, _ in rows],
        "label": pa.array([label for _, label in rows], pa.int8()),
        "cinema": ["Roxy"] * len(rows),
    }
    return split, pa.record_batch(columns)


CORPUS = [
    [batch("train", [("Good<br />film.", 1), ("bad film", 0)]), batch("test", [("good zebra", 1)])],
    [batch("train", [("a good good one", 1)])],
    [],
    [batch("validation", [("bad one", 0)])],
]


def read(folder, vocabulary, split):
    encoded = read_split(folder, split)
    return [" ".join(vocabulary.words[i] for i in encoded[row]) for row in range(len(encoded))], encoded


def test_the_encoded_dataset_holds_what_the_encoder_would_say(tmp_path):
    describe_dataset(tmp_path)
    vocabulary, splits, _ = encode_corpus(tmp_path, config(), CORPUS, map, LABELS)
    texts, encoded = read(tmp_path, vocabulary, "train")
    assert texts == ["good film .", "bad film", "a good good one"]
    assert encoded.labels.tolist() == [1, 0, 1]
    assert encoded.lengths.tolist() == [3, 2, 4]
    assert splits["train"] == {
        "reviews": 3,
        "classes": {"negative": 1, "positive": 2},
        "tokens": {"p5": 3, "p25": 3, "p50": 3, "p75": 4, "p95": 4, "p100": 4},
        "cut": 0,
        "unknown_word_share": 0.0,
    }
    rows = pa.parquet.read_table(tmp_path / "train" / "rows.parquet").to_pylist()
    assert rows[0] == {"id": "train-0", "text": "Good film.", "label": 1, "cinema": "Roxy"}


def test_whatever_a_review_holds_and_however_many_there_are_the_encoder_says_the_same(tmp_path):
    texts = hostile_texts()
    parts = [texts[start : start + 70] for start in range(0, len(texts), 70)]
    batches = [[batch("train", [(text, 1) for text in part])] for part in parts]
    describe_dataset(tmp_path)
    vocabulary, _, _ = encode_corpus(tmp_path, config(max_tokens=9, truncate="head_tail"), batches, map, LABELS)
    encoder, encoded = Encoder(config(max_tokens=9, truncate="head_tail"), vocabulary), read_split(tmp_path, "train")
    assert [ids.tolist() for ids in encoded] == [encoder.encode(text).tolist() for text in texts]


def test_the_vocabulary_knows_training_words_alone(tmp_path):
    describe_dataset(tmp_path)
    vocabulary, splits, _ = encode_corpus(tmp_path, config(), CORPUS, map, LABELS)
    assert "zebra" not in vocabulary.words
    assert read(tmp_path, vocabulary, "test")[0] == ["good <unk>"]
    assert splits["test"]["unknown_word_share"] == 0.5


def test_the_vocabulary_knows_auxiliary_words_but_those_of_held_out_texts(tmp_path):
    describe_dataset(tmp_path)
    auxiliary = [
        batch("auxiliary", [("a gem", 1)]),
        batch("auxiliary_test", [("a treat", 1)]),
    ]
    vocabulary, splits, _ = encode_corpus(tmp_path, config(), [*CORPUS, auxiliary], map, LABELS)
    assert "gem" in vocabulary.words
    assert "treat" not in vocabulary.words
    assert {name: summary["reviews"] for name, summary in splits.items() if "auxiliary" in name} == {
        "auxiliary": 1,
        "auxiliary_test": 1,
    }


def test_words_beyond_the_cut_count_for_the_vocabulary_but_are_not_encoded(tmp_path):
    describe_dataset(tmp_path)
    vocabulary, splits, _ = encode_corpus(tmp_path, config(max_tokens=2), CORPUS, map, LABELS)
    assert "one" in vocabulary.words
    assert read(tmp_path, vocabulary, "train")[0] == ["good film", "bad film", "a good"]
    assert (splits["train"]["cut"], splits["train"]["tokens"]["p100"]) == (2, 4)


def test_worker_processes_change_nothing(tmp_path):
    with worker_pool(2) as mapping:
        parallel = encode_corpus(tmp_path / "two", config(), CORPUS * 300, mapping, LABELS)
    alone = encode_corpus(tmp_path / "one", config(), CORPUS * 300, map, LABELS)
    assert parallel[0].words == alone[0].words
    assert parallel[1:] == alone[1:]
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


def test_the_digest_tells_datasets_apart(tmp_path):
    other = [*CORPUS[:-1], [batch("validation", [("bad one", 1)])]]
    digests = {
        encode_corpus(tmp_path / str(n), config(), corpus, map, LABELS)[2] for n, corpus in enumerate((CORPUS, other))
    }
    assert len(digests) == 2


NASTY = [
    *(
        "<",
        ">",
        "br",
        "<br>",
        "<br />",
        "<p>",
        "/",
        " ",
        "\n",
        "\u00a0",
        "&lt;",
        "&amp;",
        "&#60;",
        "&#x200b;",
        "\u200b",
    ),
    *("*", "**", "_", "~~", "`", "#", "@", "a", "b", "don", "'", "\u2019", "t", ":-)", "<3", "--", "-", "5", "\ue000"),
    *("http://", "www.", "\u0301", "\x93", "\u3002", "\u597d", "\U0001f600", "\ufb01", "\x00", '"'),
]


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("tokenizer", ["basic_english", "unicode_words", "characters"])
@given(texts=st.lists(st.lists(st.sampled_from(NASTY)).map("".join) | st.text(), min_size=1))
def test_training_and_prediction_read_the_same_tokens(normalise, tokenizer, texts):
    text_config = config(tokenizer=tokenizer, normalise=normalise)
    batch_of_texts = tokenize_batch([batch("train", [(text, 1) for text in ["<<br>br>", *texts]])], text_config)
    vocabulary = Vocabulary([*SPECIALS, *(set(batch_of_texts.words.to_pylist()) - {*SPECIALS})])
    encoder, part = Encoder(text_config, vocabulary), batch_of_texts.parts[0]
    trained_on = iter(vocabulary.ids(batch_of_texts.words.take(pa.array(part.ids)).to_pylist()))
    for text, length in zip(["<<br>br>", *texts], part.lengths, strict=True):
        assert encoder.encode(text).tolist() == [next(trained_on) for _ in range(length)]
