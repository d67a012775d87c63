"""Files of tagged sentences: XTREME's POS and NER tables, Universal Dependencies' CoNLL-U, jiant's CCG table."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from synthgen.corpora.readers.item import MALFORMED, UNLABELLED, Item
from synthgen.corpora.readers.text import read_json, read_lines
from synthgen.errors import unknown
from synthgen.formats.tags import TaggedSentence, TagsFormat

UPOS = tuple("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split(" "))  # noqa: SIM905
NER_TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
CCG_TAG_FILE = "tags_to_id.json"
_CONLLU_COLUMNS = 10
_ID, _FORM, _UPOS = 0, 1, 3
_SPACED = re.compile(r"[^ \t]+ (?:[^ \t]+ )*(?:O|[BI]-[^ \t]+) *")
"""A line of CoNLL-2003's NER files: token, other columns or none, tag."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a file: its tokens, their tags ("" where a line has none) and the number of its first line."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    lines: tuple[str, ...]
    number: int

    @property
    def fault(self) -> str | None:
        """Why the sentence is no example: no line has a tag, or some are not token TAB tag."""
        if all(self.tags):
            return None
        return UNLABELLED if not any("\t" in line.rstrip("\t") for line in self.lines) else MALFORMED


def read_sentences(path: Path) -> Iterator[Sentence]:
    """Yield the sentences of a file with blank lines between them: token TAB tag, or CoNLL-U's ten columns, or
    CoNLL-2003's for NER, which are parted by spaces.

    Of a table the prefix of WikiANN's own files (`en:Berlin`) is dropped where all tokens of a sentence have it. Of
    CoNLL-U come syntactic words with UPOS: ranges (`3-4`) and empty nodes (`24.1`) carry none and are passed over, so a
    contraction appears as its parts.
    """
    prefix = f"{path.name.partition('.')[0].rpartition('-')[2]}:"
    for number, block in _blocks(path):
        lines = tuple(line for line in block if not line.startswith(("# ", "-DOCSTART-")))
        rows = [line.split("\t") for line in lines]
        if all(map(_SPACED.fullmatch, lines)):
            rows = [[line.partition(" ")[0], line.rstrip(" ").rpartition(" ")[2]] for line in lines]
        if ".conllu" in path.suffixes or any(len(row) >= _CONLLU_COLUMNS for row in rows):
            full = [[*row, "", "", ""] for row in rows if row[_ID].isdecimal()]  # a line that ends early has no tag
            pairs = [(row[_FORM], row[_UPOS]) for row in full]
        else:
            start = len(prefix) if all(row[0].startswith(prefix) for row in rows) else 0
            pairs = [(row[0][start:], row[1] if len(row) == 2 else "") for row in rows]
        if pairs:
            tokens, tags = zip(*pairs, strict=True)
            yield Sentence(tokens, tags, lines, number)


def read_tag_file(path: Path, format_: TagsFormat) -> Iterator[Item]:
    """Yield the sentences of a POS or NER file, whichever of the two layouts it has.

    Lines without a tag, as in XTREME's unlabelled test files, make the sentence unlabelled.
    """
    for sentence in read_sentences(path):
        if sentence.fault == UNLABELLED:
            yield Item({format_.columns[0]: list(sentence.tokens), format_.columns[1]: []}, fault=UNLABELLED)
        elif sentence.fault:
            yield Item({"lines": "\n".join(sentence.lines)}, fault=MALFORMED)
        else:
            yield Item(format_.to_row(tagged_sentence(sentence.tokens, sentence.tags, format_.labels, str(path))))


def read_ccg_tsv(path: Path, format_: TagsFormat) -> Iterator[Item]:
    """Yield the sentences of jiant's CCG table: space-separated words TAB space-separated supertags, one a line."""
    for line in read_lines(path):
        text, tab, names = line.strip().partition("\t")
        tokens, tags = text.split(" "), names.split()
        if not tab or len(tokens) != len(tags):
            yield Item({"line": line}, fault=MALFORMED)
        else:
            yield Item(format_.to_row(tagged_sentence(tokens, tags, format_.labels, str(path))))


def ccg_labels(paths: list[Path]) -> tuple[str, ...]:
    """Return the supertags in order: of the `tags_to_id.json` beside the first file, else those seen, sorted.

    CCGbank is licensed, so no list of its tags ships with this package.
    """
    table = paths[0].with_name(CCG_TAG_FILE)
    if table.is_file():
        numbers: dict[str, int] = read_json(table)
        return tuple(sorted(numbers, key=lambda tag: int(numbers[tag])))
    lines = (line for path in paths for line in read_lines(path))
    return tuple(sorted({tag for line in lines for tag in line.partition("\t")[2].split()}))


def tagged_sentence(tokens: Sequence[str], tags: Sequence[str], labels: tuple[str, ...], where: str) -> TaggedSentence:
    """Return a sentence with its tags as indices of `labels`; UserError for a tag outside the tag set."""
    positions = _positions(labels)
    if missing := next((tag for tag in tags if tag not in positions), ""):
        raise unknown("tag", missing, labels[:20], where=where)
    return TaggedSentence(tuple(tokens), tuple(positions[tag] for tag in tags))


@cache
def _positions(labels: tuple[str, ...]) -> dict[str, int]:
    return {name: index for index, name in enumerate(labels)}


def _blocks(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the groups of lines between blank lines, which may hold spaces and tabs, with their first line's number."""
    for is_block, lines in groupby(enumerate(read_lines(path), start=1), lambda each: bool(each[1].strip(" \t"))):
        if is_block:
            numbers, block = zip(*lines, strict=True)
            yield numbers[0], block
