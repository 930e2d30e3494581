"""Judgement of a model beside another on the same reviews: metrics, intervals, slices and a paired test."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.evaluation import EvaluationConfig
from pipeline.evaluation.columns import Columns
from pipeline.evaluation.mcnemar import McNemar, mcnemar
from pipeline.evaluation.predictions import ScoredSplit
from pipeline.evaluation.slices import slice_table
from pipeline.evaluation.summary import collect_metrics
from pipeline.inference.model_info import ModelInfo
from pipeline.inference.predictor import Predictor
from pipeline.preprocessing.duplicates import near_key
from pipeline.report.formatting import count
from pipeline.report.plot_tables import plot_tables
from pipeline.runtime.errors import PipelineError, listed
from pipeline.text.cleaning import clean
from pipeline.text.dataset import present_splits, read_dataset_record
from pipeline.text.rows import stream_texts


@dataclass(frozen=True)
class Judged:
    """Predictions for the reviews of a file, and the metrics of these predictions."""

    scored: ScoredSplit
    compared: ScoredSplit | None
    """Predictions of the other model."""
    metrics: dict[str, Any]
    """Form of `reports/details.json`, in which `test` is the file and `baseline` the other model; and `paired`."""
    tables: dict[str, Columns]
    paired: McNemar | None


def judge(
    scored: ScoredSplit, compared: ScoredSplit | None, texts: Sequence[str], model: Predictor, config: EvaluationConfig
) -> Judged:
    """Compute the metrics of the predictions, and compare them with those of another model.

    Args:
        scored: predictions of the model.
        compared: predictions of the other model for the same reviews.
        texts: texts of the reviews.
        model: the model, which knows its words.
        config: bins, lengths and slices.
    """
    slices = slice_table(scored, np.array([model.unknown_share(text) for text in texts]), config)
    metrics = collect_metrics(scored, None, compared, slices, config, "the compared model")
    paired = None
    if compared is not None:
        paired = mcnemar(scored.predicted == scored.labels, compared.predicted == compared.labels)
        only = {"model_only": paired.first_only, "compared_only": paired.second_only}
        metrics["paired"] = {**only, "p_value": paired.p_value}
    return Judged(scored, compared, metrics, {**plot_tables(scored, config), "slices": slices}, paired)


def require_same_classes(model: Predictor, compared: Predictor, name: str) -> None:
    """Refuse to compare models with different classes.

    Args:
        model: the judged model.
        compared: the other model.
        name: the other model as the user names it.

    Raises:
        PipelineError: their classes, or the order of these, differ.
    """
    if tuple(model.classes) != tuple(compared.classes):
        ours, others = (listed(list(classes)) for classes in (model.classes, compared.classes))
        raise PipelineError(
            f"--compare {name}: its classes are {others}, those of the model {ours}; name another model"
        )


def review_keys(texts: Iterable[str]) -> list[int]:
    """Return the key of each review [n] by which those that are the same, or nearly so, are found (`near_key`)."""
    return [near_key(clean(text)) for text in texts]


def seen_reviews(keys: Sequence[int], info: ModelInfo, dataset: Path) -> int | None:
    """Count the reviews that a model was trained or calibrated on, word for word or nearly so.

    Args:
        keys: of the reviews, from `review_keys`.
        info: `config.json` of the model.
        dataset: `artifacts/dataset`.

    Returns:
        the number; None if the dataset is not there, or not the one of the model.
    """
    if not (dataset / "dataset.json").exists() or read_dataset_record(dataset).digest != info.dataset_digest:
        return None
    judged, trained_on = set(keys), set()
    for split in present_splits(dataset, [*info.splits_trained_on, "validation"]):
        trained_on |= {key for text in stream_texts(dataset, split) if (key := near_key(text)) in judged}
    return sum(key in trained_on for key in keys)


def note_on_repeats(keys: Sequence[int]) -> str | None:
    """Word the number of reviews, by `review_keys`, that repeat another; None if none does."""
    repeats = len(keys) - len(set(keys))
    if not repeats:
        return None
    return (
        f"{count(repeats)} of the {count(len(keys))} reviews repeat another, case, punctuation and spacing aside. The "
        "intervals and tests take them as independent, so they are too sure: judge each review once."
    )


def note_on_seen(seen: int | None, reviews: int, model: str) -> str:
    """Word the outcome of `seen_reviews` for the terminal and the page."""
    if seen is None:
        return f"Not checked: whether {model} was trained on some of these reviews; its dataset is not here."
    if not seen:
        return f"No review of the file is among those that {model} was trained or calibrated on."
    return (
        f"{count(seen)} of the {count(reviews)} reviews are among those that {model} was trained or calibrated on, "
        "which flatters it: judge it on others."
    )
