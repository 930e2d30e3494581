"""Download from servers that misbehave in any way: the whole file, or nothing and one clear line."""

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.corpus import download as download_module
from pipeline.corpus.download import download_file
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE
from tests.corpus.test_source import REVIEWS, sha256, tar
from tests.support.commands import params
from tests.support.web import Answer, WebServer, make_certificate

DATA = random.Random(1).randbytes(5000)
OTHER = random.Random(2).randbytes(5000)
HALF = 2500
CHECKSUM = sha256(DATA)
NAME = CHECKSUM.replace(":", "-")
REST = f"bytes={HALF}-"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "DELAYS", (0, 0))


def broken_off(data: bytes = DATA, end: int = HALF, **headers: str) -> Answer:
    return Answer(200, data[:end], {"Content-Length": str(len(data)), **headers})


def piece(start: int, end: int = len(DATA)) -> Answer:
    return Answer(206, DATA[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(DATA)}"})


def redirect(target: str | None = None) -> object:
    return lambda own: Answer(302, headers={"Location": target or own})


def chunked(data: bytes, end: bytes) -> Answer:
    body = b"%x\r\n%b\r\n%b" % (len(data), data, end)
    return Answer(200, body, {"Content-Length": None, "Transfer-Encoding": "chunked"})


WHOLE = Answer(200, DATA)
GZIP_NAMED = Answer(200, DATA, {"Content-Encoding": "x-gzip"})  # what some servers say of any .gz file
LONELY = {"Content-Length": None}


@pytest.mark.parametrize(
    ("answers", "ranges"),
    [
        pytest.param([GZIP_NAMED], [None], id="whole"),
        pytest.param([broken_off(), piece(HALF)], [None, REST], id="broken off"),
        pytest.param([broken_off(end=0), WHOLE], [None, None], id="broken off before the first byte"),
        pytest.param(
            [broken_off(end=1000), *(broken_off(DATA, 1000 * i) for i in (2, 3, 4)), WHOLE],
            [None, *(f"bytes={1000 * i}-" for i in (1, 2, 3, 4))],
            id="broken off more often than is tried without progress",
        ),
        pytest.param([chunked(DATA, b"0\r\n\r\n")], [None], id="of unknown length"),
        pytest.param([chunked(DATA[:HALF], b""), piece(HALF)], [None, REST], id="of unknown length, broken off"),
        pytest.param([chunked(DATA[:HALF], b"xyz\r\n"), piece(HALF)], [None, REST], id="of unknown length, damaged"),
        pytest.param([Answer(200, DATA, LONELY)], [None], id="until the connection closes"),
        pytest.param([Answer(0), WHOLE], [None, None], id="no answer"),
        pytest.param([Answer(0, b"\0\xff what?\r\n"), WHOLE], [None, None], id="no HTTP"),
        pytest.param([Answer(500), WHOLE], [None, None], id="500, then fine"),
        pytest.param([broken_off(), Answer(503), piece(HALF)], [None, REST, REST], id="503 in between"),
        pytest.param([Answer(429, headers={"Retry-After": "0"}), WHOLE], [None, None], id="429"),
        pytest.param([broken_off(), WHOLE], [None, REST], id="ranges ignored"),
        pytest.param([broken_off(OTHER), piece(HALF), WHOLE], [None, REST, None], id="changed meanwhile"),
        pytest.param([broken_off(OTHER), WHOLE], [None, REST], id="changed meanwhile, and whole"),
        pytest.param([broken_off(), piece(10, 20), WHOLE], [None, REST, None], id="another piece than asked for"),
        pytest.param([broken_off(), Answer(206, DATA), WHOLE], [None, REST, None], id="a piece of unknown place"),
        pytest.param(
            [broken_off(), piece(HALF, 3000), piece(3000)], [None, REST, "bytes=3000-"], id="less than asked for"
        ),
    ],
)
def test_it_arrives_whole(answers: list[Answer], ranges: list[str | None], tmp_path: Path) -> None:
    with WebServer(*answers) as server:
        path = download_file(server.url, CHECKSUM, tmp_path)
    assert path.read_bytes() == DATA
    assert server.ranges == ranges
    assert {request["Accept-Encoding"] for request in server.requests} == {"identity"}
    assert {file.name for file in tmp_path.iterdir()} - {f"{NAME}.lock"} == {NAME}


@pytest.mark.parametrize(
    ("answers", "message", "kept"),
    [
        ([Answer(404)], r"the server answered 404 Not Found; check corpus\.url", 0),
        ([Answer(204)], "answered 204 No Content; check", 0),
        ([Answer(302)], "answered 302 Found; check", 0),
        ([Answer(416)], "answered 416", 0),
        (
            [Answer(500)] * 3,
            r"\(the server answered 500 .*\); run the command again later, the download will resume",
            0,
        ),
        ([broken_off()] * 3, "the connection failed: IncompleteRead.*; run the command again later", HALF),
        ([broken_off(), *[Answer(0)] * 2], "closed connection without response.*; run the command again later", HALF),
        ([Answer(503, headers={"Retry-After": "3600"})], "503 Service Unavailable and asks to wait 3600 s", 0),
        ([Answer(200, DATA, {"Content-Length": str(HALF)})], "wrong checksum", 0),
        ([Answer(200, DATA[:HALF], LONELY)], "wrong checksum", 0),
        ([Answer(200, b"")], "wrong checksum", 0),
        ([Answer(200, OTHER)], f"expected {CHECKSUM}, got {sha256(OTHER)}; it was deleted; check corpus.url", 0),
        ([Answer(200, gzip.compress(DATA), {"Content-Encoding": "gzip"})], "wrong checksum", 0),
        ([broken_off(OTHER), piece(HALF), Answer(200, OTHER)], "wrong checksum", 0),
        ([redirect()] * 31, "Exceeded 30 redirects", 0),
        ([redirect("file:///etc/hostname")], "No connection adapters were found for 'file:///etc/hostname'", 0),
        ([redirect("http://[h/x")], "Invalid IPv6 URL", 0),
    ],
)
def test_or_not_at_all(answers: list[Answer], message: str, kept: int, tmp_path: Path) -> None:
    with WebServer(*answers) as server, pytest.raises(PipelineError, match=message) as caught:
        download_file(server.url, CHECKSUM, tmp_path)
    assert server.answers == [], "it was not asked as often as planned"
    assert "\n" not in str(caught.value)
    left = {file.name: file.stat().st_size for file in tmp_path.iterdir() if file.suffix not in {".lock", ".etag"}}
    assert left == ({f"{NAME}.part": kept} if kept else {})


@pytest.mark.parametrize(
    ("left", "answers", "ranges"),
    [
        (DATA[:HALF], [piece(HALF)], [REST]),
        (DATA, [Answer(416)], ["bytes=5000-"]),
        (DATA + b"more", [Answer(416), WHOLE], ["bytes=5004-", None]),
        (OTHER[:HALF], [piece(HALF), WHOLE], [REST, None]),
    ],
    ids=["half", "whole", "too much", "of another file"],
)
def test_what_an_earlier_call_left_is_gone_on_with(
    left: bytes, answers: list[Answer], ranges: list[str], tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(left)
    with WebServer(*answers) as server:
        assert download_file(server.url, CHECKSUM, tmp_path).read_bytes() == DATA
    assert server.ranges == ranges


def test_a_verified_download_is_used_again_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    with WebServer(WHOLE) as server:
        path = download_file(server.url, CHECKSUM, tmp_path)
        assert download_file(server.url, CHECKSUM, tmp_path) == path
        path.write_bytes(OTHER)
        with pytest.raises(PipelineError, match=r"wrong checksum.* it was deleted"):
            download_file(server.url, CHECKSUM, tmp_path)
    assert not path.exists()


@pytest.mark.parametrize(("tag", "sent"), [('"first"', '"first"'), ('W/"first"', None), ("", None)])
def test_a_server_is_told_which_file_to_go_on_with(tag: str, sent: str | None, tmp_path: Path) -> None:
    with WebServer(broken_off(ETag=tag), piece(HALF)) as server:
        download_file(server.url, CHECKSUM, tmp_path)
    assert server.requests[1].get("If-Range") == sent


def test_a_server_that_stops_sending_is_asked_for_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "TIMEOUTS", (10, 1))
    length = {"Content-Length": str(len(DATA))}
    with WebServer(Answer(200, DATA[:HALF], length, stalls=True), piece(HALF)) as server:
        assert download_file(server.url, CHECKSUM, tmp_path).read_bytes() == DATA
    assert server.ranges == [None, REST]


def test_a_slow_server_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "TIMEOUTS", (10, 1.5))
    with WebServer(Answer(200, DATA, pieces=9, pause=0.2)) as server:
        assert download_file(server.url, CHECKSUM, tmp_path).read_bytes() == DATA
    assert len(server.requests) == 1


