"""Write the configuration of a run into conf/experiment/, so that DVC can train, evaluate and register its model.

RUN is the id of a training run or of a sweep, the name of a sweep, such as `grid: hidden_dim, lr`, or the value of
`sweep=`, such as `grid`. For a sweep, its best trial is promoted. A name means this project's latest sweep; an id
may belong to another project.

  python -m pipeline.promote grid --name small_and_quick
  dvc exp run -S experiment=small_and_quick
"""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipeline.cli import Parser, tidy_exit
from pipeline.config.comparison import flatten
from pipeline.config.composition import compose_config
from pipeline.config.reference import default_choices
from pipeline.config.schema import validate
from pipeline.runtime.atomic import write_text
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.garbage import importing
from pipeline.runtime.paths import CONF, WORKSPACE
from pipeline.tracking.provenance import CHOICES, WITHOUT_EFFECT

if TYPE_CHECKING:
    from pipeline.tracking.finished_runs import FinishedRun


def main(run: str, name: str | None, force: bool) -> Path:
    """Write `conf/experiment/<name>.yaml` for a run.

    Args:
        run: id of a run, or name of a sweep.
        name: name of the experiment; None: derived from the run's name.
        force: replace an existing file.

    Returns:
        the path of the file.

    Raises:
        PipelineError: there is no such run, conf/ cannot give its configuration, or the file exists already.
    """
    with importing():  # not above: --help needs no MLflow
        from pipeline.sweep.winner import find_winner
        from pipeline.tracking.finished_runs import read_config
        from pipeline.tracking.store import connect
    store = connect(validate(compose_config([])).tracking)
    winner = find_winner(store, run)
    unnumbered = re.sub(r"^#\d+ ", "", winner.name.lower())
    name = name or re.sub(r"[^a-z0-9]+", "_", unnumbered).strip("_")
    if not re.fullmatch(r"[A-Za-z_][\w-]*", name, re.ASCII) or not isinstance(yaml.safe_load(name), str):
        raise PipelineError(
            f"--name {name}: not usable as experiment=NAME; use a letter, then letters, digits, _ and -"
        )
    path = CONF / "experiment" / f"{name}.yaml"
    if path.exists() and not force:
        raise PipelineError(f"{path} exists already; choose another --name, or replace it with --force")
    body = experiment(winner, read_config(store, winner.run_id), name)
    write_text(path, _experiment_yaml(body, _provenance_comment(winner)))
    return path


