"""Predict the class of reviews.

Reads texts from the arguments, or without any (or with -) from standard input, one per line; at a terminal, each line
gets its prediction at once, and ctrl-D ends. Prints the label, a calibrated probability and the text of each. With two
classes, the probability is that of the second, such as positive; with more, that of the label.

With --input it reads a file (.csv, .tsv, .jsonl, .json, .parquet, .xlsx, or .txt with one text per line; also with .gz,
.zst or .zip) and writes the same rows in the same format, those of .xlsx as CSV, with the columns `label` and
`probability` added (`predicted_label` and `predicted_probability` if the file has columns of these names). The default
model is the one the pipeline trains, artifacts/model.

  python -m pipeline.predict "one of the best films this year"
  python -m pipeline.predict --input reviews.csv --output predictions.csv
  python -m pipeline.predict --input reviews.csv --probabilities --output predictions.csv
  python -m pipeline.predict --model models:/sentiment@champion < lines.txt

More: docs/predict.md
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from pipeline.cli import Parser, tidy_exit
from pipeline.config.file_format import AUTOMATIC, FileFormat
from pipeline.inference.decision_rule import DecisionRule
from pipeline.predict.answering import CountedAnswers, answer_file, check_paths, ending_of, format_keys, write_lines
from pipeline.registry.model_lookup import add_model_option, describe_model, model_folder, resolve_alias
from pipeline.runtime.atomic import follow_link
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.garbage import importing
from pipeline.runtime.memory_allocator import set_up_allocator
from pipeline.tables.answer_columns import WantedColumns
from pipeline.tables.format_advice import advice_for_command
from pipeline.tables.lines import decode_line, read_lines
from pipeline.tables.stated_format import add_format_option, as_in_training, stated_format
from pipeline.tables.table_reader import require_effect
from pipeline.tables.text_answers import PLAIN, plain_lines, plain_text

if TYPE_CHECKING:
    from pipeline.inference.predictor import Predictor


def main(
    texts: list[str],
    source: Path | None,
    output: Path | None,
    columns: list[str] | None,
    model: Path | str,
    threshold: float | None,
    prefix: str | None = None,
    file_format: FileFormat = AUTOMATIC,
    probabilities: bool = False,
) -> None:
    """Predict the classes of texts or of the rows of a file; the arguments are those of the command line."""
    _require_compatible_options(texts, source, columns, threshold, prefix, probabilities)
    check_paths(source, output)
    require_effect("--format ", file_format, format_keys(source))
    output = output and follow_link(output)
    predictor = _load_predictor(model, threshold)
    wanted = WantedColumns(
        predictor.info.text_columns if columns is None else [columns],
        prefix,
        predictor.classes if probabilities else (),
    )
    file_format = as_in_training(source, file_format, predictor.info.corpus.format)
    to_terminal = output is None and sys.stdout.isatty()
    if source is None and _from_standard_input(texts) and to_terminal and sys.stdin.isatty():
        answer_typed(predictor)
        return
    hidden = True if to_terminal else None  # None: shown if standard error is a terminal
    with tqdm(unit=" texts", disable=hidden) as progress:
        answers = CountedAnswers(predictor, progress)
        if source is None:
            write_lines(plain_lines(_given_texts(texts), answers), output, sys.stdout.buffer)
            return
        with advice_for_command():
            form = answer_file(source, output, sys.stdout.buffer, wanted, answers, file_format)
    without_text = f", {answers.empty:,} of them without a text" if answers.empty else ""
    print(f"{source.name}: {form}, {answers.rows:,} rows{without_text}", file=sys.stderr)


def _require_compatible_options(
    texts: list[str],
    source: Path | None,
    columns: list[str] | None,
    threshold: float | None,
    prefix: str | None,
    probabilities: bool,
) -> None:
    """Refuse options that exclude each other, or that only a table has a use for."""
    if texts and source:
        raise PipelineError("texts and --input exclude each other; leave one out")
    if threshold is not None and not 0 <= threshold <= 1:
        raise PipelineError(f"--threshold {threshold} is no probability; give a number from 0 to 1")
    table_options = {
        "--probabilities": probabilities,
        f"--column {columns and columns[0]}": columns is not None,
        f"--prefix {prefix}": prefix is not None,
    }
    for option, is_given in table_options.items():
        if is_given and (source is None or ending_of(source) == PLAIN):
            raise PipelineError(f"{option}: lines have no columns; leave it out, or give a table with --input")


def _load_predictor(model: Path | str, threshold: float | None) -> "Predictor":
    """Load a model, log the line about it, and give it the threshold if there is one."""
    with importing():  # not above: --help and a mistake in the options need no torch
        from pipeline.inference.predictor import Predictor
    model = resolve_alias(model)
    with model_folder(model) as folder:
        predictor = Predictor.load(folder)
    logging.info("model: %s", describe_model(model, predictor.info))
    if threshold is not None:
        if predictor.rule.threshold is None:
            raise PipelineError(
                f"--threshold {threshold}: the model has {len(predictor.classes)} classes, and a threshold is of "
                "two; leave it out"
            )
        predictor.rule = DecisionRule(threshold)
    return predictor


def _from_standard_input(texts: list[str]) -> bool:
    return texts in ([], ["-"])


def _given_texts(texts: list[str]) -> Iterator[str]:
    """Yield the texts of the command line, or else the lines of standard input."""
    if _from_standard_input(texts):
        name, lines = "standard input", enumerate(read_lines(sys.stdin.buffer.readline), 1)
        return (plain_text(decode_line(line, name, number), f"{name}, line {number}") for number, line in lines)
    encoded = (os.fsencode(text).decode("utf-8", "replace").encode() for text in texts)
    return (decode_line(text, "standard input", number) for number, text in enumerate(encoded, 1))


def answer_typed(predictor: "Predictor") -> None:
    """Ask for reviews at the terminal and predict the class of each, until the user ends the input."""
    with suppress(ImportError):
        import readline  # noqa: F401  # the cursor keys then work in `input`; not every Python has it
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    print("Type a review and press enter; ctrl-D ends.", file=sys.stderr)
    while True:
        try:
            text = input("review> ")
        except EOFError:
            print()
            return
        if text.strip():
            (prediction,) = predictor([text])
            print(f"{prediction.label} {prediction.probability:.4f}")


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="a review; without any, or with -, lines are read from standard input"
    )
    parser.add_argument("--input", type=Path, metavar="FILE", help="file of reviews")
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write (default: standard output)")
    parser.add_argument(
        "--column",
        action="append",
        dest="columns",
        metavar="COLUMN",
        help="column of the file with the texts (default: as in training, or else text); repeat it to join several",
    )
    parser.add_argument(
        "--prefix",
        help="prefix of the names of the added columns, as in PREFIXlabel (default: none, or predicted_ for a file "
        "that has columns of these names)",
    )
    parser.add_argument(
        "--probabilities",
        action="store_true",
        help="also add the probability of each class, in columns such as probability_positive",
    )
    add_format_option(parser)
    add_model_option(parser)
    parser.add_argument(
        "--threshold",
        type=float,
        help="for a model with two classes: smallest probability at which a text gets the second label, such as "
        "positive (default: the model's own)",
    )
    arguments = parser.parse_args()
    with tidy_exit():
        set_up_allocator()
        main(
            arguments.texts,
            arguments.input,
            arguments.output,
            arguments.columns,
            arguments.model,
            arguments.threshold,
            arguments.prefix,
            stated_format(arguments.format),
            arguments.probabilities,
        )
