"""What the machine computes with, found without importing torch: part of the identity of every trained node."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import UserError


@dataclass(frozen=True, slots=True)
class Hardware:
    """Device kind and threads of one run. Sums depend on both in the last bits, so they belong to a node's key."""

    device: str
    threads: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON values that go into keys."""
        return asdict(self)


def detect() -> Hardware:
    """Return `cuda` where a GPU is visible, else `cpu` with this process's cores.

    `SYNTHGEN_DEVICE` and `SYNTHGEN_THREADS` override, for runs that share a machine.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
    has_gpu = not hidden and any(Path("/dev").glob("nvidia[0-9]*"))
    device = os.environ.get("SYNTHGEN_DEVICE") or ("cuda" if has_gpu else "cpu")
    if device not in ("cpu", "cuda"):
        raise UserError(f"SYNTHGEN_DEVICE is '{device}'; allowed: cpu, cuda")
    threads = os.environ.get("SYNTHGEN_THREADS") or str(len(os.sched_getaffinity(0)))
    if not threads.isdecimal() or int(threads) < 1:
        raise UserError(f"SYNTHGEN_THREADS is '{threads}'; allowed: whole numbers from 1")
    return Hardware(device, int(threads))
