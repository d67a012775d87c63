"""The results of an experiment on disk: `results.jsonl`, and per-example scores beside it.

`compare` writes these files, beside its page and in its store; `comparison` reads them and nothing else. Item scores
stand in files beside the rows, or in the rows themselves:

    results.jsonl                               one row per (arm, size, seed, target, language, metric)
    items/<target>.<language>.ids.parquet       item_id: string, in the order of the scores, once for all runs; and
                                                cluster: string, where items share a premise or a paragraph
    items/<target>.<language>.<metric>.parquet  one row per run: arm, size, seed, item_scores: list<float32>

Item scores are 0-1 per example. A corpus metric (tag F1, BUCC) has three numbers per example, (tp, predicted, gold),
macro F1 has two, the predicted and the gold label; in Parquet they lie flat, example by example, and the schema
metadata says `width=3` or `width=2`. An item of a parallel test set has the same id in every language. Ids of unrelated
sets may repeat across languages: resampling them jointly does no harm. Items of one cluster are resampled together.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from evaluator.store.tables import RESULTS_NAME
from synthgen.errors import UserError, not_utf8, unknown
from synthgen.runtime.files import atomic_file, write_atomically
from synthgen.text.json_text import JsonFault, parse_json
from synthgen.text.languages import find_language_code, language
from synthgen.text.parquet import open_parquet

TRIPLE = 3  # numbers per example of a corpus metric: tp, predicted, gold
LABEL_PAIR = 2  # numbers per example of macro F1: the predicted label, the gold label
MIXED_WIDTH = "some runs have one score per item and some three; a cell has one kind"
ITEM_SCORES = (
    "item_scores hold other things than numbers from 0 to 1, or triples of counts [tp, predicted, gold], or "
    "[predicted, gold] labels"
)
_INFINITE = (math.inf, -math.inf)

Floats = npt.NDArray[np.float64]
Group = tuple[str, int]  # an arm at a size: the runs that differ by seed alone


class TrainedRun(NamedTuple):
    """One trained chain: the arm, the intermediate rows asked for, the seed of both stages."""

    arm: str
    size: int
    seed: int

    @property
    def group(self) -> Group:
        """The arm at its size, without the seed."""
        return self.arm, self.size

    def __str__(self) -> str:
        return f"{self.arm}@{self.size} seed {self.seed}"


class Cell(NamedTuple):
    """One number of the benchmark: a metric of a target in a language."""

    target: str
    language: str
    metric: str

    def __str__(self) -> str:
        return f"{self.target}/{self.language}/{self.metric}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One score. `value` is in percent, None when the run failed (its loss was NaN, it crashed for good)."""

    arm: str
    size: int
    arm_n: int
    seed: int
    target: str
    language: str
    split: str
    metric: str
    value: float | None
    n: int
    data_revision: str
    item_ids: tuple[str, ...] | None = None
    item_scores: tuple[Any, ...] | None = None
    item_clusters: tuple[str, ...] | None = None

    @property
    def run(self) -> TrainedRun:
        """The chain that was scored."""
        return TrainedRun(self.arm, self.size, self.seed)

    @property
    def cell(self) -> Cell:
        """What was scored."""
        return Cell(self.target, self.language, self.metric)

    def document(self) -> dict[str, Any]:
        """Return the object of results.jsonl, without absent item scores; a value that is not finite is None."""
        finite = self.value is not None and math.isfinite(self.value)
        document = {**asdict(self), "value": self.value if finite else None}
        return {name: value for name, value in document.items() if value is not None or name not in _OPTIONAL}


_NAMES = tuple(field.name for field in fields(ResultRow))
_TEXTS = ("arm", "target", "language", "split", "metric", "data_revision")
_COUNTS = ("size", "arm_n", "seed", "n")
_OPTIONAL = ("item_ids", "item_scores", "item_clusters")