def experiment(run: "FinishedRun", config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the content of an experiment's file: choices of groups, then the values that differ from those choices.

    Args:
        run: a training run.
        config: the configuration it was trained with.
        name: name of the experiment.

    Raises:
        PipelineError: the file would compose to something else than the run's configuration.
    """
    if config["training"].get("folds") is not None:
        raise PipelineError(
            f"run {run.run_id} cannot be promoted: it was trained on folds of the reviews, only to measure; give its "
            "settings to `dvc exp run -S …`, without training.folds"
        )
    if config.get("debug") is not None:
        raise PipelineError(
            f"run {run.run_id} cannot be promoted: it was a debugged training, whose figures mean nothing"
        )
    wanted = _without_fingerprints(config)
    wanted["trainer"] |= {"threads": int(run.params["hardware.threads"]), "precision": run.params["hardware.precision"]}
    without_effect = ("debug", "experiment", *WITHOUT_EFFECT)
    defaults = {group: choice for group, choice in default_choices(CONF).items() if group not in without_effect}
    choices = json.loads(run.tags.get(CHOICES, "{}"))
    if not choices.keys() >= defaults.keys():
        choices = _guess_choices(wanted, defaults) | choices
    chosen = {group: choices[group] for group in defaults if choices.get(group, defaults[group]) != defaults[group]}
    body: dict[str, Any] = {"defaults": [{f"override /{group}": choice} for group, choice in chosen.items()]}
    body = (body if chosen else {}) | difference(wanted, _compose_choices(chosen))
    composed = validate(_compose_file(body, name)).model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    _require_equal(wanted, _without_fingerprints(composed), run)
    return body


def difference(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values to set to turn `present` into `wanted`; keys that only `present` has are ignored."""
    values: dict[str, Any] = {}
    for key, value in wanted.items():
        current = present.get(key)
        if isinstance(value, Mapping) and isinstance(current, Mapping):
            if inner := difference(value, current):
                values[key] = inner
        elif value != current:
            values[key] = value
    return values


def _guess_choices(wanted: Mapping[str, Any], defaults: Mapping[str, str]) -> dict[str, str]:
    """Take the first choice of each group, the default before others, that has the keys of the run's configuration.

    DVC composes conf/ itself and drops Hydra's record of the choices, so its runs have none; nor has a trial of what
    it took from the dataset. A wrong guess still gives the run's configuration, with more single values.
    """
    choices = dict(defaults)
    for group, default in defaults.items():
        found = (path for path in (CONF / group).rglob("*.yaml") if path.is_file())  # no link that is an editor's lock
        files = sorted(path.relative_to(CONF / group).with_suffix("") for path in found)
        others = [path.as_posix() for path in files if f"{group}/{path.parts[0]}" not in defaults]
        keys = _keys(wanted, group)
        # the default is not stated: another group's file may have overridden it
        candidates = [(default, {}), *((name, {group: name}) for name in others)]
        fitting = (name for name, chosen in candidates if _keys(_compose_choices(chosen), group) == keys)
        choices[group] = next(fitting, default)
    return choices


def _keys(values: Mapping[str, Any], group: str) -> set[str]:
    section: Any = values
    for part in group.split("/"):
        section = section.get(part) or {}  # a run of an earlier version may lack it
    return set(section) - {"fingerprint"}


def _compose_choices(choices: Mapping[str, str]) -> dict[str, Any]:
    return compose_config(["experiment=[]", *(f"{group}={choice}" for group, choice in choices.items())], CONF)


def _compose_file(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "conf"
        shutil.copytree(CONF, conf, symlinks=True)  # the link that an editor uses as a lock leads nowhere
        write_text(conf / "experiment" / f"{name}.yaml", _experiment_yaml(body))
        return compose_config([f"experiment={name}"], conf)


def _without_fingerprints(values: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the fingerprints of the user's own files, which `compose` fills in."""
    return {
        key: _without_fingerprints(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if key != "fingerprint"
    }


def _require_equal(wanted: Mapping[str, Any], composed: Mapping[str, Any], run: "FinishedRun") -> None:
    expected, actual = flatten(wanted), flatten(composed)
    for key in expected | actual:
        if expected.get(key) != actual.get(key):
            raise PipelineError(
                f"run {run.run_id} cannot be promoted: its {key} is {expected.get(key)!r}, but an experiment on top of "
                f"conf/ as it is now has {actual.get(key)!r}; check out its commit, {run.tags.get('git.commit')}, first"
            )


def _experiment_yaml(body: Mapping[str, Any], comment: str = "") -> str:
    values = yaml.safe_dump(dict(body), sort_keys=False, allow_unicode=True, width=120)
    return f"# @package _global_\n{comment}{values}"


def _provenance_comment(run: "FinishedRun") -> str:
    loss, accuracy = (run.metrics.get(key, float("nan")) for key in ("val/calibrated_loss", "val/accuracy"))
    metrics = f"calibrated validation loss {loss:.4f}, accuracy {accuracy:.4f}"
    return f"# Promoted from MLflow run {run.run_id} ({run.name}): {metrics}.\n"


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("run", metavar="RUN", help="id of a run or name of a sweep")
    parser.add_argument("--name", help="name of the experiment (default: derived from the run's name)")
    parser.add_argument("--force", action="store_true", help="replace an experiment of the same name")
    arguments = parser.parse_args()
    with tidy_exit():
        written = main(arguments.run, arguments.name, arguments.force)
        print(f"{written.relative_to(WORKSPACE)}\ntrain it: dvc exp run -S experiment={written.stem}")
