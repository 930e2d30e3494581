"""Send MLflow the records that trainings could not send while its server was unreachable.

The records of a training wait in a folder of .unsent/ that is named after its run. A training or an evaluation that
reaches the server sends them too.
"""

import logging

from pipeline.cli import Parser, tidy_exit
from pipeline.config.params import load_params
from pipeline.config.schema import Config
from pipeline.runtime.errors import PipelineError
from pipeline.tracking.store import connect
from pipeline.tracking.unsent import deleted_runs, remedy_for_deleted, send_unsent

log = logging.getLogger(__name__)


def main(config: Config, discard: bool) -> None:
    """Send everything that waits.

    Args:
        config: names the store.
        discard: remove what waits for runs that were deleted from the store.

    Raises:
        PipelineError: something was not sent; the obstacle is in the message or was logged.
    """
    store = connect(config.tracking)
    deleted, problems = deleted_runs(store, discard), []
    for folder in deleted:
        run = f"MLflow run {folder.name} was deleted from {store.name}; "
        if discard:
            log.info("%swhat it logged is removed from %s", run, folder)
        else:
            problems.append(run + remedy_for_deleted(folder))
    if waiting := [folder for folder in send_unsent(store) if folder not in deleted]:
        problems.append(f"not sent: {', '.join(map(str, waiting))}; the lines above give the reason")
    if problems:
        raise PipelineError("; ".join(problems))


if __name__ == "__main__":
    parser = Parser(__doc__, epilog="The store is read from params.yaml, which `dvc repro` composes.")
    parser.add_argument("--discard", action="store_true", help="remove the records of runs that were deleted")
    arguments = parser.parse_args()
    with tidy_exit():
        main(load_params(), arguments.discard)
