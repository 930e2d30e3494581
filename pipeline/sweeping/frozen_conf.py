"""One configuration for all trials of a sweep, however conf/ is edited while they run."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config import WORKSPACE, project_root

MULTIRUN = {"-m", "--multirun"}


@contextmanager
def frozen_conf() -> Iterator[None]:
    """Have Hydra, if `sys.argv` asks it for a sweep, read a copy of conf/ that is made now.

    Hydra composes each trial anew, from the files as they are by then; a job of SLURM's hours later. The copy lies in
    the project, which other machines share, and is removed at the end.
    """
    if not MULTIRUN & set(sys.argv):
        yield
        return
    checkpoints = project_root() / ".checkpoints"
    checkpoints.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="conf-", dir=checkpoints) as folder:
        copy = Path(folder) / "conf"
        shutil.copytree(WORKSPACE / "conf", copy, symlinks=True)  # an editor's lock leads nowhere
        sys.argv += ["--config-path", str(copy)]
        yield
