"""Files of tagged sentences: XTREME's POS and NER tables, Universal Dependencies' CoNLL-U, jiant's CCG table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from synthgen.corpora.item import MALFORMED, UNLABELLED, Item, read_json, read_lines
from synthgen.errors import unknown
from synthgen.formats.tags import Tagged, TagsFormat

CCG_TAG_FILE = "tags_to_id.json"
_ID, _FORM, _UPOS = 0, 1, 3


def read_token_lines(path: Path, format_: TagsFormat) -> Iterator[Item]:
    """Yield the sentences of `token TAB tag` lines with a blank line between sentences.

    Lines without a tag, as in XTREME's unlabelled test files, make the sentence unlabelled. The language prefix of
    WikiANN's own files (`en:Berlin`) is dropped.
    """
    language, item = path.stem.rpartition("-")[2], _item_maker(path, format_)
    for lines in blocks(path):
        cells = [line.split("\t") for line in lines]
        tokens = [cell[0].removeprefix(f"{language}:") for cell in cells]
        if all(len(cell) == 1 for cell in cells):
            yield Item({format_.columns[0]: tokens, format_.columns[1]: []}, fault=UNLABELLED)
        elif any(len(cell) != 2 for cell in cells):
            yield Item({"lines": "\n".join(lines)}, fault=MALFORMED)
        else:
            yield item(tokens, [tag for _, tag in cells])


def read_conllu(path: Path, format_: TagsFormat) -> Iterator[Item]:
    """Yield the sentences of a CoNLL-U file as syntactic words with UPOS.

    Ranges (`3-4`) and empty nodes (`24.1`) carry no UPOS and are passed over, so a contraction appears as its parts.
    """
    item = _item_maker(path, format_)
    for lines in blocks(path):
        rows = [line.split("\t") for line in lines if not line.startswith("#")]
        words = [row for row in rows if row[_ID].isdecimal()]
        yield item([row[_FORM] for row in words], [row[_UPOS] for row in words])


def read_tag_file(path: Path, format_: TagsFormat) -> Iterator[Item]:
    """Yield the sentences of a POS or NER file, whichever of the two layouts it has."""
    yield from (read_conllu if path.suffix == ".conllu" else read_token_lines)(path, format_)


def read_ccg_tsv(path: Path, format_: TagsFormat) -> Iterator[Item]:
    """Yield the sentences of jiant's CCG table: space-separated words TAB space-separated supertags, one a line."""
    item = _item_maker(path, format_)
    for line in read_lines(path):
        text, tab, tags = line.strip().partition("\t")
        names = tags.split()
        if not tab or len(text.split(" ")) != len(names):
            yield Item({"line": line}, fault=MALFORMED)
        else:
            yield item(text.split(" "), names)


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


def blocks(path: Path) -> Iterator[list[str]]:
    """Yield the groups of lines between blank lines, which may hold spaces and tabs."""
    block: list[str] = []
    for line in read_lines(path):
        if line.strip(" \t"):
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _item_maker(path: Path, format_: TagsFormat) -> Callable[[list[str], list[str]], Item]:
    """Return the function that makes an item of tokens and tag names; a tag outside the tag set is a UserError."""
    position = {name: index for index, name in enumerate(format_.labels)}

    def item(tokens: list[str], names: list[str]) -> Item:
        if missing := [name for name in names if name not in position]:
            raise unknown("tag", missing[0], format_.labels[:20], where=str(path))
        return Item(format_.to_row(Tagged(tuple(tokens), tuple(position[name] for name in names))))

    return item
