"""Value of an objective for given labels, by which models are compared."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.config.objective import ObjectiveConfig
from pipeline.inference.class_counts import macro_f1, matthews_correlation
from pipeline.inference.rule_fitting import cost_matrix


def objective_value(
    objective: ObjectiveConfig, classes: Sequence[str], labels: NDArray[np.generic], predicted: NDArray[np.generic]
) -> float:
    """Compute the metric that labels are chosen for.

    Args:
        objective: what they are chosen for.
        classes: names of the classes, by index.
        labels: true class indices [n].
        predicted: predicted class indices [n].

    Returns:
        accuracy, macro F1, Matthews correlation (0 where all reviews are of one class) or mean cost. For a target of
        precision: the recall where the precision is reached; else, as a negative number, how far it is missed.
    """
    y, answers, k = labels.astype(np.int64), predicted.astype(np.int64), len(classes)
    match objective.metric:
        case "accuracy":
            return float(np.mean(y == answers))
        case "cost":
            return float(cost_matrix(objective, classes)[y, answers].mean())
        case "precision":
            assert objective.precision is not None
            target = objective.target_index(classes)
            right, labelled = float(np.sum((y == target) & (answers == target))), int(np.sum(answers == target))
            if right < objective.precision * labelled:
                return right / labelled - objective.precision
            return right / max(float(np.sum(y == target)), 1)
    counts = (np.bincount(values, minlength=k).astype(np.float64) for values in (y[y == answers], answers, y))
    metric = macro_f1 if objective.metric == "macro_f1" else matthews_correlation
    return float(np.nan_to_num(metric(*counts)))
