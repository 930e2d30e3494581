"""The ablation as a picture."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from pipeline.report.figures import GUESS, MODEL


def draw_ablation(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Test accuracy of each row, a dot for each seed and a line at their mean."""
    for height, row in enumerate(rows):
        accuracies = row["test_accuracy"]
        axes.plot(accuracies, [height] * len(accuracies), "o", color=MODEL, alpha=0.6)
        axes.plot([np.mean(accuracies)] * 2, [height - 0.3, height + 0.3], color=GUESS)
    axes.set_yticks(range(len(rows)), [row["name"].replace("_", " ") for row in rows])
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=1))
    axes.set(title="What each part earns", xlabel="accuracy on the test split")
