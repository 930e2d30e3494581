"""Write the choices of a run into conf/experiment/, so that DVC can train it again and ship it.

RUN is the id of a trial or of any other training run, or of a sweep, whose best trial is then meant; or a sweep's name,
such as `grid: hidden_dim, lr`, or what was given as `sweep=`, such as `grid`.

  python -m pipeline.promote grid --name small_and_quick
  dvc exp run -S experiment=small_and_quick
"""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.cli import Parser, tidy_exit
from pipeline.config import flatten, validate
from pipeline.config.composition import compose_config
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import write_text
from pipeline.runtime.paths import WORKSPACE
from pipeline.sweep.parent_run import OBJECTIVE, find_sweeps, find_trials, latest_trials, ranked
from pipeline.tracking.finished_runs import FinishedRun, find_finished, read_config
from pipeline.tracking.provenance import CHOICES_TAG, WITHOUT_EFFECT
from pipeline.tracking.store import Store, connect

CONF = WORKSPACE / "conf"


def main(run: str, name: str | None, force: bool) -> Path:
    """Write `conf/experiment/<name>.yaml` for a run.

    Args:
        run: id of a run, or name of a sweep.
        name: of the experiment; None: one made from the run's name.
        force: replace the file if there is one.

    Raises:
        PipelineError: there is no such run, it cannot be composed from conf/, or the file is there already.
    """
    store = connect(validate(compose_config([])).tracking)
    found = find_winner(store, run)
    name = name or re.sub(r"[^a-z0-9]+", "_", found.name.lower()).strip("_")
    if not re.fullmatch(r"[A-Za-z_][\w-]*", name, re.ASCII) or not isinstance(yaml.safe_load(name), str):
        raise PipelineError(f"--name {name}: not fit for experiment=NAME; use a letter, then letters, digits, _ and -")
    path = CONF / "experiment" / f"{name}.yaml"
    if path.exists() and not force:
        raise PipelineError(f"{path} is there already; choose another --name, or replace it with --force")
    write_text(path, _as_file(experiment(found, read_config(store, found.run_id), name), _head(found)))
    return path


def find_winner(store: Store, run: str) -> FinishedRun:
    """The training run that is meant: itself, or the best trial of a sweep.

    Raises:
        PipelineError: there is none, or a name means several sweeps.
    """
    if found := find_finished(store, run):
        return found
    sweeps = find_sweeps(store, run)
    if not sweeps:
        raise PipelineError(f"{run}: {store.name} has no finished run with this id, and no sweep of this name")
    if len(names := sorted(set(sweeps.values()))) > 1:
        raise PipelineError(f"{run} may be any of the sweeps {'; '.join(names)}; give one of these names, or an id")
    best = ranked(latest_trials(find_trials(store, next(iter(sweeps)))))
    winner = find_finished(store, best[0].run_id) if best else None
    if winner is None:
        raise PipelineError(f"{run}: no trial of this sweep has finished; run the sweep again")
    return winner


def experiment(run: FinishedRun, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the experiment's file says: the choices of groups, then single values where these do not give the run's.

    Args:
        run: a training.
        config: it was trained with.
        name: of the experiment.

    Raises:
        PipelineError: what it composes to differs from the run's configuration.
    """
    wanted = _without_fingerprints(config)
    wanted["trainer"] |= {"threads": int(run.params["hardware.threads"]), "precision": run.params["hardware.precision"]}
    groups = _groups()
    recorded = run.tags.get(CHOICES_TAG)
    choices = json.loads(recorded) if recorded else {group: _fitting(group, wanted, name) for group in groups}
    overrides = [
        _override(group, choices[group]) for group in groups if choices.get(group, groups[group]) != groups[group]
    ]
    body: dict[str, Any] = {"defaults": overrides} if overrides else {}
    body |= difference(wanted, _composed(body, name))
    made = validate(_composed(body, name)).model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    _require_equal(wanted, _without_fingerprints(made), run)
    return body


def difference(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """What must be set to turn `present` into `wanted`; what it has too much stays."""
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        now = present.get(key)
        if isinstance(value, Mapping) and isinstance(now, Mapping):
            if inner := difference(value, now):
                found[key] = inner
        elif value != now:
            found[key] = value
    return found


def _groups() -> dict[str, str]:
    """The groups of conf/ and their defaults, but for those that stand for nothing of their own."""
    defaults = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    groups = {group: choice for entry in defaults if isinstance(entry, dict) for group, choice in entry.items()}
    return {group: choice for group, choice in groups.items() if group not in ("experiment", *WITHOUT_EFFECT)}


def _override(group: str, choice: str) -> dict[str, str]:
    return {f"override /{group}": choice}


def _fitting(group: str, wanted: Mapping[str, Any], name: str) -> str:
    """The first choice, the default before others, that has the keys of a run DVC composed: it records no choices."""
    groups, folder = _groups(), CONF / group
    others = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))
    options = [option for option in others if f"{group}/{option.partition('/')[0]}" not in groups]
    for option in (groups[group], *options):
        if _keys(_composed({"defaults": [_override(group, option)]}, name), group) == _keys(wanted, group):
            return option
    return groups[group]


def _keys(values: Mapping[str, Any], group: str) -> set[str]:
    section: Any = values
    for part in group.split("/"):
        section = section[part] or {}
    return set(section) - {"fingerprint"}


def _composed(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "conf"
        shutil.copytree(CONF, conf, symlinks=True)  # an editor's lock leads nowhere
        write_text(conf / "experiment" / f"{name}.yaml", _as_file(body))
        return compose_config([f"experiment={name}"], conf)


def _without_fingerprints(values: Mapping[str, Any]) -> dict[str, Any]:
    """`compose` fills in the fingerprints of the files it finds."""
    return {
        key: _without_fingerprints(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if key != "fingerprint"
    }


def _require_equal(wanted: Mapping[str, Any], composed: Mapping[str, Any], run: FinishedRun) -> None:
    asked, made = flatten(wanted), flatten(composed)
    for key in asked | made:
        if asked.get(key) != made.get(key):
            raise PipelineError(
                f"run {run.run_id} cannot be promoted: its {key} is {asked.get(key)!r}, and an experiment on top of "
                f"conf/ as it is now has {made.get(key)!r}; check out its commit, {run.tags.get('git.commit')}, first"
            )


def _as_file(body: Mapping[str, Any], comment: str = "") -> str:
    return f"# @package _global_\n{comment}" + yaml.safe_dump(
        dict(body), sort_keys=False, allow_unicode=True, width=120
    )


def _head(run: FinishedRun) -> str:
    loss, accuracy = (run.metrics.get(key, float("nan")) for key in (OBJECTIVE, "best/val_accuracy"))
    judged = f"calibrated validation loss {loss:.4f}, accuracy {accuracy:.4f}"
    return f"# Promoted from MLflow run {run.run_id} ({run.name}): {judged}.\n"


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("run", metavar="RUN", help="id of a run, or name of a sweep")
    parser.add_argument("--name", help="of the experiment; by default made from the run's name")
    parser.add_argument("--force", action="store_true", help="replace an experiment of the same name")
    arguments = parser.parse_args()
    with tidy_exit():
        written = main(arguments.run, arguments.name, arguments.force)
        print(f"{written.relative_to(WORKSPACE)}\ntrain it: dvc exp run -S experiment={written.stem}")
