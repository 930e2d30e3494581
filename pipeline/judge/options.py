"""Options of the command whose values have a form of their own: checks, and the values that labels are written as."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import TypeAdapter

from pipeline.config.corpus import LabelValues
from pipeline.config.registry import CheckConfig
from pipeline.runtime.errors import PipelineError, listed

_CHECK = re.compile(r"\s*(?P<metric>\S.*?)\s*(?P<sign>>=|<=)\s*(?P<bound>[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)\s*")
_LABELS = TypeAdapter(dict[str, LabelValues])
_IGNORED: TypeAdapter[LabelValues] = TypeAdapter(LabelValues)


def stated_checks(options: Sequence[str]) -> dict[str, CheckConfig]:
    """Return the checks that `--check METRIC>=BOUND` or `<=` states, by their text.

    Raises:
        PipelineError: a text is not of this form.
    """
    checks = {}
    for option in options:
        if not (parts := _CHECK.fullmatch(option)):
            example = "--check 'test.accuracy>=0.9'"
            raise PipelineError(f"--check {option}: no check; write a metric and its bound in quotes, as in {example}")
        side = {">=": "min", "<=": "max"}[parts["sign"]]
        if not math.isfinite(bound := float(parts["bound"])):
            raise PipelineError(f"--check {option}: {parts['bound']} is too large a bound; write a smaller one")
        checks[option.strip()] = CheckConfig.model_validate({"metric": parts["metric"], side: bound})
    return checks


def stated_labels(option: str | None, classes: Sequence[str]) -> Mapping[str, LabelValues] | None:
    """Return the values of each class that `--labels` states, in the syntax of `corpus.labels`; None without it.

    Raises:
        PipelineError: it is no such mapping, or names a class that the model does not have.
    """
    if option is None:
        return None
    example = "write classes and their values, as in --labels \"{negative: [0], positive: '>=4'}\""
    try:
        labels = _LABELS.validate_python(_numbers_as_text(yaml.safe_load(option)))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise PipelineError(f"--labels {option}: no values of classes; {example}") from None
    if unknown := [name for name in labels if name not in classes]:
        raise PipelineError(f"--labels: the model has no class {unknown[0]!r}; its classes are {listed(list(classes))}")
    return labels


def _numbers_as_text(labels: Any) -> Any:
    """Return a mapping whose classes that are whole numbers are texts, as `corpus.labels` takes them."""
    if not isinstance(labels, Mapping):
        return labels
    return {str(name) if type(name) is int else name: values for name, values in labels.items()}


def stated_ignored(option: str | None) -> LabelValues | None:
    """Return the values that `--ignore-labels` states, in the syntax of `corpus.ignore_labels`; None without it.

    Raises:
        PipelineError: it is neither a list nor a comparison.
    """
    if option is None:
        return None
    comparison = option.lstrip().startswith(("<", ">", "="))  # YAML takes `>` for the beginning of a folded text
    try:
        return _IGNORED.validate_python(option.strip() if comparison else yaml.safe_load(option))
    except (yaml.YAMLError, ValueError, RecursionError):
        problem = "neither a list nor a comparison; write it as [mixed, 3] or '>4 <7'"
        raise PipelineError(f"--ignore-labels {option}: {problem}") from None
