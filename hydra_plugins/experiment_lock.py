"""Takes the lock on the pipeline when `dvc exp run` composes conf/, before it touches params.yaml or any output.

DVC has no hook of its own there, but it composes with Hydra, and Hydra calls the plugins in the namespace
`hydra_plugins` whenever it does. Every other command that composes is left alone.
"""

import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from pipeline.errors import PipelineError
from pipeline.pipeline_lock import Holder, acquire

DVC_COMPOSES = "dvc.utils.hydra"
"""Imported by DVC alone, when it is about to compose."""
ELSEWHERE = {"--queue", "--temp"}
"""Options with which the stages run in a copy: the lock must be free, for the copy is made of this checkout."""


class ExperimentLock(SearchPathPlugin):
    """Called by Hydra before it composes."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Take the lock; the search path stays as it is.

        Raises:
            DvcException: another command holds it; DVC shows that as one line.
        """
        if DVC_COMPOSES not in sys.modules:
            return
        from dvc.exceptions import DvcException  # and DVC only in its own process

        conf = next(entry.path for entry in search_path.get_path() if entry.provider == "main")
        workspace = Path(unquote(urlsplit(conf).path)).parent
        here = None if ELSEWHERE & set(sys.argv) else Holder.of(psutil.Process())
        try:
            acquire(workspace, here)
        except PipelineError as error:
            raise DvcException(str(error)) from None
