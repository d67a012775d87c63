"""Human corpora → dataset folders: `synthgen import`.

Rows come from files as released (readers in `pairs`, `spans`, `choices`, `tagged`) or from the hub (`hub`); `sources`
is the table of what there is, `files` finds them, `parts` makes them one stream. A real row is kept as released, also
where our own checks would refuse a generated one: how many of those there are is in the manifest
(`statistics.check`). Rejected is only what nothing can be trained on: rows without a label, malformed lines, answers
that are not at their offsets, and rows that an earlier file of the corpus has too.
"""

from __future__ import annotations

import hashlib
import heapq
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthgen.dataset import (
    Manifest,
    Rejection,
    finish,
    is_finished,
    read_manifest,
    row_features,
    scale_counts,
    write_rejected,
    write_rows,
)
from synthgen.errors import UserError
from synthgen.formats.base import Row
from synthgen.real.files import is_sample
from synthgen.real.items import Item
from synthgen.real.parts import Corpus, open_corpus
from synthgen.real.sources import SOURCES
from synthgen.task import load_task, prompts_folder

SAMPLE_LICENCE = "CC0-1.0"
STAGE = "import"
TOLERATED = ("both texts equal", "two options equal", "empty ")
"""Beginnings of the check reasons that released corpora give cause for, and that we keep."""


@dataclass(slots=True)
class Survey:
    """What a first reading finds: the usable rows of each quota cell as (draw key, row number), and all that is odd."""

    cells: defaultdict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    rejected: list[Rejection] = field(default_factory=list)
    check: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """Return the number of usable rows in each cell."""
        return {cell: len(rows) for cell, rows in self.cells.items()}


def import_task(task: str, *, source: str | Path, out: Path, n: int | None = None, seed: int = 0) -> Manifest:
    """Write the real rows of a task as a dataset folder and return its manifest.

    `source` is "hub", "sample", or the path of a file, of a corpus's folder or of a data root. With `n` exactly that
    many rows are drawn, with the real set's label counts scaled to n; the smaller of two draws with one seed is, but
    for rounding, part of the larger. The same command again returns the finished folder.

    Raises UserError for a task, path, file or n that cannot be; IncompleteError when the hub does not answer.
    """
    started = time.monotonic()
    if n is not None and n < 1:
        raise UserError(f"--n is {n}; allowed is 1 or more")
    corpus = open_corpus(task, source)
    asked_for = _identity(task, corpus, n, seed)
    if is_finished(out):
        return _same_or_refused(out, asked_for)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not a dataset folder; give another --out")
    survey = survey_corpus(corpus, seed)
    if not survey.cells:
        reasons = Counter(rejection.reason for rejection in survey.rejected)
        raise UserError(f"no usable row in {_names(corpus)}: {dict(reasons) or 'nothing there'}")
    chosen = None if n is None else draw(survey, quotas(task, survey.counts(), n))
    facts = asked_for | {"seed": seed, "command": _command(task, source, n, seed)}
    return _write(out, corpus, survey, chosen, facts, started)


def survey_corpus(corpus: Corpus, seed: int) -> Survey:
    """Read the corpus once and return where its usable rows are; rows that cannot be kept are rejections."""
    survey = Survey()
    for number, item in enumerate(corpus.items()):
        if item.note:
            survey.notes[item.note] += 1
        reason = item.fault or corpus.format.check(item.row)
        if item.fault or (reason and not reason.startswith(TOLERATED)):
            survey.rejected.append(Rejection(str(item.id), str(reason), STAGE, "", item.row))
            continue
        if reason:
            survey.check[reason] += 1
        survey.cells[corpus.format.cell(item.row)].append((_draw_key(seed, item), number))
    return survey


