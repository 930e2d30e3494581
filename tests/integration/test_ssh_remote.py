"""A DVC remote over SSH, on a real server."""

import importlib.util
import os
import pwd
from collections.abc import Iterator

import pytest

from tests.integration.ssh import SSHD, Server, serve
from tests.support.pipeline_runs import report, stages_run, store
from tests.support.sharing import clone, share

USER = pwd.getpwuid(os.getuid()).pw_name
pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="needs Debian's openssh-server: apt-get install openssh-server"),
    pytest.mark.skipif(
        importlib.util.find_spec("dvc_ssh") is None, reason="needs dvc-ssh: pip install -c constraints.txt -e '.[ssh]'"
    ),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def test_a_second_clone_over_ssh_runs_nothing_but_compose_and_register(trained, server, tmp_path):
    remote = tmp_path / "remote"
    mine = {"user": USER, "keyfile": str(server.key)}
    first = share(trained, tmp_path / "first", f"ssh://127.0.0.1:{server.port}{remote}", mine)
    assert list((remote / "files" / "md5").iterdir())
    second = clone(first, tmp_path / "second", mine)
    assert stages_run(second.run("dvc", "repro").stdout) == ["compose", "register"]
    assert report(second, "details") == report(first, "details")
    assert store(second).get_model_version_by_alias("sentiment", "champion")
    assert str(server.key) not in second.run("git", "grep", "--fixed-strings", "", "--", ".dvc").stdout


def test_a_key_the_server_does_not_know_is_refused(trained, server, tmp_path):
    other = {"user": USER, "keyfile": str(server.key.with_name("host_key"))}
    with pytest.raises(AssertionError, match="Permission denied"):
        share(trained, tmp_path / "first", f"ssh://127.0.0.1:{server.port}{tmp_path / 'remote'}", other)
    assert not (tmp_path / "remote").exists()
