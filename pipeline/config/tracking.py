"""Schema of conf/tracking/: the store in which MLflow keeps runs."""

from pydantic import Field

from pipeline.config.section import Section


class TrackingConfig(Section):
    """MLflow tracking."""

    experiment: str = Field(min_length=1)
    """MLflow experiment that the runs belong to."""
    uri: str | None
    """MLflow tracking URI; null: a SQLite file in the project root. MLFLOW_TRACKING_URI overrides both."""
    system_metrics: bool
    """Also record the usage of CPU, memory and GPU."""
    server_timeout: float = Field(ge=0, le=7 * 24 * 3600)
    """Seconds to wait at the end of a training for a tracking server that has become unreachable."""