def parse_row(document: object, *, where: str) -> ResultRow:
    """Return the row of one JSON object; every fault of it in one error that starts with `where`."""
    if not isinstance(document, dict):
        raise UserError(f"{where}: a row is a JSON object, got {type(document).__name__}")
    for name in document:
        if name not in _NAMES:
            raise unknown("field", str(name), _NAMES, where=where)
    faults = [f"{name} is missing" for name in _NAMES if name not in document and name not in _OPTIONAL]
    if faults := faults or list(_value_faults(document)):
        raise UserError(f"{where}: {'; '.join(faults)}")
    if not find_language_code(document["language"]):
        language(document["language"], where=where)
    return ResultRow(**{name: _frozen(value) for name, value in document.items()})


def _value_faults(document: dict[str, Any]) -> Iterable[str]:
    for name in _TEXTS:
        if not isinstance(document[name], str) or not document[name]:
            yield f"{name} is {document[name]!r}; allowed: text that is not empty"
    for name in _COUNTS:
        if type(document[name]) is not int or document[name] < 0:
            yield f"{name} is {document[name]!r}; allowed: whole numbers from 0"
    value = document["value"]
    if value is not None and (type(value) not in (int, float) or not 0 <= value <= 100):
        yield f"value is {value!r}; allowed: 0 to 100, or null for a run that failed"
    ids, scores = document.get("item_ids"), document.get("item_scores")
    if (ids is None) != (scores is None):
        yield "item_ids and item_scores come together; one of them is missing"
    elif ids is not None:
        yield from _item_faults(ids, scores, document["n"])
    yield from _cluster_faults(document.get("item_clusters"), ids)


def _cluster_faults(clusters: object, ids: object) -> Iterable[str]:
    if clusters is not None and not _are_clusters(clusters, ids):
        yield "item_clusters is not a list of texts, one per item id; allowed: what each item shares with others"


def _are_clusters(clusters: object, ids: object) -> bool:
    if not isinstance(clusters, list) or not isinstance(ids, list):
        return False
    return len(clusters) == len(ids) and all(isinstance(each, str) for each in clusters)


def _item_faults(ids: object, scores: object, n: object) -> Iterable[str]:
    if not isinstance(ids, list) or not isinstance(scores, list):
        yield "item_ids and item_scores are lists, one entry per example"
    elif not len(ids) == len(scores) == n:
        yield f"{len(ids)} item_ids, {len(scores)} item_scores and n {n} differ"
    elif not all(isinstance(item, str) for item in ids) or len(set(ids)) < len(ids):
        yield "item_ids repeat, or are not all text; allowed: one text per example, each once"
    elif not _are_scores(scores):
        yield ITEM_SCORES


def _are_scores(scores: list[Any]) -> bool:
    try:
        array = np.asarray(scores)
    except ValueError:  # lists of unequal lengths
        return False
    counts = array.shape[1:] in ((TRIPLE,), (LABEL_PAIR,))
    return array.dtype.kind in "biuf" and (array.ndim == 1 or counts) and _in_range(array, counts=counts)


def _in_range(scores: npt.NDArray[Any], *, counts: bool) -> bool:
    """Say whether item scores are numbers from 0, and to 1 unless they are counts; NaN is not."""
    low, high = scores.min(initial=0), scores.max(initial=0)  # NaN where any is NaN
    return bool(low >= 0 and (np.isfinite(high) if counts else high <= 1 + 1e-6))


