"""Measure the memory of the networks of a sweep, as numbers and as one picture.

Hydra calls this after the last trial of `python -m pipeline.train -m sweep=memory_ladder`.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from pipeline.cli import tidy_exit
from pipeline.config.comparison import flatten
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.labels import LABELS
from pipeline.config.model import SentimentRNNConfig
from pipeline.config.tracking import TrackingConfig
from pipeline.evaluation.predictions import score_split
from pipeline.evaluation.sentiment import is_sentiment
from pipeline.evaluation.slices import accuracy_by_length
from pipeline.inference.model_folder import load_model, read_model_info
from pipeline.inference.model_info import ModelInfo
from pipeline.inference.predictor import Predictor
from pipeline.memory_ladder.figure import has_sentences, ladder_panels
from pipeline.memory_ladder.measures import (
    OPPOSITES,
    Review,
    farther_half,
    gradient_curve,
    long_reviews,
    replace_sentence,
)
from pipeline.networks.build import Network, fixed_length
from pipeline.report.figure_files import write_panels
from pipeline.runtime import paths
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.records import write_json
from pipeline.sweep.parent_run import FOLDER_TAG, find_trials, latest_trials
from pipeline.sweep.session import present_session
from pipeline.sweep.trial_folders import trial_folder
from pipeline.text.dataset import read_dataset_record, read_split
from pipeline.text.vocabulary import Encoder, Vocabulary
from pipeline.tracking.evaluation_record import log_evaluation
from pipeline.tracking.store import Store, connect
from pipeline.tracking.training_record import read_training_record
from pipeline.tracking.unsent import send_unsent

MEASURED_SPLIT = "validation"
"""Split that is measured. A sweep may be used to choose a network, and nothing may be chosen on the test split."""
LONG_REVIEWS = 500
"""Maximum number of reviews on which gradients and sentences are measured."""

log = logging.getLogger(__name__)


class MemoryLadder(Callback):
    """Measures the trials of a sweep after the last has finished. A sweep that failed or was stopped writes nothing."""

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Write `memory_ladder.json` and `.png` to the sweep's folder and reports/, and log them to their runs."""
        with tidy_exit():
            sections = OmegaConf.to_container(OmegaConf.masked_copy(config, ["evaluation", "tracking"]), resolve=True)
            assert isinstance(sections, dict)
            sweep = Path(config.hydra.sweep.dir)
            tracking = TrackingConfig.model_validate(sections["tracking"])
            trials = find_models(finished_folders(connect(tracking)))
            ladder = measure_ladder(trials, EvaluationConfig.model_validate(sections["evaluation"]))
            for folder in (sweep, paths.REPORTS):
                write_json(folder / "memory_ladder.json", ladder)
                write_panels(folder / "memory_ladder.png", ladder_panels(ladder))
            print(format_ladder(ladder))
            log_ladder(trials, ladder, sweep, tracking)


def finished_folders(store: Store) -> list[Path]:
    """Return the folders of the present sweep's trials, including those that finished before the sweep was resumed.

    Raises:
        PipelineError: a trial failed, or its tag names a folder outside the sweep's folder.
    """
    session = present_session()
    send_unsent(store)
    trials = latest_trials(find_trials(store, session.run_id))
    if failed := [trial.name for trial in trials if trial.status != "FINISHED"]:
        raise PipelineError(f"the memory ladder lacks {', '.join(failed)}; fix the cause and run the sweep again")
    return [trial_folder(trial.tags[FOLDER_TAG], Path(session.folder)) for trial in trials]


def find_models(folders: Sequence[Path]) -> dict[str, Path]:
    """Name the folders of trials by their model's cell, with a number added for a second model with the same cell."""
    trials: dict[str, Path] = {}
    for number, folder in enumerate(folders):
        kind = _kind(read_model_info(folder / "model" / "config.json"))
        trials[f"{kind} {number}" if kind in trials else kind] = folder
    return trials


