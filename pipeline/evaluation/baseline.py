"""Baseline that the network is compared with: TF-IDF and logistic regression."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from pipeline.inference.calibration import calibrate
from pipeline.inference.scoring import Calibration
from pipeline.runtime.errors import PipelineError

INVERSE_REGULARISATION = (1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline, calibrated like the model it is compared with."""

    vectorizer: TfidfVectorizer
    classifier: LogisticRegression
    calibration: Calibration

    @property
    def threshold(self) -> float:
        """Smallest probability that counts as positive."""
        return self.calibration.threshold

    def probabilities(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Return the calibrated probability of the positive class, `[n]`."""
        logits = self.classifier.decision_function(self.vectorizer.transform(texts))
        return self.calibration.probabilities(logits)


def fit_baseline(
    texts: Sequence[str], labels: ArrayLike, validation_texts: Sequence[str], validation_labels: ArrayLike
) -> Baseline:
    """Fit logistic regression on the TF-IDF of words and bigrams that occur in at least two reviews.

    The regularisation strength (by log loss) and the calibration are chosen on validation, as the model's are.
    Deterministic; about half a minute for 17,500 reviews of 230 words.

    Raises:
        PipelineError: the training reviews share no word, or have one label only.
    """
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, dtype=np.float32)
    try:
        features = vectorizer.fit_transform(texts)
    except ValueError:
        raise PipelineError(
            f"the baseline finds no word that occurs in two of the {len(texts)} training reviews; "
            "use more reviews or set evaluation.baseline=false"
        ) from None
    if len(np.unique(np.asarray(labels))) < 2:
        raise PipelineError("the training reviews have one label only and the baseline needs both; see corpus.labels")
    validation_features = vectorizer.transform(validation_texts)

    # liblinear is deterministic, and it converges where lbfgs stops early on float32 features.
    classifiers = [LogisticRegression(C=c, solver="liblinear").fit(features, labels) for c in INVERSE_REGULARISATION]
    losses = [
        log_loss(validation_labels, classifier.predict_proba(validation_features), labels=[0, 1])
        for classifier in classifiers
    ]
    best = classifiers[int(np.argmin(losses))]

    calibration = calibrate(best.decision_function(validation_features), validation_labels)
    return Baseline(vectorizer, best, calibration)
