"""Learning of the tokenizer `sentencepiece`, from the training split alone."""

import io
import logging
import re
from collections.abc import Iterable

from sentencepiece import SentencePieceTrainer

from pipeline.config.split import TRAINING_SPLITS
from pipeline.config.text import TextConfig
from pipeline.preprocessing.encoding import RowsBySplit
from pipeline.runtime.errors import PipelineError
from pipeline.tables.joining import SEPARATOR
from pipeline.text.cleaning import clean, prepare
from pipeline.text.tokenizer import sentencepiece_text

LEARNED_REVIEWS = 25_000
"""Maximum number of reviews to learn from: so many film reviews take about 40 seconds and 0.6 GB; more add little."""
LEARNED_CHARACTERS = 10_000
"""Characters of a review to learn from, at most."""
WHOLE = ["<url>", "<user>", SEPARATOR]
"""Tokens that are not divided."""

log = logging.getLogger(__name__)


def learn_sentencepiece(reviews: Iterable[RowsBySplit], config: TextConfig) -> bytes:
    """Learn pieces of words (unigram language model, Kudo 2018); the same reviews give the same model.

    Args:
        reviews: reviews of all splits; those of other splits than the `TRAINING_SPLITS` are not read.
        config: normalisation, and how many pieces; of few reviews there are fewer.

    Returns:
        the serialised model.

    Raises:
        PipelineError: so few pieces do not even hold the characters of the reviews, or there are none.
    """
    sample, count = _sample(
        text
        for batch in reviews
        for split, rows in batch
        if split in TRAINING_SPLITS
        for text in rows.column("text").to_pylist()
    )
    log.info("sentencepiece: learning from %s of %s training reviews", f"{len(sample):,}", f"{count:,}")
    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=(sentencepiece_text(prepare(clean(text), config)) for text in sample),
            model_writer=model,
            vocab_size=config.max_vocabulary,
            hard_vocab_limit=False,
            user_defined_symbols=WHOLE,
            bos_id=-1,
            eos_id=-1,
            normalization_rule_name="identity",  # `prepare` has normalised
            max_sentence_length=2**30,  # bytes; the trainer drops longer reviews
            shuffle_input_sentence=False,
            num_threads=1,  # more change the last digits of the model
            minloglevel=2,
        )
    except RuntimeError as error:
        if sizes := re.search(r"smaller than required_chars\. \d+ vs (\d+)", str(error)):
            raise PipelineError(
                f"text.max_vocabulary={config.max_vocabulary} is too small for text.tokenizer=sentencepiece: the "
                f"characters of the training reviews need {sizes[1]}; raise it, best to several thousand"
            ) from None
        raise PipelineError(
            "text.tokenizer=sentencepiece: the training reviews hold nothing to learn from; choose another tokenizer"
        ) from None
    return model.getvalue()


def _sample(texts: Iterable[str]) -> tuple[list[str], int]:
    """Return evenly spaced texts within the limits above, and the number of all texts."""
    sample: list[str] = []
    step, count = 1, 0
    for text in texts:
        if count % step == 0:
            if len(sample) == LEARNED_REVIEWS:
                sample, step = sample[::2], 2 * step
            if count % step == 0:
                sample.append(text[:LEARNED_CHARACTERS])
        count += 1
    return sample, count
