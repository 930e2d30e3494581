"""Failures of an MLflow store, in one line without credentials."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import DBAPIError

from pipeline.runtime.credentials import masked
from pipeline.runtime.errors import PipelineError, refusal


@contextmanager
def translate_mlflow_errors(uri: str, *other_errors: type[Exception]) -> Iterator[None]:
    """Turn MLflow's exceptions, and `other_errors`, into a `PipelineError` of one line."""
    caught: tuple[type[Exception], ...] = (MlflowException, *other_errors)
    try:
        yield
    except caught as error:
        refused = refusal(error)
        remedy = (
            refused[1] if refused else "check that it is running and that MLFLOW_TRACKING_URI or tracking.uri names it"
        )
        raise PipelineError(f"MLflow store {masked(uri)} cannot be used: {reason(error)}; {remedy}") from error


def reason(error: Exception) -> str:
    """Return what went wrong, as the end of one line without credentials."""
    if isinstance(error.__context__, RequestException):
        return "it does not answer"
    if isinstance(error, MlflowException) and error.error_code == "UNAUTHENTICATED":
        return "it refuses this user; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    cause = error.__cause__ if isinstance(error, MlflowException) else error
    informative = cause.orig if isinstance(cause, DBAPIError) else error  # without the SQL statement that failed
    lines = str(informative).strip().splitlines() or [type(error).__name__]
    return masked(lines[0])[:300]
