"""The metrics of a run beside those of the same run made again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VARYING = ("speed/", "system/", "memory/")
"""Metrics that no two runs share, and those that `python -m pipeline.memory_ladder` adds later."""
WHOLE_SPLITS = ("baseline/", "best/val_", "test/", "validation/")
"""Metrics that move little when numbers are added in another order; those of a batch or a slice move much."""


@dataclass(frozen=True)
class Pair:
    """One metric of a run, and its value when the run was made again."""

    name: str
    then: float
    now: float | None
    """None where it was not found again."""

    @property
    def difference(self) -> float:
        """How far they are apart; infinite where one of them is no number, or missing."""
        if self.now is None:
            return math.inf
        if self.then == self.now or (math.isnan(self.then) and math.isnan(self.now)):
            return 0.0
        apart = abs(self.then - self.now)
        return math.inf if math.isnan(apart) else apart


def pair(then: Mapping[str, float], now: Mapping[str, float], tolerance: float = 0) -> list[Pair]:
    """Each metric of a run that must be found again, with the new value, in alphabetical order.

    Args:
        then: the metrics of the run.
        now: those of the run made again.
        tolerance: where anything is tolerated, only the metrics of whole splits are compared.
    """
    names = [name for name in sorted(then) if not name.startswith(VARYING)]
    if tolerance:
        names = [name for name in names if name.startswith(WHOLE_SPLITS)]
    return [Pair(name, then[name], now.get(name)) for name in names]


def table(pairs: Sequence[Pair]) -> str:
    """The metrics, and how far they are apart, as lines."""
    rows = [("metric", "run", "now", "difference")]
    for found in pairs:
        now = "missing" if found.now is None else repr(found.now)
        rows.append((found.name, repr(found.then), now, f"{found.difference:.3g}" if found.difference else ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def verdict(pairs: Sequence[Pair], tolerance: float, same_weights: bool | None) -> tuple[bool, str]:
    """Whether a run is reproduced, and in words.

    Args:
        pairs: its metrics.
        tolerance: largest difference that counts as none.
        same_weights: of the network; None where the run kept none. They count only where nothing is tolerated.
    """
    differing = [found for found in pairs if found.difference > tolerance]
    if differing:
        worst = max(differing, key=lambda found: found.difference)
        now = "missing" if worst.now is None else repr(worst.now)
        what = f"{len(differing)} of {len(pairs)} metrics differ, most of all {worst.name}: {worst.then!r}, now {now}"
        hint = "; the weights are the same: it was evaluated by other code or settings" if same_weights else ""
        return False, f"not reproduced: {what}{hint}"
    if same_weights is False and tolerance == 0:
        return False, f"not reproduced: all {len(pairs)} metrics equal, but the weights are others"
    within = f" within {tolerance:g}" if tolerance else ""
    return True, f"reproduced: all {len(pairs)} metrics equal{within}"
