"""Sentences with tags, as UD-POS and PAN-X have them on disk."""

from functools import partial
from pathlib import Path

from evaluator.benchmark.files.predictions import tag_lines
from evaluator.benchmark.metrics.tags import score_tags
from evaluator.benchmark.target import HubFile, Split, Target, UnlabelledError, facts, one_file
from synthgen.corpora.readers.item import UNLABELLED
from synthgen.corpora.readers.tagged import read_sentences, tagged_sentence
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
    items = (
        (
            f"{language}-{number}",
            tagged_sentence(each.tokens, each.tags, labels, f"{path} sentence {number + 1}"),
            each.tags,
        )
        for number, each in enumerate(sentences)
    )
    return Split.of(language, items, path)


def tag_target(module: str, labels: tuple[str, ...], *hub_files: HubFile) -> Target:
    """Return a target of tagged sentences, one file for each split and language."""
    table, read = facts(module), partial(tagged_split, labels=labels)
    return Target(
        **table,
        labels=labels,
        read=one_file(read, table["sources"]),
        train=lambda root: read(root.find(table["train_sources"][0]), "en"),
        score=score_tags,
        parse=tag_lines(labels),
        hub_files=hub_files,
    )
