"""Vocabulary and encoder."""

from collections import Counter

import pytest

from pipeline.config.text import TextConfig
from pipeline.runtime.errors import PipelineError
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


def test_vocabulary_holds_the_most_frequent_words_ties_in_alphabetical_order():
    counts = Counter({"film": 5, "bad": 2, "ace": 2, "rare": 1})
    assert Vocabulary.build(counts, config(min_frequency=2), 3).words == [*SPECIALS, "film", "ace", "bad"]
    assert Vocabulary.build(counts, config(max_vocabulary=2), 3).words == [*SPECIALS, "film", "ace"]


@pytest.mark.parametrize(("reviews", "frequency"), [(1_999, 1), (2_000, 2), (9_999, 2), (10_000, 5)])
def test_rare_words_of_few_reviews_are_kept(reviews, frequency):
    counts = Counter({str(count): count for count in range(1, 8)})
    words = Vocabulary.build(counts, config(min_frequency=None), reviews).words[len(SPECIALS) :]
    assert min(map(int, words)) == frequency
    assert Vocabulary.build(counts, config(min_frequency=7), reviews).words[len(SPECIALS) :] == ["7"]


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
