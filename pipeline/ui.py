"""Show runs and models in the MLflow UI of the project's store.

For a sqlite file or a database the UI is started here, for this machine alone, and on a desktop the browser opens on
the runs. An MLflow server has its own UI, whose address is printed.

  python -m pipeline.ui --port 8000
"""

import logging
import os
import socket
import sys
import time
import webbrowser
from contextlib import suppress

from pipeline.cli import Parser, tidy_exit
from pipeline.config.params import load_params
from pipeline.runtime.port import HOST, bind
from pipeline.tracking.description import VIEW
from pipeline.tracking.store import Store, connect, show_overview
from pipeline.tracking.unsent import send_unsent

# MLflow starts workers for jobs, which this project does not have; they would outlive a UI that is terminated.
UI_ENVIRONMENT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

SECONDS_TO_START = 60


def main(port: int) -> None:
    """Replace this process by the UI, or print the address of the server's UI.

    Raises:
        PipelineError: the port is in use, or the store cannot be used.
    """
    bind(port).close()
    store = connect(load_params().tracking)  # also updates the paths of the artifacts after the project was moved
    send_unsent(store)
    show_overview(store)
    if store.uri.startswith("http"):
        logging.info("the runs are on a server, which has its own UI: %s", page_of_runs(store, store.name))
        return
    page = page_of_runs(store, f"http://{HOST}:{port}")
    logging.info("MLflow UI: %s", page)
    if _on_desktop():
        _open_when_it_answers(page, port)
    os.environ.update(UI_ENVIRONMENT, MLFLOW_BACKEND_STORE_URI=store.uri)  # not an argument: it may hold a password
    # several workers would survive the terminal: uvicorn's supervisor takes its hang-up for a request to restart them
    arguments = ["ui", "--host", HOST, "--port", str(port), "--workers", "1"]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *arguments])


def page_of_runs(store: Store, server: str) -> str:
    """Return the address of the runs with the columns of `VIEW`; MLflow's front page shows none of them.

    Args:
        store: an open store.
        server: address of the UI.
    """
    return (
        f"{server.rstrip('/')}/#/experiments/{store.experiment_id}/runs"
        f"?workflowType=machine_learning&viewStateShareKey={VIEW}"
    )


def _on_desktop() -> bool:
    has_screen = sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    return sys.stdout.isatty() and "SSH_CONNECTION" not in os.environ and bool(has_screen)


def _open_when_it_answers(page: str, port: int) -> None:
    """Open a page in the user's browser once the UI, which this process is about to become, listens on its port."""
    if os.fork():
        return
    for _ in range(SECONDS_TO_START):
        time.sleep(1)
        with suppress(OSError), socket.create_connection((HOST, port)):
            webbrowser.open(page)
            break
    os._exit(0)


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("--port", type=int, default=5000, help="port of 127.0.0.1 (default: %(default)s)")
    arguments = parser.parse_args()
    with tidy_exit():
        main(arguments.port)
