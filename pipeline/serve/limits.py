"""Limits of a request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The most that a request may bring."""

    body: int = 16 * 2**20
    """Size of its body in bytes."""
    texts: int = 10_000
    characters: int = 1_000_000
    """Length of a text."""
    nesting: int = 32
    """Brackets within brackets of its JSON."""
    digits: int = 100
    """Length of a number in its JSON."""
    seconds: int = 60
    """Until its body has been sent."""
