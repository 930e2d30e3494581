"""Champion gate: decide whether a registered version becomes champion, or challenger of the present champion.

The two are compared on validation reviews: the test split selects nothing.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline.config.objective import ACCURACY, ObjectiveConfig
from pipeline.evaluation.mcnemar import mcnemar
from pipeline.evaluation.metrics import objective_name
from pipeline.evaluation.permutation import permutation_test
from pipeline.evaluation.predictions import Classifier, score_split
from pipeline.inference.model_info import ModelInfo
from pipeline.inference.objective_value import objective_value
from pipeline.inference.predictor import Predictor
from pipeline.registry.versions import (
    CHALLENGER,
    CHAMPION,
    download_model,
    find_alias,
    has_lost_files,
    set_alias,
    tag_version,
)
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.exclusive_lock import exclusive_lock
from pipeline.runtime.paths import project_root
from pipeline.tracking.store import Store
from pipeline.tracking.uri import SQLITE

ALIAS_TAG = "registration.alias"
"""Tag of a version: the alias that a registration gave it last; a registration that was killed may not have set it."""
CHAMPION_TAG = "registration.champion"
"""Tag of a registered model: the version that a registration made champion last; people may have chosen another."""
ARCHIVED = "Archived"
"""MLflow's stage of a version that people have withdrawn."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contender:
    """Registered version that may become champion."""

    name: str
    """Name of the registered model."""
    version: str
    folder: Path
    """Its model folder."""
    info: ModelInfo
    """Content of `config.json` in that folder."""
    predictions: Mapping[str, int]
    """Predicted class index of each validation review, by id."""
    queued: bool
    """It comes from a queued experiment, one of many: people promote those."""


@dataclass(frozen=True)
class Comparison:
    """Two models on the same validation reviews."""

    metric: str
    """Metric by which they are compared: that of the objective."""
    value: float
    champion_value: float
    as_good: bool
    """The champion is not better by that metric."""
    p_value: float
    """Probability of such a difference between equally good models."""
    test: str
    """Name of the test that it comes from."""


@dataclass(frozen=True)
class Decision:
    """Alias that a version gets, and why."""

    alias: str | None
    """None: the version gets none, and keeps what it has."""
    reason: str
    comparison: Comparison | None = None
    """With the present champion; None if they were not compared."""


@contextmanager
def registration_lock(store: Store) -> Iterator[None]:
    """Let one process at a time register a model: per sqlite file, or else per project."""
    if store.uri.startswith(SQLITE):
        lock = Path(f"{store.uri.removeprefix(SQLITE)}.register.lock")
    else:
        lock = project_root() / ".checkpoints" / "register.lock"
        lock.parent.mkdir(exist_ok=True)
    with exclusive_lock(lock, "another process registers a model; waiting for it"):
        yield


def appoint(store: Store, contender: Contender, dataset: Path, alpha: float) -> tuple[Decision, str | None]:
    """Give a registered version the alias `champion` or `challenger`, and tag it with the decision.

    Decisions of people stay: an archived version gets no alias, and a version that an earlier registration has
    decided on does not take the place of a champion that they have chosen since.

    Args:
        store: an open store.
        contender: the version.
        dataset: `artifacts/dataset`.
        alpha: significance level of the comparison with the champion.

    Returns:
        The decision, and the version that was champion before.

    Raises:
        PipelineError: the predictions are of another dataset, or the dataset is damaged.
        MlflowException: the store failed.
    """
    name, version = contender.name, contender.version
    registered = store.client.get_model_version(name, version)
    decided_before = ALIAS_TAG in registered.tags
    while True:
        champion = find_alias(store, name, CHAMPION)
        if version == champion:
            decision = Decision(CHAMPION, f"version {version} is champion already")
            break
        if registered.current_stage == ARCHIVED:
            reason = f"it is archived; to promote it all the same: {_promoting_call(store, name, version)}"
            return Decision(None, reason), champion
        decision = _decide_against(store, contender, champion, dataset, alpha)
        if decided_before:
            decision = _yield_to_choice(store, contender, decision, champion)
        if find_alias(store, name, CHAMPION) == champion:
            break
        log.info("another project has meanwhile named a new champion; comparing with that one")
    assert decision.alias is not None
    set_alias(store, name, version, decision.alias)
    if not (decided_before and version == champion):
        # after the alias: a killed registration must not count as one that has decided
        if decision.alias == CHAMPION:
            store.client.set_registered_model_tag(name, CHAMPION_TAG, version)
        tag_version(store, name, version, {ALIAS_TAG: decision.alias, "registration.reason": decision.reason})
    return decision, champion


