"""Schema of conf/corpus/: the reviews and their source."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pipeline.config.file_format import FileFormat
from pipeline.config.label_values import normalise_label
from pipeline.config.labels import LABELS, unprintable_characters
from pipeline.config.registry import CheckConfig
from pipeline.config.section import Checksum, Fingerprint, Section

Duplicates = Literal["drop", "weight", "keep"]
LabelValues = list[bool | int | float | str | None] | str
"""Values of a label column: a list, or comparisons with numbers."""
MAX_CLASSES = 100
MAX_CLASS_NAME = 60
ClassValues = Annotated[
    LabelValues, Field(description="Values that mean the class of this name: a list, or a comparison such as '<=4'.")
]


READ_BY_PREPROCESS_ALONE = {"duplicates", "checks"}
"""Keys of a corpus that leave its reviews as they are."""


class DataCheckConfig(CheckConfig):
    """A check of the data: a value of `reports/data.json` within bounds."""

    metric: str
    """Key of reports/data.json, such as measures.left_out_share."""
    action: Literal["stop", "warn"]
    """Action if the check fails: preprocess stops before it writes anything, or only warns."""


class CorpusFacts(Section):
    """Facts that every corpus states about itself."""

    name: str = Field(min_length=1)
    """Name of the corpus in reports, MLflow and the model card."""
    source: str
    """Source of the reviews; for information only."""
    licence: str
    """Licence of the reviews; for information only."""
    citation: str
    """Work to cite; for information only."""


class PackageTexts(CorpusFacts):
    """Labelled texts shipped as a CSV file inside an installed Python package."""

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
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by index."""
        return LABELS


