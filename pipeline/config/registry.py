"""Schema of conf/registry/: registration in MLflow."""

from typing import Any

from pydantic import Field, model_validator

from pipeline.config.section import Section


class CheckConfig(Section):
    """A check before registration: a value of `reports/details.json` within bounds."""

    metric: str
    """Key of reports/details.json, such as test.accuracy or intervals.test.accuracy.low."""
    min: float | None = None
    """Minimum value."""
    max: float | None = None
    """Maximum value."""

    @model_validator(mode="before")
    @classmethod
    def _has_a_metric(cls, values: Any) -> Any:
        if isinstance(values, dict) and "metric" not in values:
            raise ValueError(
                "names no metric, and is none of the checks of conf/registry/default.yaml; change one of those, or add "
                "a metric such as intervals.test.accuracy.low"
            )
        return values

    @model_validator(mode="after")
    def _bounded(self) -> "CheckConfig":
        if self.min is None and self.max is None:
            raise ValueError("a check needs min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"no value is at least min, {self.min:g}, and at most max, {self.max:g}; exchange them")
        return self


class RegistryConfig(Section):
    """Conditions and name under which a model is registered."""

    model_name: str = Field(pattern=r"^[\w-]+$")
    """Name of the registered model in MLflow, of letters, digits, _ and -."""
    alpha: float = Field(gt=0, lt=1)
    """Significance level of McNemar's test against the champion: with a smaller p-value a difference is significant."""
    checks: dict[str, CheckConfig]
    """Checks by name; a model is registered only if all of them hold on the test split."""
