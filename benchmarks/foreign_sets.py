"""Are sets in other languages and scripts imported, filtered and described correctly, and inserted faults found?

    python benchmarks/foreign_sets.py DATA_ROOT [--planted 100] [--sets ja-pawsx th-copa] [--show]

The sets are evaluation data taken as training data: XNLI, XQuAD and XCOPA, and in Japanese, Thai and Turkish pairs of
Tatoeba's sentences. Each is imported, filtered by default and inspected, and its card is checked. Then faulty copies of
rows are planted among those that were kept: near duplicates, with one word replaced or in a script without spaces two
letters, in a text of at least eight words or sixteen letters; texts of one word or letter; whole rows of other
languages, and rows with one text of another (of five words or more). The goals: at most 2 % of the released rows
dropped, 95 % of each kind found. `--show` prints the rows that were dropped wrongly, and the faults that were missed.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from synthgen.analysis.inspect import inspect
from synthgen.cards.card import check
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import dataset_format, read_rejected, read_rows
from synthgen.dataset.shards import Rejection, row_features, write_rows
from synthgen.filters.command import filter as run_filters
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.text.language_id import count_words
from synthgen.text.words import words_and_letters

LONG_WORDS, LONG_LETTERS = 8, 16
FILES = {
    "mnli": "xnli/dev-{code}.tsv",
    "squad_v1": "xquad/xquad.{code}.json",
    "copa": "xcopa/{code}/val.{code}.jsonl",
}
SETS = (
    *(f"{code}-mnli" for code in ("zh", "ar", "hi", "tr")),
    *(f"{code}-squad_v1" for code in ("zh", "ar", "hi")),
    *(f"{code}-copa" for code in ("zh", "th")),
    *(f"{code}-pawsx" for code in ("ja", "th", "tr")),
)
OTHERS = {
    "mnli": ("en", "de", "sw"),
    "squad_v1": ("en", "de", "vi"),
    "copa": ("en", "id", "ta"),
    "pawsx": ("jpn-eng.eng", "rus-eng.rus"),
}
"""The languages of whole rows that are planted, by task."""
OTHER_ROWS = 500
TATOEBA = {"ja": "jpn", "th": "tha", "tr": "tur"}
REASONS = {
    "near duplicate": ("near duplicate", "exact duplicate"),
    "too short": ("too short",),
    "language": ("language",),
    "language of one text": ("language",),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A planted row, its kind, and the row it was made of."""

    row: Row
    kind: str
    source: str

    def is_found(self, gone: dict[str, Rejection]) -> bool:
        """Whether it went for its kind's reason; of two near duplicates either may go."""
        ids = (self.row["id"], self.source) if self.kind == "near duplicate" else (self.row["id"],)
        return any(gone[each].reason in REASONS[self.kind] for each in ids if each in gone)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a set: rows, those dropped by reason, faults of its card, planted and missed ones."""

    rows: int
    dropped: dict[str, int]
    card: list[str]
    planted: Counter[str]
    missed: list[Fault]

    @property
    def lost(self) -> float:
        """Share of the released rows that the default filters drop."""
        return sum(self.dropped.values()) / self.rows

    @property
    def recall(self) -> dict[str, float]:
        """Share that was found of each kind."""
        missed = Counter(fault.kind for fault in self.missed)
        return {kind: 1 - missed[kind] / total for kind, total in self.planted.items()}


def released(root: Path, name: str, folder: Path) -> Path:
    """Return the file of a set; Tatoeba's sentences are written as pairs of neighbours in PAWS's form."""
    code, _, task = name.rpartition("-")
    if task != "pawsx":
        path = root / FILES[task].format(code=code)
        return path.with_name(path.name.replace("val.", "test.")) if name in SETS and task == "copa" else path
    path = root / "tatoeba" / (f"tatoeba.{TATOEBA[code]}-eng.{TATOEBA[code]}" if code in TATOEBA else f"tatoeba.{code}")
    sentences = list(dict.fromkeys(path.read_text(encoding="utf-8").strip().split("\n")))
    lines = (
        f"{n}\t{one}\t{two}\t0\n" for n, (one, two) in enumerate(zip(sentences[::2], sentences[1::2], strict=False))
    )
    written = folder / f"{name}.tsv"
    written.write_text("id\tsentence1\tsentence2\tlabel\n" + "".join(lines), encoding="utf-8")
    return written


def other_rows(root: Path, name: str, folder: Path) -> list[Row]:
    """Return rows of other languages of a set's task."""
    task = name.rpartition("-")[2]
    rows: list[Row] = []
    for other in OTHERS[task]:
        out = folder / f"other-{other}"
        import_task(task, source=released(root, f"{other}-{task}", folder), out=out)
        rows += islice(read_rows(out), OTHER_ROWS)
    return rows


