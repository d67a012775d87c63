"""The small data root of tests: aligned, balanced, correctly tagged, small, and really in different scripts."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from itertools import chain, pairwise

import pytest

from tests.data import TINY_DATA_ROOT

SAMPLES = TINY_DATA_ROOT
NLI_LABELS = {"entailment", "neutral", "contradiction"}
XNLI_LANGUAGES = ("en", "de", "es", "hi", "sw", "tr", "zh")
UDPOS_FILES = ("train-en", "dev-en", *(f"test-{language}" for language in ("en", "de", "es", "hi", "tr", "zh")))
TATOEBA_CODES = ("cmn", "deu", "hin", "spa", "swh", "tur")
OPEN_TAGS = {"ADJ", "ADV", "INTJ", "NOUN", "PROPN", "VERB"}
CLOSED_TAGS = {"ADP", "AUX", "CCONJ", "DET", "NUM", "PART", "PRON", "SCONJ"}
UPOS = OPEN_TAGS | CLOSED_TAGS | {"PUNCT", "SYM", "X"}
SCRIPTS = {"hi": "DEVANAGARI", "zh": "CJK", "hin": "DEVANAGARI", "cmn": "CJK"}


def read_lines(name: str) -> list[str]:
    return (SAMPLES / name).read_text(encoding="utf-8").removesuffix("\n").split("\n")


def read_xnli(split: str, language: str) -> list[list[str]]:
    return [line.split("\t") for line in read_lines(f"xnli/{split}-{language}.tsv")]


def read_tagged(name: str) -> list[list[list[str]]]:
    blocks = "\n".join(read_lines(f"udpos/{name}.tsv")).split("\n\n")
    return [[line.split("\t") for line in block.split("\n")] for block in blocks]


def flat(nested: list[list]) -> list:
    return list(chain.from_iterable(nested))


def script(text: str) -> str:
    """The script most letters of a text belong to, by the first word of their Unicode names."""
    return Counter(unicodedata.name(letter).split()[0] for letter in text if letter.isalpha()).most_common(1)[0][0]


def test_the_samples_hold_exactly_the_files_the_readme_names() -> None:
    expected = {f"xnli/{split}-{language}.tsv" for split in ("dev", "test") for language in XNLI_LANGUAGES}
    expected |= {f"udpos/{name}.tsv" for name in UDPOS_FILES}
    expected |= {f"tatoeba/tatoeba.{code}-eng.{side}" for code in TATOEBA_CODES for side in (code, "eng")}
    expected |= {"xnli/test.labels.txt", "mnli/train_sample.json", "README.md"}
    files = (path.relative_to(SAMPLES) for path in SAMPLES.rglob("*") if path.is_file())
    assert {file.as_posix() for file in files if file.suffix not in {".py", ".pyc"}} == expected


@pytest.mark.parametrize("language", XNLI_LANGUAGES)
def test_xnli_has_thirty_distinct_rows_per_split_in_the_xtreme_columns(language: str) -> None:
    dev, test = read_xnli("dev", language), read_xnli("test", language)
    assert (len(dev), {len(row) for row in dev}) == (30, {3})
    assert (len(test), {len(row) for row in test}) == (30, {2})
    assert len({tuple(row[:2]) for row in dev + test}) == 60
    assert Counter(row[2] for row in dev) == dict.fromkeys(NLI_LABELS, 10)


def test_xnli_test_labels_are_line_aligned_and_balanced() -> None:
    assert Counter(read_lines("xnli/test.labels.txt")) == dict.fromkeys(NLI_LABELS, 10)


@pytest.mark.parametrize("language", XNLI_LANGUAGES)
def test_xnli_is_parallel_to_english(language: str) -> None:
    for split in ("dev", "test"):
        rows, english = read_xnli(split, language), read_xnli(split, "en")
        assert [row[2:] for row in rows] == [row[2:] for row in english]
        # Three hypotheses share a premise, in every language at the same lines.
        premise_breaks = [[a[0] == b[0] for a, b in pairwise(side)] for side in (rows, english)]
        assert premise_breaks[0] == premise_breaks[1]


def test_mnli_trains_on_sixty_pairs_that_no_xnli_split_holds() -> None:
    pairs = json.loads("\n".join(read_lines("mnli/train_sample.json")))
    assert list(pairs) == [str(index) for index in range(60)]
    assert all(set(pair) == {"text_a", "text_b", "label"} for pair in pairs.values())
    assert Counter(pair["label"] for pair in pairs.values()) == dict.fromkeys(NLI_LABELS, 20)
    assert len({(pair["text_a"], pair["text_b"]) for pair in pairs.values()}) == 60
    seen = {text for split in ("dev", "test") for row in read_xnli(split, "en") for text in row[:2]}
    assert seen.isdisjoint(text for pair in pairs.values() for text in (pair["text_a"], pair["text_b"]))


@pytest.mark.parametrize("name", UDPOS_FILES)
def test_udpos_sentences_are_distinct_and_tagged_with_the_seventeen_upos(name: str) -> None:
    sentences = read_tagged(name)
    assert len(sentences) == (60 if name == "train-en" else 30)
    assert all(len(cells) == 2 and cells[0].strip() and cells[1] in UPOS for cells in flat(sentences))
    assert len({tuple(token for token, _ in sentence) for sentence in sentences}) == len(sentences)


@pytest.mark.parametrize("name", UDPOS_FILES)
def test_udpos_tags_exactly_the_punctuation_as_punct(name: str) -> None:
    for token, tag in flat(read_tagged(name)):
        is_punctuation = all(unicodedata.category(character).startswith("P") for character in token)
        assert is_punctuation == (tag == "PUNCT") or tag == "SYM", (token, tag)


def test_udpos_training_shows_every_tag_and_no_test_sentence() -> None:
    training = read_tagged("train-en")
    assert {tag for _, tag in flat(training)} == UPOS
    tested = read_tagged("dev-en") + read_tagged("test-en")
    assert not [sentence for sentence in tested if sentence in training]


@pytest.mark.parametrize("code", TATOEBA_CODES)
def test_tatoeba_pairs_forty_distinct_lines(code: str) -> None:
    sides = [read_lines(f"tatoeba/tatoeba.{code}-eng.{side}") for side in (code, "eng")]
    assert [len(side) for side in sides] == [40, 40]
    assert [len(set(side)) for side in sides] == [40, 40]
    assert all(line == line.strip() != "" for line in flat(sides))


def test_languages_are_written_in_their_own_scripts() -> None:
    texts = {language: " ".join(flat(read_xnli("test", language))) for language in XNLI_LANGUAGES}
    texts |= {code: " ".join(read_lines(f"tatoeba/tatoeba.{code}-eng.{code}")) for code in TATOEBA_CODES}
    assert {language: script(text) for language, text in texts.items()} == {
        language: SCRIPTS.get(language, "LATIN") for language in texts
    }
    for name in UDPOS_FILES:
        tokens = " ".join(token for token, _ in flat(read_tagged(name)))
        assert script(tokens) == SCRIPTS.get(name.removeprefix("test-"), "LATIN")
