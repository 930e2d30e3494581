"""Schema of conf/evaluation/objective/: the metric that labels are chosen for."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.section import MAPPING, Section, Weight

CostsByName = Annotated[dict[str, dict[str, Weight]], MAPPING]
"""Cost of each misclassification: by the true class, then by the predicted one."""


class ObjectiveConfig(Section):
    """Metric that the predicted labels optimise, given the calibrated probabilities."""

    metric: Literal["accuracy", "macro_f1", "mcc", "cost", "precision"] = "accuracy"
    """Metric: accuracy, macro F1, Matthews correlation, mean cost, or the recall at a stated precision."""
    costs: CostsByName | None = None
    """Cost of each misclassification, only with metric=cost: by the true class, then by the predicted one."""
    precision: float | None = Field(default=None, gt=0, lt=1)
    """Minimum precision of a class, only with metric=precision and two classes; its recall is maximised."""
    precision_of: str | None = None
    """Class that `precision` applies to; null: the second."""

    @model_validator(mode="after")
    def _keys_go_with_the_metric(self) -> "ObjectiveConfig":
        for key, metric in (("costs", "cost"), ("precision", "precision"), ("precision_of", "precision")):
            if getattr(self, key) is not None and self.metric != metric:
                raise ValueError(
                    f"evaluation.objective.{key} goes with metric={metric}, and metric is {self.metric}; set "
                    f"{key} to null, or choose evaluation/objective={metric}"
                )
        if self.metric == "cost" and self.costs is None:
            raise ValueError(
                "evaluation.objective.costs is null, and metric=cost needs the cost of each mistake; set it, as in "
                "'evaluation.objective.costs={negative: {positive: 5}, positive: {negative: 1}}'"
            )
        if self.metric == "precision" and self.precision is None:
            raise ValueError("evaluation.objective.precision is null, and metric=precision needs it; set it, as 0.95")
        return self

    def target_index(self, classes: Sequence[str]) -> int:
        """Return the index of the class that `precision` applies to."""
        return 1 if self.precision_of is None else list(classes).index(self.precision_of)

    def problem(self, classes: Sequence[str]) -> str | None:
        """Return why the objective does not fit classes of these names, and what to do; None if it does."""
        if self.metric == "precision" and len(classes) > 2:
            return (
                f"evaluation.objective.metric: precision needs two classes, and corpus.labels names {len(classes)}; "
                "choose another objective"
            )
        if self.precision_of is not None and self.precision_of not in classes:
            return f"evaluation.objective.precision_of: {unknown_class(self.precision_of, classes)}"
        return None if self.costs is None else _problem_of_costs(self.costs, classes)


ACCURACY = ObjectiveConfig()
"""The objective unless another is chosen."""


def unknown_class(name: str, classes: Sequence[str]) -> str:
    """Return the message that the corpus has no class of this name, with those that it has."""
    return f"there is no class {name!r}; the classes are {', '.join(classes)}: name one of these"


def _problem_of_costs(costs: CostsByName, classes: Sequence[str]) -> str | None:
    key = "evaluation.objective.costs"
    for name in [*costs, *(label for row in costs.values() for label in row)]:
        if name not in classes:
            return f"{key}: {unknown_class(name, classes)}"
    for actual in classes:
        for label in classes:
            stated = costs.get(actual, {}).get(label)
            if actual == label and stated:
                return f"{key}.{actual}.{label}: is {stated:g}, but a right answer costs nothing; leave it out"
            if actual != label and stated is None:
                return f"{key}: has no cost of labelling a {actual} review {label}; state it, if need be as 0"
    if not any(cost for row in costs.values() for cost in row.values()):
        return f"{key}: are all 0, so that any label would do; state a cost above 0"
    return None
