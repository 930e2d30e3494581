"""Say in one line that a server cannot have a port of this machine, before the server says it in many.

python -m pipeline.port 5000
"""

import socket

from pipeline.cli import Parser, tidy_exit
from pipeline.errors import PipelineError

HOST = "127.0.0.1"
PORTS = range(1, 2**16)


def require_free(port: int) -> None:
    """Raises `PipelineError` if no server can listen on the port of the loopback address."""
    if port not in PORTS:
        raise PipelineError(f"port {port}: there is no such port; give one below {PORTS.stop}, as in PORT=8001")
    with socket.socket() as probe:
        # As servers do: connections of one that has just ended do not hold its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PipelineError(
                f"port {port} of {HOST} cannot be had: {error.strerror}; give another, as in PORT=8001"
            ) from None


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("port", type=int, help="its number")
    with tidy_exit():
        require_free(parser.parse_args().port)
