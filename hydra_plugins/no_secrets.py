"""Refuse a configuration with a password, token or key before Hydra or DVC writes any of it.

Hydra loads the namespace `hydra_plugins` in every process that composes. One of them is `dvc exp run`, which writes the
configuration to params.yaml and commits it to git before the first stage can check it.
"""

import re
import sys
from pathlib import Path
from typing import NoReturn

import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from pipeline.config.hydra_search_path import conf_folder
from pipeline.runtime.credentials import holds_secret, refusal_of, secret_keys, sets_secret
from pipeline.runtime.errors import PipelineError

OVERRIDE = re.compile(r"(?:-S|--set-param=)?(?:params\.yaml:)?[+~]*(?P<key>\w[\w./@-]*)=(?P<value>.*)", re.DOTALL)


class NoSecrets(SearchPathPlugin):
    """Checks the command line and the files of conf/; `compose` checks values that these take from elsewhere."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Check for secrets; Hydra calls this before it composes.

        Raises:
            PipelineError: an argument or a file holds a secret; in DVC's process a `DvcException` instead.
        """
        for argument in sys.argv[1:]:
            override = OVERRIDE.fullmatch(argument)
            if override and (secret_keys({override["key"]: override["value"]}) or sets_secret(override["value"])):
                _refuse_secrets(override["key"])
            if holds_secret(argument):
                _refuse_secrets("the command line")
        if (conf := conf_folder(search_path)) is not None:
            _refuse_in(conf)


def _refuse_in(conf: Path) -> None:
    for file in sorted(conf.rglob("*.yaml")):
        if not file.is_file():  # the link that an editor uses as a lock leads nowhere
            continue
        name, text = f"{conf.name}/{file.relative_to(conf)}", file.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if not line.lstrip().startswith("#") and holds_secret(line):
                _refuse_secrets(f"{name}, line {number}", in_git="git gc --prune=now")
        for key in _secret_keys(text):
            _refuse_secrets(f"{name}, {key}", in_git="git gc --prune=now")


def _secret_keys(text: str) -> list[str]:
    """Return the keys with a secret in the text of a file; none if it is not YAML, which Hydra will refuse."""
    try:
        return secret_keys(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, ValueError):
        return []


def _refuse_secrets(place: str, in_git: str = "") -> NoReturn:
    """End the command.

    Args:
        place: where the secret is.
        in_git: command that removes the changed files which DVC has stored in git before it composed.
    """
    if "dvc.cli" in sys.modules:  # DVC asks the user to report any other exception as a bug
        from dvc.exceptions import DvcException

        raise DvcException(refusal_of(place, in_git))
    raise PipelineError(refusal_of(place))
