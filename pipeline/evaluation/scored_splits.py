"""Answers that are evaluated: those of the model, of its parts, and of a baseline on the same reviews."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pipeline.config.split import AUXILIARY_TEST, TRAINING_SPLITS
from pipeline.evaluation.baseline import MAX_BASELINE_CHARACTERS, fit_baseline, sampled_rows
from pipeline.evaluation.parts import Part, calibrate_parts
from pipeline.evaluation.predictions import Classifier, ScoredSplit, score_split, score_split_and_paths
from pipeline.inference.model_info import LearnedFrom
from pipeline.inference.predictor import Predictor
from pipeline.text.dataset import present_splits, read_split
from pipeline.text.rows import first_of_each_class, read_labels, stream_texts, text_lengths

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BaselineTexts:
    """Reviews that the baseline learns from: those that the model is trained on, or a random sample of them."""

    texts: Iterator[str]
    """The text of each [n], read when it is asked for."""
    labels: NDArray[np.int8]
    """Class indices [n]."""
    weights: NDArray[np.int32] | None
    """Number of reviews that each stands for [n]; None where each stands for itself."""
    available: int
    """Number of reviews that the model is trained on."""

    @property
    def sample(self) -> dict[str, int] | None:
        """Sizes of the sample and of what it was drawn from; None where the baseline learns from all reviews."""
        reviews = len(self.labels)
        return None if reviews == self.available else {"reviews": reviews, "available": self.available}


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
    baseline_sample: Mapping[str, int] | None = None
    """Sizes of the sample that the baseline learned from, and of what it was drawn from; None: it learned from all."""


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
    learned = read_baseline_texts(dataset, predictor.info.training)
    if learned.sample is not None:
        log.warning(
            "baseline: it learns from a random sample of %s of the %s training reviews, because all would take too "
            "much memory; the model was trained on all of them",
            *(f"{number:,}" for number in learned.sample.values()),
        )
    fitted = fit_baseline(
        learned.texts,
        learned.labels,
        stream_texts(dataset, "validation"),
        validation.labels,
        predictor.classes,
        predictor.info.objective,
        weights=learned.weights,
    )
    log.info("baseline: C=%g has the lowest log loss on validation", fitted.inverse_regularisation)
    baseline = score_split(dataset, "test", fitted)
    seconds = perf_counter() - start
    return ScoredSplits(
        validation,
        test,
        parts,
        baseline,
        auxiliary,
        _score_auxiliary(dataset, fitted),
        reviews_per_second,
        seconds,
        learned.sample,
    )


def _score_auxiliary(dataset: Path, classifier: Classifier) -> ScoredSplit | None:
    return score_split(dataset, AUXILIARY_TEST, classifier) if (dataset / AUXILIARY_TEST).exists() else None


def read_baseline_texts(
    dataset: Path, model: LearnedFrom, max_characters: int = MAX_BASELINE_CHARACTERS
) -> BaselineTexts:
    """Choose the reviews that the baseline learns from, among those that the model has learned from.

    Args:
        dataset: the dataset folder.
        model: what the model has learned from.
        max_characters: as the `limit` of `sampled_rows`.
    """
    splits = TRAINING_SPLITS if model.auxiliary_weight else TRAINING_SPLITS[:1]
    names = present_splits(dataset, splits)
    labels = [read_labels(dataset, name) for name in names]
    copies = [read_split(dataset, name).copies for name in names]
    weights = None
    if any(counts is not None for counts in copies):
        ones = (np.ones(len(of_split), np.int32) for of_split in labels)
        weights = np.concatenate([one if counts is None else counts for counts, one in zip(copies, ones, strict=True)])
    lengths, joined = np.concatenate([text_lengths(dataset, name) for name in names]), np.concatenate(labels)
    kept = np.flatnonzero(np.concatenate([first_of_each_class(of_split, model.max_reviews) for of_split in labels]))
    rows = kept[sampled_rows(lengths[kept], joined[kept], max_characters)]
    ends = np.cumsum([len(of_split) for of_split in labels])
    texts = chain.from_iterable(
        stream_texts(dataset, name, rows[(start <= rows) & (rows < end)] - start)
        for name, start, end in zip(names, [0, *ends], ends, strict=False)
    )
    return BaselineTexts(texts, joined[rows], None if weights is None else weights[rows], len(kept))
