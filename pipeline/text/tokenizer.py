"""From cleaned text to tokens."""

from collections.abc import Callable

from torchtext.data.utils import get_tokenizer


def tokenizer(name: str) -> Callable[[str], list[str]]:
    """Torchtext's tokenizer of that name, such as `basic_english`: lower-case words and punctuation."""
    tokenize: Callable[[str], list[str]] = get_tokenizer(name)
    return tokenize
