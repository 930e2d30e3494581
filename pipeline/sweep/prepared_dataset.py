"""The configuration of trials: they share the prepared dataset, and take its corpus, split and text from there."""

import json
import logging
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from pipeline.config.comparison import flatten, require_same
from pipeline.config.composition import compose_config, translate_hydra_errors, validate_composed
from pipeline.config.override_value import override_value
from pipeline.config.schema import Config
from pipeline.corpus.source import corpus_fingerprint
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import DATASET
from pipeline.text.dataset import read_dataset_record

SECTIONS = ("corpus", "split", "text")
"""Sections of the configuration that the prepared dataset was made with."""
REMEDY = (
    "trials share the prepared dataset: leave it out to train on that one, or give all overrides to `dvc exp run -S …`"
)

log = logging.getLogger(__name__)


def section_of(key: str) -> str:
    """Return the section of a key or group of an override, such as `text` of `+text.max_tokens` and `text/vectors`."""
    return key.lstrip("+~").replace("/", ".").partition(".")[0]


def require_same_dataset(searched: Mapping[str, Override]) -> None:
    """Refuse a search over what the prepared dataset was made with.

    Args:
        searched: overrides that stand for several values, by key.

    Raises:
        PipelineError: the search has such a key; the message has the command to use instead.
    """
    lines = {key: str(override.input_line) for key, override in searched.items() if section_of(key) in SECTIONS}
    if lines:
        # DVC cannot draw from a range
        values = [line if searched[key].is_discrete_sweep() else f"{key}=VALUE,…" for key, line in lines.items()]
        varied = tuple(key.replace("/", ".") for key in lines)
        # the keys of a group that is varied are left to its choices
        overrides = ((re.split("[.=]", each)[0], each.partition("=")[0], each) for each in _dataset_overrides())
        unvaried = [each for section, key, each in overrides if section not in varied and key not in varied]
        command = " ".join(f"-S {shlex.quote(value)}" for value in [*unvaried, *values])
        raise PipelineError(
            f"-m {', '.join(lines.values())}: trials share one dataset, which this changes; queue an experiment for "
            f"each value instead: dvc exp run --queue {command}, then dvc queue start"
        )


def trial_config(composed: DictConfig, hydra_config: DictConfig | HydraConf) -> tuple[Config, list[str]]:
    """Return the configuration of a trial, with the prepared dataset's corpus, split and text.

    A section that an override or the chosen experiment changes stays as it is, and must be the dataset's.

    Args:
        composed: the configuration as Hydra composed it.
        hydra_config: its section `hydra`.

    Returns:
        The configuration; the sections that were taken from the dataset because they differ from conf/.

    Raises:
        PipelineError: there is no dataset, it was made with another section than an override asks for, or a value does
            not fit.
    """
    try:
        prepared = _made_with()
    except PipelineError:
        validate_composed(composed)  # a mistake in the overrides is said first
        raise
    overridden = {section_of(str(override)) for override in hydra_config.overrides.task}
    plain = _without_overrides(hydra_config)
    from_dataset = []
    composed = composed.copy()
    for section in SECTIONS:
        values = _resolved_section(composed, section)
        if section in overridden or values != plain[section] or _flat(plain[section]) == _flat(prepared[section]):
            continue
        from_dataset.append(section)
        with open_dict(composed):
            composed[section] = prepared[section]
    config = validate_composed(composed)
    require_same(config.model_dump(include=set(SECTIONS)), prepared, DATASET.relative_to(DATASET.parents[1]), REMEDY)
    return config, from_dataset


def log_dataset(config: Config, from_dataset: Sequence[str]) -> None:
    """Log which sections of the configuration were taken from the dataset, and whether its corpus was edited since."""
    if from_dataset:
        sections = " and ".join(from_dataset)
        origin = "as artifacts/dataset was prepared with, not as in conf/"
        log.info("%s %s; its corpus is %s", sections, origin, config.corpus.name)
    if note := edited_files_note(config):
        log.warning(note)


def edited_files_note(config: Config) -> str | None:
    """Say that the corpus's files are not those that the dataset was made from; None if they are, or are gone."""
    fingerprint = _made_with()["corpus"].get("fingerprint")
    with suppress(PipelineError):
        if fingerprint is not None and corpus_fingerprint(config.corpus) != fingerprint:
            problem = "the corpus's files were edited since artifacts/dataset was made"
            return f"{problem}; to read them anew, run `dvc repro`, or `dvc exp run` with the overrides of then"
    return None


def choices_tag(choices: Mapping[str, Any], from_dataset: list[str]) -> str:
    """Return the choices of groups as a tag of a run, without Hydra's own and those of sections `from_dataset`."""
    chosen = {group: name for group, name in choices.items() if section_of(group) not in ("hydra", *from_dataset)}
    return json.dumps(chosen, default=list)  # more than one experiment is a list


def _made_with() -> dict[str, Any]:
    """Return the sections that the prepared dataset was made with."""
    info = read_dataset_record(DATASET)
    return {"corpus": info.corpus.config, "split": info.split, "text": info.text}


def _dataset_overrides() -> list[str]:
    """Return the overrides that make the sections of the prepared dataset from conf/, within a command of Hydra."""
    loader = GlobalHydra.instance().config_loader()
    overrides: list[str] = []
    for section, prepared in _made_with().items():
        choices = [[], *([f"{section}={choice}"] for choice in loader.get_group_options(section))]
        plans: list[list[str]] = []
        for choice in choices:
            composed = loader.load_configuration("config", choice, RunMode.RUN)
            plans.append(choice + _differences(prepared, _resolved_section(composed, section), section))
        shortest = min(plans, key=len)  # by the choice that leaves the fewest keys to override
        overrides += shortest
    return overrides


def _differences(wanted: Mapping[str, Any], plain: Mapping[str, Any], prefix: str) -> list[str]:
    """Return an override for each key that has another value; a key that only `plain` has is left alone."""
    overrides: list[str] = []
    for key, value in wanted.items():
        name, present = f"{prefix}.{key}", plain.get(key)
        if key == "fingerprint" or value == present:
            continue
        if isinstance(value, Mapping) and isinstance(present, Mapping):
            overrides += _differences(value, present, name)
        else:
            overrides.append(f"{name}={override_value(value)}")
    return overrides


def _without_overrides(hydra_config: DictConfig | HydraConf) -> dict[str, Any]:
    """Return the sections as conf/ has them."""
    if GlobalHydra.instance().is_initialized():  # Hydra composes nothing beside the configuration of its command
        composed = GlobalHydra.instance().config_loader().load_configuration("config", [], RunMode.RUN)
        return {section: _resolved_section(composed, section) for section in SECTIONS}
    conf = next(source.path for source in hydra_config.runtime.config_sources if source.provider == "main")
    return compose_config([], Path(conf))


def _resolved_section(composed: DictConfig, section: str) -> Any:
    with translate_hydra_errors():
        return OmegaConf.to_container(composed[section], resolve=True)


def _flat(values: Any) -> dict[str, Any]:
    return {key: value for key, value in flatten(values).items() if not key.endswith("fingerprint")}
