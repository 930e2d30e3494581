"""The tokenizer that is learned from the training split."""

import pytest

from pipeline.config.labels import LABELS
from pipeline.preprocessing import learned_tokenizer
from pipeline.preprocessing.encoding import encode_corpus
from pipeline.preprocessing.learned_tokenizer import learn_sentencepiece
from pipeline.runtime.errors import PipelineError
from pipeline.text.dataset import read_split
from pipeline.text.tokenizer import Tokenizer
from pipeline.text.vocabulary import Encoder, Vocabulary
from tests.conftest import describe_dataset
from tests.preprocessing.test_encoding import batch
from tests.text.test_tokenizer import hostile_texts
from tests.text.test_vocabulary import config

REVIEWS = [
    f"The {noun} was {verdict}ly un{verdict}." for noun in ("film", "plot") for verdict in ("great", "friend")
] * 9
PIECES = config(tokenizer="sentencepiece", max_vocabulary=60, normalise=True)


def learn(train, text_config=PIECES, **others):
    rows = [batch(split, [(text, 1) for text in texts]) for split, texts in {"train": train, **others}.items()]
    return learn_sentencepiece([rows], text_config)


def test_pieces_of_words_are_learned_and_a_word_never_seen_is_made_of_them():
    tokens = Tokenizer("sentencepiece", learn(REVIEWS))("An unfriendly, ungreatly <url>  Plot")
    assert "".join(tokens) == "▁an▁unfriendly,▁ungreatly▁<url>▁plot"
    assert "<url>" in tokens
    assert max(map(len, tokens)) > 4


def test_the_same_training_reviews_give_the_same_bytes_whatever_the_other_splits_hold():
    assert learn(REVIEWS, validation=["Zebra zebras"], test=["Quokka"], unlabelled=["Xylophone"]) == learn(REVIEWS)
    assert learn([*REVIEWS, "Quokka quokkas quokka"]) != learn(REVIEWS)


def test_few_reviews_give_fewer_pieces_than_asked_for():
    assert learn(REVIEWS, PIECES.model_copy(update={"max_vocabulary": 30_000}))


@pytest.mark.parametrize(
    ("train", "size", "message"),
    [
        (
            REVIEWS,
            9,
            r"^text.max_vocabulary=9 is too small for .*: the characters of the training reviews need \d\d; raise",
        ),
        (["", "  <br>"], 60, "^text.tokenizer=sentencepiece: the training reviews hold nothing to learn from; choose"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_line(train, size, message):
    with pytest.raises(PipelineError, match=message):
        learn(train, PIECES.model_copy(update={"max_vocabulary": size}))


def test_of_many_reviews_an_even_sample_is_read_and_the_log_says_so(monkeypatch, caplog):
    monkeypatch.setattr(learned_tokenizer, "LEARNED_REVIEWS", 10)
    caplog.set_level("INFO")
    assert learn([f"review {number}" for number in range(35)]) == learn([f"review {4 * n}" for n in range(9)])
    assert "sentencepiece: learning from 9 of 35 training reviews" in caplog.text


def test_a_dataset_and_a_folder_keep_the_model_so_that_predictions_read_the_same(tmp_path):
    texts = [*REVIEWS, *hostile_texts(300), "\U0001f600 好 ▁ ▅"]
    model = learn(REVIEWS)
    batches = [[batch("train", [(text, 1) for text in texts])]]
    describe_dataset(tmp_path)
    _, _, digest = encode_corpus(tmp_path, PIECES, batches, map, LABELS, model)
    vocabulary = Vocabulary.load(tmp_path / "vocab.json")
    assert vocabulary.tokenizer_model == model
    encoder = Encoder(PIECES, vocabulary)
    assert [ids.tolist() for ids in read_split(tmp_path, "train")] == [encoder.encode(text).tolist() for text in texts]
    (tmp_path / "other").mkdir()
    assert digest != encode_corpus(tmp_path / "other", PIECES, batches, map, LABELS, learn(REVIEWS[:9]))[2]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "sentencepiece.model is missing, the folder is incomplete; make it again"),
        (lambda file: file.write_bytes(b""), "sentencepiece.model is damaged; make its folder again"),
        (
            lambda file: file.write_bytes(file.read_bytes()[:-3]),
            "sentencepiece.model is damaged; make its folder again",
        ),
    ],
)
def test_a_missing_or_damaged_model_is_refused(tmp_path, damage, message):
    Vocabulary(["<pad>", "<unk>", "▁the"], learn(REVIEWS)).save(tmp_path / "vocab.json")
    damage(tmp_path / "sentencepiece.model")
    with pytest.raises(PipelineError, match=message):
        Encoder(PIECES, Vocabulary.load(tmp_path / "vocab.json"))


def test_half_of_a_surrogate_pair_in_a_request_is_left_out():
    tokenizer = Tokenizer("sentencepiece", learn(REVIEWS))
    assert tokenizer("the \ud800film") == tokenizer("the film")
