import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.behaviour import __main__ as behaviour
from pipeline.behaviour.capability_files import FOLDER, load_capabilities, parse_capability
from pipeline.behaviour.failures import (
    answer,
    behaviour_examples,
    behaviour_metrics,
    behaviour_table,
    format_behaviour,
    run_suite,
)
from pipeline.behaviour.templates import Case, make_cases
from pipeline.runtime.errors import PipelineError

CAPABILITIES = load_capabilities(FOLDER)
VALUES: dict[str, Any] = {
    "description": "Tastes.",
    "test": "minimum functionality",
    "cases": 6,
    "slots": {"what": ["tea", "coffee"], "how": ["good", "fine", "bad"]},
    "groups": [{"expect": "positive", "templates": ["The {what} is {how}."]}],
}
PAIRS = {
    **VALUES,
    "test": "invariance",
    "slots": {"what": {"tea": "tee", "coffee": "cofee"}, "how": ["good"]},
    "cases": 2,
}
PAIRS["groups"] = [{"expect": "same", "templates": ["The {what} is {how}."]}]


def texts(**changes: Any) -> list[str]:
    return [case.text for case in make_cases("taste", parse_capability("taste", {**VALUES, **changes}, {}))]


def test_more_cases_than_can_be_drawn_from_are_refused() -> None:
    slots = {f"a{number}": [str(filler) for filler in range(13)] for number in range(20)}
    template = " ".join(f"{{{slot}}}" for slot in slots)
    with pytest.raises(PipelineError, match="taste: a template makes more cases than can be drawn from; take out"):
        texts(slots=slots, groups=[{"expect": "positive", "templates": [template]}])


class ByWord:
    """Knows the probability of some words; what has none of them is 0.5 likely to be positive, and so is positive."""

    threshold = 0.5

    def __init__(self, **known: float) -> None:
        self.known = known
        self.asked: list[str] = []

    def probabilities(self, texts: Iterable[str], /) -> np.ndarray:
        self.asked = list(texts)
        found = [next((p for word, p in self.known.items() if word in text), 0.5) for text in self.asked]
        return np.array(found, np.float32)


# Templates


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
    made = texts(groups=groups, slots=slots, cases=20)
    assert sum(text.startswith("Just") for text in made) == 3
    assert len(set(made)) == 20


def test_a_pair_of_fillers_or_of_templates_makes_two_texts() -> None:
    (first, _) = make_cases("typos", parse_capability("typos", PAIRS, {}))
    assert (first.text, first.changed) == ("The tea is good.", "The tee is good.")
    template = {"original": "{how} {what}", "changed": "{what}, {how}!"}
    values = {**PAIRS, "groups": [{"expect": "same", "templates": [template]}]}
    (first, _) = make_cases("typos", parse_capability("typos", values, {}))
    assert (first.text, first.changed) == ("good tea", "tee, good!")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cases": 7}, "taste: the templates make 6 cases, 7 are asked for"),
        ({"groups": [{"expect": "positive", "templates": ["{what} {how} {where}"]}]}, r"slot \{where\} has no fillers"),
        ({"slots": {**VALUES["slots"], "how": []}}, r"slot \{how\} has no fillers; those with fillers: what"),
        ({"slots": {**VALUES["slots"], "who": ["I"]}}, r"no template has the slot \{who\}"),
        ({"groups": [{"expect": "positive", "templates": ["{what} {how"]}]}, r"cannot be read: .*; a slot is \{name\}"),
        ({"groups": [{"expect": "positive", "templates": ["{what.x} {how}"]}]}, r"\{what\.x\} .* is no slot"),
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


def test_a_folder_gives_its_files_by_name_and_all_of_them_share_its_lexicon(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="holds no templates"):
        load_capabilities(tmp_path)
    (tmp_path / "taste.yaml").write_text(yaml.safe_dump({**VALUES, "slots": {}}))
    (tmp_path / "lexicon.yaml").write_text(yaml.safe_dump(VALUES["slots"]))
    capabilities = load_capabilities(tmp_path)
    assert [case.text for case in make_cases("taste", capabilities["taste"])] == texts()
    (tmp_path / "broken.yaml").write_text("description: [")
    with pytest.raises(PipelineError, match=r"broken\.yaml is not YAML"):
        load_capabilities(tmp_path)


# The suite that is shipped


def test_a_file_whose_name_makes_no_metric_is_refused(tmp_path: Path) -> None:
    (tmp_path / "who, what.yaml").write_text("")
    with pytest.raises(PipelineError, match=r"who, what\.yaml: a metric is named after the file; use letters"):
        load_capabilities(tmp_path)


def test_the_suite_has_its_size_and_all_three_kinds_of_test() -> None:
    assert len(CAPABILITIES) >= 12
    assert {capability.test for capability in CAPABILITIES.values()} == {
        "minimum functionality",
        "invariance",
        "direction",
    }
    assert all(capability.cases >= 100 for capability in CAPABILITIES.values())


