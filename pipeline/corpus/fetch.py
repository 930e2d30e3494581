"""Downloads that survive a broken connection."""

import logging
import time
from pathlib import Path

import requests
from filelock import FileLock
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from pipeline import checksum
from pipeline.errors import PipelineError

TIMEOUT = (10, 60)
"""Seconds to connect, and without a byte."""
DELAYS = (1, 2, 4, 8)
"""Seconds before each further attempt."""
TEMPORARY = {408, 429, 500, 502, 503, 504}
"""HTTP answers worth another attempt."""
CHUNK = 2**18

log = logging.getLogger(__name__)


class _TemporaryError(Exception):
    """Something that another attempt may get past."""


def fetch(url: str, expected: str, folder: Path) -> Path:
    """Download `url` into `folder` and verify it; a verified file from before is used again.

    An unfinished download stays there as `.part` and goes on where it broke off, in this call or a later one.

    Raises:
        PipelineError: the server refuses, no attempt got through, or the checksum (`md5:…`, `sha256:…`) is wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / expected.replace(":", "-")
    part = target.with_name(target.name + ".part")
    # Experiments may run at the same time and share the folder.
    with FileLock(target.with_name(target.name + ".lock")):
        if not target.exists():
            _download(url, part)
            _etag_file(part).unlink(missing_ok=True)
            _verify(part, expected, url)
            part.replace(target)
        else:
            _verify(target, expected, url)
    return target


def _verify(path: Path, expected: str, url: str) -> None:
    try:
        checksum.verify(path, expected, f"it was deleted; check corpus.url ({url}) and corpus.checksum, then run again")
    except PipelineError:
        path.unlink()
        raise


def _download(url: str, part: Path) -> None:
    for delay in (*DELAYS, None):
        try:
            _attempt(url, part)
            return
        except _TemporaryError as error:
            if delay is None:
                raise PipelineError(f"cannot download {url} ({error}); run again later, it goes on from here") from None
            log.warning("%s; next attempt in %d s", error, delay)
            time.sleep(delay)


def _attempt(url: str, part: Path) -> None:
    """Append what is missing to `part`, or start over where the server cannot go on."""
    size = part.stat().st_size if part.exists() else 0
    try:
        with requests.get(url, headers=_headers(part, size), stream=True, timeout=TIMEOUT) as response:
            if response.status_code in TEMPORARY:
                raise _TemporaryError(f"the server answered {response.status_code} {response.reason}")
            if response.status_code == 416:  # Nothing is missing.
                return
            if not response.ok:
                answer = f"{response.status_code} {response.reason}"
                raise PipelineError(f"cannot download {url}: the server answered {answer}; check corpus.url")
            continued = response.headers.get("Content-Range", "").startswith(f"bytes {size}-")
            if not (response.status_code == 206 and continued):
                size = 0
                _etag_file(part).write_text(response.headers.get("ETag", ""), encoding="utf-8")
            _receive(response, part, size)
    except requests.exceptions.SSLError as error:
        raise PipelineError(f"cannot download {url}: no trusted connection ({error}); check corpus.url") from None
    except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
        raise _TemporaryError(f"the connection failed: {error}") from None
    except requests.RequestException as error:
        raise PipelineError(f"cannot download {url}: {error}; check corpus.url") from None


def _headers(part: Path, size: int) -> dict[str, str]:
    # No compression on the way: the bytes on disk must be the server's own for a range to continue them.
    headers = {"Accept-Encoding": "identity"}
    if size:
        headers["Range"] = f"bytes={size}-"
        etag = _etag_file(part).read_text(encoding="utf-8") if _etag_file(part).exists() else ""
        if etag.startswith('"'):  # Weak tags (W/"…") do not vouch for bytes.
            headers["If-Range"] = etag
    return headers


def _etag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _receive(response: requests.Response, part: Path, size: int) -> None:
    length = response.headers.get("Content-Length")
    total = size + int(length) if length else None
    with (
        part.open("ab" if size else "wb") as file,
        tqdm(desc="download", total=total, initial=size, unit="B", unit_scale=True, disable=None) as progress,
    ):
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            file.write(chunk)
            progress.update(len(chunk))
