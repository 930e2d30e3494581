"""Show runs and models in the MLflow UI of the store that the project is configured to use.

For a sqlite file or a database the UI is started here, for this machine alone. An MLflow server has its own UI, whose
address is printed.

  python -m pipeline.ui --port 8000
"""

import logging
import os
import sys

from pipeline.cli import Parser, tidy_exit
from pipeline.config.params import load_params
from pipeline.runtime.port import HOST, bind
from pipeline.tracking.store import connect
from pipeline.tracking.unsent import send_unsent

# MLflow starts workers for jobs, which this project does not have; they would outlive a UI that is terminated.
UI_ENVIRONMENT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def main(port: int) -> None:
    """Replace this process by the UI, or print the address of the server's UI.

    Raises:
        PipelineError: the port is in use, or the store cannot be used.
    """
    bind(port).close()
    store = connect(load_params().tracking)  # also updates the paths of the artifacts after the project was moved
    send_unsent(store)
    if store.uri.startswith("http"):
        logging.info("the runs are on a server, which has its own UI: %s", store.name)
        return
    logging.info("MLflow UI: http://%s:%d", HOST, port)
    os.environ.update(UI_ENVIRONMENT, MLFLOW_BACKEND_STORE_URI=store.uri)  # not an argument: it may hold a password
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port)])


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("--port", type=int, default=5000, help="port of 127.0.0.1 (default: %(default)s)")
    arguments = parser.parse_args()
    with tidy_exit():
        main(arguments.port)
