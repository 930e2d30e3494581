"""Search space of a sweep: the values of Hydra's sweeper and of the command line, which takes precedence."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.errors import HydraException

from pipeline.runtime.errors import PipelineError


@dataclass(frozen=True)
class SearchSpace:
    """The overrides of a sweep."""

    searched: Mapping[str, Override]
    """Overrides that stand for several values, by key; the key of `++training.lr=1,2` is `training.lr`."""
    fixed: list[str]
    """The other overrides, which all trials share."""

    @property
    def texts(self) -> dict[str, str]:
        """The values to search, by key, as the user wrote them."""
        return {key: override.get_value_string() for key, override in self.searched.items()}

    def combinations(self, most: int) -> int:
        """Return the number of trials of a grid.

        Raises:
            PipelineError: it is above `most`, or a key has a continuous range of values.
        """
        for override in self.searched.values():
            if not override.is_discrete_sweep():
                raise PipelineError(f"{override.input_line}: a grid needs single values; list them, or use sweep=tpe")
        trials = 1
        for key, override in self.searched.items():
            trials *= sum(1 for _ in islice(self.values(key), most + 1))
            if trials > most:
                raise PipelineError(f"{override.input_line}: more than {most:,} trials; search fewer values")
        return trials

    def values(self, key: str) -> Iterator[Any]:
        """Yield the values of a key whose search is discrete."""
        override = self.searched[key]
        value = override.value()
        # the iterator of a range that is to be shuffled would build the whole list
        yield from value.range() if isinstance(value, RangeSweep) else override.sweep_iterator()


def parse_space(
    params: Mapping[str, Any] | None, arguments: Iterable[str], loader: ConfigLoader | None = None
) -> SearchSpace:
    """Parse the overrides of a sweep.

    Args:
        params: `hydra.sweeper.params`.
        arguments: overrides of the command line.
        loader: looks up the choices of a group, for `model=glob(*)`.

    Raises:
        PipelineError: Hydra cannot parse an override, or a key is searched twice.
    """
    overrides = [*(f"{key}={value}" for key, value in (params or {}).items()), *arguments]
    try:
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(overrides)
    except HydraException as error:
        raise PipelineError(f"hydra.sweeper.params: {' '.join(str(error).split())}") from None
    latest = {override.get_key_element(): override for override in parsed}
    searched: dict[str, Override] = {}
    for override in latest.values():
        key = plain_key(override.get_key_element())
        if override.is_sweep_override() and (other := searched.setdefault(key, override)) is not override:
            raise PipelineError(f"{other.input_line} and {override.input_line} search the same key; leave one out")
    fixed = [str(override.input_line) for override in latest.values() if not override.is_sweep_override()]
    return SearchSpace(searched, fixed)


def plain_key(key: str) -> str:
    """Return the key of an override without Hydra's `+` and `++`, which MLflow takes in no name of a parameter."""
    return key.lstrip("+")


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Shorten each key to its last part, such as `lr` for `training.lr`, unless two keys share that part."""
    keys = list(keys)
    last = {key: key.replace("/", ".").rpartition(".")[2] for key in keys}
    return {key: last[key] if list(last.values()).count(last[key]) == 1 else key for key in keys}
