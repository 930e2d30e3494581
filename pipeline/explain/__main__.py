"""Say why a review is judged as it is: what each word adds, the verdict after each word, what an LSTM remembers.

Prints the words coloured by what they add (with numbers instead where there is no terminal, or NO_COLOR is set) and the
running verdict; --output writes a page that opens offline and shows what every gate of the LSTM did.

  python -m pipeline.explain "I expected little, but it is a small wonder." --output page.html
"""

import os
import sys
from pathlib import Path

from pipeline.cli import Parser, tidy_exit
from pipeline.explain.explainer import Explainer
from pipeline.explain.page import write
from pipeline.explain.terminal import as_text
from pipeline.registry.model_lookup import add_model_option, model_folder
from pipeline.runtime.atomic import follow_link
from pipeline.runtime.memory_allocator import set_up_allocator


def main() -> None:
    """Read the arguments, explain the text."""
    parser = Parser(description=__doc__)
    parser.add_argument("text", metavar="TEXT", help="a review; - reads one from standard input")
    parser.add_argument("--output", type=Path, metavar="PAGE", help="write a page here, such as page.html")
    add_model_option(parser)
    arguments = parser.parse_args()
    with tidy_exit():
        set_up_allocator()
        with model_folder(arguments.model) as folder:
            explainer = Explainer.load(folder)
        given = sys.stdin.buffer.read() if arguments.text == "-" else os.fsencode(arguments.text)
        found = explainer.explain(given.decode("utf-8", "replace"))
        if arguments.output:
            write(follow_link(arguments.output), found)
        print(as_text(found, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))


if __name__ == "__main__":
    main()
