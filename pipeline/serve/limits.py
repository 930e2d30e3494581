"""Limits of a request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Largest values that a request may have."""

    body: int = 16 * 2**20
    """Bytes in the body."""
    texts: int = 10_000
    characters: int = 1_000_000
    """Characters in a text."""
    nesting: int = 32
    """Nested brackets in the JSON."""
    digits: int = 100
    """Digits of a number in the JSON."""
    seconds: int = 60
    """Seconds until the body must be complete."""
    queue: int = 20_000
    """Texts of all requests that may wait (fast server); a request that comes while none waits is always accepted."""
    wait: int = 60
    """Seconds until an answer (fast server)."""
