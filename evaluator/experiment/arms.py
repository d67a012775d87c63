"""Arms: the sources of intermediate data under comparison, and which rows each size and seed draws.

- `name=PART[+PART...]`, PART = `DATASET[:N]`: a dataset folder, N of its rows; or `mlm:CORPUS[:N]`: masked language
  modelling on a text file (a text a line) or a folder of `*.txt`, mixed in, N lines of it
- `name=none`: target training only
- `name=own`: each target's own English training set as intermediate data, a control
- `name=model:REF`: a ready intermediate encoder
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.dataset.manifest import Manifest, read_intact_manifest, scale_counts
from synthgen.errors import UserError
from synthgen.runtime.files import file_sha256
from synthgen.runtime.provenance import public_name

FULL = 0
"""The size that stands for all rows of an arm."""

_ARM = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)=(?P<value>.+)")
_PART = re.compile(r"(?P<folder>.+?)(?::(?P<rows>\d+))?")
_GRAMMAR = "expected name=DATASET[:N][+DATASET[:N]...][+mlm:CORPUS[:N]], name=none, name=own or name=model:REF"
_MLM = "mlm:"


@dataclass(frozen=True, slots=True)
class ArmPart:
    """A dataset folder and how many of its rows take part."""

    folder: Path
    manifest: Manifest
    rows: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """Text files for masked language modelling, and how many of their lines take part."""

    path: Path
    content_hash: str
    total: int
    lines: int


@dataclass(frozen=True, slots=True)
class Arm:
    """One source of intermediate data; one that trains nothing stands for `model`, or the base model, as it is.

    `uses_target_data` takes each target's own training set; `factor` times the size is drawn (10: ten times the data).
    """

    name: str
    parts: tuple[ArmPart, ...] = ()
    model: str | None = None
    corpora: tuple[Corpus, ...] = ()
    uses_target_data: bool = False
    factor: int = 1

    @property
    def is_trained(self) -> bool:
        """Whether the arm has an intermediate stage."""
        return bool(self.parts or self.corpora or self.uses_target_data)

    @property
    def rows(self) -> int:
        """Rows at full size: of the datasets, and of the corpora only where there is nothing else."""
        return sum(self._totals())

    def _totals(self) -> tuple[int, ...]:
        return tuple(part.rows for part in self.parts) or tuple(corpus.lines for corpus in self.corpora)

    def draws(self, size: int) -> tuple[int, ...]:
        """Return how many rows each dataset gives at a size, in proportion; UserError when the arm is smaller."""
        return self._draws(size) if self.parts else ()

    def lines(self, size: int) -> tuple[int, ...]:
        """Return how many lines each corpus gives: the share that the datasets give, since sizes count their rows."""
        if not self.parts:
            return self._draws(size)
        share = sum(self._draws(size)) / self.rows
        return tuple(round(corpus.lines * share) for corpus in self.corpora)

    def _draws(self, size: int) -> tuple[int, ...]:
        totals = self._totals()
        if size == FULL or not totals:
            return totals
        rows = size * self.factor
        if rows > self.rows:
            places = " + ".join(f"{part.folder} ({part.rows} rows)" for part in self.parts) or "its corpora"
            times = f"{self.factor} times " if self.factor > 1 else ""
            allowed = self.rows // self.factor
            raise UserError(f"arm '{self.name}' cannot give {times}size {size}: {places}; allowed: up to {allowed}")
        counts = scale_counts({str(i): total for i, total in enumerate(totals)}, rows)
        return tuple(counts[str(i)] for i in range(len(totals)))

    def facts(self) -> dict[str, Any]:
        """Return what the report says about the arm: where its data came from and what was kept."""
        manifests = [part.manifest for part in self.parts]
        rejected = Counter[str]()
        for manifest in manifests:
            rejected.update(manifest.rejected)
        models = [manifest.model for manifest in manifests if manifest.model]
        tasks = list(dict.fromkeys(manifest.task for manifest in manifests))
        tasks += ["masked language modelling"] * bool(self.corpora) + ["the target's own"] * self.uses_target_data
        return {
            "origin": "+".join(dict.fromkeys(manifest.origin for manifest in manifests)) or None,
            "tasks": tasks,
            "model": public_name(self.model) if self.model else models[0].get("ref") if models else None,
            "kept": sum(manifest.kept for manifest in manifests),
            "failed": sum(manifest.failed for manifest in manifests),
            "rejected": dict(sorted(rejected.items())),
            "rows": self.rows,
        }


def parse_arms(texts: Sequence[str]) -> tuple[Arm, ...]:
    """Return the arms of the command line in order; UserError for a second arm of the same name."""
    if not texts:
        raise UserError(f"no arm to compare; {_GRAMMAR}")
    arms = tuple(map(parse_arm, texts))
    for name, count in Counter(arm.name for arm in arms).items():
        if count > 1:
            raise UserError(f"arm '{name}' is given {count} times; names must differ")
    return arms


def parse_arm(text: str) -> Arm:
    """Return one arm; its dataset folders must be finished."""
    if not (match := _ARM.fullmatch(text)):
        raise UserError(f"cannot read the arm '{text}'; {_GRAMMAR}")
    name, value = match["name"], match["value"]
    if value == "none":
        return Arm(name)
    if value == "own":
        return Arm(name, uses_target_data=True)
    if value.startswith("model:"):
        return Arm(name, model=value.removeprefix("model:"))
    texts = value.split("+")
    parts = tuple(_part(text, arm=name) for text in texts if not text.startswith(_MLM))
    corpora = tuple(_corpus(text, arm=name) for text in texts if text.startswith(_MLM))
    return Arm(name, parts, corpora=corpora)


def _part(text: str, *, arm: str) -> ArmPart:
    if not (match := _PART.fullmatch(text)):
        raise UserError(f"arm '{arm}' has an empty part; {_GRAMMAR}")
    folder = Path(match["folder"])
    manifest = read_intact_manifest(folder)
    return ArmPart(folder, manifest, _row_count(match["rows"], manifest.kept, f"arm '{arm}': {folder}", text))


def _corpus(text: str, *, arm: str) -> Corpus:
    if not (match := _PART.fullmatch(text.removeprefix(_MLM))):
        raise UserError(f"arm '{arm}': '{text}' names no corpus; {_GRAMMAR}")
    path = Path(match["folder"])
    if not (files := text_files(path)):
        raise UserError(f"arm '{arm}': {path} is neither a text file nor a folder of *.txt")
    if not (total := sum(1 for _ in read_lines(files))):
        raise UserError(f"arm '{arm}': {path} holds no text")
    hashes = "".join(file_sha256(file) for file in files)
    lines = _row_count(match["rows"], total, f"arm '{arm}': {path}", text)
    return Corpus(path, hashlib.sha256(hashes.encode()).hexdigest(), total, lines)


def _row_count(number: str | None, total: int, where: str, text: str) -> int:
    rows = int(number) if number else total
    if not 1 <= rows <= total:
        raise UserError(f"{where} has {total} rows; '{text}' asks for {rows}")
    return rows


def text_files(path: Path) -> list[Path]:
    """Return the text files of a corpus: the file itself, or a folder's `*.txt`."""
    return [path] if path.is_file() else sorted(path.glob("*.txt"))


def read_lines(files: Sequence[Path]) -> Iterator[str]:
    """Yield the lines that hold text."""
    for path in files:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            yield from (line.strip() for line in file if line.strip())
