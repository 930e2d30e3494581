"""Refuse a mistyped key, group or choice of `dvc exp run -S` before Hydra does, whose advice leads no further.

DVC shows Hydra's errors as they are, over many lines and with the advice to prefix `+`, which the schema then refuses.
Commands of the pipeline reword them in `pipeline.config.composition`.
"""

import re
import sys
from itertools import pairwise

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from pipeline.config.hydra_search_path import conf_folder, dvc_composes

NAME = re.compile(r"(?:-S|--set-param=)?(?:params\.yaml:)?(?P<name>[A-Za-z_][\w./]*)=(?P<value>.*)", re.DOTALL)
"""An override that changes what is there."""


class KnownNames(SearchPathPlugin):
    """Checks the overrides on the command line of DVC."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Check the names; Hydra calls this before it composes. The search path is not changed.

        Raises:
            DvcException: conf/ has no such key, group or choice.
        """
        conf = conf_folder(search_path)
        if not dvc_composes() or conf is None:
            return
        from dvc.exceptions import DvcException  # imported only in DVC's own process

        from pipeline.config.reference import problem_of_override

        given = [argument for argument in sys.argv if argument.startswith(("-S", "--set-param="))]
        given += [value for option, value in pairwise(sys.argv) if option in ("-S", "--set-param")]
        for override in filter(None, map(NAME.fullmatch, given)):
            if problem := problem_of_override(override["name"], override["value"], conf):
                raise DvcException(problem)
