"""From a review to token ids."""

from typing import Literal

from pydantic import Field

from pipeline.config.section import Section


class TextConfig(Section):
    """From a review to token ids."""

    tokenizer: Literal["basic_english"]
    max_vocabulary: int | None = Field(ge=1)
    """Most frequent words kept; null keeps all."""
    min_frequency: int = Field(ge=1)
    """A word seen less often in training is unknown."""
    max_tokens: int | None = Field(ge=1)
    """Longer reviews are cut; null keeps them whole."""
    truncate: Literal["head", "tail", "head_tail"]
    """What a cut keeps: the beginning, the end, or half of each."""
