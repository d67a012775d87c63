"""The result of a verification: what was recomputed, what was not and why, and every fault in one line."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import shorten

FAULTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Verification:
    """The figures recomputed, those that could not be and why, and every fault. `is_true` is the verdict."""

    recomputed: tuple[str, ...]
    not_recomputed: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def is_true(self) -> bool:
        """Say whether nothing that could be recomputed differs."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """Return the verification as JSON values."""
        return {"verified": self.is_true} | {name: list(values) for name, values in asdict(self).items()}


@dataclass(slots=True)
class VerificationLog:
    """Collects what the steps of a verification recomputed, what they could not and why, and the faults."""

    recomputed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def compare(self, name: str, claimed: object, actual: object, *, by: str = "the rows give") -> None:
        """Record that a value was recomputed, and a fault when it differs; values are compared as JSON."""
        self.recomputed.append(name)
        if json.dumps(claimed, sort_keys=True) != json.dumps(actual, sort_keys=True):
            self.faults.append(f"{MANIFEST_NAME}: {name} is {short(claimed)}, {by} {short(actual)}")


def short(value: object) -> str:
    """Return a value as a fault quotes it: JSON, a hundred characters at most."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{shorten(text.strip())}'"