def _frozen(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class ItemScores:
    """The per-example scores of one cell: `scores` is (runs, items) in 0-1, or (runs, items, 3) for counts."""

    cell: Cell
    runs: tuple[TrainedRun, ...]
    ids: tuple[str, ...]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Results:
    """Every row of an experiment; item scores are read a cell at a time, since all of them may not fit."""

    rows: tuple[ResultRow, ...]
    source: Path
    store: Path | None = None

    def item_ids(self, cell: Cell) -> tuple[str, ...] | None:
        """Return the ids of the items of a cell, None when nobody stored its scores."""
        if self.store and _items_path(self.store, cell).is_file():
            return read_item_ids(self.store, cell)
        return next((row.item_ids for row in self._inline.get(cell, ()) if row.item_ids is not None), None)

    def clusters(self, cell: Cell) -> tuple[str, ...] | None:
        """Return what each item of a cell shares with others, in the order of the ids; None where nothing is known."""
        if self.store and _items_path(self.store, cell).is_file():
            return read_item_clusters(self.store, cell)
        row = next((row for row in self._inline.get(cell, ()) if row.item_clusters is not None), None)
        if row is None:
            return None
        by_id = dict(zip(row.item_ids or (), row.item_clusters or (), strict=True))
        return tuple(by_id.get(item, "") for item in self.item_ids(cell) or ())

    def items(self, cell: Cell) -> ItemScores | None:
        """Return the per-example scores of a cell, None when nobody stored them; UserError when they do not align."""
        if self.store and _items_path(self.store, cell).is_file():
            return read_items(self.store, cell)
        rows = self._inline.get(cell)
        return _inline_items(cell, rows) if rows else None

    @cached_property
    def _inline(self) -> dict[Cell, list[ResultRow]]:
        cells: dict[Cell, list[ResultRow]] = {}
        for row in self.rows:
            if row.item_scores is not None:
                cells.setdefault(row.cell, []).append(row)
        return cells


def _inline_items(cell: Cell, rows: Sequence[ResultRow]) -> ItemScores:
    ids = rows[0].item_ids or ()
    scores = []
    for row in rows:
        by_id = dict(zip(row.item_ids or (), row.item_scores or (), strict=True))
        if by_id.keys() != set(ids):
            message = f"{row.run} was scored on other items than {rows[0].run}; score both on the same file"
            raise UserError(f"{cell}: {message}")
        scores.append(np.array([by_id[item] for item in ids], dtype=np.float32))
    if len({array.shape for array in scores}) > 1:
        raise UserError(f"{cell}: {MIXED_WIDTH}")
    return ItemScores(cell, tuple(row.run for row in rows), ids, np.stack(scores))


def read_results(source: Path) -> Results:
    """Read a `results.jsonl`, or the one in a folder; the rows sorted, each checked, duplicates refused."""
    path = source / RESULTS_NAME if source.is_dir() else source
    if not path.is_file():
        raise UserError(f"no results at {source}; expected a results.jsonl or a store folder that holds one")
    rows: list[ResultRow] = []
    first_line: dict[tuple[TrainedRun, Cell], int] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path.name} line {number}"
            row = parse_row(_load(line, where=where), where=where)
            before = first_line.setdefault(_order(row), number)
            if before != number:
                raise UserError(f"{where}: {row.run} on {row.cell} is already on line {before}; keep one")
            rows.append(row)
    if not rows:
        raise UserError(f"{path} has no rows; expected one per arm, size, seed, target, language and metric")
    rows.sort(key=_order)
    return Results(tuple(rows), path, path.parent if (path.parent / "items").is_dir() else None)


def _load(line: bytes, *, where: str) -> object:
    try:
        document = parse_json(line.decode("utf-8-sig"), nan=True)
    except JsonFault as fault:
        raise UserError(f"{where}: not JSON ({fault})") from fault
    except UnicodeDecodeError as error:
        raise not_utf8(where, error) from error
    if not isinstance(document, dict):
        return document
    return {name: None if value != value or value in _INFINITE else value for name, value in document.items()}


def write_results(path: Path, rows: Iterable[ResultRow]) -> None:
    """Write rows sorted, without times or paths: the same experiment gives the same bytes."""
    lines = [json.dumps(row.document(), ensure_ascii=False, allow_nan=False) for row in sorted(rows, key=_order)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(f"{line}\n" for line in lines))


