"""The files of capabilities are read by name, and the suite of the project reads well."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.behaviour.capability_files import SUITE_FOLDER, load_capabilities, parse_capability
from pipeline.behaviour.templates import make_cases
from pipeline.runtime.errors import PipelineError
from tests.behaviour.conftest import VALUES

SUITE = load_capabilities(SUITE_FOLDER)


def test_a_folder_gives_its_files_by_name_and_all_of_them_share_its_lexicon(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="has no templates"):
        load_capabilities(tmp_path)
    (tmp_path / "taste.yaml").write_text(yaml.safe_dump({**VALUES, "slots": {}}))
    (tmp_path / "lexicon.yaml").write_text(yaml.safe_dump(VALUES["slots"]))
    capabilities = load_capabilities(tmp_path)
    own_slots = parse_capability("taste", VALUES, {})
    assert make_cases("taste", capabilities["taste"]) == make_cases("taste", own_slots)
    (tmp_path / "broken.yaml").write_text("description: [")
    with pytest.raises(PipelineError, match=r"broken\.yaml is not YAML"):
        load_capabilities(tmp_path)


def test_a_file_whose_name_makes_no_metric_is_refused(tmp_path: Path) -> None:
    (tmp_path / "who, what.yaml").write_text("")
    with pytest.raises(PipelineError, match=r"who, what\.yaml: a metric is named after the file; use letters"):
        load_capabilities(tmp_path)


def test_the_suite_has_its_size_and_all_three_types_of_test() -> None:
    assert len(SUITE) >= 12
    assert {capability.test for capability in SUITE.values()} == {
        "minimum functionality",
        "invariance",
        "direction",
    }
    assert all(capability.cases >= 100 for capability in SUITE.values())


@pytest.mark.parametrize("name", SUITE)
def test_the_cases_of_a_capability_are_different_and_read_well(name: str) -> None:
    cases = make_cases(name, SUITE[name])
    assert len({(case.text, case.changed) for case in cases}) == len(cases) == SUITE[name].cases
    assert all(case.text != case.changed for case in cases)
    shares = np.unique([case.expect for case in cases], return_counts=True)[1]
    assert shares.max() - shares.min() <= 2  # no answer is right more often than the other
    for text in {text for case in cases for text in (case.text, case.changed) if text is not None}:
        assert not re.search(r"[{}]|  |\ba [aeio]|\ban [^aeiou]|^\s|\s$|\b(\w+) \1\b", text), text
