"""Filters for MLflow's searches: a language like SQL, but without a way to escape a quote."""

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.runtime.errors import PipelineError

NONE: Mapping[str, str] = MappingProxyType({})


def equals(tags: Mapping[str, str] = NONE, **attributes: str) -> str:
    """The filter that holds for what has these tags and attributes.

    Args:
        tags: values by key.
        attributes: such as `status` or `run_id` of a run, `name` of a model version.

    Raises:
        PipelineError: the language has no way to write a value.
    """
    conditions = [f"{name} = {_quoted(value)}" for name, value in attributes.items()]
    conditions += [f"tags.`{key}` = {_quoted(value)}" for key, value in tags.items()]
    return " AND ".join(conditions)


def _quoted(value: str) -> str:
    quote = '"' if "'" in value else "'"
    if quote in value or "\\" in value:  # a backslash may hide the closing quote
        raise PipelineError(f"{value!r} cannot be searched for in MLflow; give it other characters than quotes and \\")
    return f"{quote}{value}{quote}"
