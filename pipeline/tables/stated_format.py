"""Format of a file given to a command: as its options state it, and for the rest as the model's training read files."""

import logging
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.config.file_format import AUTOMATIC, FileFormat, TrainingFormat
from pipeline.runtime.errors import PipelineError, listed
from pipeline.tables.csv_lines import DELIMITERS
from pipeline.tables.table_reader import TABLE_ENDINGS
from pipeline.tables.text_answers import PLAIN
from pipeline.tables.unpacked import table_ending

ENDINGS = (*TABLE_ENDINGS, PLAIN)
"""Endings of the files that texts are read from."""

log = logging.getLogger(__name__)


def add_format_option(parser: ArgumentParser) -> None:
    """Add the option `--format`, whose values `stated_format` reads."""
    parser.add_argument(
        "--format",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="format of the file, as the keys of corpus.format, where it is not detected: quoting=none encoding=cp1252",
    )


def stated_format(pairs: Sequence[str]) -> FileFormat:
    """Return the format that `--format KEY=VALUE …` states; the values of `columns` are separated by commas.

    Raises:
        PipelineError: a key or value is not one of `corpus.format`.
    """
    values = AUTOMATIC.model_dump()
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key not in values:
            raise PipelineError(
                f"--format {pair}: no such key; write one of {listed(list(values))} with its value, as in quoting=none"
            )
        values[key] = value.split(",") if key == "columns" else value
    try:
        return FileFormat.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        message = problem["msg"].removeprefix("Value error, ")
        raise PipelineError(f"--format {problem['loc'][0]}={problem['input']}: {message}") from None


def as_in_training(source: Path | None, stated: FileFormat, trained: TrainingFormat) -> FileFormat:
    """Return the format to read a file with: the stated one, with the quotes of training if nothing is stated of them.

    Delimiter, encoding and the rest are detected, or missed with an error; quotes would be read otherwise in silence.
    """
    if source is None or stated.quoting or stated.escape or table_ending(source, ENDINGS) not in DELIMITERS:
        return stated
    values = trained.model_dump(include=set(type(trained).model_fields), exclude_none=True)
    if values:
        shown = " ".join(f"{key}={value}" for key, value in values.items())
        log.info("%s is read with %s, as in training (--format quoting=standard is another way)", source, shown)
    return stated.model_copy(update=values)
