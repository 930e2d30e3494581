"""Description of the machine that the figures were measured on."""

import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from pipeline.runtime.worker_pool import available_cores

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
PACKAGES = ("torch", "pytorch-lightning", "torchtext", "numpy", "pyarrow")


def describe() -> dict[str, Any]:
    """Return processor, cores, relevant instruction sets, GPU, threads, load and versions."""
    model, flags = _processor()
    return {
        "processor": model,
        "cores": available_cores(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def matmul_peak(dtype: torch.dtype, size: int = 2048, repeats: int = 7) -> float:
    """Return the floating-point operations per second of a product of two square matrices, median of `repeats`."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    a @ b
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(seconds)


def _processor() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # exists only on Linux
        return platform.processor(), set()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return values.get("model name", platform.processor()), set(values.get("flags", "").split())
