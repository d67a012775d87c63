"""A manifest's figures of the run that made a set: compared with the ledger, or named as not recomputed."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from synthgen.dataset.layout import LEDGER_NAME, MANIFEST_NAME
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.manifest import Manifest
from synthgen.errors import IncompleteError, UserError
from synthgen.publishing.verification import VerificationLog

_BY = "the ledger gives"
_ALWAYS = ("asked", "rejected", "failed", "attempts", "seconds")
_WHERE_GIVEN = (
    *("tokens", "label_counts", "seed", "licence", "model", "engine", "sampling", "parser_hash", "filters_hash"),
    *("ledger_hash", "cost", "parents", "versions", "hardware", "command"),
)


def verify_ledger(folder: Path, manifest: Manifest, log: VerificationLog) -> None:
    """Compare the run's counts with the ledger; a set that was filtered has none of its own rows in it."""
    path = folder / LEDGER_NAME
    if not path.is_file():
        _say_missing(folder, manifest, log)
        return
    try:
        with closing(Ledger(path, read_only=True)) as ledger:
            ledger.check()
            if manifest.ledger_hash:  # a set of an earlier version has none
                _compare_hash(ledger, manifest, log)
            _compare(ledger, manifest, log)
    except (UserError, IncompleteError) as error:
        log.faults.append(str(error))
    except (sqlite3.DatabaseError, ValueError, TypeError) as error:
        log.faults.append(f"{LEDGER_NAME} cannot be read: {error}")


def _say_missing(folder: Path, manifest: Manifest, log: VerificationLog) -> None:
    """Record a ledger that is not there: a fault beside rejected rows, which are published no more than it is."""
    if not manifest.ledger_hash:
        return
    if any(name.startswith("rejected/") and (folder / name).exists() for name in manifest.files):
        log.faults.append(f"{LEDGER_NAME} is missing: the set was written from it")
    else:
        log.skipped.append(f"{LEDGER_NAME}: it is not here, as in published sets; the set was written from it")


def _compare_hash(ledger: Ledger, manifest: Manifest, log: VerificationLog) -> None:
    log.recomputed.append("ledger_hash")
    if ledger.content_hash() != manifest.ledger_hash:
        log.faults.append(f"{LEDGER_NAME} is not the one that the set was written from: its rows differ")


def _compare(ledger: Ledger, manifest: Manifest, log: VerificationLog) -> None:
    verdicts = ledger.verdict_counts()
    if not verdicts:
        return
    by_cell, by_verdict = Counter[str](), Counter[str]()
    for (cell, verdict), count in verdicts.items():
        by_cell[cell] += count
        by_verdict[verdict] += count
    log.compare("kept, by the ledger", manifest.kept, by_verdict["kept"], by=_BY)
    log.compare("failed", manifest.failed, by_verdict["failed"], by=_BY)
    log.compare("asked", manifest.asked, by_verdict.total(), by=_BY)
    if manifest.tokens:
        log.compare("tokens", manifest.tokens, ledger.token_totals(), by=_BY)
    # The ledger has the outcome of a reply as far as it is known before it is parsed.
    answered = {name: count for name, count in manifest.attempts.items() if name not in ("ok", "bad")}
    answered["ok or bad"] = manifest.attempts["ok"] + manifest.attempts["bad"]
    counts = ledger.outcomes()
    http = counts["http"] + (counts["busy"] + counts["refused"] if manifest.origin == "synthetic" else 0)
    stored = {"http": http, "timeout": counts["timeout"], "ok or bad": counts["ok"]}
    log.compare("attempts", answered, stored, by=_BY)
    if "acceptance" in manifest.statistics:
        kept = {cell: verdicts[cell, "kept"] for cell in by_cell}
        acceptance = {cell: round(count / by_cell[cell], 4) for cell, count in kept.items() if count}
        log.compare("statistics, acceptance", manifest.statistics["acceptance"], acceptance, by=_BY)


def contradictions(manifest: Manifest) -> Iterator[str]:
    """Yield a line for each fact that the set's origin does not allow."""
    if manifest.origin in ("real", "sample"):
        for name in ("model", "engine", "prompt_text"):
            if getattr(manifest, name):
                yield f"{MANIFEST_NAME}: origin is {manifest.origin}, but a {name} is named: nothing generated is real"


def name_the_rest(manifest: Manifest, log: VerificationLog) -> None:
    """List every figure of the manifest that nothing here gave, by name."""
    named = {*log.recomputed, *(line.split(":")[0] for line in log.skipped)}
    figures = [*_ALWAYS, *(name for name in _WHERE_GIVEN if getattr(manifest, name))]
    figures += [f"{part}, {name}" for part in ("statistics", "checks") for name in getattr(manifest, part)]
    rest = [name for name in figures if name not in named]
    if "attempts" in named:
        rest.append("attempts, ok apart from bad")
    log.skipped += [f"{name}: nothing here gives it again" for name in rest]
