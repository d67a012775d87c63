"""Where a translation model runs: device, threads, and the numbers it computes with."""

from __future__ import annotations

from dataclasses import dataclass

from synthgen.errors import UserError, refuse, unknown
from synthgen.runtime.workers import usable_cores

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class ComputeConfig:
    """Device, threads (0 is every core) and number type of a model: one of CTranslate2's or the checkpoint's own."""

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
        """Raise UserError for the first of these settings that is not its default."""
        changed = {name for name in names if getattr(self, name) != getattr(ComputeConfig(), name)}
        refuse(reason, **{name: getattr(self, name) for name in names if name in changed})

    @property
    def cores(self) -> int:
        """Number of threads to use."""
        return self.threads or usable_cores()

    def choose(self, gpus: int) -> str:
        """Return cpu or cuda; UserError for cuda where there is none."""
        if self.device == "cuda" and not gpus:
            raise UserError("--device cuda: this machine has no CUDA device; give --device cpu")
        return "cuda" if gpus and self.device != "cpu" else "cpu"
