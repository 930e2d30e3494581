import random
import re
import sys
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from torchtext.data.utils import get_tokenizer

from pipeline.config import TextConfig
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.worker_pool import worker_pool
from pipeline.text.cleaning import clean
from pipeline.text.dataset import read_split
from pipeline.text.tokenizer import Tokenizer
from pipeline.text.vocabulary import PADDING, SPECIALS, UNKNOWN, Encoder, Vocabulary


def config(**changes):
    defaults = {
        "tokenizer": "basic_english",
        "max_vocabulary": None,
        "min_frequency": 1,
        "max_tokens": None,
        "truncate": "head",
        "vectors": None,
    }
    return TextConfig(**{**defaults, **changes})


@pytest.mark.parametrize("tag", ["<br />", "<br>", "<BR/>", "< br / >", "</br>"])
def test_html_breaks_are_removed(tag):
    assert clean(f" one{tag}two ") == "one two"


def test_what_is_a_break_has_not_changed():
    before, chosen = re.compile(r"<\s*/?\s*br\s*/?\s*>", re.IGNORECASE), random.Random(1)
    for _ in range(20_000):
        text = "".join(chosen.choices(["<", ">", "/", " ", "\n", "b", "r", "BR", "br", "a"], k=chosen.randint(0, 15)))
        assert clean(text) == before.sub(" ", text).strip(), text


@pytest.mark.parametrize("text", ["<" + " " * 10**6, "<br" + " " * 10**6, "</" * 10**6, "< " * 10**6])
def test_a_break_that_does_not_end_takes_no_time(text):
    assert clean(text) == text.strip()


CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
HOSTILE = [
    *"aB'\".,()!?;:<>/ -_&0\t\n\r\v\f\0\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u3000\u200b\ufeff",
    *"\u0130\u0131\u03a3\u00df\u1e9e\u00c9\u0301\U0001f600",
    *("<br />", "<BR />", "<br/>", "<br\t/>", "b<br />r", "''", '"."', " .", "..."),
]


def hostile_texts(count=3000):
    chosen = random.Random(1)
    return ["".join(chosen.choices(HOSTILE, k=chosen.randint(0, 30))) for _ in range(count)]


@pytest.mark.parametrize(
    "texts", [hostile_texts(), [f"A{'B A'.join(CHARACTERS)}B"]], ids=["hostile", "every character"]
)
def test_tokens_are_those_of_torchtext_one_text_at_a_time_or_many(texts):
    tokenizer, torchtext = Tokenizer("basic_english"), get_tokenizer("basic_english")
    expected = [torchtext(text) for text in texts]
    assert [tokenizer(text) for text in texts] == expected
    assert tokenizer.batch(texts, empty="<none>").to_pylist() == [tokens or ["<none>"] for tokens in expected]


def test_vocabulary_holds_the_most_frequent_words_ties_in_alphabetical_order():
    counts = Counter({"film": 5, "bad": 2, "ace": 2, "rare": 1})
    assert Vocabulary.build(counts, config(min_frequency=2)).words == [*SPECIALS, "film", "ace", "bad"]
    assert Vocabulary.build(counts, config(max_vocabulary=2)).words == [*SPECIALS, "film", "ace"]


def test_vocabulary_survives_saving(tmp_path):
    vocabulary = Vocabulary([*SPECIALS, "naïve", '"', "film"])
    vocabulary.save(tmp_path / "vocab.json")
    assert Vocabulary.load(tmp_path / "vocab.json").words == vocabulary.words


@pytest.mark.parametrize("content", ["{}", '["a", "b"]', '["<pad>", "<unk>", "a", "a"]', "no json"])
def test_a_damaged_vocabulary_is_refused(tmp_path, content):
    (tmp_path / "vocab.json").write_text(content)
    with pytest.raises(PipelineError, match=r"vocab\.json"):
        Vocabulary.load(tmp_path / "vocab.json")


