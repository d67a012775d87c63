"""The rejections of a folder by reason, the commonest first, with examples."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from synthgen.dataset.shards import Rejection, read_rejected


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows were rejected and by which stage, how many, and the first few."""

    reason: str
    stage: str
    count: int
    examples: tuple[Rejection, ...]


def reasons(folder: Path, most: int) -> list[Reason]:
    """Return the reasons of a finished folder, each with at most `most` examples."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], list[Rejection]] = {}
    for rejection in read_rejected(folder):
        kind = rejection.reason, rejection.stage
        counts[kind] += 1
        if len(shown := examples.setdefault(kind, [])) < most:
            shown.append(rejection)
    return [Reason(*kind, count, tuple(examples[kind])) for kind, count in counts.most_common()]
