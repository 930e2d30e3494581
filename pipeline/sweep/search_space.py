"""What a sweep searches: the values given to Hydra's sweeper, those of the command line winning."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.errors import HydraException

from pipeline.runtime.errors import PipelineError


@dataclass(frozen=True)
class Space:
    """The overrides of a sweep."""

    searched: Mapping[str, Override]
    """Those that stand for several values, by key."""
    fixed: list[str]
    """The others."""

    @property
    def texts(self) -> dict[str, str]:
        """What is searched, as it was written."""
        return {key: override.get_value_string() for key, override in self.searched.items()}

    def combinations(self, most: int) -> int:
        """Trials of a grid.

        Raises:
            PipelineError: they are more than `most`, or there is no end to the values of a key.
        """
        for override in self.searched.values():
            if not override.is_discrete_sweep():
                raise PipelineError(f"{override.input_line}: a grid needs single values; name them, or use sweep=tpe")
        trials = 1
        for override in self.searched.values():
            value = override.value()
            # Hydra would make a list of a range that is to be shuffled
            values = value.range() if isinstance(value, RangeSweep) else override.sweep_iterator()
            trials *= sum(1 for _ in islice(values, most + 1))
            if trials > most:
                raise PipelineError(f"{override.input_line}: more than {most:,} trials; search fewer values")
        return trials


def parse_space(
    params: Mapping[str, Any] | None, arguments: Iterable[str], loader: ConfigLoader | None = None
) -> Space:
    """Parse what is searched.

    Args:
        params: `hydra.sweeper.params`.
        arguments: overrides of the command line.
        loader: knows the choices of a group, for `model=glob(*)`.

    Raises:
        PipelineError: Hydra does not understand an override.
    """
    given = [*(f"{key}={value}" for key, value in (params or {}).items()), *arguments]
    try:
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(given)
    except HydraException as error:
        raise PipelineError(f"hydra.sweeper.params: {' '.join(str(error).split())}") from None
    latest = {override.get_key_element(): override for override in parsed}
    searched = {key: override for key, override in latest.items() if override.is_sweep_override()}
    return Space(searched, [str(override.input_line) for key, override in latest.items() if key not in searched])


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """The last part of each key, such as `lr` of `training.lr`; the whole key where two end alike."""
    keys = list(keys)
    last = {key: key.lstrip("+").replace("/", ".").rpartition(".")[2] for key in keys}
    return {key: last[key] if list(last.values()).count(last[key]) == 1 else key for key in keys}
