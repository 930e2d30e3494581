"""Columns of a file that gets predictions: those with the texts, and the names of those that are added."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipeline.runtime.errors import PipelineError, listed

ANSWER_COLUMNS = ("label", "probability")
"""Names of the columns that are added to every file."""
PREFIX = "predicted_"
"""Prefix of the added columns where the file has columns of their names."""

AnswerValues = tuple[str, float, Sequence[float]]
"""A `Prediction`: label, probability, and the probability of each class."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileColumns:
    """Columns of one file."""

    texts: Sequence[str]
    """One or several, whose texts are joined."""
    label: str
    """Name of the added column with the label; `probability` likewise."""
    probability: str
    probabilities: Sequence[str] = ()
    """Names of the added columns with the probability of each class; none if only that of `Prediction` is added."""

    @property
    def added(self) -> tuple[str, ...]:
        """Names of the added columns, in their order."""
        return self.label, self.probability, *self.probabilities

    def added_probabilities(self, answer: AnswerValues) -> list[float]:
        """Return the values of the added columns after the label."""
        _, probability, probabilities = answer
        return [probability, *(probabilities if self.probabilities else ())]


@dataclass(frozen=True)
class WantedColumns:
    """Columns as the user asks for them."""

    texts: Sequence[Sequence[str]]
    """Columns that may hold the texts, one or several that are joined; the first that are all there are taken."""
    prefix: str | None = None
    """Prefix of the added columns; None for none, or `PREFIX` where the file has a column of such a name."""
    classes: Sequence[str] = ()
    """Classes whose probabilities are added, in a column each."""

    def texts_among(self, columns: Collection[str]) -> Sequence[str] | None:
        """Return the columns with the texts of a file or row that has these columns; None if it has no such."""
        return next((choice for choice in self.texts if set(choice) <= set(columns)), None)

    def of_file(self, name: str, columns: Sequence[str], header: bool = True) -> FileColumns:
        """Choose the columns of a file, and log where the answers are if they have no names, or not the usual ones.

        Args:
            name: of the file, for messages.
            columns: its columns, all of different names.
            header: False if neither the file nor its answers have a header.

        Raises:
            PipelineError: the file has no columns or lacks a text column, already has a column with the name of an
                added one, or has no header although a prefix is asked for.
        """
        if not columns:
            raise PipelineError(f"{name} is empty; give a file with a column {self.texts[0][0]!r}")
        texts = self.texts_among(columns)
        if texts is None:
            lacking = (next(column for column in choice if column not in columns) for choice in self.texts)
            wanted = " or ".join(map(repr, lacking))
            raise PipelineError(
                f"{name} has no column {wanted}; its columns are {listed(columns)}: name one with --column"
            )
        label, probability, *probabilities = usual = (
            *ANSWER_COLUMNS,
            *(f"probability_{class_name}" for class_name in self.classes),
        )
        if not header:
            if self.prefix is not None:
                raise PipelineError(f"--prefix {self.prefix}: {name} has no header to name columns in; leave it out")
            log.info("%s has no header; the answers are its last columns: %s", name, ", ".join(usual))
            return FileColumns(texts, label, probability, probabilities)
        own = [column for column in usual if column in columns]
        prefix = self.prefix if self.prefix is not None else PREFIX if own else ""
        label, probability, *probabilities = (prefix + column for column in usual)
        chosen = FileColumns(texts, label, probability, probabilities)
        require_free(name, columns, chosen)
        if own and self.prefix is None:
            log.info(
                "%s has a column %r of its own; the answers are in %s (--prefix names them)",
                name,
                own[0],
                listed(chosen.added, 3) if self.classes else " and ".join(map(repr, chosen.added)),
            )
        return chosen


def require_free(name: str, columns: Sequence[str], chosen: FileColumns) -> None:
    """Refuse a file, or a row of one, that already has a column with the name of an added one.

    Raises:
        PipelineError: it has one.
    """
    for added in chosen.added:
        if added in columns:
            raise PipelineError(
                f"{name} already has a column {added!r}, the name of one that is added; name those with --prefix"
            )
