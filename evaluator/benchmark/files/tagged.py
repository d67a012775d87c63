"""Sentences with tags, as UD-POS and PAN-X have them on disk."""

from __future__ import annotations

from pathlib import Path

from evaluator.benchmark.target import Split, UnlabelledError
from synthgen.corpora.readers.item import UNLABELLED
from synthgen.corpora.readers.tagged import read_sentences, tagged
from synthgen.errors import UserError


def tagged_split(path: Path, language: str, labels: tuple[str, ...]) -> Split:
    """Return the sentences of a file.

    Raises UnlabelledError for a file without any tag, UserError for a single line without one.
    """
    sentences = list(read_sentences(path))
    if sentences and all(sentence.fault == UNLABELLED for sentence in sentences):
        raise UnlabelledError(path, len(sentences), "no line has a tag")
    if faulty := next((sentence for sentence in sentences if sentence.fault), None):
        line = faulty.number + faulty.tags.index("")
        raise UserError(f"{path} line {line} has no tag; expected token TAB tag")
    records = tuple(
        tagged(sentence.tokens, sentence.tags, labels, f"{path} sentence {number}")
        for number, sentence in enumerate(sentences, start=1)
    )
    ids = tuple(f"{language}-{number}" for number in range(len(records)))
    return Split(language, ids, records, tuple(sentence.tags for sentence in sentences), (path,))
