"""XTREME's translate-train tables: English sentence pairs beside their translations."""

from collections.abc import Iterator
from pathlib import Path

from synthgen.corpora.readers.columns import OTHER_NAMES
from synthgen.corpora.readers.item import MALFORMED, UNKNOWN_LABEL, Item
from synthgen.corpora.readers.text import read_lines
from synthgen.formats.pair import Pair, PairFormat

TRANSLATED_CELLS = 5


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
