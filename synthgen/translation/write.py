"""The verdict on every translated row, and the dataset folder of those that stay."""

from __future__ import annotations

import json
import statistics as stats
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

from synthgen import __version__
from synthgen.analysis.text_statistics import describe
from synthgen.cards.card import write_card
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.dataset.ledger import Ledger, StoredVerdict
from synthgen.dataset.licences import LicensedSource, derive, parts_of
from synthgen.dataset.manifest import Manifest, finish
from synthgen.dataset.shards import Rejection, row_features, write_rejected, write_rows
from synthgen.formats.base import Row
from synthgen.runtime.provenance import command_line, hardware, public_name
from synthgen.translation.answers.candidates import agree
from synthgen.translation.job import TranslationJob, judgement, rows_of
from synthgen.translation.quality import Scores, estimated, fault, round_trip, score, summary
from synthgen.translation.records import RETURNED, TEXTS, last_reply, read_answers, read_estimates, read_translation
from synthgen.translation.rows import translatable, with_answers, with_texts


def write(job: TranslationJob, ledger: Ledger, *, seconds: float) -> Manifest:
    """Judge every row from the ledger, write rows, rejections, card and manifest, and return the manifest."""
    checks = _judge(job, ledger)
    (job.out / MANIFEST_NAME).unlink(missing_ok=True)  # judged anew, it is not finished while its rows are half written
    features = row_features(job.opened.format, translated=True)
    files = write_rows(job.out, _kept(ledger), features) | write_rejected(job.out, _rejections(ledger))
    verdicts = Counter(item.verdict for item in ledger.verdicts())
    reasons = Counter(item.reason for item in ledger.verdicts("rejected"))
    cells = Counter(job.opened.format.cell(row) for row in _kept(ledger))
    backend, parent = job.backend, job.opened.parent("translated")
    earlier = job.opened.manifest
    readers = ({"role": "verifier", **job.answerer.metadata()},) if job.answerer else ()
    parts = [
        LicensedSource("translated", parent["name"], parent["licence"]),
        LicensedSource("translator", backend.ref, backend.licence),
    ]
    manifest = Manifest(
        task=job.opened.task,
        format=job.opened.format.name,
        columns=job.opened.format.columns,
        labels=job.opened.format.labels,
        origin="translated",
        language=job.target,
        licence=derive([*parts, *parts_of(None, readers)]),
        n=verdicts["kept"],
        asked=job.opened.rows,
        kept=verdicts["kept"],
        failed=verdicts["failed"],
        rejected=dict(reasons.most_common()),
        label_counts={cell: cells[cell] for cell in dict.fromkeys([*job.opened.format.labels, *cells]) if cells[cell]},
        seed=earlier.seed if earlier else 0,
        files=files,
        attempts=_attempts(ledger),
        model={
            "ref": public_name(backend.ref),
            "revision": backend.revision,
            "licence": backend.licence,
            "note": backend.note,
        },
        engine=backend.name,
        sampling=dict(backend.settings),
        parents=(*(earlier.parents if earlier else ()), parent, *readers),
        versions={"synthgen-evaluator": __version__, **backend.versions},
        tokens=totals if any((totals := ledger.token_totals()).values()) else {},
        seconds=round(seconds, 1),
        hardware=hardware(),
        statistics=describe(job.opened.format, _kept(ledger)) if verdicts["kept"] else {},
        checks={"translation": checks},
        command=command_line(),
    )
    write_card(job.out, manifest)
    return finish(job.out, manifest)


def _judge(job: TranslationJob, ledger: Ledger) -> dict[str, Any]:
    """Make the verdicts anew and return what the manifest says of the translation."""
    scores = {number: _scored(job, ledger, number, row) for number, row in rows_of(job.opened)}
    found = [each for each in scores.values() if each]
    median = stats.median(each.length_ratio for each in found) if found else 1.0
    estimates = read_estimates(ledger, job.estimator)
    ledger.clear_verdicts({})
    for number, row in rows_of(job.opened):
        verdict = _verdict(job, ledger, (number, row), scores[number], median)
        ledger.add_verdict(_estimated(job, verdict, estimates.get(number, {})))
    ledger.commit()
    kept = sum(1 for _ in ledger.verdicts("kept"))
    facts = {"from": job.source, "to": job.target, "translated": len(found), "of": len(scores)}
    facts |= {"survival": round(kept / len(scores), 4), "before_filtering": summary(found), "asked": judgement(job)}
    if estimates:
        facts["estimated"] = estimated([score for texts in estimates.values() for score in texts.values()])
    if answers := [each for number in scores for each in read_answers(ledger, number, job.asked)]:
        facts["answers"] = _answers(answers)
    return facts | {"round_trip": _round_trip(job, ledger)}


