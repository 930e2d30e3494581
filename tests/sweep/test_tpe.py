"""Search by TPE: distributions, and studies that were stopped."""

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from pipeline.runtime.errors import PipelineError
from pipeline.sweep.tpe import ask_study, distribution, open_study


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b", CategoricalDistribution(["a", "b"])),
        ("range(2,9,3)", IntDistribution(2, 8, step=3)),
        ("interval(0,1)", FloatDistribution(0, 1)),
        ("tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("tag(log,int(interval(4,64)))", IntDistribution(4, 64, log=True)),
    ],
)
def test_each_kind_of_value_has_its_distribution(text, expected):
    assert distribution(OverridesParser.create().parse_override(f"key={text}")) == expected


def tried_values(study: optuna.Study, trials: int) -> list[float]:
    """Run trials with a loss that has its minimum at 0.3; return their values."""
    values = []
    for _ in range(trials):
        trial = ask_study(study, {"x": FloatDistribution(0, 1)}, seed=1)
        study.tell(trial, (trial.params["x"] - 0.3) ** 2)
        values.append(trial.params["x"])
    return values


def test_a_killed_study_proposes_what_it_would_have_proposed(tmp_path):
    undisturbed = tried_values(open_study(tmp_path / "a.db", "study", restart=False), 14)
    killed = open_study(tmp_path / "b.db", "study", restart=False)
    before = tried_values(killed, 4)
    ask_study(killed, {"x": FloatDistribution(0, 1)}, seed=1)  # killed before it has a loss
    resumed = open_study(tmp_path / "b.db", "study", restart=False)
    assert before + tried_values(resumed, 10) == undisturbed
    assert len(set(undisturbed)) == 14
    assert {trial.state for trial in resumed.get_trials()} == {TrialState.COMPLETE, TrialState.FAIL}
    assert open_study(tmp_path / "b.db", "study", restart=True).get_trials() == []


def test_a_damaged_study_is_one_line(tmp_path):
    (tmp_path / "optuna.db").write_bytes(b"junk" * 1000)
    with pytest.raises(PipelineError, match=r"optuna.db cannot be used: file is not a database; .*, delete it"):
        open_study(tmp_path / "optuna.db", "study", restart=False)


def test_a_range_has_the_same_values_in_either_direction():
    parse = OverridesParser.create().parse_override
    assert distribution(parse("key=range(9,2,-3)")) == IntDistribution(3, 9, step=3)
    assert distribution(parse("key=range(1,1000000000)")) == IntDistribution(1, 999_999_999)
