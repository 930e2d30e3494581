"""Start of `predict` to its first answer, compared with `import torch` alone."""

import os
from functools import partial
from pathlib import Path

import torch

from benchmarks.corpus import configuration
from benchmarks.measuring import Figure, alternate
from benchmarks.workspace import copy_code, finish, start
from pipeline.inference.model_folder import save_model
from pipeline.networks.build import build_network
from pipeline.text.vocabulary import Vocabulary

REVIEW = "one of the best films this year"


def compare(dataset: Path, folder: Path, *, rounds: int = 7) -> list[Figure]:
    """Time both processes from start to end, with a model of the default recipe.

    Args:
        dataset: as `preprocess` wrote it; its vocabulary is the model's.
        folder: for a copy of the code and the model; must not exist.
        rounds: measurements of each side.
    """
    copy_code(folder)
    config = configuration()
    vocabulary = Vocabulary.load(dataset / "vocab.json")
    torch.manual_seed(config.seed)
    network = build_network(config.model, len(vocabulary))
    info = {"temperature": 1.0, "bias": 0.0, "threshold": 0.5, **config.model_dump(include={"text", "model"})}
    save_model(folder / "artifacts" / "model", network, vocabulary, info)

    def seconds(*arguments: str) -> float:
        started = _processor_seconds()
        finish(start(folder, *arguments))
        return _processor_seconds() - started

    predict = ("-m", "pipeline.predict", REVIEW)
    seconds(*predict)  # compiles the copied files
    sides = {"import_torch": partial(seconds, "-c", "import torch"), "predict": partial(seconds, *predict)}
    medians = alternate("start", sides, rounds)
    value = medians["predict"] / medians["import_torch"]
    details = {f"{side}_seconds": median for side, median in medians.items()}
    return [Figure("Start of predict to its first answer", value, "at most", 1.5, "times import torch", details)]


def _processor_seconds() -> float:
    """Return the processor time of the processes that this one has started, and that have ended."""
    times = os.times()
    return times.children_user + times.children_system
