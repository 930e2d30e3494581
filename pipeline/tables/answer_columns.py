"""Columns of a file that gets predictions: the one with the texts, and the names of those that are added."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.runtime.errors import PipelineError, listed

PREFIX = "predicted_"
"""Prefix of the added columns where the file has columns of their names."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileColumns:
    """Columns of one file."""

    text: str
    label: str
    """Name of the added column with the label; `probability` likewise."""
    probability: str

    @property
    def added(self) -> tuple[str, str]:
        """Names of the added columns, in their order."""
        return self.label, self.probability


@dataclass(frozen=True)
class WantedColumns:
    """Columns as the user asks for them."""

    texts: Sequence[str]
    """Columns that may hold the texts, the first that is there before the others."""
    prefix: str | None = None
    """Prefix of the added columns; None for none, or `PREFIX` where the file has a column of such a name."""

    def of_file(self, name: str, columns: Sequence[str]) -> FileColumns:
        """Choose the columns of a file, and log the names of the added ones where they are not the usual ones.

        Args:
            name: of the file, for messages.
            columns: its columns.

        Raises:
            PipelineError: the file has no columns, does not have the text column exactly once, or already has a column
                with the name of an added one.
        """
        if not columns:
            raise PipelineError(f"{name} is empty; give a file with a column {self.texts[0]!r}")
        text = next((column for column in self.texts if column in columns), None)
        if text is None:
            wanted = " or ".join(map(repr, self.texts))
            raise PipelineError(
                f"{name} has no column {wanted}; its columns are {listed(columns)}: name one with --column"
            )
        if columns.count(text) > 1:
            raise PipelineError(f"{name}: the column {text!r} occurs more than once; rename one")
        usual = FileColumns(text, "label", "probability")
        own = [column for column in usual.added if column in columns]
        prefix = self.prefix if self.prefix is not None else PREFIX if own else ""
        chosen = FileColumns(text, *(prefix + column for column in usual.added))
        require_free(name, columns, chosen)
        if own and self.prefix is None:
            log.info(
                "%s has a column %r of its own; the answers are in %s (--prefix names them)",
                name,
                own[0],
                " and ".join(map(repr, chosen.added)),
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
