"""Baseline that the network is compared with: naive-Bayes-weighted logistic regression on n-grams."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import normalize

from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.inference.calibration import calibrate
from pipeline.inference.decision_rule import DecisionRule
from pipeline.inference.rule_fitting import choose_rule
from pipeline.inference.scoring import Calibration
from pipeline.networks.likelihood import build_likelihood
from pipeline.runtime.errors import PipelineError

INVERSE_REGULARISATION = (1.0, 10.0, 100.0)
MOST_STEPS = 1000
"""Most passes of the optimiser over the reviews."""
FEATURE_BITS = 22
"""Binary logarithm of the number of hashed features: with 2^20, collisions cost half a point of accuracy."""
WEIGHT_BITS = 25
"""Binary logarithm of the largest number of weights, features times outputs: many classes get fewer features."""
WORD_OR_SIGN = r"(?u)\w+|[^\w\s]"


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline, calibrated like the model it is compared with."""

    classes: Sequence[str]
    """Names of the classes, by number."""
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
        """Way from the probabilities to a label."""
        return self.calibration.rule

    def probabilities(self, texts: Iterable[str], /) -> NDArray[np.float32]:
        """Return the calibrated probability of each class `[n, classes]`."""
        features = _hashed_ngrams(texts, self.ratios.shape[1])
        return self.calibration.probabilities(_decisions(features, self.ratios, self.weights, self.biases))


def fit_baseline(
    texts: Sequence[str],
    labels: ArrayLike,
    validation_texts: Sequence[str],
    validation_labels: ArrayLike,
    classes: Sequence[str],
    objective: ObjectiveConfig = ACCURACY,
    *,
    weights: NDArray[np.int32] | None = None,
) -> Baseline:
    """Fit logistic regression on which n-grams of 1 to 3 words occur, each weighted by its naive Bayes log ratio.

    Weighted reviews have unit length. Of more than two classes each has a regression against all others, with ratios of
    its own; of their order, if they have one, the baseline knows nothing.

    The regularisation strength and the calibration have the lowest log loss on validation, and the labels are chosen
    for the objective, as the model's are. With `weights` [n], each review counts as if it stood so often among the
    training reviews. Deterministic; about 20 s of one core for 24,000 reviews of 180 words.

    Raises:
        PipelineError: the training reviews hold no word, or none of them is of one of the classes.

    Source: Wang & Manning (2012), ACL, section 2.3, with logistic regression in place of the SVM, and no interpolation.
    """
    y = np.asarray(labels)
    if lacking := [name for number, name in enumerate(classes) if number not in y]:
        problem = "have one label only" if len(classes) == 2 else f"have none that is {lacking[0]}"
        needed = "both" if len(classes) == 2 else "all classes"
        raise PipelineError(f"the training reviews {problem} and the baseline needs {needed}; see corpus.labels")
    likelihood = build_likelihood(len(classes), ordered=False)
    positive = [y == number for number in (range(len(classes)) if len(classes) > 2 else (1,))]
    size = 2 ** min(FEATURE_BITS, WEIGHT_BITS - ceil(log2(len(positive))))
    features, validation_features = _hashed_ngrams(texts, size), _hashed_ngrams(validation_texts, size)
    if not features.nnz:
        raise PipelineError(
            f"the baseline finds no word in the {len(texts)} training reviews; use other reviews or set "
            "evaluation.baseline=false"
        )
    ratios = np.stack([_log_ratios(features, chosen, weights) for chosen in positive])

    best: tuple[float, Baseline, NDArray[np.float32]] | None = None
    for c in INVERSE_REGULARISATION:
        slopes, biases = np.empty_like(ratios), np.empty(len(ratios), np.float32)
        for output, (ratio, chosen) in enumerate(zip(ratios, positive, strict=True)):
            # the dual form takes a third of the time; its order of the reviews is random, but seeded
            regression = LogisticRegression(C=c, solver="liblinear", dual=True, max_iter=MOST_STEPS, random_state=0)
            regression.fit(_scaled(features, ratio), chosen, sample_weight=weights)
            slopes[output], biases[output] = regression.coef_[0], regression.intercept_[0]
        outputs = _decisions(validation_features, ratios, slopes, biases)
        calibration = calibrate(outputs, validation_labels, likelihood)
        probabilities = calibration.probabilities(outputs)
        loss = log_loss(validation_labels, probabilities, labels=range(len(classes)))
        if best is None or loss < best[0]:
            best = loss, Baseline(classes, ratios, slopes, biases, c, calibration), probabilities
    assert best is not None
    _, fitted, probabilities = best
    rule = choose_rule(probabilities, validation_labels, objective, classes, "the baseline")
    return replace(fitted, calibration=replace(fitted.calibration, rule=rule))


def _hashed_ngrams(texts: Iterable[str], size: int) -> csr_matrix:
    """Return which of `size` hashed n-grams occur in each text; a vocabulary would hold millions of strings."""
    vectorizer = HashingVectorizer(
        token_pattern=WORD_OR_SIGN,
        ngram_range=(1, 3),
        n_features=size,
        binary=True,
        norm=None,
        alternate_sign=False,
        dtype=np.float32,
    )
    return vectorizer.transform(texts)


def _log_ratios(
    features: csr_matrix, chosen: NDArray[np.bool_], weights: NDArray[np.int32] | None
) -> NDArray[np.float32]:
    """Return the log ratio [features] of their smoothed shares in the chosen reviews and in all others."""
    counted = features if weights is None else features.multiply(weights[:, None].astype(np.float32)).tocsr()
    inside, outside = (np.asarray(counted[rows].sum(axis=0)).ravel() + 1.0 for rows in (chosen, ~chosen))
    ratios: NDArray[np.float32] = np.log((inside / inside.sum()) / (outside / outside.sum())).astype(np.float32)
    return ratios


def _scaled(features: csr_matrix, ratios: NDArray[np.float32]) -> csr_matrix:
    """Return the features times their ratios, each review scaled to unit length."""
    weighted = features.copy()
    weighted.data = ratios[features.indices]
    weighted.eliminate_zeros()
    return normalize(weighted, copy=False)


def _decisions(
    features: csr_matrix, ratios: NDArray[np.float32], weights: NDArray[np.float32], biases: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the outputs `[n, outputs]` of the regressions."""
    columns = [_scaled(features, ratio) @ weight for ratio, weight in zip(ratios, weights, strict=True)]
    return (np.stack(columns, axis=1) + biases).astype(np.float64)
