"""A copy of conf/ for all trials of a sweep, so that they do not notice edits of conf/ while they run."""

import shutil
import sys
from pathlib import Path

from omegaconf import DictConfig

from pipeline.runtime.atomic import replace
from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.paths import CONF, project_root

MULTIRUN = {"-m", "--multirun"}
COPY_PREFIX = "conf-"


def freeze_conf() -> None:
    """Make Hydra read a copy of conf/ as it is now, if `sys.argv` asks for a sweep.

    Hydra composes each trial when it starts, from the files as they are by then; a SLURM job may start hours later. The
    copy is in `.checkpoints/` of the project, which other machines share, because jobs may outlive this command.
    """
    if not MULTIRUN & set(sys.argv):
        return
    copy = project_root() / ".checkpoints" / f"{COPY_PREFIX}{folder_digest(CONF)[:16]}"
    if not copy.exists():
        with replace(copy) as temporary:
            shutil.copytree(CONF, temporary, symlinks=True)  # the link that an editor uses as a lock leads nowhere
    sys.argv += ["--config-path", str(copy)]


def require_frozen(hydra_config: DictConfig) -> None:
    """Refuse a sweep that does not read a copy: `freeze_conf` does not know all ways to ask Hydra for a sweep.

    Raises:
        PipelineError: the sweep reads conf/ itself.
    """
    main = next(source.path for source in hydra_config.runtime.config_sources if source.provider == "main")
    if not Path(main).name.startswith(COPY_PREFIX):
        raise PipelineError(
            f"-m: each trial would read {main} again, with later edits; ask for the sweep with -m or --multirun"
        )
