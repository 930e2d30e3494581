"""Show runs and models in the MLflow UI, of the store that the project is configured to use.

For a sqlite file or a database the UI is started here, on this machine alone; an MLflow server has its own, and its
address is printed.

  python -m pipeline.ui --port 8000
"""

import logging
import os
import sys

from pipeline.cli import Parser, tidy_exit
from pipeline.config import load_params
from pipeline.runtime.port import HOST, bind
from pipeline.tracking.store import connect
from pipeline.tracking.unsent import send_unsent

# MLflow starts workers for jobs that this project has none of; they would outlive a UI that is terminated.
SETTINGS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def main(port: int) -> None:
    """Start the UI in the place of this process, or print the address of the server's.

    Raises:
        PipelineError: the port is in use, or the store cannot be used.
    """
    bind(port).close()
    store = connect(load_params().tracking)  # which lets the artifacts follow a project that was moved
    send_unsent(store)
    if store.uri.startswith("http"):
        logging.info("the runs are on a server, which has its own UI: %s", store.name)
        return
    logging.info("MLflow UI: http://%s:%d", HOST, port)
    os.environ.update(SETTINGS, MLFLOW_BACKEND_STORE_URI=store.uri)  # not an argument: it may hold a password
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port)])


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("--port", type=int, default=5000, help="of 127.0.0.1 (default: %(default)s)")
    arguments = parser.parse_args()
    with tidy_exit():
        main(arguments.port)
