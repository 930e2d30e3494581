"""Evaluate the trained model on the held-out test split, beside a linear baseline, and check its metrics.

Reads artifacts/model/, artifacts/run.json, artifacts/dataset/, reports/data.json and reports/learning_curve.csv. Writes
reports/details.json (every figure), reports/metrics.json (those that `dvc metrics` compares), reports/verdict.json (the
checks), reports/behaviour.json (examples of failures), reports/speed.json, reports/plots/ (tables for `dvc plots`),
reports/figures/ (pictures), reports/report.html (all of it on one page) and artifacts/predictions.parquet, and adds
metrics, tables, pictures and reports to the MLflow run.
"""

from pipeline.config.schema import Config
from pipeline.runtime.garbage import importing
from pipeline.runtime.inputs import Inputs
from pipeline.stage import run_stage

READS = (
    *("artifacts/dataset/dataset.json", "artifacts/model", "artifacts/run.json"),
    *("reports/data.json", "reports/learning_curve.csv"),
)


def main(config: Config, inputs: Inputs) -> None:
    """Evaluate the model of the pipeline."""
    with importing():  # not above: --help and an error in params.yaml need neither torch, nor matplotlib, nor MLflow
        from pipeline.evaluated_model import evaluate_model
    evaluate_model(config, inputs)


if __name__ == "__main__":
    run_stage(main, __doc__, *READS)
