"""Judge a model on a file of labelled reviews.

Prints the metrics of `evaluate` with intervals, and writes a page that opens offline, metrics and predictions to a
folder. With --compare a second model judges the same rows, and a paired test says whether they differ by more than
chance. The labels are read as in the model's training; --labels states them where they are written otherwise.

  python -m pipeline.judge --model models:/sentiment@champion --input new.csv
  python -m pipeline.judge --model models:/sentiment@champion --compare artifacts/model --input new.csv
  python -m pipeline.judge --input stars.csv --label-column stars --labels "{negative: '<=2', positive: '>=4'}" \\
    --ignore-labels "[3]"
  python -m pipeline.judge --input new.csv --check 'test.accuracy>=0.9' --check 'test.ece<=0.05'

Exit codes: 0, 1 if a check failed, 2 if nothing could be judged.

More: docs/judge.md
"""

import argparse
import sys
from pathlib import Path

from pipeline.cli import Parser, tidy_exit
from pipeline.registry.model_lookup import add_model_option
from pipeline.runtime.garbage import importing
from pipeline.runtime.memory_allocator import set_up_allocator
from pipeline.tables.stated_format import add_format_option
from pipeline.tables.table_reader import TABLE_ENDINGS


def main() -> bool:
    """Read the arguments, judge the file; False if a check failed."""
    options = _parse_options()
    with tidy_exit(failure=2):
        with importing():  # not above: --help needs neither torch nor matplotlib
            from pipeline.judge.command import judge_file
        set_up_allocator()
        return judge_file(options)


def _parse_options() -> argparse.Namespace:
    parser = Parser(__doc__)
    add_model_option(parser)
    parser.add_argument(
        "--input", type=Path, required=True, metavar="FILE", help=f"labelled reviews: {', '.join(TABLE_ENDINGS)}"
    )
    parser.add_argument("--compare", metavar="MODEL", help="another model for the same rows, given as for --model")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="folder to write (default: judgements/FILE-MODEL)"
    )
    parser.add_argument(
        "--text-column",
        action="append",
        dest="text_columns",
        metavar="COLUMN",
        help="column with the texts (default: as in training, or else text); repeat it to join several",
    )
    parser.add_argument(
        "--label-column",
        metavar="COLUMN",
        help="column with the labels (default: that of the training, or label for a model that was trained on no file "
        "of yours)",
    )
    parser.add_argument(
        "--labels",
        metavar="VALUES",
        help="values of classes, as in corpus.labels: \"{negative: [0], positive: '>=4'}\" (default: as in training)",
    )
    parser.add_argument(
        "--ignore-labels",
        metavar="VALUES",
        help='values whose rows are left out, as in corpus.ignore_labels: "[mixed, 3]" (default: as in training)',
    )
    parser.add_argument(
        "--slice",
        action="append",
        default=[],
        dest="slices",
        metavar="COLUMN",
        help="column by whose values accuracy is also reported; may be repeated",
    )
    parser.add_argument(
        "--check",
        action="append",
        default=[],
        dest="checks",
        metavar="CHECK",
        help="condition on a value of details.json, in quotes: 'test.accuracy>=0.9'; may be repeated",
    )
    add_format_option(parser)
    parser.add_argument("--log", action="store_true", help="log the judgement to MLflow, as an evaluation of the model")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
