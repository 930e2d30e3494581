"""Baseline that the network is compared with: naive-Bayes-weighted logistic regression on n-grams."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil, log2

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix, vstack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import normalize

from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.inference.calibration import Calibration
from pipeline.inference.calibration_fitting import calibrate
from pipeline.inference.decision_rule import DecisionRule
from pipeline.inference.rule_fitting import choose_rule
from pipeline.networks.likelihood import build_likelihood
from pipeline.runtime.errors import PipelineError
from pipeline.text.unspaced import space_characters

INVERSE_REGULARISATION = (1.0, 10.0, 100.0)
MAX_STEPS = 1000
"""Maximum number of passes of the optimiser over the reviews."""
FEATURE_BITS = 22
"""Binary logarithm of the number of hashed features: with 2^20, collisions cost half a point of accuracy."""
WEIGHT_BITS = 25
"""Binary logarithm of the largest number of weights, features times outputs: many classes get fewer features."""
MAX_BASELINE_CHARACTERS = 40_000_000
"""Maximum number of characters of the training reviews together: some 30,000 film reviews, or 350,000 short ones; with
them a baseline of two classes takes less than 1 GB of memory. They are counted by `text_lengths`."""
HASHED_AT_ONCE = 1024
"""Texts whose n-grams are hashed together."""
WORD_OR_SIGN = r"(?u)\w+|[^\w\s]"


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline, calibrated like the model it is compared with."""

    classes: Sequence[str]
    """Names of the classes, by index."""
    ratios: NDArray[np.float32]
    """Naive Bayes log ratio of each feature `[outputs, features]`."""
    weights: NDArray[np.float32]
    """Weights of the regressions `[outputs, features]`."""
    biases: NDArray[np.float32]
    """Intercepts `[outputs]`."""
    inverse_regularisation: float
    """Inverse strength of the regularisation, C, chosen on validation."""
    calibration: Calibration

    @property
    def rule(self) -> DecisionRule:
        """Decision rule from the probabilities to a label."""
        return self.calibration.rule

    def probabilities(self, texts: Iterable[str], /) -> NDArray[np.float32]:
        """Return the calibrated probability of each class `[n, classes]`."""
        fitted = self.ratios, self.weights, self.biases
        hashed = _hashed_ngrams(texts, self.ratios.shape[1])
        return self.calibration.probabilities(np.concatenate([_decisions(features, *fitted) for features in hashed]))


def fit_baseline(
    texts: Iterable[str],
    labels: ArrayLike,
    validation_texts: Iterable[str],
    validation_labels: ArrayLike,
    classes: Sequence[str],
    objective: ObjectiveConfig = ACCURACY,
    *,
    weights: NDArray[np.int32] | None = None,
) -> Baseline:
    """Fit logistic regression on which n-grams of 1 to 3 words occur, each weighted by its naive Bayes log ratio.

    In scripts without spaces, each character is a word.

    Weighted reviews have unit length. With more than two classes, each has a regression against all others, with ratios
    of its own; the baseline ignores the order of ordered classes.

    The regularisation strength and the calibration have the lowest log loss on validation, and the labels are chosen
    for the objective, as the model's are. With `weights` [n], each review counts as if it occurred so often among the
    training reviews. Deterministic; about 20 s of one core for 24,000 reviews of 180 words. The texts are read once, a
    few at a time; memory grows with those to train on, see `MAX_BASELINE_CHARACTERS`.

    Raises:
        PipelineError: the training reviews hold no word, or none of them belongs to one of the classes.

    Source: Wang & Manning (2012), ACL, section 2.3, with logistic regression in place of the SVM, and no interpolation.
    """
    y = np.asarray(labels)
    if missing := [name for index, name in enumerate(classes) if index not in y]:
        problem = "have one label only" if len(classes) == 2 else f"have none that is {missing[0]}"
        needed = "both" if len(classes) == 2 else "all classes"
        raise PipelineError(f"the training reviews {problem} and the baseline needs {needed}; see corpus.labels")
    likelihood = build_likelihood(len(classes), ordered=False)
    positive = [y == index for index in (range(len(classes)) if len(classes) > 2 else (1,))]
    size = 2 ** min(FEATURE_BITS, WEIGHT_BITS - ceil(log2(len(positive))))
    features = vstack(list(_hashed_ngrams(texts, size)), format="csr")
    if not features.nnz:
        raise PipelineError(
            f"the baseline finds no word in the {len(y)} training reviews; use other reviews or set "
            "evaluation.baseline=false"
        )
    ratios = np.stack([_log_ratios(features, chosen, weights) for chosen in positive])

    candidates = []
    for c in INVERSE_REGULARISATION:
        slopes, biases = np.empty_like(ratios), np.empty(len(ratios), np.float32)
        for output, (ratio, chosen) in enumerate(zip(ratios, positive, strict=True)):
            # the dual form takes a third of the time; its order of the reviews is random, but seeded
            regression = LogisticRegression(C=c, solver="liblinear", dual=True, max_iter=MAX_STEPS, random_state=0)
            # liblinear computes in float64: converted here, the float32 copy is freed before the regression begins
            regression.fit(_scaled(features, ratio).astype(np.float64), chosen, sample_weight=weights)
            slopes[output], biases[output] = regression.coef_[0], regression.intercept_[0]
        candidates.append((slopes, biases))
    del features
    decided = [
        [_decisions(hashed, ratios, *candidate) for candidate in candidates]
        for hashed in _hashed_ngrams(validation_texts, size)
    ]
    best: tuple[float, Baseline, NDArray[np.float32]] | None = None
    for c, (slopes, biases), parts in zip(INVERSE_REGULARISATION, candidates, zip(*decided, strict=True), strict=True):
        outputs = np.concatenate(parts)
        calibration = calibrate(outputs, validation_labels, likelihood)
        probabilities = calibration.probabilities(outputs)
        loss = log_loss(validation_labels, probabilities, labels=range(len(classes)))
        if best is None or loss < best[0]:
            best = loss, Baseline(classes, ratios, slopes, biases, c, calibration), probabilities
    assert best is not None
    _, fitted, probabilities = best
    rule = choose_rule(probabilities, validation_labels, objective, classes, "the baseline")
    return replace(fitted, calibration=replace(fitted.calibration, rule=rule))


