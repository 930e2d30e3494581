"""Baseline that the network is compared with: TF-IDF and logistic regression."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import spmatrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from pipeline.inference.calibration import calibrate
from pipeline.inference.scoring import Calibration
from pipeline.networks.likelihood import LOGISTIC, build_likelihood
from pipeline.runtime.errors import PipelineError

INVERSE_REGULARISATION = (1.0, 10.0, 100.0)
MOST_STEPS = 1000
"""Most steps of the optimiser for more than two classes."""


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline, calibrated like the model it is compared with."""

    classes: Sequence[str]
    """Names of the classes, by number."""

    vectorizer: TfidfVectorizer
    classifier: LogisticRegression
    calibration: Calibration

    @property
    def threshold(self) -> float | None:
        """Smallest probability that is labelled with the second of two classes; None for more classes."""
        return self.calibration.threshold

    def probabilities(self, texts: Iterable[str], /) -> NDArray[np.float32]:
        """Return the calibrated probability of each class `[n, classes]`."""
        return self.calibration.probabilities(_decisions(self.classifier, self.vectorizer.transform(texts)))


def fit_baseline(
    texts: Sequence[str],
    labels: ArrayLike,
    validation_texts: Sequence[str],
    validation_labels: ArrayLike,
    classes: Sequence[str],
) -> Baseline:
    """Fit logistic regression on the TF-IDF of words and bigrams that occur in at least two reviews.

    More than two classes get one multinomial regression; of their order, if they have one, it knows nothing.

    The regularisation strength (by log loss) and the calibration are chosen on validation, as the model's are.
    Deterministic; about half a minute for 17,500 reviews of 230 words.

    Raises:
        PipelineError: the training reviews share no word, or none of them is of one of the classes.
    """
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, dtype=np.float32)
    try:
        features = vectorizer.fit_transform(texts)
    except ValueError:
        raise PipelineError(
            f"the baseline finds no word that occurs in two of the {len(texts)} training reviews; "
            "use more reviews or set evaluation.baseline=false"
        ) from None
    if lacking := [name for number, name in enumerate(classes) if number not in np.asarray(labels)]:
        problem = "have one label only" if len(classes) == 2 else f"have none that is {lacking[0]}"
        needed = "both" if len(classes) == 2 else "all classes"
        raise PipelineError(f"the training reviews {problem} and the baseline needs {needed}; see corpus.labels")
    validation_features = vectorizer.transform(validation_texts)

    likelihood = build_likelihood(len(classes), ordered=False)
    # liblinear is deterministic, and it converges where lbfgs stops early on float32 features.
    settings: dict[str, Any] = {"solver": "liblinear"}
    if likelihood is not LOGISTIC:  # liblinear cannot fit more than two classes at once
        settings = {"solver": "lbfgs", "max_iter": MOST_STEPS}
        features, validation_features = features.astype(np.float64), validation_features.astype(np.float64)
    classifiers = [LogisticRegression(C=c, **settings).fit(features, labels) for c in INVERSE_REGULARISATION]
    losses = [
        log_loss(validation_labels, classifier.predict_proba(validation_features), labels=range(len(classes)))
        for classifier in classifiers
    ]
    best = classifiers[int(np.argmin(losses))]

    calibration = calibrate(_decisions(best, validation_features), validation_labels, likelihood)
    return Baseline(classes, vectorizer, best, calibration)


def _decisions(classifier: LogisticRegression, features: spmatrix) -> NDArray[np.float64]:
    """Return the outputs `[n, outputs]` of a logistic regression."""
    outputs: NDArray[np.float64] = classifier.decision_function(features)
    return outputs[:, None] if outputs.ndim == 1 else outputs
