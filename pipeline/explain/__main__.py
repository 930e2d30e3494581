"""Explain the prediction for a review: contribution of each word, probability after each word, memory of an LSTM.

Prints the words, coloured by their contribution to the prediction, and the probability after each word. If the output
is not a terminal or NO_COLOR is set, numbers replace the colours. --output writes a page that opens offline and also
shows every gate of an LSTM. With two classes, the probability is that of the second, such as positive; with more, that
of the label. --class explains another one.

  python -m pipeline.explain "I expected little, but it is a small wonder." --output page.html
"""

import logging
import os
import sys
from pathlib import Path

from pipeline.cli import Parser, tidy_exit
from pipeline.registry.model_lookup import add_model_option, describe_model, model_folder, resolve_alias
from pipeline.runtime.atomic import follow_link
from pipeline.runtime.garbage import importing
from pipeline.runtime.memory_allocator import set_up_allocator


def main() -> None:
    """Read the arguments, explain the text."""
    parser = Parser(description=__doc__)
    parser.add_argument("text", metavar="TEXT", help="a review; - reads one from standard input")
    parser.add_argument(
        "--class",
        dest="name",
        metavar="NAME",
        help="class to explain (default: the label; with two classes, the second)",
    )
    parser.add_argument("--output", type=Path, metavar="PAGE", help="write a page to this file, such as page.html")
    add_model_option(parser)
    arguments = parser.parse_args()
    with tidy_exit():
        with importing():  # not above: --help needs neither torch nor captum
            from pipeline.explain.explainer import Explainer
            from pipeline.explain.page import write_explanation
            from pipeline.explain.terminal import as_text
        set_up_allocator()
        model = resolve_alias(arguments.model)
        with model_folder(model) as folder:
            explainer = Explainer.load(folder)
        logging.info("model: %s", describe_model(model, explainer.info))
        encoded = sys.stdin.buffer.read() if arguments.text == "-" else os.fsencode(arguments.text)
        explanation = explainer.explain(encoded.decode("utf-8", "replace"), arguments.name)
        if arguments.output:
            write_explanation(follow_link(arguments.output), explanation)
        print(as_text(explanation, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))


if __name__ == "__main__":
    main()
