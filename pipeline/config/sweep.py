"""Schema of the section `sweep` of conf/config.yaml."""

from pydantic import Field

from pipeline.config.section import Section


class SweepConfig(Section):
    """Handling of trials that have ended; it changes no result."""

    rerun: bool
    """Train the finished trials of the same sweep again."""
    keep: int | None = Field(ge=0, le=100_000)
    """Trials, best first, that keep their model when the sweep has ended; null: all."""
