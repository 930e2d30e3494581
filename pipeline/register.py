"""Register the model with MLflow if it passed its checks, as champion if it is as good as the present champion.

Reads reports/verdict.json, reports/details.json, artifacts/model/, artifacts/run.json, artifacts/predictions.parquet
and artifacts/dataset/. Writes reports/registration.json, the decision and its reason, in this store; and
artifacts/registered.json, for DVC: the model it was about, the same in every store. A model that is already registered
is not registered again. A queued experiment makes its model `challenger` at most.
"""

from pipeline.config.schema import Config
from pipeline.evaluation.checks import CHECKED
from pipeline.runtime.garbage import importing
from pipeline.runtime.inputs import Inputs
from pipeline.stage import run_stage


def main(config: Config, inputs: Inputs) -> None:
    """Register the model of this checkout."""
    with importing():  # not above: --help and an error in params.yaml need neither torch nor MLflow
        from pipeline.registration import register_model
    register_model(config, inputs)


if __name__ == "__main__":
    run_stage(
        main,
        __doc__,
        *("artifacts/dataset/dataset.json", "artifacts/run.json", "reports/verdict.json"),
        *CHECKED.values(),
    )
