"""Memory allocation of a process that computes with torch (measured in docs/performance.md)."""

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of mallopt(3)."""
NEVER = 2**31 - 1
"""Threshold that no block reaches."""
CACHED_SHAPES = 64
"""Shapes for which oneDNN keeps what it has compiled."""


def set_up_allocator() -> None:
    """Keep the memory of freed tensors for the next ones, and no other memory. Call it before the first computation.

    By default glibc returns every large block to the kernel at once, so that a training step, which frees and allocates
    hundreds of megabytes, spends up to half its time on page faults. oneDNN by default keeps compiled code and its
    memory for each of the last thousand shapes: with reviews of every length, that is several gigabytes for nothing.
    """
    for cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(cache, str(CACHED_SHAPES))
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, NEVER)
