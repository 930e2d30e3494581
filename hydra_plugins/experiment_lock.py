"""Take the lock on the pipeline when `dvc exp run` composes conf/, before it changes params.yaml or any output.

DVC has no hook for this, but it composes with Hydra, and Hydra calls the plugins in the namespace `hydra_plugins`
before it composes. Other commands that compose are not affected.
"""

import sys

import psutil
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from pipeline.config.hydra_search_path import conf_folder, dvc_composes
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.pipeline_lock import Holder, acquire

IN_A_COPY = "--temp"
"""Option with which DVC runs the stages in a copy of this checkout. The lock must be free while the copy is made, but
not afterwards. (With `--queue` the process ends as soon as it has rewritten params.yaml and restored it.)"""


class ExperimentLock(SearchPathPlugin):
    """Takes the lock before DVC composes an experiment."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Take the lock; Hydra calls this before it composes. The search path is not changed.

        Raises:
            DvcException: another command holds the lock; DVC shows this exception as one line.
        """
        if not dvc_composes():
            return
        from dvc.exceptions import DvcException  # imported only in DVC's own process

        conf = conf_folder(search_path)
        assert conf is not None  # DVC always passes it
        holder = None if IN_A_COPY in sys.argv else Holder.of(psutil.Process())
        try:
            acquire(conf.parent, holder)
        except PipelineError as error:
            raise DvcException(str(error)) from None
