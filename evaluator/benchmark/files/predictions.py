"""Readers of prediction files, one per shape of `evaluator score`; each returns {item id: prediction}."""

import json
from collections.abc import Callable
from itertools import groupby
from typing import Any

from evaluator.benchmark.target import Split
from synthgen.errors import UserError, shorten
from synthgen.text.digits import whole_number
from synthgen.text.json_text import JsonFault, parse_json

Parser = Callable[[str, Split], dict[str, Any]]


def label_lines(labels: tuple[str, ...]) -> Parser:
    """Return a reader of one label per line; UserError for a label that the target does not have."""
    return lambda text, split: by_position(_checked(_lines(text), labels, "labels"), split)


def tag_lines(labels: tuple[str, ...]) -> Parser:
    """Return a reader of one tag per line with a blank line between sentences."""
    return lambda text, split: by_position(_sentences(_checked(_lines(text), ("", *labels), "tags")), split)


def _sentences(lines: list[str]) -> list[tuple[str, ...]]:
    return [tuple(block) for is_full, block in groupby(lines, key=bool) if is_full]


def index_lines(choices: int) -> Parser:
    """Return a reader of one 0-based choice per line."""
    return lambda text, split: _numbers(text, split, choices)


def number_lines(text: str, split: Split) -> dict[str, Any]:
    """Read one 0-based line number of the pool's file per line."""
    return _numbers(text, split, len(split.pool))


def _numbers(text: str, split: Split, count: int) -> dict[str, Any]:
    lines = _lines(text)
    values = [whole_number(line) for line in lines]
    for number, (line, value) in enumerate(zip(lines, values, strict=True), start=1):
        if value is None or value >= count:
            raise UserError(f"prediction line {number} is '{shorten(line)}'; known: 0 to {count - 1}")
    return by_position(values, split)


def by_position(values: list[Any], split: Split) -> dict[str, Any]:
    """Return predictions in the order of the items under the ids of the split; surplus ones get ids beyond it."""
    ids = [*split.ids, *(f"line {number + 1}" for number in range(len(split), len(values)))]
    return dict(zip(ids, values, strict=False))


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line.strip() for line in (lines[:-1] if not lines[-1] else lines)]


def _checked(lines: list[str], labels: tuple[str, ...], kind: str) -> list[str]:
    for number, line in enumerate(lines, start=1):
        if line not in labels:
            raise UserError(f"prediction line {number} is '{line}'; known {kind}: {', '.join(filter(None, labels))}")
    return lines


def answers_by_id(text: str, split: Split) -> dict[str, Any]:
    """Read a JSON object {item id: answer text}."""
    return _json_object(text, lambda answer: isinstance(answer, str), "a text")


def rankings_by_id(text: str, split: Split) -> dict[str, Any]:
    """Read a JSON object {query id: [candidate id, ...]}, best first."""
    return _json_object(text, _is_ranking, "a list of ids, best first")


def _is_ranking(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _json_object(text: str, is_prediction: Callable[[object], bool], expected: str) -> dict[str, Any]:
    try:
        predictions = parse_json(text, nan=True)
    except JsonFault as fault:
        raise UserError(f"the prediction file is not JSON: {fault}") from None
    if not isinstance(predictions, dict):
        kind = type(predictions).__name__
        raise UserError(f"the prediction file holds a JSON {kind}; expected an object of item ids")
    for item, value in predictions.items():
        if not is_prediction(value):
            raise UserError(f"the prediction of {item} is {json.dumps(value)[:60]}; expected {expected}")
    return predictions


def pair_lines(text: str, split: Split) -> dict[str, Any]:
    """Read `id TAB id` per line into {source id: [target ids]}; both must be of the two corpora."""
    pairs: dict[str, Any] = {}
    sources, targets = set(split.ids), set(split.pool_ids)
    for number, line in enumerate(_lines(text), start=1):
        source, tab, target = line.partition("\t")
        if not tab:
            raise UserError(f"prediction line {number} is '{line}'; expected id TAB id")
        if source not in sources or target not in targets:
            raise UserError(
                f"prediction line {number} pairs {source} with {target}; one is not in {split.files[0]} / .en"
            )
        pairs.setdefault(source, []).append(target)
    return pairs
