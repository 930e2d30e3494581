"""Make test cases from templates, after CheckList (Ribeiro et al. 2020).

A template is a text with `{slots}`; each way to fill its slots is a case. A test that compares two predictions takes
two texts in each case. They come from a template with `original` and `changed`, or from one with a slot whose fillers
are written `original: changed`. `docs/behaviour.md` explains the files.
"""

import random
import string
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

from pydantic import Field

from pipeline.config.section import Section
from pipeline.runtime.errors import PipelineError

TestType = Literal["minimum functionality", "invariance", "direction"]
EXPECTATIONS: dict[TestType, tuple[str, ...]] = {
    "minimum functionality": ("negative", "positive"),
    "invariance": ("same",),
    "direction": ("rises", "falls"),
}
"""Expectations of each type of test: a label; the same label; a probability of positive that rises or falls."""

Fillers = list[str] | dict[str, str]
"""Fillers of a slot; a mapping has the filler of the original text as key and that of the changed text as value."""


class TextPair(Section):
    """Templates of an original and a changed text."""

    original: str
    changed: str


class TemplateGroup(Section):
    """Templates with the same expectation."""

    expect: Literal["negative", "positive", "same", "rises", "falls"]
    templates: list[str | TextPair] = Field(min_length=1)


class Capability(Section):
    """Capability of a model, with the templates that test it."""

    description: str = Field(min_length=1)
    test: TestType
    cases: int = Field(ge=1)
    """Number of cases; they are drawn at random if the templates make more."""
    seed: int = 0
    tolerance: float = Field(default=0, ge=0, lt=1)
    """Distance by which the probability may move the wrong way in a test of direction."""
    slots: dict[str, Fillers] = Field(default_factory=dict)
    groups: list[TemplateGroup] = Field(min_length=1)

    @property
    def compares(self) -> bool:
        """True if the test compares two predictions."""
        return self.test != "minimum functionality"


@dataclass(frozen=True)
class Case:
    """One or two texts and the expected prediction."""

    expect: str
    template: int
    """Number of the template in its file, from 0."""
    text: str
    changed: str | None


def make_cases(name: str, capability: Capability) -> list[Case]:
    """Make the cases of a capability: always the same ones, spread as evenly over the templates as their sizes allow.

    Raises:
        PipelineError: the templates make too few cases, or a slot has no fillers; the message names the capability.
    """
    templates = [(group.expect, template) for group in capability.groups for template in group.templates]
    sizes = [_count_fillings(name, template, capability.slots) for _, template in templates]
    if max(sizes) > sys.maxsize:
        raise PipelineError(f"{name}: a template makes too many cases to draw from; remove slots or fillers")
    if sum(sizes) < capability.cases:
        raise PipelineError(
            f"{name}: the templates make {sum(sizes)} cases, fewer than the {capability.cases} of `cases`; "
            "add templates or fillers, or lower `cases`"
        )
    draw = random.Random(f"{capability.seed} {name}")
    cases = []
    for number, share in _shares(sizes, capability.cases):
        expect, template = templates[number]
        for index in sorted(draw.sample(range(sizes[number]), share)):
            text, changed = _fill(template, capability.slots, slots_of(name, template), index)
            cases.append(Case(expect, number, text, changed if capability.compares else None))
    return cases


def check_capability(place: str, capability: Capability) -> None:
    """Check that expectations, templates and slots fit together.

    Raises:
        PipelineError: they do not; the message begins with `place`.
    """
    if capability.tolerance and capability.test != "direction":
        raise PipelineError(f"{place}: tolerance: only a test of direction has one; remove it")
    for group in capability.groups:
        if group.expect not in EXPECTATIONS[capability.test]:
            allowed = " or ".join(EXPECTATIONS[capability.test])
            raise PipelineError(f"{place}: a test of {capability.test} expects {allowed}, not {group.expect}")
        for template in group.templates:
            _check_template(place, template, capability)
    used = {slot for group in capability.groups for template in group.templates for slot in slots_of(place, template)}
    if unused := sorted(capability.slots.keys() - used):
        raise PipelineError(f"{place}: no template has the slot {{{unused[0]}}}; use it, or remove it")


def _check_template(place: str, template: str | TextPair, capability: Capability) -> None:
    pairs = {slot for slot, fillers in capability.slots.items() if isinstance(fillers, dict)}
    changes = isinstance(template, TextPair) or bool(pairs.intersection(slots_of(place, template)))
    text = template.original if isinstance(template, TextPair) else template
    if changes and not capability.compares:
        raise PipelineError(
            f"{place}: {text!r} changes, but a test of {capability.test} takes one text; remove the change"
        )
    if capability.compares and not changes:
        raise PipelineError(
            f"{place}: nothing changes in {text!r}, but a test of {capability.test} takes two texts; add the change"
        )


def count_cases(name: str, capability: Capability) -> int:
    """Count the cases that the templates can make. Raises `PipelineError` if a slot has no fillers."""
    templates = [template for group in capability.groups for template in group.templates]
    return sum(_count_fillings(name, template, capability.slots) for template in templates)


def _count_fillings(name: str, template: str | TextPair, fillers: Mapping[str, Fillers]) -> int:
    """Count the ways to fill a template."""
    slots = slots_of(name, template)
    for slot in slots:
        if not fillers.get(slot):
            known = ", ".join(sorted(slot for slot, words in fillers.items() if words)) or "none"
            raise PipelineError(f"{name}: the slot {{{slot}}} has no fillers; those with fillers: {known}")
    return prod(len(fillers[slot]) for slot in slots)


def _shares(sizes: list[int], total: int) -> Iterator[tuple[int, int]]:
    """Yield the number of each template and its share of the cases: as even as the sizes allow."""
    left = total
    shares = {}
    for done, number in enumerate(sorted(range(len(sizes)), key=lambda number: sizes[number])):
        shares[number] = min(sizes[number], left // (len(sizes) - done))
        left -= shares[number]
    yield from sorted(shares.items())


def _fill(template: str | TextPair, slots: Mapping[str, Fillers], used: list[str], index: int) -> tuple[str, str]:
    """Return the texts of the case with this number; the last slot changes fastest."""
    originals, changes = {}, {}
    for slot in reversed(used):
        fillers = slots[slot]
        index, position = divmod(index, len(fillers))
        originals[slot] = list(fillers)[position]
        changes[slot] = list(fillers.values())[position] if isinstance(fillers, dict) else originals[slot]
    pair = TextPair(original=template, changed=template) if isinstance(template, str) else template
    return pair.original.format_map(originals), pair.changed.format_map(changes)


def slots_of(name: str, template: str | TextPair) -> list[str]:
    """Return the slots of a template, in order.

    Raises:
        PipelineError: it cannot be read; the message names the capability.
    """
    texts = [template] if isinstance(template, str) else [template.original, template.changed]
    return list(dict.fromkeys(slot for text in texts for slot in _slots_of_text(name, text)))


def _slots_of_text(name: str, text: str) -> Iterator[str]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise PipelineError(f"{name}: the template {text!r} cannot be read: {error}; a slot is {{name}}") from None
    for _, slot, form, conversion in parts:
        if slot is None:
            continue
        if not slot.isidentifier() or form or conversion:
            raise PipelineError(
                f"{name}: {{{slot}}} in {text!r} is not a slot; a slot is {{name}}, of letters, digits and _"
            )
        yield slot
