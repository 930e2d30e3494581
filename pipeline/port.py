"""Say in one line that a server cannot have a port of this machine, before the server says it in many.

python -m pipeline.port 5000
"""

import socket

from pipeline.cli import Parser, tidy_exit
from pipeline.errors import PipelineError

HOST = "127.0.0.1"


def require_free(port: int) -> None:
    """Raises `PipelineError` if no server can listen on the port of the loopback address."""
    with socket.socket() as probe:
        # As servers do: connections of one that has just ended do not hold its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "there is no such port"
            raise PipelineError(
                f"port {port} of {HOST} cannot be had: {reason}; give another, as in PORT=8001"
            ) from None


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("port", type=int, help="its number")
    with tidy_exit():
        require_free(parser.parse_args().port)
