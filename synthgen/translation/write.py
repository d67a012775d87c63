"""Verdicts on the translated rows, and the dataset folder of those that stay."""

import json
import statistics as stats
from collections import Counter
from collections.abc import Iterator
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
from synthgen.errors import IncompleteError, excerpt
from synthgen.formats.base import Row
from synthgen.runtime.provenance import command_line, hardware, public_name
from synthgen.translation import records
from synthgen.translation.answers.candidates import agree
from synthgen.translation.quality import Fault, Scores, estimate_facts, fault, round_trip, score, summary
from synthgen.translation.records import TranslationJob, read_answers, read_translation
from synthgen.translation.rows import translatable, with_answers, with_texts


def write(job: TranslationJob, ledger: Ledger, *, seconds: float) -> Manifest:
    """Check every row from the ledger, write rows, rejections, card and manifest, and return the manifest."""
    checks = _check(job, ledger)
    _refuse_none_kept(job, ledger)
    (job.out / MANIFEST_NAME).unlink(missing_ok=True)  # not finished while its rows are half written
    files = write_rows(job.out, _kept(ledger), row_features(job.format, translated=True))
    rejected = ledger.verdicts("rejected")
    rejections = (Rejection(each.row["id"], each.reason, each.stage, each.evidence, each.row) for each in rejected)
    files |= write_rejected(job.out, rejections)
    verdicts = Counter(item.verdict for item in ledger.verdicts())
    tokens = ledger.token_totals()
    manifest = Manifest(
        task=job.dataset.task,
        format=job.format.name,
        columns=job.format.columns,
        labels=job.format.labels,
        origin="translated",
        language=job.target,
        definitions=dict(job.dataset.definitions),
        n=verdicts["kept"],
        asked=job.dataset.rows,
        kept=verdicts["kept"],
        failed=verdicts["failed"],
        rejected=dict(Counter(item.reason for item in ledger.verdicts("rejected")).most_common()),
        label_counts=_label_counts(job, ledger),
        seed=job.dataset.manifest.seed if job.dataset.manifest else 0,
        files=files,
        attempts=_attempts(ledger),
        ledger_hash=ledger.content_hash(),
        tokens=tokens if any(tokens.values()) else {},
        cost=prices.facts(tokens["prompt"], tokens["output"]) if (prices := job.backend.budget.prices) else {},
        seconds=round(seconds, 1),
        hardware=hardware(),
        statistics=describe(job.format, _kept(ledger)) if verdicts["kept"] else {},
        checks={"translation": checks},
        command=command_line(),
        **_provenance(job),
    )
    write_card(job.out, manifest)
    return finish(job.out, manifest)


def _refuse_none_kept(job: TranslationJob, ledger: Ledger) -> None:
    """Raise IncompleteError with the reasons and an example when no row is kept."""
    if next(ledger.verdicts("kept"), None) is not None:
        return
    reasons = Counter(item.reason for item in ledger.verdicts()).most_common(3)
    example = next((item.evidence for item in ledger.verdicts() if item.reason == reasons[0][0]), "")
    counts = ", ".join(f"{reason} ({count})" for reason, count in reasons)
    shown = f", such as '{excerpt(example)}'" if example else ""
    fault = f"none of {job.dataset.rows} rows that {job.backend.ref} translated can be kept: {counts}{shown}"
    raise IncompleteError(fault, "no set is written")


def _provenance(job: TranslationJob) -> dict[str, Any]:
    """Return the fields of the manifest that say from what and by which models the rows were made."""
    backend, parent, earlier = job.backend, job.dataset.parent("translated"), job.dataset.manifest
    readers = ({"role": "verifier", **job.answerer.metadata()},) if job.answerer else ()
    sources = [
        LicensedSource("translated", parent["name"], parent["licence"]),
        LicensedSource("translator", public_name(backend.ref), backend.licence),
    ]
    model = {"revision": backend.revision, "licence": backend.licence, "note": backend.note}
    return {
        "licence": derive([*sources, *parts_of(None, readers)]),
        "model": {"ref": public_name(backend.ref), **model},
        "engine": backend.name,
        "sampling": dict(backend.settings),
        "parents": (*(earlier.parents if earlier else ()), parent, *readers),
        "versions": {"synthgen-evaluator": __version__, **backend.versions},
    }


def _check(job: TranslationJob, ledger: Ledger) -> dict[str, Any]:
    """Make the verdicts anew and return what the manifest says of the translation."""
    scores: dict[int, Scores | None] = {}
    for number, row in job.rows():
        texts = {path: each.text for path, each in read_translation(ledger, number).items()}
        scores[number] = score(translatable(job.format, row), texts, job.target) if texts else None
    translated = [each for each in scores.values() if each]
    median = stats.median(each.length_ratio for each in translated) if translated else 1.0
    estimates = records.read_estimates(ledger, job.estimator_key)
    ledger.clear_verdicts({})
    for number, row in job.rows():
        own = scores[number]
        quality_fault = fault(own, median) if own else None
        ledger.add_verdict(_verdict(job, ledger, (number, row), quality_fault, estimates.get(number, {})))
    ledger.commit()
    kept = sum(1 for _ in ledger.verdicts("kept"))
    facts = {"from": job.source, "to": job.target, "translated": len(translated), "of": len(scores)}
    facts |= {"survival": round(kept / len(scores), 4), "before_filtering": summary(translated)}
    facts |= {"asked": job.criteria()}
    if estimates:
        facts["estimated"] = estimate_facts([score for texts in estimates.values() for score in texts.values()])
    if answers := [each for number in scores for each in read_answers(ledger, number, job.answerer_key)]:
        facts["answers"] = _answers(answers)
    return facts | {"round_trip": _round_trip(job, ledger)}


