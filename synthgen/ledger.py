"""The ledger of a run: every slot, reply and verdict, in one SQLite file that survives `kill -9`.

Replies are what the money was spent on and are never changed. Verdicts follow from replies by parsing and filtering
and can be remade at any time without a model call. At most the replies since the last commit are lost by a crash.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import UserError

REPLIES_PER_COMMIT = 64

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slots (slot INTEGER PRIMARY KEY, cell TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS replies (
    seq INTEGER PRIMARY KEY, slot INTEGER NOT NULL, step INTEGER NOT NULL, request_key TEXT NOT NULL,
    outcome TEXT NOT NULL, text TEXT NOT NULL, error TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts (
    slot INTEGER PRIMARY KEY, verdict TEXT NOT NULL, reason TEXT NOT NULL, stage TEXT NOT NULL,
    evidence TEXT NOT NULL, row TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS replies_by_slot ON replies (slot);
"""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply as it came: which slot and step it answers, and the content address of its request."""

    slot: int
    step: int
    request_key: str
    outcome: str
    text: str
    error: str
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """The end of a slot: `kept`, `rejected` or `failed`, with reason, stage, evidence and the row."""

    slot: int
    verdict: str
    reason: str
    stage: str
    evidence: str
    row: dict[str, Any]


class Ledger:
    """An open ledger. Writes are batched; `commit` makes them durable."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; UserError when it is not a ledger."""
        self._db = sqlite3.connect(path, isolation_level=None)
        self._pending = 0
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise UserError(f"{path} is not a ledger: {error}") from None
        self._db.execute("BEGIN")

    def claim(self, settings: dict[str, Any], *, where: Path) -> None:
        """Record the run's settings, or check that the ledger is of a run with the same ones.

        Raises UserError naming each setting that differs.
        """
        stored = dict(self._db.execute("SELECT key, value FROM run"))
        wanted = {key: json.dumps(value, sort_keys=True, ensure_ascii=False) for key, value in settings.items()}
        if not stored:
            self._db.executemany("INSERT INTO run VALUES (?, ?)", sorted(wanted.items()))
            self.commit()
            return
        differing = [key for key in wanted if stored.get(key) != wanted[key]]
        if differing:
            changes = ", ".join(f"{key} is {stored.get(key)} there, {wanted[key]} here" for key in differing)
            raise UserError(f"{where} holds another run: {changes}; give another --out, or the same settings to resume")

    def add_slot(self, slot: int, cell: str) -> None:
        """Record that a slot was opened for a cell."""
        self._db.execute("INSERT INTO slots VALUES (?, ?)", (slot, cell))

    def add_reply(self, reply: StoredReply) -> None:
        """Record a reply."""
        values = (reply.slot, reply.step, reply.request_key, reply.outcome, reply.text, reply.error)
        tokens = (reply.prompt_tokens, reply.output_tokens)
        self._db.execute("INSERT INTO replies VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", values + tokens)

    def add_verdict(self, verdict: StoredVerdict) -> None:
        """Record the end of a slot; commits every 64 slots."""
        row = json.dumps(verdict.row, ensure_ascii=False)
        values = (verdict.slot, verdict.verdict, verdict.reason, verdict.stage, verdict.evidence, row)
        self._db.execute("INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", values)
        self._pending += 1
        if self._pending >= REPLIES_PER_COMMIT:
            self.commit()

    def commit(self) -> None:
        """Make everything recorded so far durable."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")
        self._pending = 0

    def close(self) -> None:
        """Commit and close."""
        self._db.execute("COMMIT")
        self._db.close()

    def forget_verdicts(self) -> None:
        """Drop all verdicts, so that the replies can be judged anew."""
        self._db.execute("DELETE FROM verdicts")

    def slots(self) -> dict[int, str]:
        """Return slot -> cell for every slot opened."""
        return dict(self._db.execute("SELECT slot, cell FROM slots ORDER BY slot"))

    def replies(self, slot: int | None = None) -> Iterator[StoredReply]:
        """Yield replies in the order they came, of one slot or of all."""
        where, values = ("", ()) if slot is None else ("WHERE slot = ?", (slot,))
        columns = "slot, step, request_key, outcome, text, error, prompt_tokens, output_tokens"
        cursor = self._db.execute(f"SELECT {columns} FROM replies {where} ORDER BY seq", values)
        for values in cursor:
            yield StoredReply(*values)

    def verdicts(self, verdict: str | None = None) -> Iterator[StoredVerdict]:
        """Yield verdicts by slot, all or of one kind."""
        where, values = ("", ()) if verdict is None else ("WHERE verdict = ?", (verdict,))
        for slot, kind, reason, stage, evidence, row in self._db.execute(
            f"SELECT slot, verdict, reason, stage, evidence, row FROM verdicts {where} ORDER BY slot", values
        ):
            yield StoredVerdict(slot, kind, reason, stage, evidence, json.loads(row))

    def token_totals(self) -> dict[str, int]:
        """Return the prompt and output tokens of all replies."""
        prompt, output = self._db.execute("SELECT TOTAL(prompt_tokens), TOTAL(output_tokens) FROM replies").fetchone()
        return {"prompt": int(prompt), "output": int(output)}
