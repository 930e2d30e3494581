"""The folder of configuration files that Hydra is about to compose, and who composes: for `hydra_plugins`."""

import sys
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath


def conf_folder(search_path: ConfigSearchPath) -> Path | None:
    """Return the folder of the main configuration; None where Hydra composes without one.

    Hydra writes `file://` before the path, but quotes nothing in it: a `#`, `?` or `%` is a part of the path.
    """
    main = next((entry.path for entry in search_path.get_path() if entry.provider == "main"), None)
    return None if main is None else Path(main.removeprefix("file://"))


def dvc_composes() -> bool:
    """Return whether this is DVC's own process, which imports this module of its own just before it composes."""
    return "dvc.utils.hydra" in sys.modules