def test_a_redirect_to_another_host_keeps_the_range(tmp_path: Path) -> None:
    with WebServer(broken_off(), piece(HALF)) as target:
        elsewhere = redirect(target.url.replace("127.0.0.1", "localhost"))
        with WebServer(elsewhere, elsewhere) as server:
            assert download_file(server.url, CHECKSUM, tmp_path).read_bytes() == DATA
    assert server.ranges == target.ranges == [None, REST]


def test_a_server_nobody_vouches_for_is_not_asked(tmp_path: Path) -> None:
    with WebServer(certificate=make_certificate(tmp_path / "server.pem")) as server:
        with pytest.raises(PipelineError, match=r"no trusted connection \(.*self.signed certificate.*check corpus.url"):
            download_file(server.url, CHECKSUM, tmp_path)
        assert server.requests == []


def test_a_redirect_out_of_https_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path / "server.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with WebServer(WHOLE) as plain, WebServer(WHOLE, redirect(plain.url), certificate=certificate) as server:
        assert download_file(server.url, CHECKSUM, tmp_path / "direct").read_bytes() == DATA
        with pytest.raises(PipelineError, match="the server redirects from https to an address that is not"):
            download_file(server.url, CHECKSUM, tmp_path / "redirected")
    assert plain.requests == []


