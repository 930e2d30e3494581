"""Print the outcome of the last `dvc repro` and the next steps; `make repro` runs this at its end.

Reads reports/details.json, reports/verdict.json, reports/registration.json and artifacts/registered.json.
"""

from pipeline.cli import Parser, tidy_exit
from pipeline.config.params import load_params
from pipeline.evaluation.records import DetailsRecord
from pipeline.registry.outcome import RegisteredRecord, RegistrationRecord
from pipeline.report.formatting import number
from pipeline.runtime.paths import ARTIFACTS, REPORTS, WORKSPACE
from pipeline.runtime.records import read_json
from pipeline.tracking.provenance import changed_results
from pipeline.tracking.uri import lasting_name, tracking_uri

NEXT = """next:
  make ui                the run in MLflow: curves, settings, the registered model
  make serve             the champion over HTTP
  reports/report.html    the whole evaluation as a page, for your browser"""


def main() -> None:
    """Print the accuracy, the model's place in the registry and the next steps.

    Raises:
        PipelineError: the pipeline has not run to its end.
    """
    details = read_json(REPORTS / "details.json", DetailsRecord, "run `dvc repro`")
    print(f"\n{accuracy_line(details)}\n{_registration_line()}")
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
    return f"model {registration.model}: {registration.place}: {registration.reason}"


def _registration_line() -> str:
    registered = read_json(ARTIFACTS / "registered.json", RegisteredRecord, "run `dvc repro`")
    path = REPORTS / "registration.json"
    registration = read_json(path, RegistrationRecord, "run `python -m pipeline.register`") if path.exists() else None
    if registration is not None and registration.is_about(registered, REPORTS / "verdict.json"):
        store = lasting_name(tracking_uri(load_params().tracking))
        if registration.is_of(store):
            return model_line(registration)
        return (
            f"model {registered.model}: it was registered in {registration.store}, but the store is {store} now; "
            "`python -m pipeline.register`\n     registers it there"
        )
    return (
        f"model {registered.model}: DVC took its registration from the cache, so it was not repeated; `make ui` shows "
        "what became of it,\n     and `python -m pipeline.register` decides again"
    )


if __name__ == "__main__":
    Parser(description=__doc__).parse_args()
    with tidy_exit():
        main()
