"""List the stages that the next `dvc repro` would run; the exit code is 0 if there are none, else 1.

`make status` runs this. It composes the configuration as `dvc repro` does, then asks `dvc status`. That always lists
`compose`, the first stage, which runs each time to see what has changed; here it is left out.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline import compose
from pipeline.cli import Parser, tidy_exit
from pipeline.config.comparison import flatten
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import WORKSPACE

CHANGES_SHOWN = 4
"""Changes named of a stage; further ones are counted."""


def main() -> int:
    """Print the stages that would run, and return their number.

    Raises:
        PipelineError: the configuration does not fit, or DVC cannot tell.
    """
    compose.main()
    asked = subprocess.run(["dvc", "status", "--json"], cwd=WORKSPACE, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise PipelineError(f"dvc status: {asked.stderr.strip().removeprefix('ERROR: ')}")
    stages = {stage: reasons for stage, reasons in json.loads(asked.stdout).items() if stage != "compose"}
    for stage, reasons in stages.items():
        print(f"{stage}: {', '.join(describe_changes(reasons))}")
    print("`dvc repro` would run these" if stages else "up to date: `dvc repro` would run nothing")
    return len(stages)


def describe_changes(reasons: Iterable[Mapping[str, Mapping[str, Any]] | str]) -> list[str]:
    """Describe what `dvc status --json` says of a stage, such as `params.yaml model.hidden_dim modified`.

    Args:
        reasons: changed dependencies and outputs by kind; a plain text is a reason that follows from them.
    """
    kinds = [kind for reason in reasons if isinstance(reason, Mapping) for kind in reason.values()]
    changes = [f"{name} {state}" for kind in kinds for name, state in flatten(kind, " ").items()]
    return [
        *changes[:CHANGES_SHOWN],
        *([f"{len(changes) - CHANGES_SHOWN} more"] if len(changes) > CHANGES_SHOWN else []),
    ]


if __name__ == "__main__":
    Parser(description=__doc__).parse_args()
    with tidy_exit():
        sys.exit(min(main(), 1))
