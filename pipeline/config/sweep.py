"""Schema of the section `sweep` of conf/config.yaml."""

from pydantic import Field

from pipeline.config.section import Section


class SweepConfig(Section):
    """Handling of finished trials, which changes no result."""

    rerun: bool
    """Train the finished trials of the same sweep again."""
    keep: int | None = Field(ge=0, le=100_000)
    """Number of trials, the best ones, whose model is kept when the sweep has ended; null: all."""
