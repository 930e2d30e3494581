"""The answers that an evaluation is about: those of the model, of its parts, and of a baseline on the same reviews."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pipeline.config.split import AUXILIARY_TEST, TRAINING_SPLITS
from pipeline.evaluation.baseline import fit_baseline
from pipeline.evaluation.parts import Part, calibrate_parts
from pipeline.evaluation.predictions import (
    Classifier,
    ScoredSplit,
    read_texts,
    score_split,
    score_split_and_paths,
)
from pipeline.inference.predictor import Predictor
from pipeline.text.dataset import present_splits, read_split

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoredSplits:
    """Answers of model and baseline, and the speed of both."""

    validation: ScoredSplit
    test: ScoredSplit
    parts: Mapping[str, Part]
    """Answers of each part of the model alone; empty for a network of one path."""
    baseline: ScoredSplit | None
    """The baseline's answers on the test split; None where it is turned off."""
    auxiliary: ScoredSplit | None
    """The model's answers on held-out auxiliary texts; None where there are none."""
    auxiliary_baseline: ScoredSplit | None
    """The baseline's answers on them."""
    reviews_per_second: float
    """Speed of the model."""
    baseline_seconds: float | None
    """Time to train the baseline and have it answer."""


def score_splits(dataset: Path, predictor: Predictor, *, with_baseline: bool) -> ScoredSplits:
    """Have the model and its parts score validation and test, and a baseline trained on the same reviews score test."""
    start = perf_counter()
    scored = {split: score_split_and_paths(dataset, split, predictor) for split in ("validation", "test")}
    seconds = perf_counter() - start
    parts = calibrate_parts(predictor.info, **scored)
    validation, test = (split for split, _ in scored.values())
    reviews_per_second = (len(validation.labels) + len(test.labels)) / seconds
    auxiliary = _score_auxiliary(dataset, predictor)
    if not with_baseline:
        return ScoredSplits(validation, test, parts, None, auxiliary, None, reviews_per_second, None)
    log.info("baseline: naive-Bayes-weighted logistic regression on the same reviews")
    start = perf_counter()
    texts, labels, weights = read_training_texts(dataset)
    validation_texts = read_texts(dataset, "validation")
    fitted = fit_baseline(
        texts, labels, *validation_texts, predictor.classes, predictor.info.objective, weights=weights
    )
    log.info("baseline: C=%g has the lowest log loss on validation", fitted.inverse_regularisation)
    baseline = score_split(dataset, "test", fitted)
    seconds = perf_counter() - start
    return ScoredSplits(
        validation, test, parts, baseline, auxiliary, _score_auxiliary(dataset, fitted), reviews_per_second, seconds
    )


def _score_auxiliary(dataset: Path, classifier: Classifier) -> ScoredSplit | None:
    return score_split(dataset, AUXILIARY_TEST, classifier) if (dataset / AUXILIARY_TEST).exists() else None


def read_training_texts(dataset: Path) -> tuple[list[str], NDArray[np.int8], NDArray[np.int32] | None]:
    """Read the texts and labels [n] that models are trained on: the training split and auxiliary texts.

    Also returns the number of reviews that each stands for [n]; None where each stands for itself.
    """
    names = present_splits(dataset, TRAINING_SPLITS)
    texts, labels = zip(*(read_texts(dataset, name) for name in names), strict=True)
    copies = [read_split(dataset, name).copies for name in names]
    weights = None
    if any(own is not None for own in copies):
        ones = (np.ones(len(own), np.int32) for own in labels)
        weights = np.concatenate([one if own is None else own for own, one in zip(copies, ones, strict=True)])
    return list(chain.from_iterable(texts)), np.concatenate(labels), weights