def sampled_rows(lengths: NDArray[np.int64], labels: NDArray[np.int8], limit: int) -> NDArray[np.int64]:
    """Draw reviews until their texts have `limit` characters together, in the proportions of the classes.

    The first review of each class comes first. Deterministic.

    Args:
        lengths: characters of each text [n].
        labels: class index of each review [n].
        limit: number of characters; if all texts together have no more, all reviews are drawn.

    Returns:
        the rows drawn, in ascending order.
    """
    order = np.random.default_rng(0).permutation(len(lengths))
    place = np.empty(len(lengths))  # of each review among those of its class, from 0 to 1
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        place[of_class] = np.arange(len(of_class)) / len(of_class)
    order = np.argsort(place, kind="stable")
    return np.sort(order[: np.searchsorted(np.cumsum(lengths[order]), limit) + 1])


def _hashed_ngrams(texts: Iterable[str], size: int) -> Iterator[csr_matrix]:
    """Yield, for a few texts at a time, which of `size` hashed n-grams occur in each.

    A vocabulary would hold millions of strings.
    """
    vectorizer = HashingVectorizer(
        token_pattern=WORD_OR_SIGN,
        ngram_range=(1, 3),
        n_features=size,
        binary=True,
        norm=None,
        alternate_sign=False,
        dtype=np.float32,
    )
    remaining = iter(texts)
    while chunk := list(islice(remaining, HASHED_AT_ONCE)):
        yield vectorizer.transform(map(space_characters, chunk))


def _log_ratios(
    features: csr_matrix, chosen: NDArray[np.bool_], weights: NDArray[np.int32] | None
) -> NDArray[np.float32]:
    """Return the log ratio [features] of their counts in the chosen reviews and in all others, plus one.

    Both are scaled as if there were equally many chosen reviews and others: otherwise an uninformative feature
    would favour the larger side.
    """
    of_review = np.ones(len(chosen), np.float32) if weights is None else weights.astype(np.float32)
    inside, outside = (
        features[rows].T @ of_review[rows] * (of_review.sum() / 2 / of_review[rows].sum()) + 1.0
        for rows in (chosen, ~chosen)
    )
    ratios: NDArray[np.float32] = np.log(inside / outside).astype(np.float32)
    return ratios


def _scaled(features: csr_matrix, ratios: NDArray[np.float32]) -> csr_matrix:
    """Return the features times their ratios, each review scaled to unit length."""
    # a copy would double the memory of the indices; an explicit zero changes nothing
    weighted = csr_matrix((ratios[features.indices], features.indices, features.indptr), features.shape, copy=False)
    return normalize(weighted, copy=False)


def _decisions(
    features: csr_matrix, ratios: NDArray[np.float32], weights: NDArray[np.float32], biases: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the outputs `[n, outputs]` of the regressions."""
    columns = [_scaled(features, ratio) @ weight for ratio, weight in zip(ratios, weights, strict=True)]
    return (np.stack(columns, axis=1) + biases).astype(np.float64)
