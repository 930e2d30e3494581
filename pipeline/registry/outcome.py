"""Outcome of a registration, as `reports/registration.json` records it."""

from pathlib import Path

from pipeline.runtime.checksum import file_digest
from pipeline.runtime.records import Record


class RegisteredRecord(Record):
    """Content of `artifacts/registered.json`: the model that the stage `register` was about, according to DVC."""

    model: str
    sha256: str


class RegistrationRecord(Record):
    """Content of `reports/registration.json`: the result of the last execution of `register`.

    It may be about another model than `artifacts/registered.json`: DVC restores that one from its cache, without an
    execution.
    """

    model: str
    sha256: str | None = None
    """Digest of the model; release 1.0.0 wrote none."""
    verdict: str | None = None
    """SHA-256 of `reports/verdict.json`."""
    store: str | None = None
    """Name of the MLflow store, as of `tracking.uri.lasting_name`; earlier releases wrote none."""
    version: str | None
    alias: str | None
    reason: str

    @property
    def place(self) -> str:
        """The outcome in a few words."""
        if self.version is None:
            return "not registered"
        return f"version {self.version} is {self.alias}" if self.alias else f"version {self.version} gets no alias"

    def is_about(self, registered: RegisteredRecord, verdict: Path) -> bool:
        """Return whether this is the outcome for that model, after the checks in the file `verdict`."""
        about = (registered.model, registered.sha256, file_digest(verdict, "sha256"))
        return (self.model, self.sha256, self.verdict) == about

    def is_of(self, store: str) -> bool:
        """Return whether this is what became of it in the store of this name."""
        return self.store in (None, store)
