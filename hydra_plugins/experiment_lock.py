"""Takes the lock on the pipeline when `dvc exp run` composes conf/, before it touches params.yaml or any output.

DVC has no hook of its own there, but it composes with Hydra, and Hydra calls the plugins in the namespace
`hydra_plugins` whenever it does. Every other command that composes is left alone.
"""

import sys

import psutil
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from pipeline.config.hydra_search_path import conf_folder
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.pipeline_lock import Holder, acquire

DVC_COMPOSES = "dvc.utils.hydra"
"""Imported by DVC alone, when it is about to compose."""
IN_A_COPY = "--temp"
"""The option with which the process goes on to run the stages, but in a copy: made of this checkout, whose lock must be
free, but need not stay so. (With `--queue` it ends as soon as it has rewritten params.yaml and put it back.)"""


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

        conf = conf_folder(search_path)
        assert conf is not None  # DVC names it
        holder = None if IN_A_COPY in sys.argv else Holder.of(psutil.Process())
        try:
            acquire(conf.parent, holder)
        except PipelineError as error:
            raise DvcException(str(error)) from None
