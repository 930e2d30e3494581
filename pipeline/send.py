"""Send MLflow what trainings could not send while its server was away.

Each waits in a folder of .unsent/ named by its run. A training or an evaluation that reaches the server does the same.
"""

import logging

from pipeline.cli import Parser, tidy_exit
from pipeline.config import Config, load_params
from pipeline.runtime.errors import PipelineError
from pipeline.tracking.outbox import deleted_runs, remedy_for_deleted, send_unsent
from pipeline.tracking.store import connect

log = logging.getLogger(__name__)


def main(config: Config, discard: bool) -> None:
    """Send all there is.

    Args:
        config: names the store.
        discard: remove what waits for runs that were deleted from the store.

    Raises:
        PipelineError: not all was sent; what stands in the way of each is named or was logged.
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
        problems.append(f"not sent: {', '.join(map(str, waiting))}; the lines above say why")
    if problems:
        raise PipelineError("; ".join(problems))


if __name__ == "__main__":
    parser = Parser(__doc__, epilog="Which store is meant is read from params.yaml, which `dvc repro` composes.")
    parser.add_argument("--discard", action="store_true", help="remove what waits for runs that were deleted")
    arguments = parser.parse_args()
    with tidy_exit():
        main(load_params(), arguments.discard)
