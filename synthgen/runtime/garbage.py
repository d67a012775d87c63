"""Python's search for garbage in cycles, which costs a fifth of a run with thousands of open requests."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARE = (50_000, 20, 50)
"""New objects before a search among them, and searches before one among older ones; Python's own first is 700."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Search seldom in the block: requests, rows and replies hold no cycles, and go when nothing needs them."""
    before = gc.get_threshold()
    gc.set_threshold(*RARE)
    try:
        yield
    finally:
        gc.set_threshold(*before)
