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
from pipeline.inference.predictor import Prediction
from pipeline.predict import load
from pipeline.predict.answering import annotate, check, file_format, write
from pipeline.registry.model_lookup import add_model_option
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import followed
from pipeline.runtime.memory_allocator import set_up_allocator
from pipeline.tables.text_answers import PLAIN, lines_of, plain_lines


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
