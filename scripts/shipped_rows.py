"""Make the rows that ship with the package from copies of the sets they are of: python scripts/shipped_rows.py DATA

DATA holds snli/train_9k.json, llm/wanli/*_spans.jsonl, tatoeba/ (LASER's test sets) and ud/UD_*/ (CoNLL-U as released).
Texts and labels are not changed; which rows are taken is said in the samples' README.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evaluator.benchmark.files.writers import tagged
from synthgen.corpora.readers.tagged import UPOS, read_sentences
from synthgen.dataset.samples import SAMPLES

LABELS = ("entailment", "neutral", "contradiction")
WANLI_ROWS_A_LABEL = 3000
DEV_EVERY = 4
TREEBANKS = {
    "de": "German-PUD", "en": "English-PUD", "es": "Spanish-PUD", "hi": "Hindi-PUD", "tr": "Turkish-PUD",
    "zh": "Chinese-PUD",
}  # fmt: skip
TATOEBA = ("cmn", "deu", "hin", "spa", "swh", "tur")


def main(data: Path) -> None:
    """Write every file of rows anew."""
    snli = json.loads((data / "snli" / "train_9k.json").read_text(encoding="utf-8"))
    write_pairs("snli", ((row["text_a"], row["text_b"], row["label"]) for row in snli.values()))
    wanli = zip(*(first_of(data / "llm" / "wanli" / f"{label}_spans.jsonl") for label in LABELS), strict=True)
    write_pairs("wanli", chain.from_iterable(wanli))
    sentences = list(read(data, "English-EWT"))
    train = [row for number, row in enumerate(sentences) if number % DEV_EVERY != DEV_EVERY - 1]
    write("udpos/train-en.tsv", table(train))
    write("udpos/dev-en.tsv", table(sentences[DEV_EVERY - 1 :: DEV_EVERY]))
    for language, treebank in TREEBANKS.items():
        write(f"udpos/test-{language}.tsv", table(read(data, treebank)))
    for code in TATOEBA:
        for side in (code, "eng"):
            name = f"tatoeba/tatoeba.{code}-eng.{side}"
            write(name, (data / name).read_text(encoding="utf-8"))


Pair = tuple[str, str, str]
"""Premise, hypothesis, label."""


def first_of(path: Path) -> Iterator[Pair]:
    """Yield the first distinct pairs of one label's file of WANLI."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    pairs = dict.fromkeys((row["premise"], row["hypothesis"], row["label"]) for row in rows)
    return islice(pairs, WANLI_ROWS_A_LABEL)


def write_pairs(name: str, pairs: Iterable[Pair]) -> None:
    """Write distinct pairs as JSON lines."""
    keys = ("premise", "hypothesis", "label")
    lines = (json.dumps(dict(zip(keys, pair, strict=True)), ensure_ascii=False) for pair in dict.fromkeys(pairs))
    write(f"{name}/train.jsonl", "".join(f"{line}\n" for line in lines))


def read(data: Path, treebank: str) -> Iterator[dict[str, list[str]]]:
    """Yield the sentences of a treebank's test file."""
    (path,) = (data / "ud" / f"UD_{treebank}").glob("*.conllu")
    return ({"tokens": list(each.tokens), "tags": list(each.tags)} for each in read_sentences(path))


table = tagged("tokens", "tags", UPOS)


def write(name: str, text: str) -> None:
    """Write a file of the data root that ships."""
    path = SAMPLES / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
