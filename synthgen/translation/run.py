"""One set into one language: what is asked of the translator, and how a killed run goes on.

Translations go to the ledger as they come, so a row is never translated twice; the verdicts on them are made anew from
the ledger each time and cost no model call.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synthgen import console
from synthgen.dataset import LEDGER_NAME, Manifest, is_finished, make_run_folder, read_manifest
from synthgen.errors import IncompleteError, UserError
from synthgen.formats.base import Row
from synthgen.formats.span import SpanFormat
from synthgen.ledger import Ledger, StoredReply, unwritable
from synthgen.opened import OpenedSet
from synthgen.translation import folder
from synthgen.translation.alignment import Aligner
from synthgen.translation.base import Backend, Outcome, Untranslated
from synthgen.translation.estimator import Estimator
from synthgen.translation.memory import (
    ANSWERS,
    ASKED,
    ESTIMATES,
    RETURNED,
    TEXTS,
    digest,
    read_answers,
    read_translation,
    stored,
)
from synthgen.translation.quality import Thresholds, reads_as
from synthgen.translation.recovery import Recovery
from synthgen.translation.rows import check_format, source_fault, translatable
from synthgen.verifiers import SpanVerifier

ROWS_READ = 256
"""Rows looked at to see that the set is not in the target language already."""
ROWS_SORTED_TOGETHER = 4096
QUESTIONS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen besides languages and model.

    `round_trip` is the number of rows translated back, `aligner` an encoder that helps to find answers again, `qa` a
    checkpoint that answers the translated questions for the same end, `estimator` a command that scores translations.
    """

    round_trip: int = 200
    aligner: str | None = None
    qa: Path | None = None
    estimator: Estimator | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        """Refuse a number of rows that cannot be."""
        if self.round_trip < 0:
            raise UserError(f"--round-trip is {self.round_trip}; allowed is 0 or more")


@dataclass(frozen=True, slots=True)
class Job:
    """One set, one translator, one language, one folder to write."""

    opened: OpenedSet
    backend: Backend
    target: str
    out: Path
    options: Options
    aligner: Aligner | None = None
    answerer: SpanVerifier | None = None

    @property
    def source(self) -> str:
        """The language of the rows."""
        return self.opened.language

    @property
    def asked(self) -> str:
        """The key of the model that answers the questions again; empty without one."""
        return digest(self.answerer.facts()["revision"]) if self.answerer else ""

    def parent(self) -> dict[str, Any]:
        """Return what the manifest says of the source."""
        opened = self.opened
        facts = {"role": "translated", "name": opened.name, "task": opened.task, "origin": opened.origin}
        return facts | {"licence": opened.licence, "rows": opened.rows, "content_hash": opened.content_hash}

    def settings(self) -> dict[str, Any]:
        """Return what determines the translations; the ledger compares it before it goes on."""
        backend = self.backend
        model = {"mt": backend.ref, "revision": backend.revision, "backend": backend.name, "how": backend.settings}
        if self.aligner:
            model["aligner"] = f"{self.aligner.ref} {self.aligner.revision}"
        return model | {"source": self.opened.content_hash, "from": self.source, "to": self.target}


def check_job(job: Job) -> None:
    """Raise UserError when the set cannot be translated so, before anything is."""
    check_format(job.opened.format)
    ids = pa.chunked_array([chunk for table in job.opened.tables() for chunk in table["id"].chunks], pa.string())
    if repeated := len(ids) - pc.count_distinct(ids).as_py():
        raise UserError(f"{job.opened.name} repeats ids in {repeated} rows; a translation is paired with its row by id")
    if job.options.estimator:
        job.options.estimator.arguments()
    if job.source == job.target:
        raise UserError(f"{job.opened.name} is in '{job.target}' already; --to names languages to translate it into")
    job.backend.check(job.source, job.target)
    first = (row for row in next(job.opened.tables(ROWS_READ)).to_pylist())
    there, judged = reads_as([translatable(job.opened.format, row) for row in first], job.source, job.target)
    if there > judged / 2:
        raise UserError(
            f"{job.opened.name} says '{job.source}', but {there} of {judged} texts read as '{job.target}' already; "
            f"--to names languages to translate it into"
        )