def plant(rows: Sequence[Row], format_: Format, others: Sequence[Row], planted: int, seed: str) -> Iterator[Fault]:
    """Yield so many faults of each kind, each made of another of the rows."""
    draw = random.Random(seed)
    fields = ["question"] if format_.name == "span" else [each for each in format_.text_columns if each != "question"]
    is_pairs = format_.name in ("pair", "span")
    vocabulary = [row[field] for row in rows for field in fields]
    long_others = [row for row in others if all(count_words(row[field]) >= 5 for field in fields)]
    makers: dict[str, Callable[[Row, str], Row | None]] = {
        "near duplicate": lambda row, field: edited(row, field, vocabulary, draw),
        "language": lambda row, _: draw.choice(others),
        "language of one text": lambda row, field: {**row, field: draw.choice(long_others)[field]},
    }
    if is_pairs:
        makers["too short"] = lambda row, field: {**row, field: words_and_letters(row[field])[0][0]}
    for kind, make in makers.items():
        made = ((make(row, draw.choice(fields)), row) for row in draw.sample(list(rows), len(rows)))
        for number, (row, source) in enumerate(islice(((new, old) for new, old in made if new), planted)):
            stated = {"id": f"{kind}-{number}", "language": source["language"]}
            yield Fault({**row, **stated}, kind, source["id"])


def edited(row: Row, field: str, texts: Sequence[str], draw: random.Random) -> Row | None:
    """Return a row with one word of a text, or two letters of a script without spaces, replaced; None if short."""
    text, other = row[field], draw.choice(texts)
    _, letters = words_and_letters(text)
    if letters < LONG_LETTERS:
        words = text.split()
        if len(words) < LONG_WORDS or letters:
            return None
        words[draw.randrange(len(words))] = draw.choice(other.split())
        return {**row, field: " ".join(words)}
    one, two = ([at for at in range(len(each) - 1) if each[at : at + 2].isalpha()] for each in (text, other))
    if not one or not two:
        return None
    at, begin = draw.choice(one), draw.choice(two)
    return {**row, field: text[:at] + other[begin : begin + 2] + text[at + 2 :]}


def outcome(root: Path, name: str, planted: int, folder: Path, rows_read: int | None = None) -> Outcome:
    """Take a set, or so many of its rows, through the commands, then plant faults among the rows that were kept."""
    code, _, task = name.rpartition("-")
    manifest = import_task(task, source=released(root, name, folder), out=folder / "set", n=rows_read)
    if manifest.language != code:
        raise SystemExit(f"{name} was taken for {manifest.language}")
    filtered = run_filters(folder / "set", out=folder / "kept")
    inspect(folder / "kept")
    rows, format_ = list(read_rows(folder / "kept")), dataset_format(manifest)
    faults = list(plant(rows, format_, other_rows(root, name, folder), planted, name))
    write_rows(folder / "planted", iter([*rows, *(fault.row for fault in faults)]), row_features(format_))
    run_filters(folder / "planted", out=folder / "found", origin="real", task=task)
    gone = {rejection.id: rejection for rejection in read_rejected(folder / "found")}
    missed = [fault for fault in faults if not fault.is_found(gone)]
    kinds = Counter(fault.kind for fault in faults)
    return Outcome(manifest.kept, filtered.rejected, check(folder / "kept"), kinds, missed)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_root", type=Path)
    parser.add_argument("--planted", type=int, default=100)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=SETS)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    print(f"{'set':12} {'rows':>5} {'dropped':>8}  {'recall of planted faults'}")
    for name in options.sets:
        with tempfile.TemporaryDirectory() as temporary:
            result = outcome(options.data_root, name, options.planted, folder := Path(temporary))
            found = ", ".join(f"{kind} {share:.2f} of {result.planted[kind]}" for kind, share in result.recall.items())
            print(
                f"{name:12} {result.rows:5} {result.lost:8.2%}  {found}; dropped: {result.dropped} {result.card or ''}"
            )
            for each in read_rejected(folder / "kept") if options.show else ():
                print(f"    {each.reason}: {each.evidence[:300]} | {json.dumps(each.row, ensure_ascii=False)[:300]}")
            for fault in result.missed if options.show else ():
                print(f"    missed, {fault.kind}: {json.dumps(fault.row, ensure_ascii=False)[:300]}")


if __name__ == "__main__":
    main()
