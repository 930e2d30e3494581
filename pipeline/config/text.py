"""From a review to token ids."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.section import Checksum, Count, Section


class FileVectors(Section):
    """Word vectors in a text file: a word and its numbers on each line, as GloVe, word2vec and fastText write them."""

    kind: Literal["file"]
    path: str = Field(min_length=1)
    fingerprint: str | None
    """Hash of the file, filled in by `compose` so that DVC notices an edit."""


class PackageVectors(Section):
    """Word vectors shipped inside an installed Python package."""

    kind: Literal["package"]
    package: str
    words: str
    """Path inside the package of a Parquet file with one column, the words."""
    words_checksum: Checksum
    vectors: str
    """Path inside the package of a NumPy array `[words, dimension]`."""
    vectors_checksum: Checksum


Vectors = FileVectors | PackageVectors


class TextConfig(Section):
    """From a review to token ids."""

    tokenizer: Literal["basic_english"]
    max_vocabulary: Count | None
    """Most frequent words kept; null keeps all."""
    min_frequency: Count
    """A word seen less often in training is unknown."""
    max_tokens: Count | None
    """Longer reviews are cut; null keeps them whole."""
    truncate: Literal["head", "tail", "head_tail"]
    """What a cut keeps: the beginning, the end, or half of each."""
    vectors: Annotated[Vectors, Field(discriminator="kind")] | None
    """What the network's word vectors start from; null: random ones."""
