"""Download of a file, resumed after a broken connection and verified by its checksum."""

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

from pipeline.runtime.checksum import file_digest, verify_checksum
from pipeline.runtime.credentials import masked
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.exclusive_lock import exclusive_lock

TIMEOUTS = (10, 60)
"""Seconds to wait for a connection, and for the next byte."""
DELAYS = (1, 2, 4, 8)
"""Seconds before each further attempt; an attempt that made progress starts the series anew."""
MAX_DELAY = 60
"""Longest wait, in seconds, that a server may ask for."""
TEMPORARY_STATUSES = {408, 429, 500, 502, 503, 504}
"""HTTP status codes that are worth another attempt."""
RECEIVED_BYTES = 2**18
"""Maximum number of bytes received at a time."""

log = logging.getLogger(__name__)


class _TemporaryError(Exception):
    """Failure that another attempt may overcome, after at least `delay` seconds."""

    def __init__(self, problem: str, delay: int = 0) -> None:
        super().__init__(problem)
        self.delay = delay


def download_file(url: str, expected: str, folder: Path) -> Path:
    """Download `url` into `folder` and verify it; a file that was downloaded before is verified and used again.

    An unfinished download stays there as `.part` and is resumed, in this call or a later one.

    Raises:
        PipelineError: the server refuses, all attempts failed, or the checksum (`md5:…`, `sha256:…`) is wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / expected.replace(":", "-")
    # experiments that run at the same time share the folder
    with exclusive_lock(target.with_name(target.name + ".lock"), f"another process downloads {url}; waiting for it"):
        if target.exists():
            _verify_or_delete(target, expected, url)
        else:
            _download_verified(url, expected, target.with_name(target.name + ".part")).replace(target)
    return target


def _download_verified(url: str, expected: str, part: Path) -> Path:
    algorithm, _, digest = expected.partition(":")
    if _receive_file(url, part) and file_digest(part, algorithm) != digest:
        log.warning("%s seems to have changed since its first part was downloaded; downloading it from the start", url)
        part.unlink()
        _receive_file(url, part)
    _etag_file(part).unlink(missing_ok=True)
    _verify_or_delete(part, expected, url)
    return part


def _verify_or_delete(path: Path, expected: str, url: str) -> None:
    try:
        verify_checksum(
            path, expected, f"it was deleted; check corpus.url ({url}) and corpus.checksum, then run the command again"
        )
    except PipelineError:
        path.unlink()
        raise


def _receive_file(url: str, part: Path) -> bool:
    """Download to `part`; return True if the file begins with what an earlier attempt had received."""
    delays, furthest = iter(DELAYS), _part_size(part)
    while True:
        try:
            return _attempt(url, part)
        except _TemporaryError as error:
            if _part_size(part) > furthest:
                delays, furthest = iter(DELAYS), _part_size(part)
            delay = next(delays, None)
            if delay is None or error.delay > MAX_DELAY:
                problem = f"cannot download {url} ({error})"
                raise PipelineError(f"{problem}; run the command again later, the download will resume") from None
            delay = max(delay, error.delay)
            log.warning("%s; next attempt in %d s", error, delay)
            time.sleep(delay)


def _attempt(url: str, part: Path) -> bool:
    """Append the missing bytes to `part`, or start over if the server cannot resume; return True if it resumed."""
    size = _part_size(part)
    try:
        with requests.get(
            url, headers=_headers(part, size), stream=True, timeout=TIMEOUTS, hooks={"response": _stay_encrypted}
        ) as response:
            if size and response.status_code == 416:  # nothing is missing
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
    except (requests.RequestException, ValueError) as error:  # ValueError: a redirect to a malformed address
        raise PipelineError(f"cannot download {url}: {masked(str(error))}; check corpus.url") from None
    return size > 0


def _part_size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _headers(part: Path, size: int) -> dict[str, str]:
    # no compression in transit: only the server's own bytes can be continued by a range
    headers = {"Accept-Encoding": "identity"}
    if size:
        headers["Range"] = f"bytes={size}-"
        etag = _etag_file(part).read_text(encoding="utf-8") if _etag_file(part).exists() else ""
        if etag.startswith('"'):  # weak tags (W/"…") do not guarantee equal bytes
            headers["If-Range"] = etag
    return headers


def _etag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _stay_encrypted(response: requests.Response, **_: Any) -> None:
    """Refuse a redirect from https to http, over which a password from ~/.netrc would be sent in the clear."""
    if response.is_redirect and urlsplit(response.url).scheme == "https":
        target = urljoin(response.url, response.headers["Location"])
        if urlsplit(target).scheme != "https":
            raise requests.exceptions.InvalidSchema("the server redirects from https to an address that is not")


def _check_status(response: requests.Response, url: str) -> None:
    answer = f"the server answered {response.status_code} {response.reason}"
    if response.status_code in TEMPORARY_STATUSES:
        delay = response.headers.get("Retry-After", "")
        if re.fullmatch("[0-9]{1,9}", delay):
            raise _TemporaryError(f"{answer} and asks to wait {delay} s", int(delay))
        raise _TemporaryError(answer)
    if response.status_code not in {200, 206}:
        raise PipelineError(f"cannot download {url}: {answer}; check corpus.url")


def _check_range(response: requests.Response, part: Path, size: int) -> None:
    if not response.headers.get("Content-Range", "").startswith(f"bytes {size}-"):
        part.unlink(missing_ok=True)  # so that the next attempt requests the whole file
        raise _TemporaryError("the server sent another range than the requested one")


def _receive(response: requests.Response, part: Path, size: int) -> None:
    remaining = response.raw.length_remaining
    total = None if remaining is None else size + remaining
    with (
        part.open("ab") as file,
        tqdm(None, "download", total, leave=False, initial=size, unit="B", unit_scale=True, disable=None) as progress,
    ):
        # write bytes as they come, so that neither a server that stops sending nor a kill loses any
        while data := response.raw.read1(RECEIVED_BYTES, decode_content=False):
            file.write(data)
            file.flush()
            progress.update(len(data))
    total_header = response.headers.get("Content-Range", "").rpartition("/")[2]
    if re.fullmatch("[0-9]{1,18}", total_header) and _part_size(part) < int(total_header):
        raise _TemporaryError(f"the server sent {_part_size(part):,} of {total_header} bytes")


def _cause(error: BaseException) -> BaseException:
    """Return the root cause; the errors above it repeat one another and the address, which may hold a token."""
    while error.__context__:
        error = error.__context__
    return error