def _order(row: ResultRow) -> tuple[TrainedRun, Cell]:
    return row.run, row.cell


def write_item_ids(
    store: Path, target: str, language_code: str, ids: Sequence[str], clusters: Sequence[str] = ()
) -> None:
    """Store the item ids of a target in a language, once for every run, and their clusters where there are any."""
    columns = {"item_id": pa.array(ids, pa.string())} | (
        {"cluster": pa.array(clusters, pa.string())} if clusters else {}
    )
    _write_parquet(_items_path(store, (target, language_code, "ids")), pa.table(columns))


def _write_parquet(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        pq.write_table(table, file, compression="zstd")


def _items_path(store: Path, name: Sequence[str]) -> Path:
    return store / "items" / f"{'.'.join(name)}.parquet"


def write_item_scores(store: Path, cell: Cell, scores: dict[TrainedRun, npt.ArrayLike]) -> None:
    """Store the per-example scores of a cell: per run (items,) in 0-1 or (items, 3) counts, in the order of the ids."""
    arrays = {run: np.asarray(scores[run], dtype=np.float32) for run in sorted(scores)}
    width = {array.shape[1] if array.ndim == 2 else 1 for array in arrays.values()}
    if len(width) != 1:
        raise UserError(f"{cell}: {MIXED_WIDTH}")
    item_scores = pa.array([array.reshape(-1) for array in arrays.values()], pa.list_(pa.float32()))
    columns = {name: [getattr(run, name) for run in arrays] for name in TrainedRun._fields}
    table = pa.table({**columns, "item_scores": item_scores}, metadata={"width": str(width.pop())})
    _write_parquet(_items_path(store, cell), table)


def read_item_ids(store: Path, cell: Cell) -> tuple[str, ...]:
    """Read the item ids that the scores of a cell are in the order of."""
    return tuple(_item_table(store, cell)["item_id"].to_pylist())


def read_item_clusters(store: Path, cell: Cell) -> tuple[str, ...] | None:
    """Read what each item shares with others, None where nothing is known of it."""
    table = _item_table(store, cell)
    return tuple(table["cluster"].to_pylist()) if "cluster" in table.column_names else None


def _item_table(store: Path, cell: Cell) -> pa.Table:
    path = _items_path(store, (cell.target, cell.language, "ids"))
    if not path.is_file():
        raise UserError(f"{cell}: item scores without ids; expected {path.name} in the store")
    table = _read_parquet(path)
    if "item_id" not in table.column_names:
        raise UserError(f"{cell}: {path.name} has no column item_id; score the runs again")
    return table


def _read_parquet(path: Path, *columns: str) -> pa.Table:
    try:
        with open_parquet(path) as file:
            return file.read(columns=list(columns) or None)
    except UserError as error:
        raise UserError(f"{error}; score the runs again") from None


def read_items(store: Path, cell: Cell) -> ItemScores:
    """Read the per-example scores of a cell from a store; UserError when a run's scores do not match the ids."""
    path = _items_path(store, cell)
    table = _read_parquet(path, *TrainedRun._fields, "item_scores")
    ids = read_item_ids(store, cell)
    runs = tuple(TrainedRun(**row) for row in table.select(TrainedRun._fields).to_pylist())
    width = int((table.schema.metadata or {}).get(b"width", b"1"))
    lists = table["item_scores"].combine_chunks()
    wrong = np.flatnonzero(lists.value_lengths().to_numpy() != len(ids) * width)
    if wrong.size:
        first = int(wrong[0])
        raise UserError(f"{cell}: {runs[first]} has {len(lists[first]) // width} item scores for {len(ids)} ids")
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    if not _in_range(flat, counts=width > 1):
        raise UserError(f"{cell}: {path.name}: {ITEM_SCORES}")
    shape = (len(runs), len(ids)) if width == 1 else (len(runs), len(ids), width)
    return ItemScores(cell, runs, ids, flat.reshape(shape))
