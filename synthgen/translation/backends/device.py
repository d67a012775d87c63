"""Where a translation model runs: device, threads, and the numbers it computes with."""

from __future__ import annotations

import os
from dataclasses import dataclass

from synthgen.errors import UserError, refuse, unknown

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class ComputeConfig:
    """What a model may use: `threads` 0 is every core, `compute` a type of CTranslate2's or the checkpoint's own."""

    device: str = "auto"
    threads: int = 0
    compute: str = "default"

    def __post_init__(self) -> None:
        """Refuse what is none of these."""
        if self.device not in DEVICES:
            raise unknown("--device", self.device, DEVICES)
        if self.threads < 0:
            raise UserError(f"--threads is {self.threads}; allowed is 0 (every core) or more")

    def refuse(self, reason: str, *names: str) -> None:
        """Raise UserError for one of the settings that was given although a translator has no use for it."""
        refuse(
            reason,
            **{each: value for each in names if (value := getattr(self, each)) != getattr(ComputeConfig(), each)},
        )

    @property
    def cores(self) -> int:
        """How many threads to use."""
        here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return self.threads or here or 1

    def choose(self, gpus: int) -> str:
        """Return cpu or cuda; UserError for cuda where there is none."""
        if self.device == "cuda" and not gpus:
            raise UserError("--device cuda: this machine has no CUDA device; give --device cpu")
        return "cuda" if gpus and self.device != "cpu" else "cpu"
