"""Real text in the prompts of a run: few-shot examples (`--shots`) and passages or premises (`--passages`).

Both are read once, before the first request, and are part of a run's settings: other rows are another run. The manifest
records which rows were used.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from synthgen.corpora.readers.text import read_text
from synthgen.dataset.manifest import Manifest, dataset_format, read_intact_manifest
from synthgen.dataset.shards import read_rows
from synthgen.errors import UserError
from synthgen.formats.base import ParseError, Row, clean_text
from synthgen.task.definition import Task
from synthgen.text.language_id import row_language
from synthgen.text.languages import base_language
from synthgen.text.set_language import set_language
from synthgen.text.words import word_count

Shots = Mapping[str, tuple[dict[str, str], ...]]
SHOTS_PER_LABEL = 4
MAX_SHOT_WORDS = 120
"""Longer examples are passed over: they would be read again for every prompt that the prefix cache does not serve."""


@dataclass(frozen=True, slots=True)
class Grounding:
    """Examples by quota cell, and passages in the order of use, over and over; `parents` are their manifest entries."""

    shots: Shots = field(default_factory=dict)
    passages: tuple[str, ...] = ()
    parents: tuple[dict[str, Any], ...] = ()


def read_grounding(task: Task, *, shots: Path | None, passages: Path | None, seed: int) -> Grounding:
    """Return what `--shots` and `--passages` name; UserError when a folder or file cannot serve the task."""
    examples: Shots = {}
    texts: tuple[str, ...] = ()
    parents: list[dict[str, Any]] = []
    if shots:
        examples, parent = _read_shots(task, shots, seed)
        parents.append(parent)
    if passages:
        texts, parent = _read_passages(task, passages, seed)
        parents.append(parent)
    return Grounding(examples, texts, tuple(parents))


class _Shot(NamedTuple):
    """A row that may be shown: its place in the random order, its id, its texts."""

    order: float
    row_id: str
    texts: dict[str, str]


def _read_shots(task: Task, folder: Path, seed: int) -> tuple[Shots, dict[str, Any]]:
    """Return the texts of `SHOTS_PER_LABEL` random rows per cell, and their manifest entry."""
    manifest = read_intact_manifest(folder)
    format_ = dataset_format(manifest)
    if (manifest.format, manifest.columns) != (task.format.name, task.format.columns):
        raise UserError(
            f"--shots {folder} is a {manifest.task} set with the columns {', '.join(manifest.columns)}; "
            f"{task.name} needs {', '.join(task.format.columns)}"
        )
    # Where one list of examples serves every cell (the position of a right option), real ones must too.
    pooled = "any" in task.shots
    chosen: dict[str, list[_Shot]] = {}
    draw = Random(f"shots/{seed}")
    for row in _rows_of(task, folder):
        order = draw.random()
        texts = format_.texts_of(row)
        if sum(map(word_count, texts.values())) <= MAX_SHOT_WORDS:
            first = chosen.setdefault("any" if pooled else format_.cell(row), [])
            first.append(_Shot(order, row["id"], texts))
            first.sort(key=lambda shot: shot.order)
            del first[SHOTS_PER_LABEL:]
    cells = ["any"] if pooled else list(task.label_counts)
    if missing := [cell for cell in cells if cell not in chosen]:
        raise UserError(f"--shots {folder} has no usable row of {', '.join(missing)}{_in_language(task)}")
    examples = {cell: tuple(shot.texts for shot in shots) for cell, shots in chosen.items()}
    rows = [shot.row_id for cell in cells for shot in chosen[cell]]
    return examples, _parent("shots", manifest, rows=rows)


def _read_passages(task: Task, source: Path, seed: int) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the distinct passages of a text file or a set, shuffled by the seed, and their manifest entry."""
    if not task.stem:
        raise UserError(f"--passages has no effect: the model writes all texts of {task.name}")
    lines, parent = _passage_lines(task, source)
    least = task.conditions.min_words.get(task.stem, 1)
    texts: dict[str, None] = {}
    for line in lines:
        with suppress(ParseError):
            if word_count(text := clean_text(line)) >= least:
                texts[text] = None
    if not texts:
        raise UserError(f"--passages {source} has no text of {least} words or more{_in_language(task)}")
    ordered = list(texts)
    if task.asked_language:
        _refuse_foreign(ordered, task.language, source)
    Random(f"passages/{seed}").shuffle(ordered)
    return tuple(ordered), parent | {"passages": len(ordered)}


def _passage_lines(task: Task, source: Path) -> tuple[Iterable[str], dict[str, Any]]:
    """Return the lines of a text file, or the first text of each row of a set, and what a manifest says of them."""
    if source.is_dir():
        manifest = read_intact_manifest(source)
        return (_first_text(manifest, row) for row in _rows_of(task, source)), _parent("passages", manifest)
    if not source.is_file():
        raise UserError(f"--passages {source} is neither a file nor a dataset folder")
    content = read_text(source)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return content.split("\n"), {"role": "passages", "file": source.name, "sha256": digest, "licence": "unknown"}


def _rows_of(task: Task, folder: Path) -> Iterator[Row]:
    """Yield the rows of a set; where a language is asked for, those in it."""
    wanted = base_language(task.asked_language) if task.asked_language else ""
    yield from (row for row in read_rows(folder) if not wanted or row_language(row, "") == wanted)


def _in_language(task: Task) -> str:
    return f" in '{task.language}', the language asked for" if task.asked_language else ""


def _refuse_foreign(passages: Sequence[str], language: str, source: Path) -> None:
    """Raise UserError for passages most of which are in another language than the rows are to be."""
    identified = set_language(({"text": text} for text in passages), option=language)
    if identified.is_doubtful:
        raise UserError(
            f"--passages {source}: {identified.agree} of {identified.identified} texts identified are in '{language}', "
            "the language asked for; give passages in it"
        )


def _first_text(manifest: Manifest, row: Row) -> str:
    """Return the text a row begins with: premise, context, ctx, question, or its tokens."""
    column = next((name for name in ("ctx", "context") if name in row), manifest.columns[0])
    value = row[column]
    return " ".join(value) if isinstance(value, list) else str(value)


def _parent(role: str, manifest: Manifest, **entries: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    entry = {"role": role, "task": manifest.task, "origin": manifest.origin, "sha256": manifest.content_hash}
    return entry | {"licence": manifest.licence} | entries