def measure_ladder(trials: Mapping[str, Path], config: EvaluationConfig) -> dict[str, Any]:
    """Measure the models of trials; returns the content of `memory_ladder.json`.

    Args:
        trials: folders of trials by the name of the model.
        config: has the classes of length.
    """
    info = read_dataset_record(paths.DATASET)
    classes = info.corpus.classes
    pairs = OPPOSITES if is_sentiment(classes) else ()
    if not pairs:
        log.info(
            "memory ladder: its sentences are negative and positive, which are no classes of %s; it leaves out how "
            "often a sentence flips a prediction",
            info.corpus.name,
        )
    reviews = long_reviews(list(read_split(paths.DATASET, MEASURED_SPLIT)), LONG_REVIEWS)
    return {
        "dataset": info.digest,
        "split": MEASURED_SPLIT,
        "long_reviews": {"reviews": len(reviews), "tokens_at_least": min(map(len, reviews))},
        "sentences": [{"positive": positive, "negative": negative} for positive, negative in pairs],
        "models": {
            name: _measure(trial / "model", reviews, pairs, config)
            for name, trial in tqdm(trials.items(), desc="memory", disable=None, leave=False)
        },
    }


def format_ladder(ladder: Mapping[str, Any]) -> str:
    """Format the models' numbers as a table for the terminal."""
    sentences = has_sentences(ladder)
    lines = [f"{'':16}{'accuracy':>10}{'far half':>10}"]
    if sentences:
        lines[0] += f"{'flips at start':>16}{'flips at end':>14}"
    for name, model in ladder["models"].items():
        lines.append(f"{name:16}{model['accuracy']:10.4f}{model['farther_half']:10.4f}")
        if sentences:
            start, end = (model["sentence"][place]["flip_rate"] for place in ("start", "end"))
            lines[-1] += f"{start:16.4f}{end:14.4f}"
    return "\n".join(lines)


def log_ladder(trials: Mapping[str, Path], ladder: Mapping[str, Any], sweep: Path, tracking: TrackingConfig) -> None:
    """Log to each trial's MLflow run its own numbers as `memory/…`, its curve by step, and the files of the ladder.

    Args:
        trials: folders of trials by the name of the model.
        ladder: from `measure_ladder`.
        sweep: folder with `memory_ladder.json` and `memory_ladder.png`.
        tracking: store of the trials' runs.
    """
    store = connect(tracking)
    for name, trial in trials.items():
        model = ladder["models"][name]
        table = model["accuracy_by_length"]
        numbers = {
            **{key: model[key] for key in ("accuracy", "farther_half", "sentence") if model[key] is not None},
            "by_length": dict(zip(table["length"], table["accuracy"], strict=True)),
        }
        run_id = read_training_record(trial / "run.json", "run the sweep again").run_id
        files = [sweep / "memory_ladder.json", sweep / "memory_ladder.png"]
        curves = {"memory/gradient": model["gradient"]}
        log_evaluation(store, run_id, flatten({"memory": numbers}, "/"), None, files, curves)


def _measure(
    folder: Path, reviews: list[Review], sentences: Sequence[tuple[str, str]], config: EvaluationConfig
) -> dict[str, Any]:
    network, vocabulary, info = load_model(folder)
    scored = score_split(paths.DATASET, MEASURED_SPLIT, Predictor(network, vocabulary, info))
    curve = gradient_curve(network, reviews, fixed_length(info.model))
    return {
        "kind": _kind(info),
        "accuracy": float((scored.predicted == scored.labels).mean()),
        "accuracy_by_length": accuracy_by_length(scored, config.length_edges),
        "gradient": curve.tolist(),
        "farther_half": farther_half(curve),
        "sentence": _sentence_places(network, vocabulary, info, reviews, sentences) if sentences else None,
    }


def _sentence_places(
    network: Network,
    vocabulary: Vocabulary,
    info: ModelInfo,
    reviews: list[Review],
    sentences: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    encode = Encoder(info.text, vocabulary).encode
    negative, positive = (info.classes.index(label) for label in LABELS)
    influence = partial(
        replace_sentence,
        network,
        reviews,
        [(encode(one), encode(opposite)) for one, opposite in sentences],
        calibration=info.calibration,
        class_indices=(negative, positive),
        fixed_length=fixed_length(info.model),
    )
    return {"start": influence().model_dump(), "end": influence(at_end=True).model_dump()}


def _kind(info: ModelInfo) -> str:
    return info.model.cell if isinstance(info.model, SentimentRNNConfig) else info.model.network