class CorpusInfo(CorpusFacts):
    """Common base of the corpora that a model is trained for."""

    fingerprint: Fingerprint = None
    """Hash of the local files read; None for anything else."""
    auxiliary: PackageTexts | None
    """Auxiliary texts to train on as well, with the same classes; parts of them are held out and reported separately;
    null: none."""
    duplicates: Duplicates
    """Reviews that differ only in case, punctuation and spacing; drop: keep one copy, before the splits are drawn;
    weight: keep one, weighted in training by the number of copies with its label; keep: keep all. Your own test split
    is never changed."""
    checks: dict[str, DataCheckConfig]
    """Checks of the data by name, run at the end of preprocess, before any training."""

    @property
    def content(self) -> str | None:
        """Hash that distinguishes its reviews from those of another corpus of the same name."""
        return self.fingerprint

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by index."""
        return LABELS

    @property
    def in_order(self) -> bool:
        """True if the order of the classes means something."""
        return False

    @model_validator(mode="after")
    def _auxiliary_texts_have_the_same_classes(self) -> Self:
        if self.auxiliary is not None and self.auxiliary.classes != self.classes:
            raise ValueError(
                f"corpus.auxiliary: {self.auxiliary.name} has the classes {' and '.join(self.auxiliary.classes)}, the "
                f"corpus has {', '.join(self.classes)}; choose corpus/auxiliary=none"
            )
        return self


class PackageCorpus(PackageTexts, CorpusInfo):
    """Reviews shipped as a CSV file inside an installed Python package."""

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


class FilesCorpus(CorpusInfo):
    """The user's own CSV, TSV, JSONL, JSON, Parquet or XLSX files."""

    kind: Literal["files"]
    """Kind of corpus, fixed by the chosen file; it decides which other keys there are."""
    path: str | None
    """All reviews, to be split by the pipeline: a file, a folder or a pattern such as reviews/*.csv, relative to the
    project root; null: `train` names them."""
    train: str | None
    """Training split, named as in `path`; null: `path` names all reviews."""
    validation: str | None
    """Validation split, along with `train`; null: drawn from the training split."""
    test: str | None
    """Test split, along with `train`; null: drawn from the training split."""
    unlabelled: str | None
    """Further reviews without labels, named as in `path`, for `pretraining` and `pseudo_labels`; null: none."""
    format: FileFormat
    """Format of all these files; a key that is null is detected automatically, and the result is printed."""
    text_column: str | Annotated[list[str], Field(min_length=1)]
    """Column with the review, or a list of columns whose texts are joined, such as [title, body]."""
    label_column: str
    """Column with the label."""
    labels: dict[str, ClassValues] | None
    """Two or more classes, and the label values that mean each; null: negative and positive, if the labels are neg and
    pos, negative and positive, or 0 and 1 alone."""
    ordered: bool
    """Treat the classes as ordinal, such as star ratings: a near miss is better than a far one."""
    ignore_labels: LabelValues
    """Label values whose rows are left out, and counted: a list, or a comparison; null in the list means a missing
    label."""
    group_column: str | None
    """Column that groups related reviews, such as film, product or author: reviews with the same value stay in one
    split; null: none."""
    keep_columns: list[str]
    """Columns to keep for the evaluation, where `evaluation.slices` can name them."""

    @property
    def text_columns(self) -> list[str]:
        """The columns with the text, one or several."""
        return [self.text_column] if isinstance(self.text_column, str) else self.text_column

    @property
    def content(self) -> str | None:
        """A hash over the files and the way they are read: another format or other labels make another corpus."""
        if self.fingerprint is None:
            return None
        columns = [self.text_columns, self.label_column, self.group_column]
        reading = [self.format.model_dump(), *columns, self.labels, self.ignore_labels]
        return "sha256:" + hashlib.sha256(f"{self.fingerprint} {json.dumps(reading)}".encode()).hexdigest()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by index."""
        return LABELS if self.labels is None else tuple(self.labels)

    @property
    def in_order(self) -> bool:
        """True if there are more than two classes whose order means something; of two, either order is the same."""
        return self.ordered and len(self.classes) > 2

    @field_validator("labels", mode="before")
    @classmethod
    def _in_their_order(cls, labels: Any) -> Any:
        if not isinstance(labels, Mapping):
            return labels
        for name in labels:
            if isinstance(name, bool) or not isinstance(name, str | int):
                raise ValueError(f"YAML reads the name of a class as {name}; put it in quotes in its file, as in 'no'")
        named = {str(name).strip(): values for name, values in labels.items()}
        if len(named) < len(labels):
            raise ValueError("two classes have the same name; give each its own")
        alike: dict[str, str] = {}
        for name in named:
            if (other := alike.setdefault(normalise_label(name), name)) != name:
                problem = "are the same where they are labels of a file, in which letter case and type do not matter"
                raise ValueError(f"the class names {other!r} and {name!r} {problem}; rename one")
        if not 2 <= len(named) <= MAX_CLASSES:
            classes = f"{len(named)} " + ("class is named" if len(named) == 1 else "classes are named")
            raise ValueError(f"{classes}; name from 2 to {MAX_CLASSES}, each with its values")
        for name in named:
            if unprintable := unprintable_characters(name):
                problem = f"holds {unprintable[0]!a}, which cannot be seen"
                raise ValueError(f"the class name {name[:MAX_CLASS_NAME]!r} {problem}; leave it out or write a space")
            if not 0 < len(name) <= MAX_CLASS_NAME:
                raise ValueError(
                    f"{name[:MAX_CLASS_NAME]!r} is no name of a class; use 1 to {MAX_CLASS_NAME} characters"
                )
        # of the usual two, positive is the second, whatever their order in the file
        return {name: named[name] for name in LABELS} if set(named) == set(LABELS) else named

    @model_validator(mode="after")
    def _each_column_once(self) -> "FilesCorpus":
        if len(set(self.text_columns)) < len(self.text_columns):
            raise ValueError("corpus.text_column names a column twice; name it once")
        if self.label_column in self.text_columns:
            raise ValueError(f"corpus.label_column names {self.label_column!r}, a text column; name that of the labels")
        if self.group_column in (self.label_column, *self.text_columns):
            raise ValueError(
                f"corpus.group_column names {self.group_column!r}, a column of texts or labels; name that of the groups"
            )
        return self

    @model_validator(mode="after")
    def _one_way_of_naming_files(self) -> "FilesCorpus":
        if (self.path is None) == (self.train is None):
            raise ValueError("set either corpus.path (one file, split here) or corpus.train (with optional splits)")
        if self.path is not None and (self.validation or self.test):
            raise ValueError("corpus.validation and corpus.test go with corpus.train, not with corpus.path")
        return self


Corpus = PackageCorpus | ArchiveCorpus | FilesCorpus
