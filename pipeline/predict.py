"""Tell whether reviews are positive.

Takes texts as arguments, or with none (or -) one a line from standard input, and prints for each its label, the
calibrated probability that it is positive, and the text. The model is the pipeline's own, artifacts/model/.

  python -m pipeline.predict "one of the best films this year"
"""

import argparse
import sys
from pathlib import Path

from pipeline.cli import tidy_exit
from pipeline.config import WORKSPACE
from pipeline.model.allocator import set_up_allocator
from pipeline.serving.predictor import Predictor


def load(folder: Path | str) -> Predictor:
    """Read a model folder, such as `artifacts/model`. Raises `PipelineError` if it is none."""
    return Predictor.load(folder)


def main() -> None:
    """Read the arguments, print a line for each text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a review; none or - reads lines from standard input")
    arguments = parser.parse_args()
    texts = sys.stdin if arguments.texts in ([], ["-"]) else arguments.texts
    with tidy_exit():
        set_up_allocator()
        predictor = load(WORKSPACE / "artifacts" / "model")
        for text, label, probability in predictor.stream(text.rstrip("\n") for text in texts):
            print(f"{label}\t{probability:.4f}\t{text}")


if __name__ == "__main__":
    main()
