"""Places where a project may have to live: a small disk, one that is read-only, an account with few rights."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FILLER = "filler"


class SmallDisk:
    """File system in memory, mounted on a folder, which is quick to fill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, left: int = 0) -> None:
        """Fill the disk up to `left` bytes, rounded down to pages."""
        self.make_room()
        free = shutil.disk_usage(self.folder).free
        with (self.folder / FILLER).open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - left)

    def make_room(self) -> None:
        """Remove what `fill` has written."""
        (self.folder / FILLER).unlink(missing_ok=True)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Make the disk read-only in the block, even for root."""
        mount("-o", "remount,ro", self.folder)
        yield
        mount("-o", "remount,rw", self.folder)


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a disk of a size such as `50m` on a new folder, or skip the test if that is not allowed."""
    folder.mkdir()
    try:
        mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system in memory: root on Linux")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def as_plain_user() -> list[str]:
    """Return a prefix for a command that makes permissions count, which they do not for root."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv, of util-linux, to try as root what others may not")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--inh-caps", "-all", "--"]
