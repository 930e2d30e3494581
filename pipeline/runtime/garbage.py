"""Pauses of the garbage collector while modules are imported.

Imports create hundreds of thousands of objects that all stay. The collector would walk them again and again, which
takes a quarter of the time of the imports.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_from_now_on() -> None:
    """Turn the collector on again, if it is paused, for objects created from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


@contextmanager
def importing() -> Iterator[None]:
    """Pause the collector in the block, whose imports take seconds."""
    gc.disable()
    try:
        yield
    finally:
        collect_from_now_on()
