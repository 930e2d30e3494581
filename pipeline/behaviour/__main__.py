"""Test what a model understands, with sentences made from templates.

Without a template, run the suite in behaviour_suite/ and print how often each capability fails. With a template of your
own, print its cases with their predictions. Fill its {slots} with --fill; the others are filled from
behaviour_suite/lexicon.yaml. Nothing is written.

  python -m pipeline.behaviour
  python -m pipeline.behaviour "The {part} was {word}." --fill word=uneven,forgettable --expect negative
  python -m pipeline.behaviour "I {loved} it." --changed "I {loved} it. We had popcorn." --expect same
"""

import argparse
from typing import TYPE_CHECKING, Any

from pipeline.behaviour.capability_files import SUITE_FOLDER, load_capabilities, load_lexicon, parse_capability
from pipeline.behaviour.templates import EXPECTATIONS, Capability, count_cases, make_cases
from pipeline.cli import Parser, tidy_exit
from pipeline.evaluation.sentiment import require_sentiment
from pipeline.registry.model_lookup import add_model_option, load
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.garbage import importing

if TYPE_CHECKING:
    from pipeline.inference.predictor import Predictor

TEMPLATE = "your template"
TESTS = {expect: test for test, allowed in EXPECTATIONS.items() for expect in allowed}
"""Type of test by expectation."""


def main() -> None:
    """Read the arguments, print the table or the cases."""
    arguments = _arguments()
    with tidy_exit():
        with importing():  # not above: --help needs no torch
            from pipeline.behaviour.failures import (
                behaviour_table,
                format_behaviour,
                format_cases,
                run_cases,
                run_suite,
            )
        if arguments.template is None:
            capabilities = load_capabilities(SUITE_FOLDER)
            suite_results = run_suite(_load(arguments.model), capabilities)
            print(format_behaviour(behaviour_table(capabilities, suite_results)))
            return
        capability = _capability(arguments)
        cases = make_cases(TEMPLATE, capability)
        results = run_cases(_load(arguments.model), cases, capability.tolerance)
        print(format_cases(results, judged=arguments.expect is not None))


def _load(model: str) -> "Predictor":
    predictor = load(model)
    require_sentiment(predictor.classes)
    return predictor


def _arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__)
    parser.add_argument("template", nargs="?", metavar="TEMPLATE", help="a sentence with {slots}")
    parser.add_argument(
        "--changed", metavar="TEMPLATE", help="the same sentence with a change; compares the two predictions"
    )
    parser.add_argument(
        "--fill", action="append", default=[], metavar="SLOT=A,B", help="fillers of a slot; may be repeated"
    )
    parser.add_argument(
        "--expect",
        choices=list(TESTS),
        help="the expected label or, with --changed, the expected effect of the change: the same label, or a "
        "probability of positive that rises or falls; without it, predictions are shown but not judged",
    )
    parser.add_argument(
        "--tolerance", type=float, default=0, help="distance by which a probability may move the wrong way (default: 0)"
    )
    parser.add_argument("--cases", type=int, default=100, help="maximum number of cases (default: 100)")
    add_model_option(parser)
    arguments = parser.parse_args()
    if arguments.template is None and (arguments.changed or arguments.fill or arguments.expect):
        parser.error("--changed, --fill and --expect need a template; put it before them")
    return arguments


def _capability(arguments: argparse.Namespace) -> Capability:
    """Return the capability that the arguments describe, checked like a file of behaviour_suite/."""
    expect = arguments.expect or ("positive" if arguments.changed is None else "same")
    template: Any = arguments.template
    if arguments.changed is not None:
        template = {"original": arguments.template, "changed": arguments.changed}
    values = {
        "description": TEMPLATE,
        "test": TESTS[expect],
        "cases": arguments.cases,
        "tolerance": arguments.tolerance,
        "slots": dict(_fillers(option) for option in arguments.fill),
        "groups": [{"expect": expect, "templates": [template]}],
    }
    capability = parse_capability(TEMPLATE, values, load_lexicon(SUITE_FOLDER))
    return capability.model_copy(update={"cases": min(arguments.cases, count_cases(TEMPLATE, capability))})


def _fillers(option: str) -> tuple[str, list[str]]:
    slot, _, words = option.partition("=")
    fillers = [word.strip() for word in words.split(",") if word.strip()]
    if not slot.isidentifier() or not fillers:
        raise PipelineError(f"--fill {option!r}: write it as slot=one,two")
    return slot, fillers


if __name__ == "__main__":
    main()
