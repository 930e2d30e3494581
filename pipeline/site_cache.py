"""Keep DVC's site cache inside the project, where no other user of the machine can write.

DVC unpickles the files of this cache, and its default folder, /var/tmp/dvc, is writable for everybody. The committed
configuration cannot name a folder of the project: DVC resolves a relative path against the current folder, and then
fails in the copies in which it runs experiments. So .dvc/config.local, which git ignores, gives the absolute path.

`make setup` runs this, and so does the first stage of every `dvc repro`, also after the project was moved.
"""

import logging
import os
import re
import shutil
from pathlib import Path

from dvc.config import Config as DvcConfig

from pipeline.cli import Parser, tidy_exit
from pipeline.runtime.atomic import replace
from pipeline.runtime.paths import project_root

SITE_CACHE = Path(".dvc", "tmp", "site")
SETTING = re.compile(r"^[ \t]*site_cache_dir[ \t]*=.*\n?", re.MULTILINE)
CORE = re.compile(r"^[ \t]*\[[ \t]*core[ \t]*\][ \t]*(\n|\Z)", re.MULTILINE)

log = logging.getLogger(__name__)


def keep_in_project(root: Path) -> None:
    """Make all later `dvc` commands keep their site cache in the project, unless the user has set another folder."""
    if "DVC_SITE_CACHE_DIR" in os.environ:
        return
    folder, local = root / SITE_CACHE, root / ".dvc" / "config.local"
    configured = DvcConfig(str(root / ".dvc"))["core"].get("site_cache_dir")
    if configured not in (None, str(folder)) and not configured.endswith(f"/{SITE_CACHE.as_posix()}"):
        return
    if not str(folder).isascii() or {'"', "%"} & set(str(folder)):
        log.warning(
            "DVC keeps pickled state in /var/tmp/dvc, where every user may write: its configuration cannot hold the "
            "path %s; if others use this machine, set DVC_SITE_CACHE_DIR to a folder of your own",
            root,
        )
        return
    if configured != str(folder):
        text = SETTING.sub("", local.read_text(encoding="utf-8")) if local.exists() else ""
        if not CORE.search(text):
            text = f"[core]\n{text}"
        with replace(local) as unfinished:
            unfinished.touch(0o600)  # its other settings may be secret
            line = f'    site_cache_dir = "{folder}"\n'
            unfinished.write_text(CORE.sub(lambda core: f"{core[0].rstrip()}\n{line}", text, count=1), encoding="utf-8")
            shutil.copymode(local if local.exists() else local.with_name("config"), unfinished)
    _close_to_others(folder)


def _close_to_others(folder: Path) -> None:
    """Create the folder before DVC does, which would make it writable for everybody; it gets the mode of `.dvc/tmp`."""
    (folder / "repo").mkdir(parents=True, exist_ok=True)
    for path in (folder, folder / "repo"):
        if path.stat().st_mode != folder.parent.stat().st_mode:
            shutil.copymode(folder.parent, path)


if __name__ == "__main__":
    Parser(description=__doc__).parse_args()
    with tidy_exit():
        keep_in_project(project_root())
