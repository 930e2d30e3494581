"""Send MLflow what trainings could not send while its server was away.

Each waits in a folder of .unsent/ named by its run. A training or an evaluation that reaches the server does the same.
"""

from pipeline.cli import run_command
from pipeline.config import Config
from pipeline.errors import PipelineError
from pipeline.tracking.outbox import send_unsent
from pipeline.tracking.store import connect


def main(config: Config) -> None:
    """Send all there is.

    Raises:
        PipelineError: not all was sent; what stands in the way of each is logged.
    """
    left = send_unsent(connect(config.tracking))
    if left:
        raise PipelineError(f"not sent: {', '.join(map(str, left))}; the lines above say why")


if __name__ == "__main__":
    run_command(main, __doc__)
