"""Files of sentence pairs: MultiNLI, SNLI, ANLI and Quora Question Pairs, as released and in common re-releases."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synthgen.corpora.readers.item import MALFORMED, UNKNOWN_LABEL, UNLABELLED, Item
from synthgen.corpora.readers.text import open_text, read_json, read_json_lines, read_lines, require
from synthgen.errors import unknown
from synthgen.formats.pair import Pair, PairFormat

TEXT_A = ("premise", "sentence1", "context", "question1", "text_a", "premise_text")
TEXT_B = ("hypothesis", "sentence2", "question2", "text_b", "hypo")
LABEL = ("gold_label", "label", "is_duplicate")
ABSENT = (None, "", "-", "-1", -1, "hidden")
"""How releases say that a pair has no gold label (SNLI: "-" in its files, -1 on the hub)."""

QUORA = "quora_duplicate_questions"
TRANSLATED_CELLS = 5
OTHER_NAMES = {"contradictory": "contradiction", "e": "entailment", "n": "neutral", "c": "contradiction"}
"""XTREME's raw XNLI and ANLI's files name the same labels otherwise."""


def read_indexed_json(path: Path, format_: PairFormat) -> Iterator[Item]:
    """Yield the pairs of `{"0": {"text_a": …, "text_b": …, "label": …}, …}`; JSON lines and arrays may be called so."""
    first = next((line.strip() for line in read_lines(path) if line.strip()), "")
    if first.startswith("[") or (first.endswith("}") and not re.match(r'{\s*"\d+"', first)):
        yield from read_pair_jsonl(path, format_)
        return
    document = read_json(path)
    require(document, ("0",), str(path))
    for key, values in document.items():
        yield _item(values, format_, f"{path} item {key}")


def read_pair_jsonl(path: Path, format_: PairFormat) -> Iterator[Item]:
    """Yield the pairs of JSON lines: premise/hypothesis/label, MNLI's and SNLI's own sentence1/sentence2/gold_label,
    or ANLI's context/hypothesis/label with labels e, n, c.
    """
    for number, values in enumerate(read_json_lines(path), start=1):
        yield _item(values, format_, f"{path} line {number}")


def read_pair_tsv(path: Path, format_: PairFormat) -> Iterator[Item]:
    """Yield the pairs of a tab-separated file; quotes are ordinary characters but in Quora's own release, where cells
    are quoted and may hold newlines.

    Its header names the columns, as in GLUE's MNLI and QQP, MultiNLI's text form and PAWS-X; or there is none, and the
    columns are both texts and the label's name, as in XTREME's layout. Lines with too few cells or too many are
    malformed: GLUE's QQP has three, and the published count of 363,846 leaves them out too.
    """
    header = list(format_.columns)
    for number, cells in _rows(path):
        if number == 1 and (len(cells) != len(header) or not set(LABEL).isdisjoint(cells)):
            header = cells
        elif len(cells) < len(header) or any(cells[len(header) :]):
            yield Item({"line": "\t".join(cells)}, fault=MALFORMED)
        else:
            yield _item(dict(zip(header, cells, strict=False)), format_, f"{path} line {number}")


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    if not path.name.startswith(QUORA):
        yield from enumerate((line.split("\t") for line in read_lines(path)), start=1)
        return
    with open_text(path) as file:
        rows = csv.reader(file, delimiter="\t")
        yield from ((rows.line_num, cells) for cells in rows)


def read_translated_tsv(path: Path, format_: PairFormat) -> Iterator[Item]:
    """Yield the pairs of XTREME's translate-train tables: two English texts, their translations, the label's name.

    There is no header, and quotes are ordinary characters. Some rows of PAWS-X have something else for a label.
    """
    for line in read_lines(path):
        cells = line.split("\t")
        if len(cells) != TRANSLATED_CELLS:
            yield Item({"line": line}, fault=MALFORMED)
            continue
        name = OTHER_NAMES.get(cells[-1], cells[-1])
        if name not in format_.labels:
            yield Item({"line": line}, fault=UNKNOWN_LABEL)
            continue
        label = format_.labels.index(name)
        english, translated = (format_.to_row(Pair(a, b, label)) for a, b in (cells[:2], cells[2:4]))
        yield Item(translated, english=english)


def label_index(value: object, labels: tuple[str, ...], where: str) -> int | None:
    """Return the position of a label given by name or in the hub's order by number; None where there is none.

    Integers other projects use are in other orders (XTREME: contradiction first), so files of theirs go by name.

    >>> label_index("contradictory", ("entailment", "neutral", "contradiction"), "line 1")
    2
    >>> label_index("-", ("entailment", "neutral", "contradiction"), "line 2") is None
    True
    """
    if value in ABSENT:
        return None
    name = OTHER_NAMES.get(str(value), str(value))
    if name in labels:
        return labels.index(name)
    if name.isdecimal() and int(name) < len(labels):
        return int(name)
    raise unknown("label", str(value), labels, where=where)


def _item(values: Mapping[str, Any], format_: PairFormat, where: str) -> Item:
    names = [next((name for name in known if name in values), known[0]) for known in (TEXT_A, TEXT_B, LABEL)]
    require(dict(values), tuple(names), where)
    text_a, text_b, value = (values[name] for name in names)
    label = label_index(value, format_.labels, where)
    row = format_.to_row(Pair(text_a, text_b, -1 if label is None else label))
    return Item(row, fault=UNLABELLED if label is None else None)
