"""Downloads that survive a broken connection."""

import logging
import re
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from pipeline.runtime import checksum
from pipeline.runtime.credentials import masked
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import exclusive_lock

TIMEOUT = (10, 60)
"""Seconds to connect, and without a byte."""
DELAYS = (1, 2, 4, 8)
"""Seconds before each further attempt; whoever gets further than before has them all again."""
LONGEST_DELAY = 60
"""Seconds a server may ask for."""
TEMPORARY = {408, 429, 500, 502, 503, 504}
"""HTTP answers worth another attempt."""
CHUNK = 2**18

log = logging.getLogger(__name__)


class _TemporaryError(Exception):
    """Something that another attempt may get past, after at least `delay` seconds."""

    def __init__(self, problem: str, delay: int = 0) -> None:
        super().__init__(problem)
        self.delay = delay


def fetch(url: str, expected: str, folder: Path) -> Path:
    """Download `url` into `folder` and verify it; a verified file from before is used again.

    An unfinished download stays there as `.part` and goes on where it broke off, in this call or a later one.

    Raises:
        PipelineError: the server refuses, no attempt got through, or the checksum (`md5:…`, `sha256:…`) is wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / expected.replace(":", "-")
    # Experiments may run at the same time and share the folder.
    with exclusive_lock(target.with_name(target.name + ".lock"), f"another process downloads {url}; waiting for it"):
        if target.exists():
            _verify(target, expected, url)
        else:
            _download_verified(url, expected, target.with_name(target.name + ".part")).replace(target)
    return target


def _download_verified(url: str, expected: str, part: Path) -> Path:
    algorithm, _, digest = expected.partition(":")
    if _download(url, part) and checksum.file_digest(part, algorithm) != digest:
        log.warning("the pieces of %s do not fit together, it may have changed; downloading it anew", url)
        part.unlink()
        _download(url, part)
    _etag_file(part).unlink(missing_ok=True)
    _verify(part, expected, url)
    return part


def _verify(path: Path, expected: str, url: str) -> None:
    try:
        checksum.verify(path, expected, f"it was deleted; check corpus.url ({url}) and corpus.checksum, then run again")
    except PipelineError:
        path.unlink()
        raise


def _download(url: str, part: Path) -> bool:
    """Download to `part`; returns whether the file begins with what an earlier attempt had received."""
    delays, furthest = iter(DELAYS), _size(part)
    while True:
        try:
            return _attempt(url, part)
        except _TemporaryError as error:
            if _size(part) > furthest:
                delays, furthest = iter(DELAYS), _size(part)
            delay = next(delays, None)
            if delay is None or error.delay > LONGEST_DELAY:
                raise PipelineError(f"cannot download {url} ({error}); run again later, it goes on from here") from None
            delay = max(delay, error.delay)
            log.warning("%s; next attempt in %d s", error, delay)
            time.sleep(delay)


def _attempt(url: str, part: Path) -> bool:
    """Append what is missing to `part`, or start over where the server cannot go on; returns whether it went on."""
    size = _size(part)
    try:
        with requests.get(
            url, headers=_headers(part, size), stream=True, timeout=TIMEOUT, hooks={"response": _stay_encrypted}
        ) as response:
            if size and response.status_code == 416:  # Nothing is missing.
                return True
            _check_status(response, url)
            if response.status_code == 200:
                size = 0
                part.unlink(missing_ok=True)
                _etag_file(part).write_text(response.headers.get("ETag", ""), encoding="utf-8")
            else:
                _check_range(response, part, size)
            _receive(response, part, size)
    except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
        cause = _cause(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise PipelineError(f"cannot download {url}: no trusted connection ({cause}); check corpus.url") from None
        raise _TemporaryError(f"the connection failed: {str(cause) or type(cause).__name__}") from None
    except (requests.RequestException, ValueError) as error:  # ValueError: an address that a redirect gave
        raise PipelineError(f"cannot download {url}: {masked(str(error))}; check corpus.url") from None
    return size > 0


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


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


def _stay_encrypted(response: requests.Response, **_: Any) -> None:
    """Refuse a redirect from https to http: a password of ~/.netrc would be sent for all to read."""
    if response.is_redirect and urlsplit(response.url).scheme == "https":
        target = urljoin(response.url, response.headers["Location"])
        if urlsplit(target).scheme != "https":
            raise requests.exceptions.InvalidSchema("the server redirects from https to an address that is not")


def _check_status(response: requests.Response, url: str) -> None:
    answer = f"the server answered {response.status_code} {response.reason}"
    if response.status_code in TEMPORARY:
        asked = response.headers.get("Retry-After", "")
        if re.fullmatch("[0-9]{1,9}", asked):
            raise _TemporaryError(f"{answer} and asks to wait {asked} s", int(asked))
        raise _TemporaryError(answer)
    if response.status_code not in {200, 206}:
        raise PipelineError(f"cannot download {url}: {answer}; check corpus.url")


def _check_range(response: requests.Response, part: Path, size: int) -> None:
    if not response.headers.get("Content-Range", "").startswith(f"bytes {size}-"):
        part.unlink(missing_ok=True)  # the next attempt asks for no range
        raise _TemporaryError("the server sent another piece than the one asked for")


def _receive(response: requests.Response, part: Path, size: int) -> None:
    remaining = response.raw.length_remaining
    total = None if remaining is None else size + remaining
    with (
        part.open("ab") as file,
        tqdm(desc="download", total=total, initial=size, unit="B", unit_scale=True, disable=None) as progress,
    ):
        # What has come is written at once: neither a server that stops sending nor a kill costs any of it.
        while data := response.raw.read1(CHUNK, decode_content=False):
            file.write(data)
            file.flush()
            progress.update(len(data))
    whole = response.headers.get("Content-Range", "").rpartition("/")[2]
    if re.fullmatch("[0-9]{1,18}", whole) and _size(part) < int(whole):
        raise _TemporaryError(f"the server sent {_size(part):,} of {whole} bytes")


def _cause(error: BaseException) -> BaseException:
    """What lies at the bottom: the errors above it repeat one another and the address, which may hold a token."""
    while error.__context__:
        error = error.__context__
    return error
