"""Comparison of a run's metrics with those of its repetition."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VARYING = ("speed/", "system/", "memory/")
"""Metrics that differ in every run, and those that a sweep adds to its trials later (`sweep=memory_ladder`)."""
WHOLE_SPLITS = ("auxiliary/", "baseline/", "parts/", "test/", "val/")
"""Metrics that hardly change when numbers are added in another order; those of a batch or a slice change more."""


@dataclass(frozen=True)
class MetricPair:
    """Value of a metric in a run, and in its repetition."""

    name: str
    then: float
    now: float | None
    """None where the repetition lacks the metric."""

    @property
    def difference(self) -> float:
        """Absolute difference; infinite if the repetition lacks the metric, or one value is not a number."""
        if self.now is None:
            return math.inf
        if self.then == self.now or (math.isnan(self.then) and math.isnan(self.now)):
            return 0.0
        difference = abs(self.then - self.now)
        return math.inf if math.isnan(difference) else difference


def pair_metrics(then: Mapping[str, float], now: Mapping[str, float], tolerance: float = 0) -> list[MetricPair]:
    """Pair each metric of a run that can be reproduced with its new value, in alphabetical order.

    Args:
        then: metrics of the run.
        now: metrics of its repetition.
        tolerance: above 0, only the metrics of whole splits are compared.
    """
    names = [name for name in sorted(then) if not name.startswith(VARYING)]
    if tolerance:
        names = [name for name in names if name.startswith(WHOLE_SPLITS)]
    return [MetricPair(name, then[name], now.get(name)) for name in names]


def format_pairs(pairs: Sequence[MetricPair]) -> str:
    """Format the metrics and their differences as a table for the terminal."""
    rows = [("metric", "run", "now", "difference")]
    for pair in pairs:
        difference = f"{pair.difference:.3g}" if pair.difference else ""
        rows.append((pair.name, repr(pair.then), _exact(pair.now), difference))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def conclude(pairs: Sequence[MetricPair], tolerance: float, same_weights: bool | None) -> tuple[bool, str]:
    """Return true if a run is reproduced, and the conclusion as a line for people.

    Args:
        pairs: its metrics.
        tolerance: maximum difference that still counts as reproduced.
        same_weights: true if the weights of the network are equal, which is required only without tolerance; None if
            the run kept no weights.
    """
    differing = [pair for pair in pairs if pair.difference > tolerance]
    if differing:
        worst = max(differing, key=lambda pair: pair.difference)
        values = f"{worst.then!r}, now {_exact(worst.now)}"
        hint = "; the weights are equal: the run was evaluated with other code or settings" if same_weights else ""
        return False, (
            f"not reproduced: {len(differing)} of {len(pairs)} metrics differ, most of all {worst.name}: {values}{hint}"
        )
    if same_weights is False and tolerance == 0:
        return False, f"not reproduced: all {len(pairs)} metrics equal, but the weights differ"
    within = f" within {tolerance:g}" if tolerance else ""
    return True, f"reproduced: all {len(pairs)} metrics equal{within}"


def _exact(value: float | None) -> str:
    return "missing" if value is None else repr(value)
