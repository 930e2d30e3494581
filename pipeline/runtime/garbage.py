"""The garbage collector, held while modules are imported.

An import makes hundreds of thousands of objects that all stay. The collector would walk them again and again, which
takes a quarter of the time of the imports.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_from_now_on() -> None:
    """Turn the collector on, if it is held, for what is made from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


@contextmanager
def importing() -> Iterator[None]:
    """Hold the collector within the block, whose imports take seconds."""
    gc.disable()
    try:
        yield
    finally:
        collect_from_now_on()
