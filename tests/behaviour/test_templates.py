"""Templates make the same cases every time, and a mistake in one is one clear line."""

from typing import Any

import pytest

from pipeline.behaviour.capability_files import parse_capability
from pipeline.behaviour.templates import make_cases
from pipeline.runtime.errors import PipelineError
from tests.behaviour.conftest import PAIRS, VALUES


def texts(**changes: Any) -> list[str]:
    return [case.text for case in make_cases("taste", parse_capability("taste", {**VALUES, **changes}, {}))]


def test_every_filling_is_a_case_in_a_fixed_order() -> None:
    assert texts() == [f"The {what} is {how}." for what in ("tea", "coffee") for how in ("good", "fine", "bad")]


def test_a_sample_is_the_same_every_time_and_another_with_another_seed() -> None:
    numbers = {"what": [f"tea {number}" for number in range(50)], "how": ["good"]}
    drawn = texts(slots=numbers, cases=10)
    assert drawn == texts(slots=numbers, cases=10)
    assert drawn != texts(slots=numbers, cases=10, seed=1)
    assert len(set(drawn)) == 10


def test_a_small_template_gives_all_it_has_and_a_large_one_the_rest() -> None:
    groups = [{"expect": "positive", "templates": ["Just {how}.", "The {what} is {how}, {who}."]}]
    slots = {**VALUES["slots"], "who": [f"guest {number}" for number in range(9)]}
    cases = texts(groups=groups, slots=slots, cases=20)
    assert sum(text.startswith("Just") for text in cases) == 3
    assert len(set(cases)) == 20


def test_a_pair_of_fillers_or_of_templates_makes_two_texts() -> None:
    (first, _) = make_cases("typos", parse_capability("typos", PAIRS, {}))
    assert (first.text, first.changed) == ("The tea is good.", "The tee is good.")
    template = {"original": "{how} {what}", "changed": "{what}, {how}!"}
    values = {**PAIRS, "groups": [{"expect": "same", "templates": [template]}]}
    (first, _) = make_cases("typos", parse_capability("typos", values, {}))
    assert (first.text, first.changed) == ("good tea", "tee, good!")


def test_more_cases_than_can_be_drawn_from_are_refused() -> None:
    slots = {f"a{number}": [str(filler) for filler in range(13)] for number in range(20)}
    template = " ".join(f"{{{slot}}}" for slot in slots)
    with pytest.raises(PipelineError, match="taste: a template makes too many cases to draw from; remove slots"):
        texts(slots=slots, groups=[{"expect": "positive", "templates": [template]}])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cases": 7}, "taste: the templates make 6 cases, fewer than the 7 of `cases`; add templates"),
        ({"groups": [{"expect": "positive", "templates": ["{what} {how} {where}"]}]}, r"slot \{where\} has no fillers"),
        ({"slots": {**VALUES["slots"], "how": []}}, r"slot \{how\} has no fillers; those with fillers: what"),
        ({"slots": {**VALUES["slots"], "who": ["I"]}}, r"no template has the slot \{who\}"),
        ({"groups": [{"expect": "positive", "templates": ["{what} {how"]}]}, r"cannot be read: .*; a slot is \{name\}"),
        ({"groups": [{"expect": "positive", "templates": ["{what.x} {how}"]}]}, r"\{what\.x\} .* is not a slot"),
        ({"groups": [{"expect": "same", "templates": ["{what} {how}"]}]}, "expects negative or positive, not same"),
        ({"groups": [{"expect": "fine", "templates": ["{what} {how}"]}]}, r"groups\.0\.expect: "),
        ({"test": "invariance"}, "expects same, not positive"),
        ({"tolerance": 0.1}, "tolerance: only a test of direction has one"),
        ({"kases": 3}, "taste: kases: Extra inputs"),
        ({"slots": {"what": [True], "how": ["good"]}}, r"taste: slots\.what\.0: Input should be a valid string"),
        ({"slots": PAIRS["slots"]}, "'The {what} is {how}.' changes, but a test of minimum functionality"),
        ({**PAIRS, "slots": VALUES["slots"]}, "nothing changes in 'The {what} is {how}.'"),
        (
            {**PAIRS, "groups": [{"expect": "same", "templates": [{"original": "{what} {", "changed": "{ {how}"}]}]},
            "'{what} {' cannot be read",
        ),
    ],
)
def test_a_mistake_in_a_file_is_one_line_that_names_it(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message) as caught:
        texts(**changes)
    assert "\n" not in str(caught.value)
