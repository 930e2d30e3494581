"""Coverage: how well tokenizer and vocabulary suit the held-out reviews."""

import logging
from pathlib import Path

from pipeline.config.text import TextConfig
from pipeline.runtime.errors import PipelineError
from pipeline.tables.parquet import parquet_batches
from pipeline.text.unspaced import UNSPACED

SAMPLE = 1000
"""Reviews that tell the script of a corpus."""

log = logging.getLogger(__name__)


def check_coverage(unknown_share: float, config: TextConfig, vocabulary: int, validation: Path, trial: bool) -> None:
    """Refuse a vocabulary that knows too few words of the validation split, and warn of an unsuitable tokenizer.

    Args:
        unknown_share: share of the words of the validation split that are unknown.
        config: its `max_unknown_share` and `tokenizer` are used.
        vocabulary: number of words in the vocabulary.
        validation: folder of the encoded validation split.
        trial: True for so few reviews that a vocabulary is only warned of.

    Raises:
        PipelineError: too many words are unknown; the message names the setting to change.
    """
    rows = next(parquet_batches(validation / "rows.parquet", SAMPLE, ["text"]))
    letters = "".join(character for text in rows["text"].to_pylist() for character in text if character.isalpha())
    if config.tokenizer in ("basic_english", "unicode_words") and len(UNSPACED.findall(letters)) > len(letters) / 3:
        advice = "the reviews are in a script without spaces between words: set text.tokenizer=characters"
        log.warning("%s", advice)
    elif config.tokenizer == "basic_english" and not letters.isascii():
        advice = "the reviews are not in plain English: set text.tokenizer=unicode_words, or lower text.min_frequency"
    elif config.tokenizer == "sentencepiece":
        advice = "raise text.max_vocabulary, add training reviews, or set text.tokenizer=characters"
    else:
        advice = "lower text.min_frequency, raise text.max_vocabulary, or add training reviews"
    log.info("vocabulary: %d words; %.1f %% of the validation words are unknown", vocabulary, 100 * unknown_share)
    if unknown_share > config.max_unknown_share:
        problem = (
            f"validation: {unknown_share:.0%} of the words are unknown to the vocabulary, {vocabulary:,} words of "
            f"the training reviews, more than text.max_unknown_share={config.max_unknown_share}; {advice}"
        )
        if not trial:
            raise PipelineError(problem)
        log.warning("warning: %s", problem)
