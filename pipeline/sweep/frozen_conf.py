"""One configuration for all trials of a sweep, however conf/ is edited while they run."""

import shutil
import sys
from pathlib import Path

from omegaconf import DictConfig

from pipeline.runtime.checksum import folder_digest
from pipeline.runtime.errors import PipelineError
from pipeline.runtime.files import replace
from pipeline.runtime.paths import WORKSPACE, project_root

MULTIRUN = {"-m", "--multirun"}
COPY = "conf-"
"""How the name of a copy begins."""


def freeze_conf() -> None:
    """Have Hydra, if `sys.argv` asks it for a sweep, read a copy of conf/ as it is now.

    Hydra composes each trial anew, from the files as they are by then, a job of SLURM's hours later. The copy stays in
    `.checkpoints/` of the project, which other machines share: jobs may outlive the command.
    """
    if not MULTIRUN & set(sys.argv):
        return
    conf = WORKSPACE / "conf"
    copy = project_root() / ".checkpoints" / f"{COPY}{folder_digest(conf)[:16]}"
    if not copy.exists():
        with replace(copy) as temporary:
            shutil.copytree(conf, temporary, symlinks=True)  # an editor's lock leads nowhere
    sys.argv += ["--config-path", str(copy)]


def require_frozen(hydra_config: DictConfig) -> None:
    """Refuse a sweep that does not read a copy: Hydra knows other ways to ask for one than `freeze_conf`.

    Raises:
        PipelineError: it reads conf/ itself.
    """
    main = next(source.path for source in hydra_config.runtime.config_sources if source.provider == "main")
    if not Path(main).name.startswith(COPY):
        raise PipelineError(f"-m: its trials would read {main} each anew; ask for a sweep with -m or --multirun")
