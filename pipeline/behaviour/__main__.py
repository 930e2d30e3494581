"""Test what a model understands: what does it answer to sentences made from templates?

With no template it runs the suite in conf/behaviour/ and prints how often each capability fails. With a template of
your own it prints the cases it makes, with the answers. {slots} are filled with --fill, or from
conf/behaviour/lexicon.yaml. Nothing is written.

  python -m pipeline.behaviour
  python -m pipeline.behaviour "The {part} was {word}." --fill word=uneven,forgettable --expect negative
  python -m pipeline.behaviour "I {loved} it." --changed "I {loved} it. We had popcorn." --expect same
"""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.behaviour.capability_files import FOLDER, load_capabilities, load_lexicon, parse_capability
from pipeline.behaviour.failures import Answer, answer, behaviour_table, format_behaviour, run_suite
from pipeline.behaviour.templates import EXPECTATIONS, Capability, count_cases, make_cases
from pipeline.cli import Parser, tidy_exit
from pipeline.inference.predictor import Predictor
from pipeline.registry.model_lookup import add_model_option, load
from pipeline.runtime.errors import PipelineError

TEMPLATE = "your template"
TESTS = {expect: test for test, allowed in EXPECTATIONS.items() for expect in allowed}
"""The kind of test in which something is expected."""


def main() -> None:
    """Read the arguments, print the table or the cases."""
    arguments = _arguments()
    with tidy_exit():
        if arguments.template is None:
            capabilities = load_capabilities(FOLDER)
            answers = run_suite(load(arguments.model), capabilities)
            print(format_behaviour(behaviour_table(capabilities, answers)))
            return
        capability = _capability(arguments)
        cases = make_cases(TEMPLATE, capability)
        predictor = load(arguments.model)
        said = answer(predictor, cases, capability.tolerance)
        print(_format(predictor, said, judged=arguments.expect is not None))


def _arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__)
    parser.add_argument("template", nargs="?", metavar="TEMPLATE", help="a sentence with {slots}")
    parser.add_argument("--changed", metavar="TEMPLATE", help="the same, changed: the two answers are compared")
    parser.add_argument("--fill", action="append", default=[], metavar="SLOT=A,B", help="what to put into a slot")
    parser.add_argument(
        "--expect",
        choices=list(TESTS),
        help="the answer or, with --changed, what the change does to it: the same label, or a probability of positive "
        "that rises or falls; without it, answers are shown and not judged",
    )
    parser.add_argument("--tolerance", type=float, default=0, help="how far a probability may move the wrong way (0)")
    parser.add_argument("--cases", type=int, default=100, help="make at most so many (100)")
    add_model_option(parser)
    arguments = parser.parse_args()
    if arguments.template is None and (arguments.changed or arguments.fill or arguments.expect):
        parser.error("--changed, --fill and --expect are of a template of your own; give one before them")
    return arguments


def _capability(arguments: argparse.Namespace) -> Capability:
    """What the arguments describe, in the terms of a file of conf/behaviour/."""
    expect = arguments.expect or ("positive" if arguments.changed is None else "same")
    template: Any = arguments.template
    if arguments.changed is not None:
        template = {"original": arguments.template, "changed": arguments.changed}
    values = {
        "description": TEMPLATE,
        "test": TESTS[expect],
        "cases": arguments.cases,
        "tolerance": arguments.tolerance,
        "slots": dict(_fillers(given) for given in arguments.fill),
        "groups": [{"expect": expect, "templates": [template]}],
    }
    capability = parse_capability(TEMPLATE, values, load_lexicon(FOLDER))
    return capability.model_copy(update={"cases": min(arguments.cases, count_cases(TEMPLATE, capability))})


def _fillers(given: str) -> tuple[str, list[str]]:
    slot, _, words = given.partition("=")
    fillers = [word.strip() for word in words.split(",") if word.strip()]
    if not slot.isidentifier() or not fillers:
        raise PipelineError(f"--fill {given!r}: write it as slot=one,two")
    return slot, fillers


def _format(predictor: Predictor, answers: Sequence[Answer], *, judged: bool) -> str:
    lines = []
    for said in answers:
        mark = {True: "FAIL  ", False: "ok    "}[said.failed] if judged else ""
        lines.append(f"{mark}{_shown(predictor, said.probability)}  {said.case.text}")
        if said.changed is not None:
            lines.append(f"{' ' * len(mark)}{_shown(predictor, said.changed)}  {said.case.changed}")
    if judged:
        lines.append(f"{sum(said.failed for said in answers)} of {len(answers)} cases failed")
    return "\n".join(lines)


def _shown(predictor: Predictor, probability: float) -> str:
    (label,) = predictor.labels(np.array([probability], np.float32))
    return f"{label}  {probability:.4f}"


if __name__ == "__main__":
    main()
