"""Tokens equal to torchtext's, for any text."""

import random
import sys

import pytest
from torchtext.data.utils import get_tokenizer

from pipeline.text.tokenizer import Tokenizer

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
