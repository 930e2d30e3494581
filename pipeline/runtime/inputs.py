"""Digests of what a command reads, to see before it writes that no other command has changed it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.runtime.checksum import content_digest
from pipeline.runtime.errors import PipelineError


@dataclass(frozen=True)
class Inputs:
    """Digests of the files and folders that a command reads, taken when it began; None for one that was missing."""

    digests: Mapping[Path, str | None]

    @classmethod
    def note(cls, *paths: Path) -> "Inputs":
        """Take the digests now."""
        return cls({path: content_digest(path) for path in paths})

    def require_unchanged(self, *paths: Path) -> None:
        """Compare the inputs with their digests; to be called before a result is written.

        Args:
            paths: the inputs to compare; all of them if none is given.

        Raises:
            PipelineError: an input has changed; the message names it.
        """
        for path in paths or self.digests:
            if content_digest(path) != self.digests[path]:
                raise PipelineError(
                    f"{path} was changed by another command while this one used it; "
                    "run it again when the other has finished"
                )
