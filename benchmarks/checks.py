"""Simulate the checks of conf/registry/ on test splits of four sizes; write the table in docs/report.md.

For models whose true quality is known: how often each default check refuses one that deserves to pass, and passes one
that does not. About half a minute.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.corpus import configuration
from pipeline.cli import tidy_exit
from pipeline.config.registry import CheckConfig
from pipeline.evaluation.binary import calibration_errors, gains
from pipeline.evaluation.bootstrap import mean_intervals
from pipeline.evaluation.checks import check_metrics
from pipeline.runtime.generated_block import replace_generated
from pipeline.runtime.paths import WORKSPACE

PAGE = WORKSPACE / "docs" / "report.md"
COMMAND = "python -m benchmarks.checks"
TEST_REVIEWS = (100, 200, 1000, 5000)
DRAWS = 400
"""Test splits drawn for each model and size."""
LOGITS = 3.1
"""Standard deviation of the logits of an exactly calibrated model: 0.84 of its answers are right."""
NEGATIVE_RECALL = 0.4
"""Recall of the rarer class of a model that is better than the majority's answer."""

Draw = Callable[[np.random.Generator, int, int], Iterable[dict[str, Any]]]
"""Draws so many test splits of so many reviews; yields the metrics of the model on each, as the check reads them."""


@dataclass(frozen=True)
class SimulatedModel:
    """A model of known quality, and the check that looks at it."""

    name: str
    check: str
    deserves: bool
    """It passes the check on a test split without end."""
    draw: Draw


def simulated_models(ece_bins: int) -> list[SimulatedModel]:
    """Return the models of the table; `ece_bins` as in conf/evaluation/."""
    calibrated, gain, baseline = "calibrated", "better_than_majority", "not_worse_than_baseline"
    scaled = partial(_calibration, ece_bins=ece_bins)
    return [
        SimulatedModel("exactly calibrated, 0.84 accurate", calibrated, True, partial(scaled, factor=1.0)),
        SimulatedModel(
            "the same, logits 1.25 times as large: true error 0.03", calibrated, True, partial(scaled, factor=1.25)
        ),
        SimulatedModel(
            "the same, logits 3 times as large: true error 0.10", calibrated, False, partial(scaled, factor=3.0)
        ),
        SimulatedModel("0.84 accurate, classes in equal shares", gain, True, partial(_gain, share=0.5, true=0.68)),
        SimulatedModel("guesses, classes in equal shares", gain, False, partial(_gain, share=0.5, true=0.0)),
        SimulatedModel("80 % positive, true relative gain 0.2", gain, True, partial(_gain, share=0.8, true=0.2)),
        SimulatedModel("80 % positive, true relative gain 0", gain, False, partial(_gain, share=0.8, true=0.0)),
        SimulatedModel("95 % positive, true relative gain 0.2", gain, True, partial(_gain, share=0.95, true=0.2)),
        SimulatedModel("95 % positive, true relative gain 0", gain, False, partial(_gain, share=0.95, true=0.0)),
        SimulatedModel("as accurate as the baseline", baseline, True, partial(_difference, points=0.0)),
        SimulatedModel("1 point less accurate than the baseline", baseline, False, partial(_difference, points=-0.01)),
        SimulatedModel("3 points less accurate than the baseline", baseline, False, partial(_difference, points=-0.03)),
    ]


def simulate(
    checks: Mapping[str, CheckConfig], ece_bins: int, sizes: Iterable[int] = TEST_REVIEWS, draws: int = DRAWS
) -> dict[str, dict[int, float]]:
    """Return the share of test splits on which the check refuses each model, by name and number of test reviews.

    Args:
        checks: those of conf/registry/.
        ece_bins: as in conf/evaluation/.
        sizes: numbers of test reviews.
        draws: test splits of each size.
    """
    refused: dict[str, dict[int, float]] = {}
    for number, model in enumerate(simulated_models(ece_bins)):
        check = {model.check: checks[model.check]}
        refused[model.name] = {}
        for size in sizes:
            metrics = model.draw(np.random.default_rng([number, size]), size, draws)
            refused[model.name][size] = float(np.mean([not check_metrics(one, check)["passed"] for one in metrics]))
    return refused


def render(checks: Mapping[str, CheckConfig], ece_bins: int, refused: Mapping[str, Mapping[int, float]]) -> str:
    """Return the table in Markdown: the share of wrong decisions on each model."""
    sizes = list(next(iter(refused.values())))
    lines = [
        f"| check | simulated model | wrongly | {' | '.join(f'{size:,}' for size in sizes)} test reviews |",
        "|---|---|---|" + "---|" * len(sizes),
    ]
    for model in simulated_models(ece_bins):
        check = checks[model.check]
        bound = f"≥ {check.min:g}" if check.min is not None else f"≤ {check.max:g}"
        mistakes = [share if model.deserves else 1 - share for share in refused[model.name].values()]
        cells = " | ".join(f"{100 * share:.1f} %" for share in mistakes)
        decision = "refused" if model.deserves else "passed"
        lines.append(f"| `{check.metric}` {bound} | {model.name} | {decision} | {cells} |")
    return "\n".join(lines)


def _calibration(
    random: np.random.Generator, size: int, draws: int, *, factor: float, ece_bins: int
) -> Iterator[dict[str, Any]]:
    """Draw from a model whose logits are `factor` times those of an exactly calibrated one."""
    for _ in range(draws):
        logits = LOGITS * random.standard_normal(size)
        labels = random.random(size) < expit(logits)
        yield {"test": calibration_errors(labels, expit(factor * logits), ece_bins)}


def _gain(random: np.random.Generator, size: int, draws: int, *, share: float, true: float) -> Iterator[dict[str, Any]]:
    """Draw from a model with a true relative gain, where `share` of the reviews are positive.

    Where classes differ in their shares it finds `NEGATIVE_RECALL` of the negative reviews, and is wrong about as many
    positive ones as the gain allows.
    """
    accuracy = share + true * (1 - share)
    negative = accuracy if share == 0.5 else NEGATIVE_RECALL
    positive = (accuracy - (1 - share) * negative) / share
    for _ in range(draws):
        labels = random.random(size) < share
        right = random.random(size) < np.where(labels, positive, negative)
        yield {"test": gains(float(right.mean()), float(max(labels.mean(), 1 - labels.mean())))}


def _difference(random: np.random.Generator, size: int, draws: int, *, points: float) -> Iterator[dict[str, Any]]:
    """Draw from a model and a baseline that differ in accuracy by `points`, and in which is right on a tenth."""
    better, worse = 0.05 + points / 2, 0.05 - points / 2
    differences: NDArray[np.float64] = random.choice([1.0, 0.0, -1.0], (draws, size), p=[better, 0.9, worse])
    # all at once: `evaluate` draws the same resamples for every test split of a size
    for interval in mean_intervals({str(draw): values for draw, values in enumerate(differences)}).values():
        yield {"intervals": {"difference": {"accuracy": interval}}}


def main() -> None:
    """Simulate; rewrite the table on the page, and print it."""
    config = configuration()
    checks, ece_bins = config.registry.checks, config.evaluation.ece_bins
    table = render(checks, ece_bins, simulate(checks, ece_bins))
    replace_generated(PAGE, COMMAND, table)
    print(table)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tidy_exit():
        main()