def _answers(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how many answers were projected, by which ways, why the others were not, and how far ways agree."""
    projected = [each for each in answers if "text" in each]
    ways_together = Counter(" + ".join(sorted(each["ways"])) for each in projected)
    return {
        "recovered": len(projected),
        "of": len(answers),
        "share": round(len(projected) / len(answers), 4),
        "believed_because": dict(ways_together.most_common()),
        "candidates_by_way": dict(Counter(way for each in answers for way in each["candidates"]).most_common()),
        "believed_by_way": dict(Counter(way for each in projected for way in each["ways"]).most_common()),
        "agreement": _agreement([each["candidates"] for each in answers]),
        "not_recovered": dict(Counter(each["reason"] for each in answers if "reason" in each)),
    }


def _agreement(candidates: list[dict[str, Any]]) -> dict[str, float]:
    """Return for each two ways how often they agree, of the answers for which both have a candidate."""
    same: dict[str, list[bool]] = {}
    for each in candidates:
        for one, other in combinations(sorted(each), 2):
            same.setdefault(f"{one} and {other}", []).append(agree(each[one], each[other]))
    return {pair: round(stats.fmean(each), 4) for pair, each in sorted(same.items())}


def _verdict(
    job: TranslationJob,
    ledger: Ledger,
    numbered: tuple[int, Row],
    quality_fault: Fault | None,
    estimates: dict[str, float],
) -> StoredVerdict:
    """Return the verdict on a row: by its translation, its answers, its scores, its format and its `estimates`."""
    number, row = numbered
    texts = {path: each.text for path, each in read_translation(ledger, number).items()}
    if not texts:
        reply = records.last_reply(ledger, number, records.TEXTS)
        reason, evidence = json.loads(reply.error) if reply and reply.error else ("no reply", "")
        failed = reply is None or reply.outcome != "ok"
        return StoredVerdict(number, "failed" if failed else "rejected", reason, "translation", evidence, row)
    answers = read_answers(ledger, number, job.answerer_key)
    new = with_answers(row, texts, answers) if answers else with_texts(row, texts)
    new |= {"language": job.target, "translated_from": row["id"]}
    if answers and not new["answers"]["text"]:
        evidence = json.dumps(answers, ensure_ascii=False)
        return StoredVerdict(number, "rejected", answers[0]["reason"], "answer recovery", evidence, new)
    if quality_fault:
        reason, evidence = quality_fault
        return StoredVerdict(number, "rejected", reason, "translation quality", evidence, new)
    # A fault that the source has too is the source's: real rows are kept as they were released.
    broken = job.format.check(new)
    if broken and not job.format.check(row):
        return StoredVerdict(number, "rejected", broken, "format", "the source row is well-formed", new)
    estimator = job.estimator
    bad = [f"{path}: {value:g}" for path, value in estimates.items() if estimator and not estimator.allows(value)]
    if bad:
        return StoredVerdict(number, "rejected", "estimated quality", "translation quality", ", ".join(bad), new)
    return StoredVerdict(number, "kept", "", "", "", new)


def _round_trip(job: TranslationJob, ledger: Ledger) -> dict[str, Any] | str:
    returned = {
        reply.slot: {path: each["text"] for path, each in json.loads(reply.text).items()}
        for reply in ledger.replies()
        if reply.step == records.RETURNED and reply.text
    }
    if not returned:
        backend = public_name(job.backend.ref)
        return f"not done: {backend} was not asked to translate {job.target} to {job.source}, or cannot"
    pairs = [
        (text, returned[number].get(path, ""))
        for number, row in job.rows()
        if number in returned
        for path, text in translatable(job.format, row).items()
    ]
    return {"rows": len(returned)} | round_trip(*map(list, zip(*pairs, strict=True)))


def _label_counts(job: TranslationJob, ledger: Ledger) -> dict[str, int]:
    counts = Counter(job.format.cell(row) for row in _kept(ledger))
    return {cell: counts[cell] for cell in dict.fromkeys([*job.format.labels, *counts]) if counts[cell]}


def _kept(ledger: Ledger) -> Iterator[Row]:
    return (item.row for item in ledger.verdicts("kept"))


def _attempts(ledger: Ledger) -> dict[str, int]:
    replies = ledger.replies()
    outcomes = Counter("bad" if each.outcome == "ok" and not each.text else each.outcome for each in replies)
    return {name: outcomes[name] for name in ("ok", "bad", "http", "timeout")}
