"""Schema of conf/corpus/: the reviews and their source."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pipeline.config.file_format import FileFormat
from pipeline.config.section import Checksum, Fingerprint, Section

LabelValues = list[bool | int | float | str] | str


class CorpusInfo(Section):
    """Facts that every corpus states about itself."""

    name: str = Field(min_length=1)
    """Name of the corpus in reports, MLflow and the model card."""
    source: str
    """Origin of the reviews, for people."""
    licence: str
    """Licence of the reviews, for people."""
    citation: str
    """Work to cite, for people."""
    fingerprint: Fingerprint = None
    """Hash of the local files read; None for anything else."""

    @property
    def content(self) -> str | None:
        """A hash that tells its reviews from those of another corpus of the same name."""
        return self.fingerprint


class PackageCorpus(CorpusInfo):
    """Reviews shipped as a CSV file inside an installed Python package."""

    kind: Literal["package"]
    """Kind of corpus, fixed by the chosen file; it decides which other keys there are."""
    package: str
    """Installed Python package that ships the reviews."""
    member: str
    """Path of the CSV file inside the package."""
    subset: str
    """Rows to keep: those with this value in the column `source`."""
    checksum: Checksum
    """Checksum of the file that is read: `md5:` or `sha256:` and hexadecimal digits."""

    @property
    def content(self) -> str:
        """The checksum."""
        return self.checksum


class ArchiveCorpus(CorpusInfo):
    """The Large Movie Review Dataset's archive, or one of the same layout."""

    kind: Literal["archive"]
    """Kind of corpus, fixed by the chosen file; it decides which other keys there are."""
    url: str = Field(min_length=1)
    """Address of the archive: `https://…`, `file://…`, or a path relative to the project root."""
    checksum: Checksum
    """Checksum of the file that is read: `md5:` or `sha256:` and hexadecimal digits."""

    @property
    def content(self) -> str:
        """The checksum."""
        return self.checksum

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        urlsplit(url)  # or fail
        return url


class Labels(Section):
    """Values of the label column that stand for each label."""

    negative: LabelValues
    """Values that mean a negative review: a list, or a comparison such as '<=4'."""
    positive: LabelValues
    """Values that mean a positive review: a list, or a comparison such as '>=7'."""


class FilesCorpus(CorpusInfo):
    """The user's own CSV, TSV, JSONL, JSON or Parquet files."""

    kind: Literal["files"]
    """Kind of corpus, fixed by the chosen file; it decides which other keys there are."""
    path: str | None
    """All reviews, to be split here: a file, a folder or a pattern such as reviews/*.csv, relative to the project root;
    null: `train` names them."""
    train: str | None
    """The training split, named alike; null: `path` names all reviews."""
    validation: str | None
    """The validation split, beside `train`; null: drawn from the training split."""
    test: str | None
    """The test split, beside `train`; null: drawn from the training split."""
    format: FileFormat
    """Format of all these files; null leaves a key to automatic detection, whose result is printed."""
    text_column: str | Annotated[list[str], Field(min_length=1)]
    """Column with the review, or a list of columns whose texts are joined, such as [title, body]."""
    label_column: str
    """Column with the label."""
    labels: Labels
    """Values of the label column that stand for each label; rows with any other value are left out and counted."""
    keep_columns: list[str]
    """Columns carried through to evaluation, where `evaluation.slices` can name them."""

    @property
    def text_columns(self) -> list[str]:
        """The columns with the text, one or several."""
        return [self.text_column] if isinstance(self.text_column, str) else self.text_column

    @model_validator(mode="after")
    def _one_way_of_naming_files(self) -> "FilesCorpus":
        if (self.path is None) == (self.train is None):
            raise ValueError("set either corpus.path (one file, split here) or corpus.train (with optional splits)")
        if self.path is not None and (self.validation or self.test):
            raise ValueError("corpus.validation and corpus.test go with corpus.train, not with corpus.path")
        return self


Corpus = PackageCorpus | ArchiveCorpus | FilesCorpus