def test_an_unreachable_server_is_said(tmp_path: Path) -> None:
    with WebServer() as server:
        pass
    with pytest.raises(PipelineError, match=r"the connection failed: .*Connection refused\); run the command again"):
        download_file(server.url, CHECKSUM, tmp_path)


def stage(root: Path, shared: Path, url: str, data: bytes) -> "subprocess.Popen[str]":
    """Start `python -m pipeline.download` in a workspace of its own, like an experiment of the project `shared`."""
    shutil.copytree(WORKSPACE / "pipeline", root / "pipeline")
    changes = {"corpus.url": url, "corpus.checksum": sha256(data)}
    (root / "params.yaml").write_text(params("aclimdb", changes))
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.download"],
        cwd=root,
        env={**os.environ, "DVC_ROOT": str(shared)},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_stage_ends_with_one_line_and_no_output(tmp_path: Path) -> None:
    with WebServer(Answer(404)) as server:
        process = stage(tmp_path / "workspace", tmp_path, server.url, DATA)
        _, message = process.communicate(timeout=300)
    assert process.returncode == 1
    assert message == f"error: cannot download {server.url}: the server answered 404 Not Found; check corpus.url\n"
    assert {path.name for path in (tmp_path / "workspace").iterdir()} == {"params.yaml", "pipeline"}


def test_a_killed_download_goes_on_in_the_process_that_waited_for_it(tmp_path: Path) -> None:
    data = tar(REVIEWS)
    half = len(data) // 2
    rest = Answer(206, data[half:], {"Content-Range": f"bytes {half}-{len(data) - 1}/{len(data)}"})
    length = {"Content-Length": str(len(data))}
    part = tmp_path / ".downloads" / f"{sha256(data).replace(':', '-')}.part"
    with WebServer(Answer(200, data[:half], length, stalls=True), rest) as server:
        killed = stage(tmp_path / "first", tmp_path, server.url, data)
        while not (part.exists() and part.stat().st_size == half):
            assert killed.poll() is None
            time.sleep(0.01)
        waiting = stage(tmp_path / "second", tmp_path, server.url, data)
        while f"another process downloads {server.url}; waiting for it" not in (message := waiting.stderr.readline()):
            assert message, "it did not wait"
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        _, message = waiting.communicate(timeout=300)
    assert waiting.returncode == 0, message
    assert "aclimdb: 2 train, 2 test, 8,530 auxiliary, 1 unlabelled" in message
    assert server.ranges == [None, f"bytes={half}-"]
    assert (tmp_path / "second" / "downloads" / "train.parquet").exists()
    assert not (tmp_path / "first" / "downloads").exists()
