"""What training costs: its speed on a device, and the memory and floating-point operations of an encoder's size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, listed
from synthgen.text.json_text import read_json_object

ACTIVATION_BYTES = 80
"""Kept for the backward pass per token, layer and unit of width: some twenty float32 values."""

PROCESS_BYTES = 600_000_000
"""torch and transformers in a process, or a CUDA context: 575 MB after their import with torch 2.13 on a CPU."""

_SIZES = ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size")
_LARGEST = 2**31

FORWARD_SHARE = 1 / 3
"""A forward pass costs a third of a training step: the backward pass is two forwards' worth of products."""
TOKENS_ON_GPU = 32_768
"""Tokens of a batch on a GPU at least: without gradients a small one leaves it idle between launches."""

SENTENCE_LENGTH = 40
"""Tokens that a token attends to, on average."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Real training tokens a second, what a run takes besides (loading, tokenising, saving), and where this is from.

    `waiting` is the share of the time that the threads waited for a core that something else used.
    """

    tokens_per_second: float
    seconds_per_run: float
    source: str
    waiting: float = 0.0


@dataclass(frozen=True, slots=True)
class EncoderSize:
    """The size of a transformer encoder; `inner` is the width of its feed-forward layers."""

    layers: int
    width: int
    inner: int
    vocabulary: int

    @classmethod
    def read(cls, checkpoint: Path) -> EncoderSize:
        """Return the size of a checkpoint folder's encoder."""
        config = read_json_object(checkpoint / "config.json")
        values: dict[str, Any] = {name: config.get(name) for name in _SIZES}
        if wrong := [name for name, value in values.items() if type(value) is not int or not 0 < value < _LARGEST]:
            path = checkpoint / "config.json"
            raise UserError(f"{path} is of no encoder that can be trained: it has no size in {listed(wrong)}")
        return cls(*values.values())

    @property
    def weights(self) -> int:
        """Weights outside the embeddings."""
        return self.layers * (4 * self.width * self.width + 2 * self.width * self.inner)

    @property
    def flops_per_token(self) -> float:
        """Training FLOPs per real token: 6 N + 12 L d s with N weights outside the embeddings and length s."""
        return float(6 * self.weights + 12 * self.layers * self.width * SENTENCE_LENGTH)

    def memory_bytes(self, tokens_per_batch: int, *, trains_embeddings: bool) -> int:
        """Return about the memory of a training run: its process, weights, gradients and moments, activations.

        With a compacted vocabulary the embeddings are weights alone.
        """
        embeddings = (16 if trains_embeddings else 4) * self.vocabulary * self.width
        activations = tokens_per_batch * self.layers * self.width * ACTIVATION_BYTES
        return PROCESS_BYTES + 16 * self.weights + embeddings + activations


def core_seconds() -> tuple[float, float]:
    """Return how long the threads of this process have run, and waited for a core; zeros where nobody says."""
    run = waited = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        try:
            on_core, in_queue, _ = map(int, path.read_text(encoding="ascii").split())
        except (OSError, ValueError):  # a thread that has ended meanwhile
            continue
        run, waited = run + on_core, waited + in_queue
    return run / 1e9, waited / 1e9


def available_memory() -> int | None:
    """Return the bytes that this machine, or this process's cgroup, can still give; None where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and (most := limit.read_text().strip()).isdecimal():
        available = min(available, int(most) - int(used.read_text()))
    return available