def compare(
    predictions: Mapping[str, int], champion: Classifier, dataset: Path, objective: ObjectiveConfig = ACCURACY
) -> Comparison:
    """Compare a model's predictions for the validation reviews with the champion's, by the metric of an objective.

    Accuracies are compared by McNemar's test, anything else by a permutation test. For a target of precision the metric
    is the recall; a model that misses the precision is worse than one that reaches it, by how far it misses.

    Args:
        predictions: the class index that the model predicts for each validation review, by id.
        champion: the present champion.
        dataset: `artifacts/dataset`.
        objective: what the model's labels are chosen for.

    Raises:
        PipelineError: the predictions are of another dataset.
    """
    answers = score_split(dataset, "validation", champion)
    ids = answers.rows["id"].to_pylist()
    if unknown := next((key for key in ids if key not in predictions), None):
        raise PipelineError(
            f"the predictions have no validation review {unknown!r}: they are of another dataset; run `dvc repro`"
        )
    predicted = np.array([predictions[key] for key in ids], np.int8)
    metric = partial(objective_value, objective, champion.classes, answers.labels)
    value, of_champion = metric(predicted), metric(answers.predicted)
    if objective.metric == "accuracy":
        p_value, test = mcnemar(predicted == answers.labels, answers.predicted == answers.labels).p_value, "McNemar"
    else:
        p_value, test = permutation_test(predicted, answers.predicted, metric), "permutation test"
    as_good = value <= of_champion if objective.metric == "cost" else value >= of_champion
    return Comparison(objective_name(objective, champion.classes), value, of_champion, as_good, p_value, test)


def decide(comparison: Comparison | None, alpha: float, queued: bool) -> Decision:
    """Decide for `champion` if the present champion is not better; else, or if queued, for `challenger`.

    Args:
        comparison: with the present champion; None if there is none.
        alpha: significance level; a difference with at least this p-value is called within chance.
        queued: the model comes from a queued experiment.
    """
    if comparison is None:
        outcome, as_good = "there was no champion before", True
    else:
        as_good = comparison.as_good
        certainty = "within chance" if comparison.p_value >= alpha else "more than chance"
        outcome = (
            f"validation {comparison.metric} {comparison.value:.4f} against {comparison.champion_value:.4f} "
            f"of the champion ({comparison.test} p = {comparison.p_value:.3g}: {certainty})"
        )
    if queued:
        return Decision(CHALLENGER, f"queued experiment, never promoted by itself; {outcome}", comparison)
    return Decision(CHAMPION if as_good else CHALLENGER, outcome, comparison)


def _decide_against(store: Store, contender: Contender, champion: str | None, dataset: Path, alpha: float) -> Decision:
    if champion is None:
        return decide(None, alpha, contender.queued)
    with TemporaryDirectory() as scratch:
        try:
            model = Predictor.load(download_model(store, contender.name, champion, Path(scratch)))
        except PipelineError as error:
            return _decide_without_files(store, contender, champion, error)
    if model.info.trained_on != contender.info.trained_on:
        # one of the two may have been trained on the other's validation reviews
        return Decision(CHALLENGER, f"the champion, version {champion}, was trained on other reviews")
    comparison = compare(contender.predictions, model, dataset, contender.info.objective)
    decision = decide(comparison, alpha, contender.queued)
    if model.info.objective != contender.info.objective:
        note = f"the champion's labels are chosen for {objective_name(model.info.objective, model.classes)}"
        decision = replace(decision, reason=f"{decision.reason}; {note}")
    return decision


def _decide_without_files(store: Store, contender: Contender, champion: str, error: PipelineError) -> Decision:
    """Decide against a champion that cannot be read: only one whose files are certainly gone is replaced."""
    problem = f"the champion, version {champion}, cannot be read"
    if not has_lost_files(store, contender.name, champion, like=contender.folder):
        return Decision(CHALLENGER, f"{problem} ({error}); to replace it, remove its alias in the MLflow UI")
    if not store.has_own_artifacts:
        remedy = "run `python -m pipeline.register` where it was trained, or remove its alias in the MLflow UI"
        return Decision(CHALLENGER, f"{problem}: {store.name} has not all of its files; {remedy}")
    alias = CHALLENGER if contender.queued else CHAMPION
    return Decision(alias, f"{problem}: its files are gone from {store.name}")


def _yield_to_choice(store: Store, contender: Contender, decision: Decision, champion: str | None) -> Decision:
    """Keep a readable champion that people have chosen, or may have chosen before there was `CHAMPION_TAG`."""
    chosen_by_register = store.client.get_registered_model(contender.name).tags.get(CHAMPION_TAG)
    if decision.alias != CHAMPION or decision.comparison is None or champion == chosen_by_register:
        return decision
    reason = (
        f"{decision.reason}; but version {champion} was made champion by hand (or by release 1.0.0), and this version "
        f"was registered before; to promote it: {_promoting_call(store, contender.name, contender.version)}"
    )
    return replace(decision, alias=CHALLENGER, reason=reason)


def _promoting_call(store: Store, name: str, version: str) -> str:
    """Return the Python call that makes a version champion."""
    return f'MlflowClient("{store.name}").set_registered_model_alias("{name}", "{CHAMPION}", "{version}")'
