"""Golden results of every filter, edit and parser on small fixed inputs: `python -m tests.versions` writes the file.

They are found by running over `ORDER`, `EDITS` and `FORMATS`, so that a new one has them by existing. A result may
change only together with a VERSION; `tests/contract/test_versions.py` holds that.
"""

from __future__ import annotations

import json
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa

import synthgen
from synthgen.errors import UserError
from synthgen.filters.base import Filter, FilterContext, FilterSpec, RowFilter, SetFilter
from synthgen.filters.config import FilterConfig
from synthgen.filters.pipeline import OnlinePipeline, check_table, first_drops
from synthgen.filters.registry import EDITS, ORDER
from synthgen.formats import FORMATS
from synthgen.formats.base import Format, ParseError, Row
from synthgen.formats.tags import SENTENCE
from synthgen.generation.prompt_chain import VERSION, PromptChain, parser_version
from synthgen.generation.slots import Slot
from synthgen.generation.teacher import Teacher
from synthgen.models import embedding_cache, sentence_encoder
from synthgen.task.task_file import parse_task
from tests.golden_inputs import PAIRS, PLANTED, REPLIES, SHAPES, STEPS, TAGS, TEXTS, contexts, rows_of, write_models

GOLDEN = Path(__file__).parent / "contract" / "golden_versions.json"
Results = dict[str, dict[str, Any]]
"""By name: the `versions` that results follow from, and the `results`."""


def results() -> Results:
    """Return the results of every filter, edit, format and prompt chain, and of vectors that are kept."""
    entries: Results = {}
    with TemporaryDirectory() as temporary, patch.dict(os.environ, SYNTHGEN_CACHE=f"{temporary}/cache"):
        models = write_models(Path(temporary))
        sets = contexts(Path(temporary), models)
        for spec in ORDER:
            verdicts = {name: _filtered(spec, context, models["pair"]) for name, context in sets.items()}
            entries[f"filter {spec.name}"] = {"versions": spec.versions(), "results": verdicts}
        for name, edit in EDITS.items():
            changed = {key: _edited(edit(context.format).apply, key) for key, context in sets.items()}
            entries[f"edit {name}"] = {"versions": {name: edit.VERSION}, "results": changed}
        for name, context in sets.items():
            version = {name: context.format.VERSION}
            entries[f"format {name}"] = {"versions": version, "results": _assembled(context.format)}
            chain = _chain_results(context.format, models["tags"])
            entries[f"prompt chain, {name}"] = {"versions": {"chain": VERSION, **version}, "results": chain}
        versions = {"kept": embedding_cache.VERSION, "encoder": sentence_encoder.VERSION}
        entries["vectors"] = {"versions": versions, "results": _vectors(models["pair"], Path(temporary))}
    return json.loads(json.dumps(entries))


def hashes() -> dict[str, str]:
    """Return the version of the parser of each format, of each filter with its default settings, and of each edit."""
    parsers = {f"format {name}": parser_version(FORMATS[name](*SHAPES[name])) for name in FORMATS}
    filters = {f"filter {spec.name}": FilterConfig(((spec, spec.settings()),)).hash() for spec in ORDER}
    return parsers | filters | {f"edit {name}": FilterConfig((), (name,)).hash() for name in EDITS}


def changes(now: Results, golden: Results) -> list[str]:
    """Return what is to be done, a line for each name whose results or versions are not those of the golden file."""
    write = "then write the golden file with `python -m tests.versions`"
    lines = []
    for name in {**now, **golden}:
        before, after = golden.get(name), now.get(name)
        if before is None or after is None or before["versions"] != after["versions"]:
            lines.append(f"{name} is new, gone or of another version: look at its results, {write}")
        elif before != after:
            same = ", ".join(f"{key} {version}" for key, version in after["versions"].items())
            lines.append(f"{name} comes to other results in the same version ({same}): raise a VERSION, {write}")
    return lines


class _Rows:
    """The rows of a set as the filters that compare rows see them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.table, self.total = pa.Table.from_pylist(list(rows)), len(rows)

    def numbers(self) -> np.ndarray:
        return np.arange(self.total)

    def batches(self) -> Iterator[tuple[np.ndarray, list[Row]]]:
        yield self.numbers(), self.table.to_pylist()

    def mapped(
        self, function: Callable[[pa.Table], Any], numbers: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, Any]]:
        chosen = self.numbers() if numbers is None else numbers
        yield chosen, function(self.table.take(chosen))


def _filtered(spec: FilterSpec, context: FilterContext, encoder: Path) -> Any:
    """Return a filter's verdicts on rows one after the other, and on the set as a whole where they differ."""
    settings, format_ = spec.settings(), context.format
    if "encoder" in {item.name for item in fields(spec.settings)}:
        settings = replace(settings, encoder=str(encoder))
    rows = rows_of(format_.name, planted=PLANTED * (spec.needs == "like"))
    if spec.name != "format":  # the first filter: the others never see what breaks the format
        rows = [row for row in rows if format_.check(row) is None]
    try:
        online, whole = _online(spec.build(context, settings), rows), _whole(spec.build(context, settings), rows)
    except UserError:
        return "refused"
    return online if online == whole else {"one by one": online, "as a set": whole}


def _online(filter_: Filter, rows: Sequence[Row]) -> dict[str, list[str]]:
    pipeline = OnlinePipeline([filter_])
    verdicts = {}
    for row, objection in zip(rows, pipeline.check_batch([(row["id"], row) for row in rows]), strict=True):
        if objection is None:
            pipeline.add_kept(row["id"], row)
        else:
            verdicts[row["id"]] = [objection[1].reason, _rounded(objection[1].evidence)]
    filter_.close()
    return verdicts


