"""Ports of the loopback address, with a one-line error where a server would print a traceback."""

import socket

from pipeline.runtime.errors import PipelineError

HOST = "127.0.0.1"
PORTS = range(1, 2**16)


def bind(port: int) -> socket.socket:
    """Bind a port of the loopback address, without listening yet.

    Raises:
        PipelineError: there is no such port, or it is in use.
    """
    if port not in PORTS:
        raise PipelineError(f"port {port} does not exist; choose one below {PORTS.stop} with --port (make: PORT=…)")
    # name the protocol: only then does asyncio turn off Nagle's delay, which makes answers 40 ms slower
    bound = socket.socket(proto=socket.IPPROTO_TCP)
    # as servers do, so that connections of one that has just ended do not block its port
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise PipelineError(
            f"port {port} of {HOST}: {(error.strerror or str(error)).lower()}; "
            "choose another with --port (make: PORT=…)"
        ) from None
    return bound
