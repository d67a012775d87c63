"""The parts of an arm, datasets and corpora, and what each dataset gives where it has a share of every size."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path

from synthgen.dataset.manifest import Manifest, scale_counts
from synthgen.errors import UserError


@dataclass(frozen=True, slots=True)
class ArmPart:
    """A dataset folder and how many of its rows take part; `stage` counts what is trained one after the other.

    `share` is its part of every size; with `is_rest` it gives what the others leave. `shuffled` rows have the labels of
    others.
    """

    folder: Path
    manifest: Manifest
    rows: int
    share: Fraction | None = None
    is_rest: bool = False
    stage: int = 0
    shuffled: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether it gives other rows of a size than in proportion to its own."""
        return self.share is not None or self.is_rest


@dataclass(frozen=True, slots=True)
class Corpus:
    """Text files for masked language modelling, and how many of their lines take part."""

    path: Path
    content_hash: str
    total: int
    lines: int


def check_shares(arm: str, parts: Sequence[ArmPart]) -> None:
    """Raise UserError for shares that do not make a whole."""
    shares = [part.share for part in parts if part.share is not None]
    rests = sum(part.is_rest for part in parts)
    if not shares and not rests:
        return
    is_whole = sum(shares) == 1 and len(shares) == len(parts)
    leaves_rest = sum(shares) < 1 and rests == 1
    if not is_whole and not leaves_rest:
        raise UserError(f"arm '{arm}': shares must add up to 100 %, or one part must be DATASET:rest")


def most_rows(arm: str, parts: Sequence[ArmPart]) -> int:
    """Return the largest size of which every part can give its share."""
    limits: list[Fraction | float] = [part.rows / part.share for part in parts if part.share]
    left = 1 - sum(part.share for part in parts if part.share is not None)
    if left:
        limits.append(sum(part.rows for part in parts if part.share is None) / left)
    most = int(min(limits))
    while any(count > part.rows for count, part in zip(shared(arm, parts, most), parts, strict=True)):
        most -= 1
    return most


def shared(arm: str, parts: Sequence[ArmPart], rows: int) -> tuple[int, ...]:
    """Return how many rows each part gives of `rows`: its share, its number, or what the others leave."""
    if not any(part.is_rest for part in parts):
        shares = [part.share or Fraction() for part in parts]
        scale = lcm(*(share.denominator for share in shares))
        counts = scale_counts({str(i): int(share * scale) for i, share in enumerate(shares)}, rows)
        return tuple(counts[str(i)] for i in range(len(parts)))
    counts_besides = [_rows_besides_rest(part, rows) for part in parts]
    least = sum(counts_besides)
    if least > rows:
        raise UserError(f"arm '{arm}' has {least} rows besides its part ':rest'; the size {rows} is smaller")
    return tuple(rows - least if part.is_rest else count for part, count in zip(parts, counts_besides, strict=True))


def _rows_besides_rest(part: ArmPart, rows: int) -> int:
    """Return how many of `rows` a part gives before what is left goes to the rest: its share, or its number."""
    if part.is_rest:
        return 0
    return part.rows if part.share is None else int(part.share * rows)
