"""Passwords, tokens and keys: recognised in a configuration, and hidden in what is shown.

This module imports the standard library alone, because `hydra_plugins` loads it into DVC's process.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "***"
_NAME = (
    r"(?:[\w%.-]*(?:password|passwd|passphrase|pwd|secret|token|signature|credentials?|api[-_]?key|odbc_connect)"
    r"|(?:[\w%.-]*[-_.])?(?:key|pass|sig|auth))"
)
"""Names of secrets. `passfile`, `sslkey` and the like name files, and are not among them."""
_NAMED = re.compile(rf"(?<![\w%.-])({_NAME})=[^&\s]+", re.IGNORECASE)
_KEY = re.compile(_NAME, re.IGNORECASE)
_VARIABLE = r"(?<![\w%-])[\w-]*(?:password|passwd|passphrase|secret|token|(?:api|access)[-_]?key)"
"""Names that stand for a secret in any text, such as `export MLFLOW_TRACKING_PASSWORD=…`."""
_USER_INFO = re.compile(r"://[^\s/]\S*@")
_SECRET = re.compile(
    r"://[^\s:/@?#]*:(?!\d*(?:[/?#\s]|$))[^@\n]+@"  # a password, but not a port with an @ somewhere after it
    r"|(?<!http)(?<!https)(?<!hdfs)(?<!artifacts)://[^\s:/@?#]*:\d+[/?#][^@\s]*@"  # a database's may look like a port
    r"|\bhttps?://[^/?#\s@]+@"  # a user name, which for many servers is a token
    rf"|://\S*[?&;]{_NAME}=[^&\s]"
    rf"|{_VARIABLE}=[\"']?[^&\s\"'$]",  # but not `TOKEN=$OTHER`
    re.IGNORECASE,
)
_ENTRY = re.compile(rf"\{{(?:.*,)?\s*[\"']?{_NAME}[\"']?\s*:\s*[^\s,}}]", re.IGNORECASE | re.DOTALL)
_REMEDIES = {
    "tracking.uri": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or for a database MLFLOW_TRACKING_URI, "
    "instead",
    "corpus.url": "put it into ~/.netrc instead, or download the file yourself and give its path",
}


def masked(text: str) -> str:
    """Hide the secrets in a text: user name and password of any URI, and the values of `password=`, `token=`, …."""
    return _USER_INFO.sub(f"://{HIDDEN}@", _NAMED.sub(rf"\1={HIDDEN}", text))


def holds_secret(text: str) -> bool:
    """Return whether a text holds a password, a token or a key: in a URI, or as `PASSWORD=…`."""
    return bool(_SECRET.search(text))


def sets_secret(text: str) -> bool:
    """Return whether a dictionary in a text, such as `tracking={password: …}`, sets a key that holds a secret."""
    return bool(_ENTRY.search(text))


def secret_keys(values: Any) -> list[str]:
    """Return the keys of a configuration, such as `tracking.uri`, whose values hold a secret."""
    return list(dict.fromkeys(key for key, _ in _secrets(values, "", set())))


def hide_secrets(values: Any) -> None:
    """Replace each value of a configuration that holds a secret with `***`."""
    for _, (container, place) in list(_secrets(values, "", set())):
        container[place] = HIDDEN


def refusal_of(place: str, in_git: str = "") -> str:
    """Return the error message for a secret, with the remedy.

    Args:
        place: configuration key, or file, that holds the secret.
        in_git: command that removes it from git, if DVC has already committed it.
    """
    line = f"{place}: holds a password, token or key, and would be stored; {_REMEDIES.get(place, 'remove it')}"
    return f"{line}; then run `{in_git}`, because DVC has already committed it to git" if in_git else line


def _secrets(values: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield each secret's key, its container and its place there. `seen` ends cycles, which YAML's aliases can make."""
    if id(values) in seen or not isinstance(values, Mapping | list):
        return
    seen.add(id(values))
    for place, value in values.items() if isinstance(values, Mapping) else enumerate(values):
        key = f"{prefix}.{place}" if prefix and isinstance(values, Mapping) else prefix or str(place)
        named = isinstance(place, str) and _KEY.fullmatch(place)
        if isinstance(value, str) and value != HIDDEN and (named or holds_secret(value)):
            yield key, (values, place)
        yield from _secrets(value, key, seen)