def test_encoding_lower_cases_and_marks_unknown_words():
    encoder = Encoder(config(), Vocabulary([*SPECIALS, "a", "film", "!"]))
    assert encoder.encode("A strange FILM!").tolist() == [2, UNKNOWN, 3, 4]


def test_a_review_that_spells_out_a_special_word_gets_no_padding():
    encoder = Encoder(config(), Vocabulary([*SPECIALS, "film"]))
    assert PADDING not in encoder.encode("<pad> film <unk>").tolist()


@pytest.mark.parametrize("text", ["", "   ", "<br /><br />"])
def test_a_text_without_words_is_one_unknown_word(text):
    assert Encoder(config(), Vocabulary(SPECIALS)).encode(text).tolist() == [UNKNOWN]


@pytest.mark.parametrize(
    ("truncate", "kept"), [("head", "a b c d e"), ("tail", "c d e f g"), ("head_tail", "a b c f g")]
)
def test_long_reviews_are_cut(truncate, kept):
    vocabulary = Vocabulary([*SPECIALS, *"abcdefg"])
    encoder = Encoder(config(max_tokens=5, truncate=truncate), vocabulary)
    assert [vocabulary.words[i] for i in encoder.encode("a b c d e f g")] == kept.split()
    assert len(encoder.encode("a b c d e")) == 5


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
    vocabulary, splits, _ = encode_corpus(tmp_path, config(), CORPUS, map)
    texts, encoded = read(tmp_path, vocabulary, "train")
    assert texts == ["good film .", "bad film", "a good good one"]
    assert encoded.labels.tolist() == [1, 0, 1]
    assert encoded.lengths.tolist() == [3, 2, 4]
    assert splits["train"] == {
        "reviews": 3,
        "positive": 2,
        "positive_share": 0.6667,
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
    vocabulary, _, _ = encode_corpus(tmp_path, config(max_tokens=9, truncate="head_tail"), batches, map)
    encoder, encoded = Encoder(config(max_tokens=9, truncate="head_tail"), vocabulary), read_split(tmp_path, "train")
    assert [ids.tolist() for ids in encoded] == [encoder.encode(text).tolist() for text in texts]


def test_the_vocabulary_knows_training_words_alone(tmp_path):
    vocabulary, splits, _ = encode_corpus(tmp_path, config(), CORPUS, map)
    assert "zebra" not in vocabulary.words
    assert read(tmp_path, vocabulary, "test")[0] == ["good <unk>"]
    assert splits["test"]["unknown_word_share"] == 0.5


def test_words_beyond_the_cut_count_for_the_vocabulary_but_are_not_encoded(tmp_path):
    vocabulary, splits, _ = encode_corpus(tmp_path, config(max_tokens=2), CORPUS, map)
    assert "one" in vocabulary.words
    assert read(tmp_path, vocabulary, "train")[0] == ["good film", "bad film", "a good"]
    assert (splits["train"]["cut"], splits["train"]["tokens"]["p100"]) == (2, 4)


def test_worker_processes_change_nothing(tmp_path):
    with worker_pool(2) as mapping:
        parallel = encode_corpus(tmp_path / "two", config(), CORPUS * 300, mapping)
    alone = encode_corpus(tmp_path / "one", config(), CORPUS * 300, map)
    assert parallel[0].words == alone[0].words
    assert parallel[1:] == alone[1:]
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


def test_the_digest_tells_datasets_apart(tmp_path):
    other = [*CORPUS[:-1], [batch("validation", [("bad one", 1)])]]
    digests = {encode_corpus(tmp_path / str(n), config(), corpus, map)[2] for n, corpus in enumerate((CORPUS, other))}
    assert len(digests) == 2


def test_a_pool_keeps_the_order_and_takes_few_items_ahead():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    with worker_pool(2) as mapping:
        results = mapping(np.int64, items())
        assert next(results) == 0
        assert len(taken) < 10
        assert list(results) == list(range(1, 50))