def run_job(job: Job) -> Manifest:
    """Translate what is not yet translated, judge every row, write the folder and return its manifest."""
    started = time.monotonic()
    make_run_folder(job.out)
    ledger = Ledger(job.out / LEDGER_NAME)
    try:
        ledger.claim(job.settings(), where=job.out)
        if is_finished(job.out) and _is_as_asked(job, read_manifest(job.out)):
            return read_manifest(job.out)
        _translate_rows(job, ledger)
        if not any(reply.outcome == "ok" for reply in ledger.replies()):
            raise IncompleteError(
                f"{job.backend.ref} translated none of {job.opened.rows} rows; the same command tries again"
            )
        _ask_again(job, ledger)
        _translate_back(job, ledger)
        _estimate(job, ledger)
        return folder.write(job, ledger, seconds=time.monotonic() - started)
    except (sqlite3.OperationalError, OSError) as error:
        if (fault := unwritable(error)) is None:
            raise
        raise IncompleteError(f"{fault}. What is translated is kept in {job.out}; the same command goes on") from None
    finally:
        ledger.close()


def _is_as_asked(job: Job, manifest: Manifest) -> bool:
    """Say whether a finished folder lacks no row and was judged as it is to be judged now."""
    return manifest.failed == 0 and manifest.checks["translation"].get("asked") == judgement(job)


def judgement(job: Job) -> dict[str, Any]:
    """Return what decides about a translated row: it can change without a row being translated again."""
    options, estimator = job.options, job.options.estimator
    facts: dict[str, Any] = {"round_trip_rows": options.round_trip, **asdict(options.thresholds)}
    if job.answerer:
        facts["qa"] = job.answerer.facts()
    if estimator:
        facts["estimator"] = {"command": estimator.public_command, "least": estimator.least, "most": estimator.most}
    return facts


def _translate_rows(job: Job, ledger: Ledger) -> None:
    done = {reply.slot for reply in ledger.replies() if reply.step == TEXTS and reply.outcome == "ok"}
    with console.progress() as bar:
        shown = bar.add_task(f"translate to {job.target}", total=job.opened.rows, completed=len(done), note="")
        for batch in _batches(job, done):
            _translate_batch(job, ledger, batch)
            bar.advance(shown, len(batch))


def _batches(job: Job, done: set[int]) -> Iterator[list[tuple[int, Row]]]:
    """Yield the rows not yet done with their numbers, of similar length in each batch; equal passages come together.

    A passage is then translated once for all its questions, which are a batch or two: the backend asks a text once.
    Batches are those of a run that was never stopped: what else is in a batch can change a model's last bits.
    """
    first = 0
    for table in job.opened.tables(ROWS_SORTED_TOGETHER):
        rows = list(enumerate(table.to_pylist(), start=first))
        first += table.num_rows
        rows.sort(key=lambda pair: _longest(translatable(job.opened.format, pair[1])))
        for start in range(0, len(rows), job.backend.items_at_once):
            if batch := [pair for pair in rows[start : start + job.backend.items_at_once] if pair[0] not in done]:
                yield batch


def _longest(texts: dict[str, str]) -> tuple[int, str, int]:
    """Return an item's place in the order: its longest text's length, that text, the length of all."""
    longest = max(texts.values(), key=len, default="")
    return len(longest), longest, sum(map(len, texts.values()))


def _translate_batch(job: Job, ledger: Ledger, batch: Sequence[tuple[int, Row]]) -> None:
    """Translate some rows and make the translations durable."""
    texts = [translatable(job.opened.format, row) for _, row in batch]
    asked = [index for index, each in enumerate(texts) if each]
    items = [tuple(texts[index].values()) for index in asked]
    outcomes: dict[int, Outcome] = dict(
        zip(asked, job.backend.translate(items, job.source, job.target) if items else [], strict=True)
    )
    for index, (number, row) in enumerate(batch):
        outcome = outcomes.get(index) or Untranslated(source_fault(job.opened.format, row) or "nothing to translate")
        ledger.add_reply(stored(job.settings(), number, TEXTS, texts[index], outcome, job.backend.spent()))
    _find_answers(job, ledger, batch, {index: (texts[index], outcome) for index, outcome in outcomes.items()})
    ledger.commit()


def _find_answers(
    job: Job, ledger: Ledger, batch: Sequence[tuple[int, Row]], done: dict[int, tuple[dict[str, str], Outcome]]
) -> None:
    """Find the answers of translated passages again and keep what came of it beside the translation."""
    if not isinstance(job.opened.format, SpanFormat):
        return
    rows = [
        (batch[index], dict(zip(texts, outcome, strict=True)))
        for index, (texts, outcome) in done.items()
        if not isinstance(outcome, Untranslated) and batch[index][1]["answers"]["text"]
    ]
    found = Recovery(job.backend, job.aligner).recover([(row, new) for (_, row), new in rows], job.source, job.target)
    for ((number, _), _), answers in zip(rows, found, strict=True):
        ledger.add_reply(_answers_reply(job, number, ANSWERS, "", answers))


