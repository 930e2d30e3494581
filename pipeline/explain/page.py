"""Write an explanation as one HTML page that opens offline."""

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
"""Rows of a heat map: in each direction the units that contribute most to the prediction."""
SPANS = ((0, 2), (2, 5), (5, 15), (15, np.inf))
"""Ranges of half-lives, in words, by which units are grouped."""
WRITTEN_SHOWN = 4
MARGIN, WIDTH, COLUMN_BOUNDS = 40, 980, (14, 64)
"""Sizes of the chart and the heat maps, in pixels: left margin, width of all columns, narrowest and widest column."""

GATES = {
    "learned": ("Learn gate", "what the word adds to the long-term memory, after the ignore factor", True),
    "ignore": (
        "Ignore factor",
        "how much of the new information is learned: 0 ignores the word, 1 learns all of it",
        False,
    ),
    "forget": ("Forget gate", "how much of the long-term memory is kept: 0 forgets all, 1 keeps all", False),
    "long_term": ("Remember gate: long-term memory", "what was kept plus what was learned", True),
    "use": ("Use gate", "how much of the long-term memory comes out: 0 nothing, 1 all", False),
    "short_term": ("Short-term memory", "what came out: the prediction is read from these numbers", True),
}
"""Title, meaning and sign (True if it can be negative) of each value of a `Trace`."""


@dataclass(frozen=True)
class UnitGroup:
    """Units with similar half-lives."""

    span: str
    units: int
    attribution: float
    """Sum of their contributions to the log-odds."""
    written: list[tuple[str, float]]
    """Words with the largest shares in their memory at the end of the text, and the mean share of each."""


def write_explanation(path: Path, explanation: Explanation) -> None:
    """Write the page, whole or not at all.

    Raises:
        PipelineError: the path is a folder, or cannot be written.
    """
    if path.is_dir():
        raise PipelineError(f"--output {path} is a folder; name a file in it, such as page.html")
    count = len(explanation.words)
    column = int(np.clip(WIDTH // count, *COLUMN_BOUNDS))
    try:
        write_page(
            path,
            "explain.html",
            explanation=explanation,
            strengths=(100 * abs(explanation.total) / max(abs(explanation.total).max(), 1e-9))
            .round()
            .astype(int)
            .tolist(),
            column=column,
            margin=MARGIN,
            width=MARGIN + column * count + 30,
            gates=GATES,
            groups=[_grouped(direction, explanation) for direction in explanation.directions],
            data=_data(explanation, column),
        )
    except OSError as error:
        raise PipelineError(f"--output {path} cannot be written ({error.strerror}); name another file") from None


def _data(explanation: Explanation, column: int) -> dict[str, Any]:
    """Return the data of the page's script."""
    several = len(explanation.classes) > 2
    return {
        "prediction": f"The probability of {explanation.explained}" if several else "The prediction",
        "words": [word.text for word in explanation.words],
        "running": [round(p, 4) for p in explanation.running],
        "total": explanation.total.round(6).tolist(),
        "deep": explanation.deep.round(6).tolist(),
        "wide": None if explanation.wide is None else explanation.wide.round(6).tolist(),
        "column": column,
        "margin": MARGIN,
        "directions": [_units_shown(direction) for direction in explanation.directions],
    }


def _units_shown(direction: Direction) -> dict[str, Any]:
    """Return the units units, from the shortest half-life to the longest, and their gates as bytes [word, unit]."""
    units = abs(direction.attribution).argsort()[::-1][:UNITS_SHOWN]
    units = units[direction.half_life[units].argsort()]
    return {
        "backward": direction.backward,
        "units": [
            {
                "number": int(u),
                "halfLife": float(direction.half_life[u].round(1)),
                "attribution": float(direction.attribution[u]),
            }
            for u in units
        ],
        "gates": {key: _quantised(direction.gates[key][:, units], signed) for key, (*_, signed) in GATES.items()},
    }


def _quantised(values: Values, signed: bool) -> dict[str, Any]:
    """Encode values in base64, a byte each: 0 to 255 stands for 0 to 1, or if signed for -scale to scale."""
    scale = max(float(abs(values).max()), 1e-6) if signed else 1.0
    share = (values / scale + 1) / 2 if signed else values
    encoded = b64encode((share * 255).round().astype(np.uint8).tobytes()).decode()
    return {"signed": signed, "scale": round(scale, 4), "values": encoded}


def _grouped(direction: Direction, explanation: Explanation) -> list[UnitGroup]:
    groups = []
    for low, high in SPANS:
        units = (direction.half_life >= low) & (direction.half_life < high)
        if units.any():
            shares = direction.written[:, units].mean(1)  # [word]
            largest = shares.argsort()[::-1][:WRITTEN_SHOWN]
            groups.append(
                UnitGroup(
                    f"{low} to {high} words" if np.isfinite(high) else f"over {low} words",
                    int(units.sum()),
                    float(direction.attribution[units].sum()),
                    [(explanation.words[index].text, float(shares[index])) for index in largest],
                )
            )
    return groups
