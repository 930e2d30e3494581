"""Words keep their spelling and become the token ids that the model reads."""

import numpy as np
import pytest

from pipeline.explain.words import MAX_EXPLAINED_WORDS, read, spell
from pipeline.runtime.errors import PipelineError
from pipeline.text.cleaning import clean, prepare
from pipeline.text.tokenizer import Tokenizer
from pipeline.text.vocabulary import SPECIALS, Encoder, Vocabulary
from tests.explain.conftest import TEXT, WORDS


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        'say"hi"There',
        "GOOD<br />Film <BR>not",
        "İstanbul, a Film",
        "été 😀 naïve!",
        "a;b:c",
        "ΟΔΟΣ film",
        "...''",
    ],
)
def test_words_keep_their_spelling_and_become_the_ids_the_model_reads(compose, text):
    config = compose().text
    vocabulary = Vocabulary([*SPECIALS, *WORDS])
    reading = read(text, config, vocabulary, None, None)
    np.testing.assert_array_equal(reading.ids, Encoder(config, vocabulary).encode(text))
    plain = prepare(clean(text), config)
    shown = "".join(word.before + word.text for word in reading.words)
    assert plain.rstrip('"').startswith(shown) or shown == plain.lower()
    assert [word.text.lower().replace('"', "") for word in reading.words] == Tokenizer(config.tokenizer)(plain)


def test_pieces_of_words_keep_their_spelling():
    pieces = ["▁un", "friend", "ly", "▁", "<url>", "!"]
    assert spell("Unfriendly  <url>!", pieces) == [
        *(("", "Un"), ("", "friend"), ("", "ly"), ("", "▁"), ("  ", "<url>"), ("", "!")),
    ]


def test_a_token_may_skip_characters_of_its_spelling():
    assert spell('so "so"-so', Tokenizer("basic_english")('so "so"-so')) == [("", "so"), (' "', 'so"-so')]


def test_a_cut_review_marks_the_words_left_out(compose):
    config = compose("text.max_tokens=4").text
    reading = read("a good film . the bad plot", config, Vocabulary([*SPECIALS, *WORDS]), None, None)
    assert [word.text for word in reading.words] == ["a", "good", "bad", "plot"]
    assert (reading.words[2].before, reading.left_out) == (" … ", 3)


def test_a_network_that_reads_an_excerpt_is_shown_that_and_the_n_grams_get_the_whole_review(compose):
    vocabulary = Vocabulary([*SPECIALS, *WORDS])
    reading = read("a good film . the bad plot", compose().text, vocabulary, None, 5)
    assert [word.text for word in reading.words] == ["a", "good", "film", "bad", "plot"]
    assert (reading.words[3].before, reading.left_out, len(reading.ids)) == (" … ", 2, 7)
    assert reading.steps.tolist() == [0, 1, 2, 5, 6]


def test_a_network_of_fixed_length_is_shown_the_words_it_reads(compose):
    reading = read("a " * 250, compose("model=article").text, Vocabulary([*SPECIALS, *WORDS]), 200, None)
    assert (len(reading.words), reading.left_out) == (200, 50)


@pytest.mark.parametrize(
    ("text", "message"),
    [('  ""', "has no words"), ("a " * (MAX_EXPLAINED_WORDS + 1), "has 501 words, .* at most 500; give a part")],
)
def test_a_review_without_words_or_with_too_many_is_refused(compose, text, message):
    with pytest.raises(PipelineError, match=message):
        read(text, compose("text.max_tokens=null").text, Vocabulary(SPECIALS), None, None)