def quotas(task: str, available: dict[str, int], n: int) -> dict[str, int]:
    """Return how many rows each cell gives to a set of n: the real set's proportions, else those of the rows at hand.

    Raises UserError, with what is short and the largest n that would do, when a cell has too few rows.
    """
    is_known = (prompts_folder() / f"{task}.md").is_file()
    real = load_task(task).label_counts if is_known else {}
    proportions = real if set(available) <= set(real) else dict(sorted(available.items()))
    wanted = scale_counts(proportions, n)
    short = {cell: count for cell, count in wanted.items() if count > available.get(cell, 0)}
    if short:
        total = sum(proportions.values())
        most = min(available.get(cell, 0) * total // count for cell, count in proportions.items() if count)
        lacking = ", ".join(f"{cell} {available.get(cell, 0)} of {count}" for cell, count in short.items())
        raise UserError(f"--n {n} needs more rows than there are: {lacking}; allowed is at most {most}")
    return wanted


def draw(survey: Survey, wanted: dict[str, int]) -> frozenset[int]:
    """Return the numbers of the rows drawn: in each cell those with the smallest keys."""
    drawn = (heapq.nsmallest(count, survey.cells[cell]) for cell, count in wanted.items() if count)
    return frozenset(number for rows in drawn for _, number in rows)


def _draw_key(seed: int, item: Item) -> int:
    """Return a number that depends on the seed and the row's id alone, so that draws nest and survive re-ordering."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{item.id}".encode(), digest_size=8).digest(), "big")


def _kept_rows(corpus: Corpus, survey: Survey, chosen: frozenset[int] | None) -> Iterator[Row]:
    """Yield the rows to keep, in the corpus's order."""
    usable = {number for rows in survey.cells.values() for _, number in rows} if chosen is None else chosen
    return (item.row for number, item in enumerate(corpus.items()) if number in usable)


def _write(
    out: Path, corpus: Corpus, survey: Survey, chosen: frozenset[int] | None, facts: dict[str, Any], started: float
) -> Manifest:
    """Write the folder beside its place and move it there when it is whole."""
    counts: Counter[str] = Counter()

    def counted() -> Iterator[Row]:
        for row in _kept_rows(corpus, survey, chosen):
            counts[corpus.format.cell(row)] += 1
            yield row

    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        files = write_rows(draft, counted(), row_features(corpus.format))
        files |= write_rejected(draft, survey.rejected)
        manifest = finish(draft, _manifest(corpus, survey, counts, facts | {"files": files}, started))
        draft.chmod(0o755)
        if out.exists():
            out.rmdir()
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _manifest(corpus: Corpus, survey: Survey, counts: Counter[str], facts: dict[str, Any], started: float) -> Manifest:
    languages = {part.language for part in corpus.parts}
    kept = counts.total()
    order = [*corpus.format.labels, *counts]
    return Manifest(
        **facts,
        format=corpus.format.name,
        columns=corpus.format.columns,
        labels=corpus.format.labels,
        language=languages.pop() if len(languages) == 1 else "mul",
        n=kept,
        asked=kept + len(survey.rejected),
        kept=kept,
        failed=0,
        rejected=dict(Counter(rejection.reason for rejection in survey.rejected)),
        label_counts={cell: counts[cell] for cell in dict.fromkeys(order) if cell in counts},
        versions={"pyarrow": pa.__version__},
        seconds=round(time.monotonic() - started, 1),
        statistics={"available": survey.counts(), "check": dict(survey.check), "notes": dict(survey.notes)},
    )


def _identity(task: str, corpus: Corpus, n: int | None, seed: int) -> dict[str, Any]:
    """Return the manifest keys that say which import this is; two with equal ones have equal rows."""
    from_sample = all(is_sample(part.path) for part in corpus.parts)
    licences = dict.fromkeys(part.source.licence for part in corpus.parts)
    return {
        "task": task,
        "origin": "sample" if from_sample else "real",
        "licence": SAMPLE_LICENCE if from_sample else "; ".join(licences),
        "sampling": {"n": n, "seed": seed},
        "parents": tuple(part.parent for part in corpus.parts),
    }


def _same_or_refused(out: Path, asked_for: dict[str, Any]) -> Manifest:
    """Return the finished folder's manifest when it is of this very import; UserError names what differs."""
    manifest = read_manifest(out)
    differs = [key for key, value in asked_for.items() if getattr(manifest, key) != value]
    if differs:
        details = "; ".join(f"{key} is {getattr(manifest, key)}, asked for {asked_for[key]}" for key in differs)
        raise UserError(f"{out} holds another import: {details}. Give another --out")
    return manifest


def _command(task: str, source: str | Path, n: int | None, seed: int) -> str:
    origin = source if source in ("hub", "sample") else Path(source).name
    return f"synthgen import {task} --from {origin}" + (f" --n {n} --seed {seed}" if n is not None else "")


def _names(corpus: Corpus) -> str:
    return ", ".join(part.path.name for part in corpus.parts)


__all__ = ["SOURCES", "import_task"]
