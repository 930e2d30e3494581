"""The port of a server."""

import socket

from pipeline.runtime.port import bind
from tests.support.servers import free_port


def test_answers_are_sent_at_once() -> None:
    """Asyncio turns off Nagle's delay, 40 ms an answer, only for a socket that names its protocol."""
    with bind(free_port()) as listener:
        assert listener.proto == socket.IPPROTO_TCP
