"""Inputs for readers: seeds and what was found before, changed at random, shrunk to nothing or blown up.

A target is a module of `tests/fuzz/targets` with `SEEDS`, inputs that are read, and `read(data, folder)`, which may
raise `ALLOWED` (UserError where it says nothing else). What was found lies in `tests/fuzz/corpus/NAME/`, a file each.
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from synthgen.errors import IncompleteError, UserError
from tests.fuzz import targets
from tests.payloads import HOSTILE

CORPUS = Path(__file__).parent / "corpus"
SECONDS_AN_INPUT = 5.0
LARGEST = 300_000
PIECES = [
    *(text.encode("utf-8", "surrogatepass") for text in HOSTILE if len(text) < 1000),
    b"[" * 3000, b'{"a":' * 2000, b"9" * 5000, b"1e999", b"NaN", b"null", b"-1", b"[]", b"{}", b'""', b"true",
    b"\\ud83d", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"\r\n", b"\t\t", b'"', b",", b"\n\n", b"B-PER",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """A reader under test."""

    name: str
    module: ModuleType

    @property
    def seeds(self) -> list[bytes]:
        """What it reads, and what it failed at before."""
        found = sorted((CORPUS / self.name).glob("*"))
        return [*self.module.SEEDS, *(path.read_bytes() for path in found)]

    def fault(self, data: bytes, folder: Path) -> str:
        """Return what is wrong with the reader: another error than it may raise, more than a line, or too slow."""
        allowed = getattr(self.module, "ALLOWED", (UserError, IncompleteError))
        begin = time.process_time()
        try:
            self.module.read(data, folder)
        except allowed as error:
            if "\n" in str(error).strip():
                return f"more than one line: {str(error)[:200]!r}"
        except Exception:
            return traceback.format_exc(limit=-4)
        seconds = time.process_time() - begin
        return f"{seconds:.1f} s" if seconds > SECONDS_AN_INPUT else ""


def find_targets() -> list[Target]:
    """Return every target, by name."""
    names = [module.name for module in iter_modules(targets.__path__)]
    return [Target(name, import_module(f"tests.fuzz.targets.{name}")) for name in names]


def mutations(seeds: Sequence[bytes], draw: random.Random) -> Iterator[bytes]:
    """Yield changed inputs for ever."""
    while True:
        data = draw.choice(seeds)
        for _ in range(draw.choice((1, 1, 2, 3, 8))):
            data = _changed(data, draw, seeds)
        yield data[:LARGEST]


def _changed(data: bytes, draw: random.Random, seeds: Sequence[bytes]) -> bytes:
    start, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    kind = draw.randrange(7)
    if kind == 0:
        return data[:start] + data[end:]
    if kind == 1:
        return data[:start] + draw.choice(PIECES) + data[start:]
    if kind == 2:
        return data[:start] + draw.choice(PIECES) + data[end:]
    if kind == 3:
        return data[:start] + data[start:end] * draw.choice((2, 3, 50)) + data[end:]
    if kind == 4:
        return data[:start] + bytes([draw.randrange(256)]) + data[start + 1 :]
    if kind == 5:
        other = draw.choice(seeds)
        return data[:start] + other[draw.randrange(len(other) + 1) :]
    return data[:start]


def hunt(target: Target, folder: Path, seconds: float, seed: int) -> tuple[int, str]:
    """Try inputs for so long; return how many and the first fault, whose input is written to the corpus."""
    inputs, number = mutations(target.seeds, random.Random(f"{target.name}-{seed}")), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data, number = next(inputs), number + 1
        if fault := target.fault(data, folder):
            path = CORPUS / target.name / blake2b(data, digest_size=6).hexdigest()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            return number, f"{path}: {fault}"
    return number, ""
