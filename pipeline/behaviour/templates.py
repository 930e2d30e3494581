"""Test cases made from templates, after CheckList (Ribeiro et al. 2020).

A template is a text with `{slots}`; each way to fill its slots is a case. In the tests that compare two answers a case
is two texts: from a template with `original` and `changed`, or from one in which a slot's fillers are written
`original: changed`. `docs/behaviour.md` explains the files they come from.
"""

import random
import string
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

from pydantic import Field

from pipeline.config import Section
from pipeline.runtime.errors import PipelineError

Test = Literal["minimum functionality", "invariance", "direction"]
EXPECTATIONS: dict[Test, tuple[str, ...]] = {
    "minimum functionality": ("negative", "positive"),
    "invariance": ("same",),
    "direction": ("rises", "falls"),
}
"""What may be expected in each kind of test: a label; the same label; a probability of positive that rises or falls."""

Fillers = list[str] | dict[str, str]
"""What a slot is filled with; a mapping gives the filler in the original and the one in the changed text."""


class Pair(Section):
    """The two texts of a case in which more than fillers differ."""

    original: str
    changed: str


class Group(Section):
    """Templates of which the same is expected."""

    expect: Literal["negative", "positive", "same", "rises", "falls"]
    templates: list[str | Pair] = Field(min_length=1)


class Capability(Section):
    """What is tested, how, and the templates."""

    description: str = Field(min_length=1)
    test: Test
    cases: int = Field(ge=1)
    """How many are made; where the templates give more, they are drawn."""
    seed: int = 0
    tolerance: float = Field(default=0, ge=0, lt=1)
    """In a test of direction: how far the probability may move the wrong way."""
    slots: dict[str, Fillers] = Field(default_factory=dict)
    groups: list[Group] = Field(min_length=1)

    @property
    def compares(self) -> bool:
        """Whether two answers are compared."""
        return self.test != "minimum functionality"


@dataclass(frozen=True)
class Case:
    """One or two texts and what is expected of the answers."""

    expect: str
    template: int
    """Number of the template in its file, from 0."""
    text: str
    changed: str | None


def make_cases(name: str, capability: Capability) -> list[Case]:
    """The cases of a capability: always the same ones, and of each template as many as the others leave room for.

    Raises:
        PipelineError: the templates do not give so many, or a slot has no fillers; names the capability.
    """
    templates = [(group.expect, template) for group in capability.groups for template in group.templates]
    sizes = [_size(name, template, capability.slots) for _, template in templates]
    if max(sizes) > sys.maxsize:
        raise PipelineError(f"{name}: a template makes more cases than can be drawn from; take out slots or fillers")
    if sum(sizes) < capability.cases:
        raise PipelineError(
            f"{name}: the templates make {sum(sizes)} cases, {capability.cases} are asked for; "
            "add templates or fillers, or ask for fewer"
        )
    draw = random.Random(f"{capability.seed} {name}")
    cases = []
    for number, share in _shares(sizes, capability.cases):
        expect, template = templates[number]
        for index in sorted(draw.sample(range(sizes[number]), share)):
            text, changed = _fill(template, capability.slots, slots_of(name, template), index)
            cases.append(Case(expect, number, text, changed if capability.compares else None))
    return cases


def check(place: str, capability: Capability) -> None:
    """Refuse what does not go together.

    Raises:
        PipelineError: begins with `place`.
    """
    if capability.tolerance and capability.test != "direction":
        raise PipelineError(f"{place}: tolerance: only a test of direction has one; take it out")
    for group in capability.groups:
        if group.expect not in EXPECTATIONS[capability.test]:
            allowed = " or ".join(EXPECTATIONS[capability.test])
            raise PipelineError(f"{place}: a test of {capability.test} expects {allowed}, not {group.expect}")
        for template in group.templates:
            _check_template(place, template, capability)
    used = {slot for group in capability.groups for template in group.templates for slot in slots_of(place, template)}
    if unused := sorted(capability.slots.keys() - used):
        raise PipelineError(f"{place}: no template has the slot {{{unused[0]}}}; use it, or take it out")


def _check_template(place: str, template: str | Pair, capability: Capability) -> None:
    pairs = {slot for slot, fillers in capability.slots.items() if isinstance(fillers, dict)}
    changes = isinstance(template, Pair) or bool(pairs.intersection(slots_of(place, template)))
    text = template.original if isinstance(template, Pair) else template
    if changes and not capability.compares:
        raise PipelineError(
            f"{place}: {text!r} changes, but a test of {capability.test} is of one text; leave out the change"
        )
    if capability.compares and not changes:
        raise PipelineError(
            f"{place}: nothing changes in {text!r}, but a test of {capability.test} is of two texts; say what changes"
        )


def count_cases(name: str, capability: Capability) -> int:
    """How many cases the templates can make. Raises `PipelineError` if a slot has no fillers."""
    templates = [template for group in capability.groups for template in group.templates]
    return sum(_size(name, template, capability.slots) for template in templates)


def _size(name: str, template: str | Pair, fillers: Mapping[str, Fillers]) -> int:
    """In how many ways a template can be filled."""
    slots = slots_of(name, template)
    for slot in slots:
        if not fillers.get(slot):
            known = ", ".join(sorted(slot for slot, words in fillers.items() if words)) or "none"
            raise PipelineError(f"{name}: the slot {{{slot}}} has no fillers; those with fillers: {known}")
    return prod(len(fillers[slot]) for slot in slots)


def _shares(sizes: list[int], total: int) -> Iterator[tuple[int, int]]:
    """How many cases each template gives, as equal as can be: what small ones cannot give, larger ones do."""
    left = total
    shares = {}
    for done, number in enumerate(sorted(range(len(sizes)), key=lambda number: sizes[number])):
        shares[number] = min(sizes[number], left // (len(sizes) - done))
        left -= shares[number]
    yield from sorted(shares.items())


def _fill(template: str | Pair, slots: Mapping[str, Fillers], used: list[str], index: int) -> tuple[str, str]:
    """The texts of the case with this number; the last slot changes fastest."""
    originals, changes = {}, {}
    for slot in reversed(used):
        index, place = divmod(index, len(slots[slot]))
        fillers = slots[slot]
        originals[slot] = list(fillers)[place]
        changes[slot] = list(fillers.values())[place] if isinstance(fillers, dict) else originals[slot]
    pair = Pair(original=template, changed=template) if isinstance(template, str) else template
    return pair.original.format_map(originals), pair.changed.format_map(changes)


def slots_of(name: str, template: str | Pair) -> list[str]:
    """The slots of a template, in order.

    Raises:
        PipelineError: it cannot be read; names the capability.
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
                f"{name}: {{{slot}}} in {text!r} is no slot; a slot is {{name}}, of letters, digits and _"
            )
        yield slot
