"""Readers of prediction files, one per shape of `evaluator score`; each returns {item id: prediction}."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from evaluator.benchmark.target import Split
from synthgen.errors import UserError

Parser = Callable[[str, Split], dict[str, Any]]


def label_lines(labels: tuple[str, ...]) -> Parser:
    """Return a reader of one label per line; UserError for a label that the target does not have."""

    def parse(text: str, split: Split) -> dict[str, Any]:
        lines = _lines(text)
        for number, line in enumerate(lines, start=1):
            if line not in labels:
                raise UserError(f"prediction line {number} is '{line}'; known labels: {', '.join(labels)}")
        return by_position(lines, split)

    return parse


def tag_lines(labels: tuple[str, ...]) -> Parser:
    """Return a reader of one tag per line with a blank line between sentences."""

    def parse(text: str, split: Split) -> dict[str, Any]:
        sentences: list[tuple[str, ...]] = []
        tags: list[str] = []
        for number, line in enumerate([*_lines(text), ""], start=1):
            if line:
                if line not in labels:
                    raise UserError(f"prediction line {number} is '{line}'; known tags: {', '.join(labels)}")
                tags.append(line)
            elif tags:
                sentences.append(tuple(tags))
                tags = []
        return by_position(sentences, split)

    return parse


def number_lines(text: str, split: Split) -> dict[str, Any]:
    """Read one 0-based line number of the pool's file per line."""
    return _numbers(text, split, len(split.pool))


def _numbers(text: str, split: Split, count: int) -> dict[str, Any]:
    lines = _lines(text)
    for number, line in enumerate(lines, start=1):
        if not line.isdecimal() or int(line) >= count:
            raise UserError(f"prediction line {number} is '{line}'; known: 0 to {count - 1}")
    return by_position([int(line) for line in lines], split)


def by_position(values: list[Any], split: Split) -> dict[str, Any]:
    """Return predictions given by position under the ids of the split; surplus ones get ids beyond it."""
    ids = [*split.ids, *(f"line {number + 1}" for number in range(len(split), len(values)))]
    return dict(zip(ids, values, strict=False))


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line.strip() for line in (lines[:-1] if not lines[-1] else lines)]


def index_lines(choices: int) -> Parser:
    """Return a reader of one 0-based choice per line."""
    return lambda text, split: _numbers(text, split, choices)


def answers_by_id(text: str, split: Split) -> dict[str, Any]:
    """Read a JSON object {item id: answer text}."""
    found = _json_object(text)
    for item, answer in found.items():
        if not isinstance(answer, str):
            raise UserError(f"the prediction of {item} is {json.dumps(answer)[:60]}; expected a text")
    return found


def rankings_by_id(text: str, split: Split) -> dict[str, Any]:
    """Read a JSON object {query id: [candidate id, ...]}, best first."""
    found = _json_object(text)
    for item, ranked in found.items():
        if not isinstance(ranked, list) or not all(isinstance(name, str) for name in ranked):
            raise UserError(
                f"the prediction of {item} is {json.dumps(ranked)[:60]}; expected a list of ids, best first"
            )
    return found


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"the prediction file is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"the prediction file holds a JSON {type(found).__name__}; expected an object of item ids")
    return found


def pair_lines(text: str, split: Split) -> dict[str, Any]:
    """Read `id TAB id` per line into {source id: [target ids]}; both must be of the two corpora."""
    found: dict[str, Any] = {}
    sources, targets = set(split.ids), set(split.pool_ids)
    for number, line in enumerate(_lines(text), start=1):
        source, tab, target = line.partition("\t")
        if not tab:
            raise UserError(f"prediction line {number} is '{line}'; expected id TAB id")
        if source not in sources or target not in targets:
            raise UserError(
                f"prediction line {number} pairs {source} with {target}; one is not in {split.files[0]} / .en"
            )
        found.setdefault(source, []).append(target)
    return found
