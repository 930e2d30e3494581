"""An explanation as one page that opens offline."""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.explain.explainer import Explanation
from pipeline.explain.memory import Direction, Values
from pipeline.pages.rendering import write_page
from pipeline.runtime.errors import PipelineError

UNITS_SHOWN = 32
"""Rows of a heat map, for each direction: the units the verdict leans on most."""
SPANS = ((0, 2), (2, 5), (5, 15), (15, np.inf))
"""Half-lives, in words, by which units are grouped."""
WRITTEN_SHOWN = 4
MARGIN, WIDTH, COLUMN_BOUNDS = 40, 980, (14, 64)
"""Of the chart and the heat maps, in pixels: left margin, what columns share, narrowest and widest column."""

GATES = {
    "learned": ("Learn gate", "what the word adds to the long-term memory, once the ignore factor has cut it", True),
    "ignore": ("Ignore factor", "how much of what is new is learned: 0 ignores the word, 1 learns it whole", False),
    "forget": ("Forget gate", "how much of the long-term memory is kept: 0 forgets, 1 keeps all", False),
    "long_term": ("Remember gate: long-term memory", "what was kept plus what was learned", True),
    "use": ("Use gate", "how much of the long-term memory comes out: 0 nothing, 1 all", False),
    "short_term": ("Short-term memory", "what came out: the verdict is read from this row of numbers", True),
}
"""Of each value of a `Trace`: its title, what it says, and whether it can be negative."""


@dataclass(frozen=True)
class Group:
    """Units that remember about equally long."""

    span: str
    units: int
    lean: float
    """What they add to the log-odds, together."""
    written: list[tuple[str, float]]
    """The words that left most in their memory at the end of the text, and the mean share of each."""


def write(path: Path, found: Explanation) -> None:
    """Write the page, whole or not at all.

    Raises:
        PipelineError: it cannot be written there.
    """
    if path.is_dir():
        raise PipelineError(f"--output {path} is a folder; name a file in it, such as page.html")
    count = len(found.words)
    column = int(np.clip(WIDTH // count, *COLUMN_BOUNDS))
    try:
        write_page(
            path,
            "explain.html",
            found=found,
            strengths=(100 * abs(found.total) / max(abs(found.total).max(), 1e-9)).round().astype(int).tolist(),
            column=column,
            margin=MARGIN,
            width=MARGIN + column * count + 30,
            gates=GATES,
            groups=[_groups(direction, found) for direction in found.directions],
            data=_data(found, column),
        )
    except OSError as error:
        raise PipelineError(f"--output {path} cannot be written ({error.strerror}); name another file") from None


def _data(found: Explanation, column: int) -> dict[str, Any]:
    """What the page's script needs."""
    return {
        "words": [word.text for word in found.words],
        "running": [round(p, 4) for p in found.running],
        "total": found.total.round(6).tolist(),
        "deep": found.deep.round(6).tolist(),
        "wide": None if found.wide is None else found.wide.round(6).tolist(),
        "column": column,
        "margin": MARGIN,
        "directions": [_direction(direction) for direction in found.directions],
    }


def _direction(direction: Direction) -> dict[str, Any]:
    """The units shown, from short-lived to long-lived, and their gates as bytes [word, unit]."""
    shown = abs(direction.lean).argsort()[::-1][:UNITS_SHOWN]
    shown = shown[direction.half_life[shown].argsort()]
    return {
        "backward": direction.backward,
        "units": [
            {"number": int(u), "halfLife": float(direction.half_life[u].round(1)), "lean": float(direction.lean[u])}
            for u in shown
        ],
        "gates": {key: _quantised(direction.gates[key][:, shown], signed) for key, (*_, signed) in GATES.items()},
    }


def _quantised(values: Values, signed: bool) -> dict[str, Any]:
    """Values in base64, a byte each: 0 to 255 for 0 to 1, or for -scale to scale."""
    scale = max(float(abs(values).max()), 1e-6) if signed else 1.0
    share = (values / scale + 1) / 2 if signed else values
    encoded = b64encode((share * 255).round().astype(np.uint8).tobytes()).decode()
    return {"signed": signed, "scale": round(scale, 4), "values": encoded}


def _groups(direction: Direction, found: Explanation) -> list[Group]:
    groups = []
    for low, high in SPANS:
        units = (direction.half_life >= low) & (direction.half_life < high)
        if units.any():
            shares = direction.written[:, units].mean(1)  # [word]
            first = shares.argsort()[::-1][:WRITTEN_SHOWN]
            groups.append(
                Group(
                    f"{low} to {high} words" if np.isfinite(high) else f"over {low} words",
                    int(units.sum()),
                    float(direction.lean[units].sum()),
                    [(found.words[index].text, float(shares[index])) for index in first],
                )
            )
    return groups
