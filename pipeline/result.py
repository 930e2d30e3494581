"""Say what the last `dvc repro` reached, and what to do next: the end of `make repro`.

Reads reports/details.json and reports/registration.json.
"""

from pipeline.cli import Parser, tidy_exit
from pipeline.evaluation.records import DetailsRecord
from pipeline.report.formatting import number
from pipeline.runtime.paths import REPORTS, WORKSPACE
from pipeline.runtime.records import Record, read_json
from pipeline.tracking.provenance import changed_results

NEXT = """next:
  make ui                the run in MLflow: curves, settings, the registered model
  make serve             the champion over HTTP
  reports/report.html    the whole evaluation as a page, for your browser"""


class RegistrationRecord(Record):
    """Content of `reports/registration.json`."""

    model: str
    version: str | None
    alias: str | None
    reason: str


def main() -> None:
    """Print the accuracy, the model's place in the registry and the next steps.

    Raises:
        PipelineError: the pipeline has not run to its end.
    """
    details = read_json(REPORTS / "details.json", DetailsRecord, "run `dvc repro`")
    registration = read_json(REPORTS / "registration.json", RegistrationRecord, "run `dvc repro`")
    print(f"\n{accuracy_line(details)}\n{model_line(registration)}")
    if changed := changed_results(WORKSPACE):
        print(
            f"git: {', '.join(changed)} changed: results of other settings, or of another kind of processor;\n"
            "     docs/reproduce.md#files-in-git-that-a-run-changes says whether to commit or to restore them"
        )
    print(f"\n{NEXT}")


def accuracy_line(details: DetailsRecord) -> str:
    """Return the accuracy on the test split, beside the baseline's if there is one."""
    baseline = f" (baseline: {number(details.baseline.accuracy)})" if details.baseline else ""
    return f"accuracy on the test split: {number(details.test.accuracy)}{baseline}"


def model_line(registration: RegistrationRecord) -> str:
    """Return the model's place in the registry, and the reason for it."""
    model, version, alias = registration.model, registration.version, registration.alias
    place = f"version {version} is {alias}" if alias else "not registered"
    return f"model {model}: {place}: {registration.reason}"


if __name__ == "__main__":
    Parser(description=__doc__).parse_args()
    with tidy_exit():
        main()
