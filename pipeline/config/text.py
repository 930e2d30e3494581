"""Schema of conf/text/ and conf/text/vectors/: from a review to token ids."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.section import Checksum, Count, Fingerprint, Section


class FileVectors(Section):
    """Word vectors in a text file: a word and its vector on each line, as GloVe, word2vec and fastText write them."""

    kind: Literal["file"]
    """Kind of source of the vectors, fixed by the chosen file; it decides which other keys there are."""
    path: str = Field(min_length=1)
    """Text file with a word and its vector on each line, or the same as .gz, relative to the project root."""
    fingerprint: Fingerprint = None
    """Hash of the file."""


class PackageVectors(Section):
    """Word vectors shipped inside an installed Python package."""

    kind: Literal["package"]
    """Kind of source of the vectors, fixed by the chosen file; it decides which other keys there are."""
    package: str
    """Installed Python package that ships the vectors."""
    words: str
    """Path of the words inside the package: a Parquet file with one column."""
    words_checksum: Checksum
    """Checksum of the file with the words: `md5:` or `sha256:` and hexadecimal digits."""
    vectors: str
    """Path of the vectors inside the package: a NumPy array `[words, dimension]`."""
    vectors_checksum: Checksum
    """Checksum of the file with the vectors: `md5:` or `sha256:` and hexadecimal digits."""


Vectors = FileVectors | PackageVectors


class TextConfig(Section):
    """From a review to token ids."""

    normalise: bool = False  # for models saved before there was this key
    """Normalise typographic punctuation, HTML, Markdown, Unicode, smileys and symbols before tokenising."""
    tokenizer: Literal["basic_english", "unicode_words", "characters", "sentencepiece"]
    """Tokenizer: torchtext's for English; one for any language that separates words by spaces; one token per character;
    or subwords that sentencepiece learns from the training split."""
    max_vocabulary: Count | None
    """Maximum size of the vocabulary: the most frequent words, or the subwords that sentencepiece learns; null: all
    words (sentencepiece needs a number)."""
    min_frequency: Count | None
    """Minimum count in the training split of a word in the vocabulary; rarer words are unknown; null: 1 for fewer than
    2,000 training reviews and for sentencepiece, 2 for fewer than 10,000, else 5."""
    max_unknown_share: float = Field(default=1.0, ge=0, le=1)  # for models saved before there was this key
    """Maximum share of unknown words in the validation split; a larger one stops the run."""
    max_tokens: Count | None
    """Maximum number of tokens per review; longer reviews are truncated; null: no limit."""
    truncate: Literal["head", "tail", "head_tail"]
    """Part of a longer review to keep: its beginning (head), its end (tail), or half of each (head_tail)."""
    vectors: Annotated[Vectors, Field(discriminator="kind")] | None
    """Word vectors that initialise the embedding; null: random initialisation."""

    @model_validator(mode="after")
    def _sentencepiece_is_possible(self) -> "TextConfig":
        if self.tokenizer == "sentencepiece" and self.max_vocabulary is None:
            raise ValueError("text.tokenizer=sentencepiece needs a size: set text.max_vocabulary, such as 8000")
        if self.tokenizer == "sentencepiece" and self.vectors is not None:
            raise ValueError(
                "text.vectors has vectors of words, sentencepiece reads pieces of them: set text/vectors=none"
            )
        return self
