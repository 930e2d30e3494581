"""Where reviews come from, and how they are split."""

from abc import ABC, abstractmethod
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pipeline.config.section import Checksum, Fraction, Section, Seed

LabelValues = list[bool | int | float | str] | str


class CorpusInfo(Section, ABC):
    """What every corpus tells of itself."""

    name: str = Field(min_length=1)
    source: str
    """Where the reviews come from, for people."""
    licence: str
    citation: str
    fingerprint: str | None
    """Hash of the local files read, filled in by `compose` so that DVC notices an edit; null for anything else."""

    @property
    def content(self) -> str | None:
        """A hash that tells its reviews from those of another corpus of the same name."""
        return self.fingerprint

    @property
    @abstractmethod
    def has_own_test_split(self) -> bool:
        """Tell whether the corpus brings a test split; if not, `preprocess` draws one from its reviews."""


class PackageCorpus(CorpusInfo):
    """Reviews shipped as a CSV file inside an installed Python package."""

    kind: Literal["package"]
    package: str
    member: str
    """Path of the CSV file inside the package."""
    subset: str
    """Value of the file's `source` column to keep."""
    checksum: Checksum

    @property
    def content(self) -> str:
        """The checksum."""
        return self.checksum

    @property
    def has_own_test_split(self) -> bool:
        """False: the package ships training reviews alone."""
        return False


class ArchiveCorpus(CorpusInfo):
    """The Large Movie Review Dataset's archive, or one of the same layout."""

    kind: Literal["archive"]
    url: str = Field(min_length=1)
    """`https://…`, `file://…` or a local path."""
    checksum: Checksum

    @property
    def content(self) -> str:
        """The checksum."""
        return self.checksum

    @property
    def has_own_test_split(self) -> bool:
        """True: the archive has a folder of test reviews."""
        return True

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        urlsplit(url)  # or fail
        return url


class Labels(Section):
    """Which values of the label column mean what: a list of values, or a comparison such as `<=4`."""

    negative: LabelValues
    positive: LabelValues


class FilesCorpus(CorpusInfo):
    """The user's own CSV, TSV, JSONL or Parquet files."""

    kind: Literal["files"]
    path: str | None
    """One file, to be split; or name the splits below instead."""
    train: str | None
    validation: str | None
    test: str | None
    text_column: str
    label_column: str
    labels: Labels
    keep_columns: list[str]
    """Columns carried through to evaluation."""

    @property
    def has_own_test_split(self) -> bool:
        """Tell whether the user names a file of test reviews."""
        return self.test is not None

    @model_validator(mode="after")
    def _one_way_of_naming_files(self) -> "FilesCorpus":
        if (self.path is None) == (self.train is None):
            raise ValueError("set either corpus.path (one file, split here) or corpus.train (with optional splits)")
        if self.path is not None and (self.validation or self.test):
            raise ValueError("corpus.validation and corpus.test go with corpus.train, not with corpus.path")
        return self


Corpus = PackageCorpus | ArchiveCorpus | FilesCorpus


class SplitConfig(Section):
    """The held-out parts of a corpus that does not bring its own."""

    validation: Fraction = Field(gt=0)
    test: Fraction = Field(gt=0)
    seed: Seed

    @model_validator(mode="after")
    def _something_is_left(self) -> "SplitConfig":
        if self.validation + self.test >= 1:
            raise ValueError("split.validation + split.test must be less than 1")
        return self
