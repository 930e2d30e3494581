"""Is a candidate as good as the present champion? Asked on validation reviews: the test split selects nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.evaluation.mcnemar import mcnemar
from pipeline.evaluation.predictions import score
from pipeline.inference.predictor import Predictor
from pipeline.runtime.errors import PipelineError


@dataclass(frozen=True)
class Comparison:
    """Two models on the same validation reviews."""

    accuracy: float
    champion_accuracy: float
    p_value: float
    """Of McNemar's test: how likely a difference like this is between equally good models."""


@dataclass(frozen=True)
class Decision:
    """The alias a registered model gets, and why."""

    alias: str
    reason: str


def compare(threshold: float, predictions: Mapping[str, float], champion: Predictor, dataset: Path) -> Comparison:
    """Have the champion answer the validation reviews, whose answers by the candidate are known.

    Args:
        threshold: of the candidate; it calls a review positive from this probability on.
        predictions: the candidate's probability of each validation review, by id.
        champion: the present champion.
        dataset: `artifacts/dataset`.

    Raises:
        PipelineError: the predictions are of other reviews.
    """
    answers = score(dataset, "validation", champion)
    ids = answers.rows["id"].to_pylist()
    if unknown := next((key for key in ids if key not in predictions), None):
        raise PipelineError(
            f"the predictions have no validation review {unknown!r}: they are of another dataset; run `dvc repro`"
        )
    probabilities = np.array([predictions[key] for key in ids], dtype=np.float32)
    right = (probabilities >= threshold) == (answers.labels == 1)
    champion_right = answers.predicted == answers.labels
    test = mcnemar(right, champion_right)
    return Comparison(float(right.mean()), float(champion_right.mean()), test.p_value)


def decide(comparison: Comparison | None, alpha: float, queued: bool) -> Decision:
    """`champion` where there is none or its accuracy is not higher; else `challenger`, as for any queued experiment.

    Args:
        comparison: with the present champion; None if there is none.
        alpha: significance level; a difference at a higher p-value is said to be within chance.
        queued: the model comes from a queued experiment, one of many: people promote those.
    """
    if comparison is None:
        outcome, as_good = "there is no champion yet", True
    else:
        as_good = comparison.accuracy >= comparison.champion_accuracy
        certainty = "within chance" if comparison.p_value >= alpha else "more than chance"
        outcome = (
            f"validation accuracy {comparison.accuracy:.4f} against {comparison.champion_accuracy:.4f} "
            f"of the champion (McNemar p = {comparison.p_value:.3g}: {certainty})"
        )
    if queued:
        return Decision("challenger", f"queued experiment, never promoted by itself; {outcome}")
    return Decision("champion" if as_good else "challenger", outcome)
