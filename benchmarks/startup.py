"""Start of `predict` to its first answer, compared with `import torch` alone."""

import shutil
from functools import partial
from pathlib import Path

from benchmarks.measuring import Figure, alternate, seconds_of_children
from benchmarks.workspace import copy_code, finish, start

REVIEW = "one of the best films this year"


def compare(model: Path, folder: Path, *, rounds: int = 7) -> list[Figure]:
    """Take the CPU time of both processes from start to end.

    Args:
        model: folder of the trained model.
        folder: for a copy of the code and the model; must not exist.
        rounds: measurements of each side.
    """
    copy_code(folder)
    shutil.copytree(model, folder / "artifacts" / "model")

    def seconds(*arguments: str) -> float:
        started = seconds_of_children()
        finish(start(folder, *arguments))
        return seconds_of_children() - started

    predict = ("-m", "pipeline.predict", REVIEW)
    seconds(*predict)  # compiles the copied files
    sides = {"import_torch": partial(seconds, "-c", "import torch"), "predict": partial(seconds, *predict)}
    medians = alternate("start", sides, rounds)
    value = medians["predict"] / medians["import_torch"]
    details = {f"{side}_seconds": median for side, median in medians.items()}
    return [Figure("Start of predict to its first answer", value, "at most", 1.5, "times import torch", details)]
