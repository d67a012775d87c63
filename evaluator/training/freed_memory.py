"""Freed memory on a CPU: kept from step to step, which is faster, and returned now and then, or it grows."""

import ctypes
import os
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Let glibc keep freed memory (mallopt(3)): returning it and faulting it in again took 7 % of a CPU step."""
    if mallopt := _of_libc("mallopt"):
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> None:
    """Return what is freed to the system (malloc_trim(3)): steps of many shapes leave pieces that grow all the time."""
    if trim := _of_libc("malloc_trim"):
        trim(0)


def _of_libc(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None where it has no such function, as others than glibc."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
