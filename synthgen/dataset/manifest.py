"""The manifest: every fact of a finished dataset folder, and when a folder is finished."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from synthgen.console import note
from synthgen.dataset.layout import LEDGER_NAME, MANIFEST_NAME
from synthgen.errors import UserError, listed
from synthgen.formats import Format, format_from_manifest
from synthgen.runtime.files import json_sha256, write_atomically
from synthgen.runtime.integrity import folder_faults
from synthgen.runtime.notebook import data_frame, html_table
from synthgen.text.json_text import JsonFault, parse_json
from synthgen.text.plain_text import read_plain_text

_LISTS = ("columns", "labels", "parents")
_MAPPINGS: tuple[str, ...] = ("rejected", "label_counts", "files", "attempts", "sampling", "versions", "definitions")
_MAPPINGS += ("tokens", "cost", "hardware", "statistics", "checks")
_NOT_EMPTY = ("cost", "definitions")
"""What a manifest leaves out where there is nothing to say."""
MANIFEST_HASH = "manifest_hash"
"""The key of the hash of all other keys; a set of an earlier version has none."""

SURPLUS, REPEATED = "surplus", "repeated in an earlier file"
NO_FAULT = (SURPLUS, REPEATED)
"""Why rows were left out that nothing is wrong with: their label has enough, or they were read before."""

SOFT_LABELS = "label_probabilities"
"""The check that says whose probabilities of labels the rows have."""
_CHANGED = f"was changed after the set was finished: its {MANIFEST_HASH} does not fit its content"
_AS_IT_WAS = "copy the set again, or remove this file and give the command that made the set again"
Origin = Literal["real", "synthetic", "translated", "sample"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every fact of a finished dataset folder; `schemas/manifest.schema.json` documents each key."""

    task: str
    format: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    origin: Origin
    language: str
    licence: str
    n: int
    asked: int
    kept: int
    failed: int
    rejected: dict[str, int]
    label_counts: dict[str, int]
    seed: int
    files: dict[str, str]
    attempts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("ok", "bad", "http", "timeout"), 0))
    model: dict[str, Any] | None = None
    engine: str | None = None
    prompt_hash: str | None = None
    prompt_text: str = ""
    definitions: dict[str, str] = field(default_factory=dict)
    parser_hash: str | None = None
    filters_hash: str | None = None
    ledger_hash: str | None = None
    sampling: dict[str, Any] = field(default_factory=dict)
    parents: tuple[dict[str, Any], ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    hardware: dict[str, Any] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    schema_version: int = 1

    def __post_init__(self) -> None:
        """Refuse counts that do not add up: a lost or doubled row is a bug, never a rounding."""
        accounted = self.kept + sum(self.rejected.values()) + self.failed
        if self.asked != accounted:
            raise ValueError(f"asked {self.asked} is not kept + rejected + failed = {accounted}")
        if sum(self.label_counts.values()) not in (0, self.kept):
            raise ValueError(f"label counts {self.label_counts} do not add up to kept {self.kept}")

    @property
    def content_hash(self) -> str:
        """Hash of the kept rows' files: equal for equal data, whatever the folder is called."""
        data = {name: digest for name, digest in self.files.items() if name.startswith("data/")}
        return json_sha256(data)

    @property
    def has_soft_labels(self) -> bool:
        """Whether the rows have a verifier's probabilities of their labels."""
        return SOFT_LABELS in self.checks

    @property
    def made_elsewhere(self) -> str:
        """Where the rows came from when they are no corpus's and were not made here; an empty string otherwise."""
        translation = self.checks.get("translation")
        producer = {"synthetic": self.prompt_hash, "translated": self.model or translation, "sample": "here"}.get(
            self.origin
        )
        sources = [parent for parent in self.parents if parent.get("role") in ("source", "filtered")]
        names = [str(parent["name"]) for parent in sources if "name" in parent]
        is_corpus = self.origin == "real" and (not names or any("corpus" in parent for parent in sources))
        return "" if producer or is_corpus else (names or ["another place"])[0]

    @property
    def faults(self) -> dict[str, int]:
        """The rejections by reason, but for rows that nothing is wrong with."""
        return {reason: count for reason, count in self.rejected.items() if reason not in NO_FAULT and count}

    @property
    def not_drawn(self) -> int:
        """The rows of a corpus that could be used and were not drawn; 0 for a set that was no draw."""
        usable = self.statistics.get("available")
        return max(0, sum(map(int, usable.values())) - self.kept) if isinstance(usable, dict) else 0

    def funnel(self) -> list[tuple[str, int]]:
        """Return all rows asked for or read, then those left out by reason, the commonest first, and those kept."""
        begin = "asked" if any(self.attempts.values()) else "read"
        left_out = sorted([*self.rejected.items(), ("not drawn", self.not_drawn)], key=lambda each: -each[1])
        rest = [each for each in (*left_out, ("failed", self.failed)) if each[1]]
        return [(begin, self.asked + self.not_drawn), *rest, ("kept", self.kept)]

    def balance(self) -> str:
        """Return the funnel as one line: read 12 = kept 5 + not drawn 4 + rejected 3 (format 2, language 1)."""
        (begin, number), *left_out, _ = self.funnel()
        parts = [("kept", self.kept), *((name, count) for name, count in left_out if name not in self.faults)]
        shown = " + ".join(f"{name} {count:,}" for name, count in parts)
        reasons = listed(f"{name} {count:,}" for name, count in left_out if name in self.faults)
        rejected = f" + rejected {sum(self.faults.values()):,} ({reasons})" if self.faults else ""
        return f"{begin} {number:,} = {shown}{rejected}"

    def counts(self) -> list[dict[str, Any]]:
        """Return the counts of the set, each with what it counts: rows, rejections by reason, labels."""
        totals = [{"what": name, "name": "", "rows": getattr(self, name)} for name in ("asked", "kept", "failed")]
        parts = (("rejected", self.rejected), ("label", self.label_counts))
        return totals + [{"what": what, "name": name, "rows": n} for what, each in parts for name, n in each.items()]

    def to_pandas(self) -> Any:  # noqa: ANN401 - pandas may be missing
        """Return the counts as a DataFrame (what, name, rows); the rows are `pandas.read_parquet(folder / "data")`."""
        return data_frame(self.counts())

    def _repr_html_(self) -> str:
        title = f"{self.kept:,} {self.origin} rows of {self.task} ({self.language}), licence {self.licence}"
        return html_table(title, self.counts())

    def to_json(self) -> str:
        """Return the manifest as the text of `synthgen.json`."""
        values = {name: value for name, value in asdict(self).items() if value or name not in _NOT_EMPTY}
        text = json.dumps(values, ensure_ascii=False)
        return json.dumps(values | {MANIFEST_HASH: json_sha256(json.loads(text))}, ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str, faults: list[str] | None = None) -> Manifest:
        """Return the manifest of a JSON text; unknown or missing keys are named in one UserError.

        So are facts that are not those of their hash, or that is added to `faults` where a list is given.
        """
        try:
            values = parse_json(text, nan=True)
        except JsonFault as fault:
            raise UserError(f"{where} is not JSON: {fault}") from None
        digest = values.pop(MANIFEST_HASH, None) if isinstance(values, dict) else None
        _check_keys(values, where)
        if digest is not None and digest != json_sha256(values):
            if faults is None:
                raise UserError(f"{where} {_CHANGED}; {_AS_IT_WAS}")
            faults.append(f"{MANIFEST_NAME} {_CHANGED}")
        for key in _LISTS:
            values[key] = tuple(values.get(key, ()))
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise UserError(f"{where} is not a dataset manifest: {error}") from None


def _check_keys(values: Any, where: str) -> None:  # noqa: ANN401 - any JSON value
    """Raise UserError for what has not the keys of a manifest, or lists and mappings that are none."""
    if not isinstance(values, dict):
        raise UserError(f"{where} is not a dataset manifest: it is not a JSON object")
    known = {item.name for item in fields(Manifest)}
    needed = [item.name for item in fields(Manifest) if item.default is item.default_factory is MISSING]
    if missing := [name for name in needed if name not in values]:
        raise UserError(f"{where} is not a dataset manifest: it lacks {listed(missing)}; copy or make the set again")
    if extra := sorted(set(values) - known):
        raise UserError(f"{where} has unknown keys {listed(extra)}; known: {', '.join(sorted(known))}")
    for key, kind in (*((name, list) for name in _LISTS), *((name, dict) for name in _MAPPINGS)):
        if key in values and not isinstance(values[key], kind):
            allowed = f"{values[key]!r:.60}; allowed: {'a list' if kind is list else 'a mapping'}"
            raise UserError(f"{where} is not a dataset manifest: {key} is {allowed}")


def scale_counts(counts: Mapping[str, int], n: int) -> dict[str, int]:
    """Return `counts` scaled to sum to exactly `n` by largest remainder; ties go to the earlier name.

    >>> scale_counts({"entailment": 130_899, "neutral": 130_900, "contradiction": 130_903}, 200)
    {'entailment': 66, 'neutral': 67, 'contradiction': 67}
    """
    total = sum(counts.values())
    if total <= 0:
        raise ValueError(f"counts must be positive, got {dict(counts)}")
    floors = {name: n * count // total for name, count in counts.items()}
    by_remainder = sorted(counts, key=lambda name: -(n * counts[name] % total))
    for name in by_remainder[: n - sum(floors.values())]:
        floors[name] += 1
    return floors


def is_finished(folder: Path) -> bool:
    """Return whether the folder holds a finished dataset."""
    with suppress(OSError):
        return (folder / MANIFEST_NAME).is_file()
    return False


def no_folder(folder: Path) -> UserError:
    """Return the error for what is no folder, with the command that makes one of a file."""
    return UserError(f"no dataset folder at {folder}" + (f"; {make_one(folder)}" if folder.is_file() else ""))


def make_one(source: Path) -> str:
    """Return the command that makes a dataset folder of files, as advice."""
    return f"synthgen import TASK --from {shlex.quote(str(source))} --out FOLDER makes one of files"


def read_manifest(folder: Path | str, *, faults: list[str] | None = None) -> Manifest:
    """Return the manifest of a finished folder; UserError when there is none or it cannot be read.

    So for one that was changed, or that is added to `faults` where a list is given.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise no_folder(folder)
    if not is_finished(folder):
        again = "the command that writes it finishes it" if (folder / LEDGER_NAME).is_file() else make_one(folder)
        raise UserError(f"{folder} is not a finished dataset folder: it has no {MANIFEST_NAME}; {again}")
    path = folder / MANIFEST_NAME
    return Manifest.from_json(read_plain_text(path), where=str(path), faults=faults)


def read_intact_manifest(folder: Path | str, *parts: str) -> Manifest:
    """Return the manifest of a finished folder whose rows are those that it lists; UserError names another file.

    `parts` are folders of further files that are to be read ("rejected").
    """
    folder, manifest = Path(folder), read_manifest(folder)
    refuse_changed(
        folder, manifest, f"copy or make the set again; synthgen card {folder} --verify lists what changed", *parts
    )
    return manifest


def refuse_changed(folder: Path, manifest: Manifest, advice: str, *parts: str) -> None:
    """Raise UserError, with advice, for a row file or one of the folders `parts` that is not as it was finished."""
    if fault := next(changed_files(folder, manifest, "data", *parts), None):
        raise UserError(f"{folder / fault}; {advice}")
    if manifest.kept and not any(name.startswith("data/") for name in manifest.files):
        raise UserError(f"{folder / MANIFEST_NAME} lists no file of its {manifest.kept} rows; {advice}")


def is_damaged(folder: Path, manifest: Manifest) -> bool:
    """Say whether a file of a finished run is not as it was, which is printed: its ledger gives the rows again."""
    fault = next(folder_faults(folder, manifest.files, MANIFEST_NAME), None)
    if fault:
        note(f"{folder / fault}: the rows are written again from the ledger")
    return fault is not None


def changed_files(folder: Path, manifest: Manifest, *parts: str) -> Iterator[str]:
    """Yield "NAME is missing" and the like for each file of these folders that is not as it was finished."""
    listed = {name: digest for name, digest in manifest.files.items() if name.partition("/")[0] in parts}
    yield from folder_faults(folder, listed, MANIFEST_NAME)
    there = (
        path.relative_to(folder).as_posix() for part in parts for path in sorted((folder / part).glob("*.parquet"))
    )
    yield from (f"{name} is not in {MANIFEST_NAME}" for name in there if name not in listed)


def dataset_format(manifest: Manifest) -> Format:
    """Return the format object that reads and writes this dataset's rows."""
    return format_from_manifest(manifest.format, manifest.columns, manifest.labels)


def finish(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest, which makes the folder finished; the write is atomic."""
    write_atomically(folder / MANIFEST_NAME, manifest.to_json())
    return manifest
