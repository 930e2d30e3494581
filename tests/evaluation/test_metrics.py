"""The table of metrics."""

from pipeline.config.objective import ObjectiveConfig
from pipeline.evaluation.metrics import objective_name


def test_an_objective_is_named_by_its_metric_and_a_precision_by_its_class_where_classes_are_given():
    precision = ObjectiveConfig(metric="precision", precision=0.95)
    of_negative = precision.model_copy(update={"precision_of": "negative"})
    assert objective_name(ObjectiveConfig(metric="mcc")) == "Matthews correlation"
    assert objective_name(precision) == "recall at precision 0.95"
    assert objective_name(precision, ("negative", "positive")) == "recall of positive at precision 0.95"
    assert objective_name(of_negative, ("negative", "positive")) == "recall of negative at precision 0.95"
