"""Description of the machine that the figures were measured on."""

import os
import platform
import statistics
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from benchmarks.measuring import seconds
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
    """Return the floating-point operations per second of a product of two square matrices: the best of both libraries.

    oneDNN, which also computes the LSTM, gets products in bf16, but in fp32 another library, which on some processors
    takes twice as long; a convolution over single pixels is the same product, and always oneDNN's.

    Args:
        dtype: type of the numbers.
        size: rows and columns.
        repeats: measurements, of which the median counts.
    """
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    products: tuple[Callable[[], Tensor], ...] = (
        lambda: a @ b,
        lambda: conv2d(a[None, :, :, None], b[:, :, None, None]),
    )
    return 2 * size**3 / min(_median_seconds(product, repeats) for product in products)


def _median_seconds(product: Callable[[], Tensor], repeats: int) -> float:
    product()
    durations = []
    for _ in range(repeats):
        started = seconds()
        product()
        durations.append(seconds() - started)
    return statistics.median(durations)


def _processor() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # exists only on Linux
        return platform.processor(), set()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return values.get("model name", platform.processor()), set(values.get("flags", "").split())
