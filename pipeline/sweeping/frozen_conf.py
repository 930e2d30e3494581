"""One configuration for all trials of a sweep, however conf/ is edited while they run."""

import shutil
import sys

from pipeline.checksum import folder_digest
from pipeline.config import WORKSPACE, project_root
from pipeline.files import replace

MULTIRUN = {"-m", "--multirun"}


def freeze_conf() -> None:
    """Have Hydra, if `sys.argv` asks it for a sweep, read a copy of conf/ as it is now.

    Hydra composes each trial anew, from the files as they are by then, a job of SLURM's hours later. The copy stays in
    `.checkpoints/` of the project, which other machines share: jobs may outlive the command.
    """
    if not MULTIRUN & set(sys.argv):
        return
    conf = WORKSPACE / "conf"
    copy = project_root() / ".checkpoints" / f"conf-{folder_digest(conf)[:16]}"
    if not copy.exists():
        with replace(copy) as temporary:
            shutil.copytree(conf, temporary, symlinks=True)  # an editor's lock leads nowhere
    sys.argv += ["--config-path", str(copy)]
