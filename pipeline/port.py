"""Say in one line that a server cannot have a port of this machine, before the server says it in many.

python -m pipeline.port 5000
"""

import socket

from pipeline.cli import Parser, tidy_exit
from pipeline.errors import PipelineError

HOST = "127.0.0.1"
PORTS = range(1, 2**16)


def bind(port: int) -> socket.socket:
    """Bind a port of the loopback address, without listening yet.

    Raises:
        PipelineError: there is no such port, or no server can have it.
    """
    if port not in PORTS:
        raise PipelineError(f"port {port}: there is no such port; give one below {PORTS.stop}, as in PORT=8001")
    # asyncio turns Nagle's delay off only where the protocol is named; else answers take 40 ms longer.
    bound = socket.socket(proto=socket.IPPROTO_TCP)
    # As servers do: connections of one that has just ended do not hold its port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise PipelineError(
            f"port {port} of {HOST} cannot be had: {error.strerror}; give another, as in PORT=8001"
        ) from None
    return bound


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("port", type=int, help="its number")
    with tidy_exit():
        bind(parser.parse_args().port).close()