def _whole(filter_: Filter, rows: Sequence[Row]) -> dict[str, list[str]]:
    table = _Rows(rows)
    if isinstance(filter_, SetFilter):
        verdicts = dict(filter_.check_dataset(table))
    elif isinstance(filter_, RowFilter):
        verdicts = {place: verdict for place, (_, verdict) in check_table([filter_], table.table)[0].items()}
    else:
        each = first_drops([filter_], [(row["id"], row) for row in rows])
        verdicts = {place: verdict for place, (_, verdict) in each.items()}
    filter_.close()
    return {rows[place]["id"]: [each.reason, _rounded(each.evidence)] for place, each in sorted(verdicts.items())}


def _rounded(evidence: str) -> str:
    """Return the evidence with scores of one decimal: the others differ among processors."""
    return re.sub(r"\d\.\d{2,}", lambda match: f"{float(match[0]):.1f}", evidence)


def _edited(apply: Callable[[Row], Row], name: str) -> list[Row]:
    rows = rows_of(name)
    return [after for before, after in zip(rows, map(apply, rows), strict=True) if after != before]


def _assembled(format_: Format) -> dict[str, Any]:
    """Return, by cell, the rows that a format makes of texts, or the reasons why not."""
    texts = [{"tokens": tokens, "tags": tags} for tokens, tags in TAGS] if format_.name == "tags" else TEXTS
    return {cell: [_tried(format_.assemble, each, cell) for each in texts] for cell in _cells(format_)}


def _cells(format_: Format) -> tuple[str, ...]:
    return ("sentence",) if format_.name == "tags" else format_.labels


def _chain_results(format_: Format, teacher: Path) -> dict[str, Any]:
    """Return what each reply comes to at each step, plain and as JSON, and the rows that written texts come to."""
    outcomes: dict[str, Any] = {}
    for structured in (False, True):
        chain = _chain(format_, teacher, structured=structured)
        for cell in _cells(format_):
            for number, step in enumerate(chain.task.steps_of(cell)):
                replies = [json.dumps(dict.fromkeys(step.fields, each)) for each in REPLIES] if structured else REPLIES
                read = [_tried(chain.read, cell, number, each) for each in (*replies, "[1]")]
                outcomes[f"{step.name}, {'JSON' if structured else 'plain'}"] = read
            texts = [{**each, "sentence": each["premise"]} for each in TEXTS]
            outcomes[f"rows, {cell}"] = [_tried(_row, chain, Slot(0, cell, 0), each) for each in texts]
    return outcomes


def _chain(format_: Format, teacher: Path, *, structured: bool) -> PromptChain:
    """Return the prompt chain of a small task of the format."""
    name, cells = format_.name, _cells(format_)
    facts = {"title": "T", "format": name, "columns": format_.columns, "language": "en", "licence": "", "source": ""}
    header = "".join(f"{key} = {json.dumps(value)}\n" for key, value in (facts | {"real_size": len(cells)}).items())
    header += f"[label_counts]\n{''.join(f'{cell} = 1' + chr(10) for cell in cells)}[steps]\n{STEPS[name]}"
    sections = "".join(f"## {step}\nWrite.\n" for step in re.findall(r"(?m)^(\w+) = {max_tokens", STEPS[name]))
    task = replace(parse_task(name, f"+++\n{header}+++\n{sections}", where=name), format=format_)
    return PromptChain(task, seed=0, structured=structured, teacher=Teacher(teacher) if name == "tags" else None)


def _row(chain: PromptChain, slot: Slot, texts: dict[str, str]) -> Row:
    """Return the row of a slot's texts, or of their labelled form."""
    labelled = chain.teacher.read([texts[SENTENCE]])[0] if chain.teacher else texts
    if isinstance(labelled, ParseError):
        raise labelled
    return chain.row(slot, labelled)


def _tried(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except ParseError as error:
        return f"ParseError: {error}"


class _Lengths:
    """An encoder of a known revision, so that its vectors are kept."""

    facts: Mapping[str, str] = {"encoder": "lengths", "revision": "1"}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[len(text), len(text.split()) / 3] for text in texts], np.float32)


def _vectors(encoder: Path, cache: Path) -> dict[str, Any]:
    """Return what an encoder makes of texts, what is read of kept vectors, and the files they are kept in."""
    texts = [premise for _, premise, *_ in PAIRS]
    embedded = sentence_encoder.SentenceEncoder(str(encoder), sentence_encoder.PREFIX).embed(texts[:3])
    kept = np.concatenate(list(embedding_cache.kept_vectors(_Lengths(), texts)))
    files = {path.name: zlib.crc32(path.read_bytes()) for path in (cache / "cache" / "vectors").iterdir()}
    return {
        "embedded": [[f"{value:.1f}" for value in row] for row in embedded],
        "kept": kept[:9].tolist(),
        "files": files,
    }


def main() -> None:
    """Print results and hashes if told to, else write the golden file; none that changed without a new number."""
    now = results()
    if sys.argv[1:] == ["--print"]:
        print(json.dumps({"package": str(Path(synthgen.__file__).parent), "results": now, "hashes": hashes()}))
        return
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    if refused := [line for line in changes(now, golden) if "in the same version" in line]:
        sys.exit("\n".join(refused))
    GOLDEN.write_text(json.dumps(now, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
