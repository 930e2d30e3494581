"""Calibration: the reliability diagram, and the distributions of the probabilities."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from pipeline.evaluation.columns import Columns
from pipeline.report.colours import FIRST_COLOUR, GUESS_COLOUR, MODEL_COLOUR, SECOND_COLOUR


def draw_reliability(axes: Axes, table: Columns, ece: float, probability: str, share: str) -> None:
    """Draw a share against the stated probability of it, above bars that show the number of reviews in each bin."""
    axes.plot([0, 1], [0, 1], color=GUESS_COLOUR, linestyle=":", label="perfect")
    axes.plot(table["probability"], table["share"], color=MODEL_COLOUR, marker="o", label="model", clip_on=False)
    axes.set(title=f"Reliability: calibration error {ece:.3f}", xlabel=probability, ylabel=share)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    reviews = axes.twinx()
    reviews.bar(table["probability"], table["reviews"], width=0.025, color=GUESS_COLOUR, alpha=0.4)
    reviews.set_ylabel("reviews (bars)")
    reviews.set_ylim(0, 2 * max(table["reviews"]))  # leaves room for the legend above the bars
    reviews.grid(visible=False)
    reviews.spines.right.set_visible(True)
    axes.set_zorder(reviews.get_zorder() + 1)  # the curve lies above the bars
    axes.patch.set_visible(False)
    axes.legend(loc="upper left")


def draw_score_histogram(axes: Axes, table: Columns, names: Sequence[str]) -> None:
    """Draw the distribution of the probabilities for each of two labels."""
    _draw_histogram(axes, table, [f"{name} reviews" for name in names])
    axes.set(title="Scores by label", xlabel=f"probability of {names[1]}", ylabel="reviews")
    axes.legend(loc="upper center")


def draw_confidence(axes: Axes, table: Columns) -> None:
    """Draw the distribution of the probability of the predicted class, for right and for wrong predictions."""
    columns = {name: table[name] for name in ("probability", "wrong", "right")}
    _draw_histogram(axes, columns, ["wrong predictions", "right predictions"])
    axes.set(
        title="Scores of right and wrong predictions", xlabel="probability of the predicted class", ylabel="reviews"
    )
    axes.legend(loc="upper left")


def _draw_histogram(axes: Axes, table: Columns, labels: Sequence[str]) -> None:
    middles, *parts = table.values()
    width = middles[1] - middles[0]
    for part, colour, label in zip(parts, (FIRST_COLOUR, SECOND_COLOUR), labels, strict=True):
        axes.bar(middles, part, width, color=colour, alpha=0.65, label=label)
