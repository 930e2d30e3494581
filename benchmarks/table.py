"""Generated part of docs/performance.md, from reports/benchmarks.json."""

from pathlib import Path
from typing import Any

from pipeline.runtime.generated_block import replace_generated

COMMAND = "make bench"


def verdict(figure: dict[str, Any]) -> str:
    """Return `pass` or `short`, or the reason why nothing was measured."""
    value = figure["value"]
    if value is None:
        return str(figure["details"]["note"])
    reached = value >= figure["target"] if figure["comparison"] == "at least" else value <= figure["target"]
    return "pass" if reached else "short"


def render(report: dict[str, Any]) -> str:
    """Return the machine, the ratios with their targets and the profile in Markdown."""
    machine, profile = report["machine"], report["profile"]
    versions = ", ".join(
        f"{name} {machine[name]}" for name in ("python", "torch", "pytorch-lightning", "torchtext", "numpy")
    )
    lines = [
        f"{machine['processor']}, {machine['cores']} cores ({', '.join(machine['flags']) or 'no special flags'}), "
        f"GPU: {machine['gpu'] or 'none'}; torch threads: {machine['threads']}; load before the run "
        f"{machine['load_before']}; {versions}.",
        "",
        "| | measured | target | |",
        "|---|---|---|---|",
        *map(_row, report["figures"]),
        "",
        f"A training step of the default recipe (batch {profile['batch_size']}, {profile['precision']}) takes "
        f"{1000 * profile['seconds_per_step']:.0f} ms of CPU time:",
        "",
        "| kind of operation | share of the step |",
        "|---|---|",
        *(f"| {kind} | {100 * share:.1f} % |" for kind, share in profile["shares"].items()),
        "",
        f"A product of two large matrices reaches {profile['peak_flops'] / 1e9:.0f} GFLOP/s in the same precision; "
        f"those of the LSTM reach {_percent(profile, 'lstm_flops')} of that in the time of the LSTM, and "
        f"{_percent(profile, 'step_flops')} in the time of the whole step.",
    ]
    return "\n".join(lines)


def rewrite(page: Path, report: dict[str, Any]) -> None:
    """Replace the part of the page between its markers.

    Raises:
        PipelineError: a marker is missing.
    """
    replace_generated(page, COMMAND, render(report))


def _row(figure: dict[str, Any]) -> str:
    value = "not measured" if figure["value"] is None else f"{_number(figure['value'])} {figure['unit']}"
    target = f"{figure['comparison']} {_number(figure['target'])}"
    return f"| {figure['name']} | {value} | {target} | {verdict(figure)} |"


def _number(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 0.1 else f"{value:.2f}"


def _percent(profile: dict[str, Any], key: str) -> str:
    return f"{100 * profile[key] / profile['peak_flops']:.0f} %"
