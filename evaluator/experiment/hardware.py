"""The device, threads and precision of this machine, without importing torch: part of every trained node's key."""

import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, shorten
from synthgen.runtime.workers import usable_cores
from synthgen.text.digits import whole_number


@dataclass(frozen=True, slots=True)
class Hardware:
    """Device kind, CPU threads and precision of one run. Sums depend on them, so they belong to a node's key.

    With `bfloat16` the encoder's matrix products are computed in it.
    """

    device: str
    threads: int
    bfloat16: bool

    def __str__(self) -> str:
        return f"{self.device}, {self.threads} threads, {'bfloat16' if self.bfloat16 else 'float32'}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON values that go into keys. Sums of a GPU do not depend on the CPU's threads: they are 0."""
        return asdict(self) | ({"threads": 0} if self.device == "cuda" else {})


def detect() -> Hardware:
    """Return `cuda` where a GPU is visible, else `cpu` with this process's cores; bfloat16 where it has units for it.

    `SYNTHGEN_DEVICE`, `SYNTHGEN_THREADS` and `SYNTHGEN_BFLOAT16` override, for runs that share a machine or a store.
    """
    device = os.environ.get("SYNTHGEN_DEVICE") or ("cuda" if sees_gpu() else "cpu")
    if device not in ("cpu", "cuda"):
        raise UserError(f"SYNTHGEN_DEVICE is '{device}'; allowed: cpu, cuda")
    threads = os.environ.get("SYNTHGEN_THREADS") or str(usable_cores())
    if not (count := whole_number(threads)):
        raise UserError(f"SYNTHGEN_THREADS is '{shorten(threads)}'; allowed: whole numbers from 1")
    has_units = _gpu_multiplies_bfloat16 if device == "cuda" else _cpu_multiplies_bfloat16
    bfloat16 = os.environ.get("SYNTHGEN_BFLOAT16") or str(int(has_units()))
    if bfloat16 not in ("0", "1"):
        raise UserError(f"SYNTHGEN_BFLOAT16 is '{bfloat16}'; allowed: 0, 1")
    return Hardware(device, count, bfloat16 == "1")


def sees_gpu() -> bool:
    """Say whether this machine has an NVIDIA GPU that is not hidden from this process; WSL2 has no /dev/nvidia0."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
    return not hidden and (any(Path("/dev").glob("nvidia[0-9]*")) or _nvidia_smi("-L").startswith("GPU "))


def gpu_memory() -> int | None:
    """Return the bytes of the smallest GPU of this machine; None where nobody says, or a GPU is parted (MIG)."""
    if "MIG" in _nvidia_smi("-L"):
        return None
    fields = _nvidia_smi("--query-gpu=memory.total", "--format=csv,noheader,nounits").split()
    sizes = [int(size) for size in fields if size.isdecimal()]
    return min(sizes) * 2**20 if sizes else None


def _gpu_multiplies_bfloat16() -> bool:
    """Say whether every GPU that this process may use has units for bfloat16; True where nothing says so."""
    lines = _nvidia_smi("--query-gpu=uuid,compute_cap", "--format=csv,noheader").splitlines()
    rows = [(uuid.rstrip(", "), capability) for uuid, _, capability in (line.strip().rpartition(" ") for line in lines)]
    gpus = [(uuid, float(value)) for uuid, value in rows if value.replace(".", "", 1).isdecimal()]
    return all(capability >= 8 for _, capability in _visible(gpus))


def _visible(gpus: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return those of the GPUs (UUID, compute capability) that `CUDA_VISIBLE_DEVICES` names; all for a MIG instance.

    CUDA numbers the fastest first, unless `CUDA_DEVICE_ORDER` is PCI_BUS_ID, which is nvidia-smi's order.
    """
    names = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    if os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        gpus = sorted(gpus, key=lambda gpu: -gpu[1])
    named = [
        gpu
        for number, gpu in enumerate(gpus)
        if any(name and (name == str(number) or gpu[0].startswith(name)) for name in names)
    ]
    return named or gpus


def _nvidia_smi(*options: str) -> str:
    """Return what nvidia-smi prints, nothing where it is missing or hangs."""
    try:
        ended = subprocess.run(["nvidia-smi", *options], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout


def _cpu_multiplies_bfloat16() -> bool:
    """Say whether Linux lists units for bfloat16: AVX-512 BF16, AMX, or Arm's. Without them it is four times slower."""
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(words)
