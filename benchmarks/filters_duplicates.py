"""Duplicates: recall and precision on planted edits of real pairs; decontamination. `filters_speed.py` has the speed.

    python benchmarks/filters_duplicates.py data --recall
    python benchmarks/filters_duplicates.py data --contamination
    python benchmarks/filters_duplicates.py data --translations 5010
    python benchmarks/filters_duplicates.py data --other-formats

Rows, premises and test items are real: MNLI's, SNLI's and XNLI's.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from synthgen.corpora.readers.text import read_json_lines
from synthgen.filters.decontamination.filter import Contamination, ContaminationSettings
from synthgen.filters.dedup.near import NearDuplicates
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import SpanFormat

NLI = PairFormat(("premise", "hypothesis"), ("entailment", "neutral", "contradiction"))
FILES = {
    "snli": ("snli/train_9k.json", "snli/dev.jsonl"),
    "mnli": ("mnli/train_9k.json", "mnli/dev_matched_1-5000.jsonl"),
}
LABELS = {name: number for number, name in enumerate(NLI.labels)}
BASE_ROWS = 4_000
BANDS_OF_WORDS = ((6, 10), (11, 20), (21, 60))


def real_rows(data: Path, names: tuple[str, ...] = ("snli", "mnli")) -> list[Row]:
    rows: list[Row] = []
    for file in (data / each for name in names for each in FILES[name]):
        text = file.read_text(encoding="utf-8")
        found = json.loads(text).values() if file.suffix == ".json" else map(json.loads, filter(None, text.split("\n")))
        for item in found:
            label = item["label"]
            row = {
                "premise": item.get("premise", item.get("text_a")),
                "hypothesis": item.get("hypothesis", item.get("text_b")),
            }
            rows.append(
                {"id": f"r{len(rows)}", **row, "label": LABELS.get(label, label if isinstance(label, int) else 0)}
            )
    return rows


# Recall and precision


def edits(draw: random.Random, vocabulary: list[str]) -> dict[str, Callable[[str], str]]:
    def words_changed(change: Callable[[list[str]], None]) -> Callable[[str], str]:
        def edit(text: str) -> str:
            words = text.split()
            change(words)
            return " ".join(words)

        return edit

    def replace(words: list[str]) -> None:
        words[draw.randrange(len(words))] = draw.choice(vocabulary)

    def delete(words: list[str]) -> None:
        del words[draw.randrange(len(words))]

    def insert(words: list[str]) -> None:
        words.insert(draw.randrange(len(words) + 1), draw.choice(vocabulary))

    def swap(words: list[str]) -> None:
        at = draw.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]

    def swap_any(words: list[str]) -> None:
        one, two = draw.sample(range(len(words)), 2)
        words[one], words[two] = words[two], words[one]

    named = {"replace": replace, "delete": delete, "insert": insert, "swap neighbours": swap, "swap any two": swap_any}
    changed = {name: words_changed(change) for name, change in named.items()}
    return changed | {
        "casing": lambda text: "".join(draw.choice((str.upper, str.lower))(letter) for letter in text),
        "punctuation": lambda text: "".join(draw.choice((" ", ", ", " - ")) if c == " " else c for c in text),
    }


def recall(data: Path, per_cell: int = 200) -> None:
    """Plant edited copies among real rows and count those that are dropped, by corpus, field, length, edit."""
    print(f"{'corpus':6} {'field':10} {'words':6} {'edit':16} planted found recall")
    for corpus in ("mnli", "snli"):
        draw = random.Random(corpus)
        rows = draw.sample(real_rows(data, (corpus,)), BASE_ROWS)
        vocabulary = [word for row in rows for word in row["premise"].split()]
        judge = NearDuplicates(NLI)
        base = []
        for row in rows:
            if judge.check(row["id"], row) is None:
                judge.add_kept(row["id"], row)
                base.append(row)
        lost = [row for row in rows if row["id"] not in {each["id"] for each in base}]
        print(f"{corpus}: {len(rows)} real rows, of which {len(lost)} are themselves near duplicates of others")
        for field in NLI.fields:
            for low, high in BANDS_OF_WORDS:
                fitting = [row for row in base if low <= len(row[field].split()) <= high]
                if len(fitting) < 50:
                    continue
                for name, edit in edits(draw, vocabulary).items():
                    chosen = draw.sample(fitting, min(per_cell, len(fitting)))
                    hits = sum(
                        judge.check("new", {**row, "id": "new", field: edit(row[field])}) is not None
                        for row in map(dict, chosen)
                        if reset(judge)
                    )
                    place = f"{corpus:6} {field:10} {low}-{high:<4} {name:16}"
                    print(f"{place} {len(chosen):7} {hits:5} {hits / len(chosen):.3f}", flush=True)
        unrelated = [
            {**draw.choice(base), "hypothesis": draw.choice(base)["hypothesis"], "label": row["label"]}
            for row in base[:5000]
        ]
        wrong = sum(judge.check("new", row) is not None for row in unrelated if reset(judge))
        print(f"{corpus}: {len(unrelated)} unrelated rows (a real premise, another's hypothesis): {wrong} dropped")


def reset(judge: NearDuplicates) -> bool:
    """Forget the last judged row: every planted row has the same id."""
    judge._precomputed = {}
    return True


# Decontamination


def training_rows(data: Path) -> list[Row]:
    """Return 50,715 real training rows as pairs: MNLI, SNLI, QQP, SQuAD (passage and question)."""
    _, *lines = (data / "mnli/train_20k_tokenized.tsv").read_text(encoding="utf-8").split("\n")
    pairs = [tuple(line.split("\t")[:2]) for line in lines if line]
    for name in ("mnli", "snli", "qqp"):
        items = json.loads((data / name / "train_9k.json").read_text(encoding="utf-8")).values()
        pairs += [(item["text_a"], item["text_b"]) for item in items]
    squad = json.loads((data / "squad/squad_sample.json").read_text(encoding="utf-8"))
    pairs += [(item["context"], item["question"]) for item in squad]
    return [{"id": f"c{i}", "premise": a, "hypothesis": b, "label": 0} for i, (a, b) in enumerate(pairs)]


RUN = 13


def plain_words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def runs(text: str) -> set[str]:
    words = plain_words(text)
    return {" ".join(words[at : at + RUN]) for at in range(len(words) - RUN + 1)}


def quoting(rows: list[Row], items: list[tuple[str, ...]]) -> set[str]:
    """Return the ids of rows that share 13 words on end with an item, or have a whole text of ten words and more.

    Written apart from the filter: it is what tells real overlap of the corpora from rows that are dropped wrongly.
    """
    owned = [(row["id"], row[field]) for row in rows for field in NLI.fields]
    wanted = {run for _, text in owned for run in runs(text)}
    known = {run for texts in items for text in texts for run in runs(text) if run in wanted}
    whole = {" ".join(plain_words(text)) for texts in items for text in texts}
    long = {text for text in whole if len(text.split()) >= 10}
    return {row_id for row_id, text in owned if not known.isdisjoint(runs(text)) or " ".join(plain_words(text)) in long}


def contamination(data: Path, count: int, planted: int = 500, *, show: bool = False) -> None:
    """Plant test rows in clean ones and count what is found and what is lost."""
    draw = random.Random(3)
    tests = [line.split("\t") for line in (data / "xnli/test-en.tsv").read_text(encoding="utf-8").split("\n") if line]
    clean = training_rows(data)
    draw.shuffle(clean)
    clean = clean[:count]
    began = time.process_time()
    judge = Contamination(
        NLI,
        [
            data / name
            for name in ("xnli", "xcopa", "xquad", "mlqa", "tatoeba", "udpos", "pawsx", "snli", "mnli", "anli")
        ],
    )
    print(f"{len(judge._items):,} items of {len(judge._sets)} sets read in {time.process_time() - began:.0f} s CPU")
    ways: dict[str, Callable[[str], str]] = {
        "verbatim": lambda text: text,
        "small edit": edits(draw, [word for row in clean for word in row["premise"].split()])["replace"],
        "truncated": lambda text: " ".join(text.split()[: max(4, round(0.6 * len(text.split())))]),
    }
    for name, way in ways.items():
        rows = [{"premise": way(a), "hypothesis": way(b), "label": 0} for a, b in draw.sample(tests, planted)]
        found = sum(verdict is not None for verdict in judge.check_batch([(str(i), row) for i, row in enumerate(rows)]))
        print(f"{name}: {found} of {len(rows)} planted test rows found ({found / len(rows):.3f})", flush=True)
    began = time.process_time()
    verdicts = judge.check_batch([(row["id"], row) for row in clean])
    lost = {row["id"]: verdict for row, verdict in zip(clean, verdicts, strict=True) if verdict}
    seconds = time.process_time() - began
    quotes = quoting(clean, [item.apart for item in judge._items])
    apart = {row["id"]: row for row in clean if row["id"] in lost.keys() - quotes}
    print(f"{len(clean)} training rows, {len(clean) / seconds:,.0f} rows/s: {len(lost)} dropped")
    print(f"    {len(quotes)} share 13 words on end or a whole text with an item: {len(quotes & lost.keys())} dropped")
    rest = len(clean) - len(quotes)
    print(f"    {rest} do not: {len(apart)} dropped ({len(apart) / rest:.4%})")
    for row_id, row in apart.items() if show else ():
        print("   ", lost[row_id].evidence, "|", row["premise"][:200], "|", row["hypothesis"][:200])
    for row in (row for row in clean if show and row["id"] in quotes - lost.keys()):
        print("    kept:", row["premise"][:200], "|", row["hypothesis"][:200])


TRANSLATIONS = ("ar", "de", "es", "hi", "sw", "tr", "zh")


def translations(
    data: Path, items: int, languages: Sequence[str], planted: int = 500, clean: int = 1_000, halves: int = 200
) -> None:
    """Plant English XNLI test rows, held out in one other language only, and count what the encoder finds.

    Rows with swapped texts are items all the same; those with one text of an item and one of a real row are none. The
    last time English is held out as well, as development items, of which none is planted.
    """
    draw = random.Random(5)
    chosen = sorted(draw.sample(range(5010), items))

    def rows_of(file: str) -> list[list[str]]:
        text = (data / "xnli" / file).read_text(encoding="utf-8")
        return [line.split("\t")[:2] for line in text.split("\n") if line]

    def write(place: Path, file: str, rows: list[list[str]]) -> None:
        (place / file).write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")

    real = draw.sample(real_rows(data, ("mnli",))[:8999], clean)
    english = [rows_of("test-en.tsv")[number] for number in draw.sample(chosen, planted)]
    copies = [{"premise": a, "hypothesis": b, "label": 0} for a, b in english]
    swapped = [{"premise": row["hypothesis"], "hypothesis": row["premise"], "label": 0} for row in copies[:halves]]
    mixed = [
        row | {field: other[field]} for field in NLI.fields for row, other in zip(copies[:halves], real, strict=False)
    ]
    for language in languages:
        with tempfile.TemporaryDirectory() as place:
            rows = rows_of(f"test-{language}.tsv")
            write(Path(place), f"test-{language}.tsv", [rows[number] for number in chosen])
            print(
                f"{language}, swapped texts, and one of the two: {dropped(NLI, Path(place), swapped, mixed)}",
                flush=True,
            )
            for beside in ("nothing", "dev-en.tsv"):
                if beside != "nothing":
                    write(Path(place), beside, rows_of(beside))
                print(
                    f"{language}, {items} items, beside {beside}: {dropped(NLI, Path(place), copies, real)}", flush=True
                )


def other_formats(data: Path) -> None:
    """Do the same with XQuAD's questions and XCOPA's choices, the latter as rows of a format with another question."""
    squad = SpanFormat(("answerable",))
    english = json.loads((data / "xquad/xquad.en.json").read_text(encoding="utf-8"))["data"]
    half = len(english) // 2
    inside, outside = questions(english[:half])[:200], questions(english[half:])[:200]
    for language in ("ar", "es", "hi"):
        articles = json.loads((data / f"xquad/xquad.{language}.json").read_text(encoding="utf-8"))["data"]
        with tempfile.TemporaryDirectory() as place:
            (Path(place) / "xquad.json").write_text(json.dumps({"data": articles[:half]}), encoding="utf-8")
            print(f"XQuAD, {language}: {dropped(squad, Path(place), inside, outside)}", flush=True)
    copa = ChoiceFormat(("context", "question", "answer0", "answer1", "label"), ("0", "1"))
    asked = {"cause": "Why did this happen?", "effect": "What happened next?"}
    rows = [
        choice(each["premise"], asked[each["question"]], (each["choice1"], each["choice2"]))
        for each in read_json_lines(data / "xcopa/en/test.en.placeholder-labels.jsonl")
    ]
    others = read_json_lines(data / "socialiqa/dev_1-1200.jsonl")
    clean = [choice(each["context"], each["question"], each["options"]) for each in others]
    for language in ("id", "sw", "zh"):
        print(f"XCOPA, {language}: {dropped(copa, data / 'xcopa' / language, rows[:200], clean[:400])}", flush=True)


def dropped(format_: Format, against: Path, planted: list[Row], clean: list[Row]) -> str:
    judge = Contamination(format_, [against], ContaminationSettings(encoder="pack:multilingual-e5-small"))
    named = ([(str(number), row) for number, row in enumerate(rows)] for rows in (planted, clean))
    found, lost = (sum(each is not None for each in judge.check_batch(rows)) for rows in named)
    share = f"{found} of {len(planted)} found ({found / len(planted):.3f})"
    return f"{share}, {lost} of {len(clean)} clean rows dropped"


def questions(articles: list[dict[str, Any]]) -> list[Row]:
    parts = [part for article in articles for part in article["paragraphs"]]
    return [{"context": part["context"], "question": each["question"]} for part in parts for each in part["qas"]]


def choice(context: str, question: str, options: Sequence[str]) -> Row:
    return {"context": context, "question": question, "answer0": options[0], "answer1": options[1], "label": 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--recall", action="store_true")
    parser.add_argument("--contamination", action="store_true")
    parser.add_argument("--rows", type=int, default=50_000, help="clean rows for --contamination")
    parser.add_argument("--show", action="store_true", help="print the clean rows that --contamination drops")
    parser.add_argument("--translations", type=int, metavar="ITEMS", help="items a language, e.g. 5010")
    parser.add_argument("--languages", nargs="+", default=TRANSLATIONS, help="those of --translations")
    parser.add_argument("--other-formats", action="store_true", help="translated questions and choices")
    given = parser.parse_args()
    if given.recall:
        recall(given.data)
    if given.contamination:
        contamination(given.data, given.rows, show=given.show)
    if given.translations:
        translations(given.data, given.translations, given.languages)
    if given.other_formats:
        other_formats(given.data)


if __name__ == "__main__":
    main()
