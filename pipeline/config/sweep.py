"""How a sweep is resumed and tidied up."""

from pydantic import Field

from pipeline.config.section import Section


class SweepConfig(Section):
    """What becomes of trials that have ended; it changes no result."""

    rerun: bool
    """Train the finished trials of the same sweep anew."""
    keep: int | None = Field(ge=0, le=100_000)
    """So many of the best trials keep their model when the sweep has ended; null: all."""