@pytest.mark.parametrize("name", CAPABILITIES)
def test_the_cases_of_a_capability_are_different_and_read_well(name: str) -> None:
    cases = make_cases(name, CAPABILITIES[name])
    assert len({(case.text, case.changed) for case in cases}) == len(cases) == CAPABILITIES[name].cases
    assert all(case.text != case.changed for case in cases)
    shares = np.unique([case.expect for case in cases], return_counts=True)[1]
    assert shares.max() - shares.min() <= 2  # no answer is right more often than the other
    for text in {text for case in cases for text in (case.text, case.changed) if text is not None}:
        assert not re.search(r"[{}]|  |\ba [aeio]|\ban [^aeiou]|^\s|\s$|\b(\w+) \1\b", text), text


# Failures


@pytest.mark.parametrize(
    ("expect", "before", "after", "failed"),
    [
        ("positive", 0.5, None, False),  # the threshold itself is positive
        ("positive", 0.49, None, True),
        ("negative", 0.49, None, False),
        ("negative", 0.5, None, True),
        ("same", 0.1, 0.49, False),
        ("same", 0.49, 0.5, True),
        ("rises", 0.6, 0.56, False),
        ("rises", 0.6, 0.54, True),
        ("rises", 0.1, 0.9, False),
        ("falls", 0.6, 0.64, False),
        ("falls", 0.6, 0.66, True),
    ],
)
def test_what_passes_and_what_fails(expect: str, before: float, after: float | None, failed: bool) -> None:
    case = Case(expect, 0, "before", None if after is None else "after")
    (said,) = answer(ByWord(before=before, after=after or 0), [case], tolerance=0.05)
    assert said.failed == failed


def test_the_tables_count_failures_and_show_the_worst_of_each_template() -> None:
    groups = [{"expect": "positive", "templates": ["The {what} is {how}.", "{how} {what}"]}]
    capabilities = {"taste": parse_capability("taste", {**VALUES, "cases": 12, "groups": groups}, {})}
    model = ByWord(good=0.9, fine=0.4, bad=0.1)
    answers = run_suite(model, capabilities)
    assert len(model.asked) == 12
    table = behaviour_table(capabilities, answers)
    assert behaviour_metrics(table) == {"taste": {"failure_rate": 8 / 12, "cases": 12}}
    assert table["low"][0] < 8 / 12 < table["high"][0]
    assert re.search(r"taste +minimum functionality +12 +8 +66\.7%", format_behaviour(table))
    shown = behaviour_examples(capabilities, answers)["taste"]["examples"]
    assert [example["text"] for example in shown] == ["The tea is bad.", "bad tea"]


def test_a_text_of_several_cases_is_asked_once() -> None:
    model = ByWord()
    answer(model, [Case("same", 0, "tea", "coffee"), Case("same", 0, "tea", "water")])
    assert model.asked == ["tea", "coffee", "water"]


# The command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Run the command with arguments; gives the lines it prints."""

    def run(*arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["behaviour", *arguments])
        behaviour.main()
        return capsys.readouterr().out.splitlines()

    return run


def test_the_command_judges_a_template_of_the_users_own(trained: Any, command: Callable[..., list[str]]) -> None:
    model = ["--model", str(trained.root / "artifacts" / "model")]
    first, second, last = command("A {word}.", "--fill", "word=pure joy, pure misery", "--expect", "positive", *model)
    assert first.startswith("ok    positive  ")
    assert first.endswith("  A pure joy.")
    assert second.startswith("FAIL  negative  ")
    assert last == "1 of 2 cases failed"
    shown = command("It is {word}.", "--changed", "It is {word}!", "--fill", "word=pure joy", *model)
    assert [line.split("  ")[2] for line in shown] == ["It is pure joy.", "It is pure joy!"]
    assert len(command("I {loved} this {film}.", "--cases", "7", *model)) == 7  # from the lexicon


def test_the_command_prints_the_table_of_the_suite(trained: Any, command: Callable[..., list[str]]) -> None:
    lines = command("--model", str(trained.root / "artifacts" / "model"))
    assert [line.split()[0] for line in lines] == ["capability", *CAPABILITIES]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["It is {so}."], "error: your template: the slot {so} has no fillers"),
        (["It is.", "--fill", "so"], "error: --fill 'so': write it as slot=one,two"),
        (["It is.", "--expect", "rises"], "error: your template: nothing changes in 'It is.'"),
        (["It is.", "--cases", "0"], "error: your template: cases: Input should be greater"),
        (["--model", "nowhere"], "error: model folder nowhere does not exist"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    arguments: list[str],
    message: str,
    command: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        command(*arguments)
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(message)


def test_the_command_refuses_what_only_a_template_takes(
    command: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        command("--fill", "film=play")
    assert caught.value.code == 2
    assert "give one before them" in capsys.readouterr().err