def _answers(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how many answers were found again, by which ways, why the others were not, and how far ways agree."""
    found = [each for each in answers if "text" in each]
    ways = Counter(" + ".join(sorted(each["ways"])) for each in found)
    alone = Counter(way for each in answers for way in each["candidates"])
    confirmed = Counter(way for each in found for way in each["ways"])
    return {
        "recovered": len(found),
        "of": len(answers),
        "share": round(len(found) / len(answers), 4),
        "believed_because": dict(ways.most_common()),
        "candidates_by_way": dict(alone.most_common()),
        "believed_by_way": dict(confirmed.most_common()),
        "agreement": _agreement([each["candidates"] for each in answers]),
        "not_recovered": dict(Counter(each["reason"] for each in answers if "reason" in each)),
    }


def _agreement(candidates: list[dict[str, Any]]) -> dict[str, float]:
    """Return for each two ways how often they agree, of the answers for which both have a stretch."""
    same: dict[str, list[bool]] = {}
    for each in candidates:
        for one, other in combinations(sorted(each), 2):
            same.setdefault(f"{one} and {other}", []).append(agree(each[one], each[other]))
    return {pair: round(stats.fmean(each), 4) for pair, each in sorted(same.items())}


def _scored(job: TranslationJob, ledger: Ledger, number: int, row: Row) -> Scores | None:
    texts = {path: each.text for path, each in read_translation(ledger, number).items()}
    return score(translatable(job.opened.format, row), texts, job.target) if texts else None


def _verdict(
    job: TranslationJob, ledger: Ledger, numbered: tuple[int, Row], scores: Scores | None, median: float
) -> StoredVerdict:
    number, row = numbered
    if scores is None:
        reply = last_reply(ledger, number, TEXTS)
        reason, evidence = json.loads(reply.error) if reply and reply.error else ("no reply", "")
        failed = reply is None or reply.outcome != "ok"
        return StoredVerdict(number, "failed" if failed else "rejected", reason, "translation", evidence, row)
    texts = {path: each.text for path, each in read_translation(ledger, number).items()}
    answers = read_answers(ledger, number, job.asked)
    new = with_answers(row, texts, answers) if answers else with_texts(row, texts)
    new |= {"language": job.target, "translated_from": row["id"]}
    if answers and not new["answers"]["text"]:
        evidence = json.dumps(answers, ensure_ascii=False)
        return StoredVerdict(number, "rejected", answers[0]["reason"], "answer recovery", evidence, new)
    if wrong := fault(scores, median, job.options.thresholds):
        return StoredVerdict(number, "rejected", wrong[0], "translation quality", wrong[1], new)
    # A fault that the source has too is the source's: real rows are kept as they were released.
    if (broken := job.opened.format.check(new)) and not job.opened.format.check(row):
        return StoredVerdict(number, "rejected", broken, "format", "the source row is well-formed", new)
    return StoredVerdict(number, "kept", "", "", "", new)


def _estimated(job: TranslationJob, verdict: StoredVerdict, scores: dict[str, float]) -> StoredVerdict:
    """Return a kept row's verdict after its texts' scores by the estimator."""
    estimator = job.options.estimator
    bad = {path: score for path, score in scores.items() if estimator and not estimator.allows(score)}
    if verdict.verdict != "kept" or not bad:
        return verdict
    evidence = ", ".join(f"{path}: {score:g}" for path, score in bad.items())
    return replace(
        verdict, verdict="rejected", reason="estimated quality", stage="translation quality", evidence=evidence
    )


def _round_trip(job: TranslationJob, ledger: Ledger) -> dict[str, Any] | str:
    returned = {
        reply.slot: {path: each["text"] for path, each in json.loads(reply.text).items()}
        for reply in ledger.replies()
        if reply.step == RETURNED and reply.text
    }
    if not returned:
        return f"not done: {job.backend.ref} was not asked to translate {job.target} to {job.source}, or cannot"
    pairs = [
        (text, returned[number].get(path, ""))
        for number, row in rows_of(job.opened)
        if number in returned
        for path, text in translatable(job.opened.format, row).items()
    ]
    return {"rows": len(returned)} | round_trip(*map(list, zip(*pairs, strict=True)))


def _kept(ledger: Ledger) -> Iterator[Row]:
    return (item.row for item in ledger.verdicts("kept"))


def _rejections(ledger: Ledger) -> Iterator[Rejection]:
    for item in ledger.verdicts("rejected"):
        yield Rejection(item.row["id"], item.reason, item.stage, item.evidence, item.row)


def _attempts(ledger: Ledger) -> dict[str, int]:
    replies = ledger.replies()
    outcomes = Counter("bad" if each.outcome == "ok" and not each.text else each.outcome for each in replies)
    return {name: outcomes[name] for name in ("ok", "bad", "http", "timeout")}
