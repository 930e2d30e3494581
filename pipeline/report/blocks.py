"""The parts of the report's page: sections with tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.pages.rendering import embedded_png


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    """So many columns from the left hold names, the others numbers."""
    long: bool = False
    """The last column holds running text."""
    folded: bool = False
    """Shown when asked for."""

    def kind(self, column: int) -> str:
        """CSS class of a column, counted from 0."""
        if self.long and column == len(self.columns) - 1:
            return "long"
        return "" if column < self.words else "number"


@dataclass(frozen=True)
class Picture:
    """A picture and what it says to those who cannot see it."""

    source: str
    alt: str


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    id: str
    title: str
    reading: str
    """How to read it, in plain words."""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


def picture(figures: Path, name: str, alt: str) -> Picture:
    """A figure that `evaluate` drew."""
    return Picture(embedded_png(figures / f"{name}.png"), alt)
