"""What a manifest says of the run that made a set: compared with the ledger, or named as not recomputed."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.manifest import Manifest
from synthgen.errors import UserError
from synthgen.publishing.verification import Findings

_BY = "the ledger gives"
_ALWAYS = ("asked", "rejected", "failed", "attempts", "seconds")
_WHERE_GIVEN: tuple[str, ...] = (
    "tokens",
    "label_counts",
    "seed",
    "licence",
    "model",
    "engine",
    "sampling",
    "parser_hash",
    "filters_hash",
)
_WHERE_GIVEN += ("parents", "versions", "hardware", "command")


def verify_ledger(folder: Path, manifest: Manifest, findings: Findings) -> None:
    """Compare the run's counts with the ledger; a set that was filtered has none of its own rows in it."""
    path = folder / "ledger.sqlite"
    if not path.is_file():
        return
    try:
        ledger = Ledger(path, read_only=True)
    except UserError as error:
        findings.faults.append(str(error))
        return
    try:
        _compare(ledger, manifest, findings)
    except (sqlite3.DatabaseError, ValueError, TypeError) as error:
        findings.faults.append(f"ledger.sqlite cannot be read: {error}")
    finally:
        ledger.close()


def _compare(ledger: Ledger, manifest: Manifest, findings: Findings) -> None:
    verdicts = ledger.verdict_counts()
    if not verdicts:
        return
    by_verdict: Counter[str] = Counter()
    for (_, verdict), count in verdicts.items():
        by_verdict[verdict] += count
    findings.compare("kept, by the ledger", manifest.kept, by_verdict["kept"], by=_BY)
    findings.compare("failed", manifest.failed, by_verdict["failed"], by=_BY)
    findings.compare("asked", manifest.asked, by_verdict.total(), by=_BY)
    if manifest.tokens:
        findings.compare("tokens", manifest.tokens, ledger.token_totals(), by=_BY)
    answered = {name: count for name, count in manifest.attempts.items() if name not in ("ok", "bad")}
    answered["ok or bad"] = manifest.attempts["ok"] + manifest.attempts["bad"]
    outcomes = _outcomes(ledger, is_generated=manifest.origin == "synthetic")
    findings.compare("attempts", answered, outcomes, by=_BY)
    if "acceptance" in manifest.statistics:
        found = _acceptance(verdicts)
        findings.compare("statistics, acceptance", manifest.statistics["acceptance"], found, by=_BY)


def _outcomes(ledger: Ledger, *, is_generated: bool) -> dict[str, int]:
    """Return replies by outcome, as far as it is known before they are parsed."""
    found = ledger.outcomes()
    return {"http": found["http"] + found["busy"] * is_generated, "timeout": found["timeout"], "ok or bad": found["ok"]}


def _acceptance(verdicts: Counter[tuple[str, str]]) -> dict[str, float]:
    ended: Counter[str] = Counter()
    for (cell, _), count in verdicts.items():
        ended[cell] += count
    return {cell: round(verdicts[cell, "kept"] / ended[cell], 4) for cell in ended if verdicts[cell, "kept"]}


def contradictions(manifest: Manifest) -> Iterator[str]:
    """Yield a line for each fact that the set's origin does not allow."""
    facts = {"model": manifest.model, "engine": manifest.engine, "prompt_text": manifest.prompt_text}
    if manifest.origin in ("real", "sample"):
        for name, value in facts.items():
            if value:
                yield f"{MANIFEST_NAME}: origin is {manifest.origin}, but a {name} is named: nothing generated is real"


def name_the_rest(manifest: Manifest, findings: Findings) -> None:
    """List every figure of the manifest that nothing here gave, by name."""
    named = {*findings.recomputed, *(line.split(":")[0] for line in findings.skipped)}
    figures: dict[str, Any] = {name: True for name in _ALWAYS}
    figures |= {name: getattr(manifest, name) for name in _WHERE_GIVEN}
    figures |= {f"statistics, {name}": True for name in manifest.statistics}
    figures |= {f"checks, {name}": True for name in manifest.checks}
    rest = [name for name, value in figures.items() if value and name not in named]
    if "attempts" in named:
        rest.append("attempts, ok apart from bad")
    findings.skipped += [f"{name}: nothing here gives it again" for name in rest]
