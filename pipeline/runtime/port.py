"""A port of the loopback address: one line says that it is in use, before a server says so in many."""

import socket

from pipeline.runtime.errors import PipelineError

HOST = "127.0.0.1"
PORTS = range(1, 2**16)


def bind(port: int) -> socket.socket:
    """Bind a port of the loopback address, without listening yet.

    Raises:
        PipelineError: there is no such port, or no server can have it.
    """
    if port not in PORTS:
        raise PipelineError(f"port {port}: there is no such port; choose one below {PORTS.stop} with PORT=…")
    # asyncio turns Nagle's delay off only where the protocol is named; else answers take 40 ms longer.
    bound = socket.socket(proto=socket.IPPROTO_TCP)
    # As servers do: connections of one that has just ended do not hold its port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise PipelineError(
            f"port {port} of {HOST}: {(error.strerror or str(error)).lower()}; choose another with PORT=…"
        ) from None
    return bound
