"""Tell whether reviews are positive.

Takes texts as arguments, or with none (or -) one a line from standard input, and prints for each its label, the
calibrated probability that it is positive, and the text. With --input it takes a file (.csv, .tsv, .jsonl, .parquet, or
.txt with a text a line; all but .parquet also with .gz) and writes the same rows in the same format with the columns
`label` and `probability` added. The model is the pipeline's own, artifacts/model.

  python -m pipeline.predict "one of the best films this year"
  python -m pipeline.predict --input reviews.csv --output answers.csv
  python -m pipeline.predict --model models:/sentiment@champion < lines.txt

More: docs/predict.md
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.cli import Parser, tidy_exit
from pipeline.errors import PipelineError
from pipeline.files import followed
from pipeline.model.allocator import set_up_allocator
from pipeline.predicting.files import annotate, check, file_format, write
from pipeline.predicting.models import DEFAULT, add_model_option, model_folder
from pipeline.predicting.text_formats import PLAIN, lines_of, plain_lines
from pipeline.serving.predictor import Prediction, Predictor


def load(model: Path | str = DEFAULT) -> Predictor:
    """A model to call with texts: `load("artifacts/model")(["a good film"])` gives a list of `Prediction`.

    Args:
        model: a model folder; or what MLflow has, as for `model_folder`.

    Raises:
        PipelineError: there is no such model, or it is damaged.
    """
    with model_folder(model) as folder:
        return Predictor.load(folder)


def main(
    texts: list[str],
    source: Path | None,
    output: Path | None,
    column: str | None,
    model: Path | str,
    threshold: float | None,
) -> None:
    """Answer texts, or the rows of a file; the arguments are those of the command."""
    if texts and source:
        raise PipelineError("texts and --input are given; leave one of them out")
    if threshold is not None and not 0 <= threshold <= 1:
        raise PipelineError(f"--threshold {threshold}: not a probability; give a number from 0 to 1")
    if column is not None and (source is None or file_format(source) == PLAIN):
        raise PipelineError(f"--column {column}: lines have no columns; leave it out, or give a table with --input")
    check(source, output)
    output = output and followed(output)
    column = column or "text"
    predictor = load(model)
    predictor.threshold = predictor.threshold if threshold is None else threshold
    hidden = True if output is None and sys.stdout.isatty() else None  # None: shown on a terminal

    with tqdm(unit=" texts", disable=hidden) as progress:

        def answer(rows: Iterable[tuple[Any, str]]) -> Iterator[tuple[Any, Prediction]]:
            for answered in predictor.stream(rows):
                progress.update()
                yield answered

        if source is not None:
            annotate(source, output, sys.stdout.buffer, column, answer)
        else:
            given = [os.fsencode(text).decode("utf-8", "replace").encode() for text in texts]
            lines = lines_of(sys.stdin.buffer.readline) if texts in ([], ["-"]) else given
            write(plain_lines(lines, "standard input", column, answer), output, sys.stdout.buffer)


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a review; none or - reads lines from standard input")
    parser.add_argument("--input", type=Path, metavar="FILE", help="a file of reviews")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write; by default to standard output")
    parser.add_argument("--column", help="of the file, with the texts (default: text)")
    add_model_option(parser)
    parser.add_argument(
        "--threshold", type=float, help="smallest probability called positive (default: the model's own)"
    )
    arguments = parser.parse_args()
    with tidy_exit():
        set_up_allocator()
        main(
            arguments.texts,
            arguments.input,
            arguments.output,
            arguments.column,
            arguments.model,
            arguments.threshold,
        )