def _ask_again(job: Job, ledger: Ledger) -> None:
    """Have the questions answered in the translation, and keep what that changes beside what was found without it."""
    if job.answerer is None:
        return
    done = {reply.slot for reply in ledger.replies() if (reply.step, reply.request_key) == (ASKED, job.asked)}
    waiting = [(i, row) for i, row in rows_of(job.opened) if i not in done and read_answers(ledger, i)]
    recovery = Recovery(job.backend, job.aligner)
    with console.progress() as bar:
        shown = bar.add_task(f"ask again in {job.target}", total=len(waiting) + len(done), completed=len(done), note="")
        for start in range(0, len(waiting), QUESTIONS_AT_ONCE):
            batch = waiting[start : start + QUESTIONS_AT_ONCE]
            rows = [(row, read_translation(ledger, number), read_answers(ledger, number)) for number, row in batch]
            found = recovery.ask_again(rows, job.answerer, job.source, job.target)
            for (number, _), answers in zip(batch, found, strict=True):
                ledger.add_reply(_answers_reply(job, number, ASKED, job.asked, answers))
            ledger.commit()
            bar.advance(shown, len(batch))


def _answers_reply(job: Job, number: int, step: int, key: str, answers: list[dict[str, Any]]) -> StoredReply:
    text = json.dumps(answers, ensure_ascii=False)
    return StoredReply(number, step, key, "ok", text, "", *job.backend.spent())


def _translate_back(job: Job, ledger: Ledger) -> None:
    """Translate some rows back into the source language, evenly spread, for the round trip's chrF and BLEU."""
    try:
        job.backend.check(job.target, job.source)
    except UserError:
        return
    slots = sorted({reply.slot for reply in ledger.replies() if reply.step == TEXTS and reply.text})
    done = {reply.slot for reply in ledger.replies() if reply.step == RETURNED}
    most = min(job.options.round_trip, len(slots))
    wanted = [slots[i * len(slots) // most] for i in range(most)]
    waiting = [slot for slot in wanted if slot not in done]
    for start in range(0, len(waiting), job.backend.items_at_once):
        batch = waiting[start : start + job.backend.items_at_once]
        texts = [{path: each.text for path, each in read_translation(ledger, slot).items()} for slot in batch]
        outcomes = job.backend.translate([tuple(each.values()) for each in texts], job.target, job.source)
        for slot, asked, outcome in zip(batch, texts, outcomes, strict=True):
            ledger.add_reply(stored(job.settings(), slot, RETURNED, asked, outcome, job.backend.spent()))
        ledger.commit()


def _estimate(job: Job, ledger: Ledger) -> None:
    """Have every translated text scored that has no score by this command yet; the answers of a passage stand in it."""
    if not (estimator := job.options.estimator):
        return
    done = read_estimates(job, ledger)
    pairs: dict[str, tuple[str, str]] = {}
    for number, row in rows_of(job.opened):
        texts = translatable(job.opened.format, row)
        for path, new in read_translation(ledger, number).items():
            if not path.startswith("answers.") and path not in done.get(number, {}):
                pairs[f"{number}/{path}"] = (texts[path], new.text)
    if not pairs:
        return
    key = _estimator_key(estimator)
    try:
        for name, score in estimator.scores(pairs):
            slot, _, path = name.partition("/")
            text = json.dumps({path: score})
            ledger.add_reply(StoredReply(int(slot), ESTIMATES, key, "ok", text, "", 0, 0))
            ledger.commit_when_due()
    finally:
        ledger.commit()


def read_estimates(job: Job, ledger: Ledger) -> dict[int, dict[str, float]]:
    """Return the scores that the job's estimator gave: slot -> path -> score."""
    found: dict[int, dict[str, float]] = {}
    if job.options.estimator:
        key = _estimator_key(job.options.estimator)
        for reply in ledger.replies():
            if reply.step == ESTIMATES and reply.request_key == key:
                found.setdefault(reply.slot, {}).update(json.loads(reply.text))
    return found


def _estimator_key(estimator: Estimator) -> str:
    return digest(estimator.command)


def rows_of(opened: OpenedSet) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a set with their numbers."""
    yield from enumerate(row for table in opened.tables() for row in table.to_pylist())
