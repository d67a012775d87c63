"""The ledger of a run: every slot, reply and verdict, in one SQLite file that survives `kill -9`.

Replies are what the money was spent on and are never changed. Each is stored under the key of its request (model,
revision, sampling, schema, prompt), so that it is used only for the very same request. Verdicts follow from replies by
parsing and filtering; the versions of parser and filters that gave them are stored beside them, and they can be remade
at any time without a model call. At most the replies since the last commit are lost by a crash. One process writes at a
time: it holds SQLite's write lock from opening to closing, which a killed process gives up. Others can read meanwhile.
"""

import hashlib
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from synthgen.dataset.ledger_connection import connect, damaged
from synthgen.dataset.prompt_packer import PromptPacker
from synthgen.errors import IncompleteError, UserError

REPLIES_PER_COMMIT = 64
SECONDS_PER_COMMIT = 2.0
"""A slow model's replies are worth more than a commit: none waits longer than this for the next one to come."""
ROWS_TOGETHER = 512
"""Of all tables, that are inserted at once at the latest."""
SCHEMA_VERSION = 2

_TABLES = Path(__file__).with_name("ledger.sql")


@dataclass(frozen=True)  # without slots, which would take three times as long from one process to another
class StoredReply:
    """A reply as it came: which slot and step it answers, the content address of its request, and the prompt.

    What the model thought before it stands apart, with its share of the output tokens. The prompt is there when the
    replies of one slot are read: a retried request has it once, empty after.
    """

    slot: int
    step: int
    request_key: str
    outcome: str
    text: str
    error: str
    prompt_tokens: int
    output_tokens: int
    prompt: str = ""
    reasoning: str = ""
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """The end of a slot: `kept`, `rejected` or `failed`, with reason, stage, evidence and the row."""

    slot: int
    verdict: str
    reason: str
    stage: str
    evidence: str
    row: dict[str, Any]


_values_of = attrgetter(*(each.name for each in fields(StoredReply)[:8]))
_facts_of = attrgetter(*(each.name for each in fields(StoredVerdict) if each.name != "row"))


class Ledger:
    """An open ledger. Writes are batched; `commit` makes them durable, and any reading sees them.

    `packer` compresses the prompts that `add_reply` stores.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create the file; UserError if it is no ledger, IncompleteError if another process is writing it."""
        self._db = connect(path, read_only=read_only)
        self._uncommitted, self._committed_at = 0, time.monotonic()
        self._new: dict[str, list[tuple[Any, ...]]] = {}
        try:
            query = "SELECT user_version, (SELECT COUNT(*) FROM sqlite_master) FROM pragma_user_version"
            version, tables = self._db.execute(query).fetchone()
            if tables and version != SCHEMA_VERSION:
                versions = f"{version}, here {SCHEMA_VERSION}"
                raise UserError(f"{path} is of another version of synthgen ({versions}); give another --out")
            if read_only:
                self._db.execute("PRAGMA query_only=ON")
            else:
                self._prepare()
            prompts = self._db.execute("SELECT value FROM run WHERE key = ?", (_PROMPTS,)).fetchone()
            query = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'reasoning'"
            self._has_reasoning = bool(self._db.execute(query).fetchone()[0])  # an earlier ledger has none
            query = "SELECT COALESCE(MAX(seq), 0) FROM replies"
            self._last_reply = 0 if read_only else int(self._db.execute(query).fetchone()[0])
        except BaseException:
            self._db.close()
            raise
        self.packer = PromptPacker(prompts[0] if prompts else "")

    def _prepare(self) -> None:
        """Take the write lock and make the tables that are not there."""
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.read_text(encoding="utf-8").split(";"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self.commit()

    def claim(self, settings: dict[str, Any], *, where: Path, prompt_text: str = "") -> None:
        """Record the run's settings, or check that the ledger is of a run with the same ones.

        `prompt_text` is the prompt file, against which prompts are compressed. Raises UserError naming each setting
        that differs.
        """
        stored = dict(self._db.execute("SELECT key, value FROM run"))
        new = {key: json.dumps(value, sort_keys=True, ensure_ascii=False) for key, value in settings.items()}
        if not stored:
            self.packer = PromptPacker(prompt_text)
            self._db.executemany("INSERT INTO run VALUES (?, ?)", sorted({**new, _PROMPTS: prompt_text}.items()))
            self.commit()
            return
        settings_then = [key for key in stored if key != _PROMPTS and ": " not in key]  # versions have one
        if differing := [key for key in dict.fromkeys([*new, *settings_then]) if stored.get(key) != new.get(key)]:
            changes = ", ".join(
                f"{key} is {stored.get(key)} there, {new.get(key)} in this command" for key in differing
            )
            raise UserError(
                f"{where} contains another run: {changes}; give another --out, or the same settings to resume"
            )

    def settings(self) -> dict[str, Any]:
        """Return the settings that the run was claimed with."""
        query = "SELECT key, value FROM run WHERE key NOT LIKE 'version: %' AND key NOT LIKE 'engine: %'"
        stored = self._db.execute(query)
        return {key: self._value(value) for key, value in stored if key != _PROMPTS}

    def add_slot(self, slot: int, cell: str) -> None:
        """Record that a slot was opened for a cell."""
        self._add("slots", (slot, cell))

    def add_reply(self, reply: StoredReply, prompt: bytes = b"") -> None:
        """Record a reply with its prompt, as `packer` gives it."""
        self._last_reply += 1
        self._add("replies", (self._last_reply, *_values_of(reply), prompt))
        if reply.reasoning or reply.reasoning_tokens:
            self._add("reasoning", (self._last_reply, reply.reasoning, reply.reasoning_tokens))
        self._uncommitted += 1

    def add_verdict(self, verdict: StoredVerdict) -> None:
        """Record the end of a slot."""
        self._add("verdicts", (*_facts_of(verdict), json.dumps(verdict.row, ensure_ascii=False)))

    def _add(self, table: str, row: tuple[Any, ...]) -> None:
        """Insert a row, with others."""
        rows = self._new.setdefault(table, [])
        rows.append(row)
        if len(rows) >= ROWS_TOGETHER:
            self._insert()

    def _insert(self) -> None:
        """Insert the rows that wait for it."""
        new, self._new = self._new, {}
        for table, rows in new.items():
            self._db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    def _execute(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Carry out a statement on all that was added."""
        self._insert()
        return self._db.execute(query, values)

    def commit_when_due(self) -> None:
        """Commit after 64 replies, or two seconds; called between replies, so that a reply's verdict goes with it."""
        if self._uncommitted >= REPLIES_PER_COMMIT or time.monotonic() - self._committed_at > SECONDS_PER_COMMIT:
            self.commit()

    def commit(self) -> None:
        """Make everything recorded so far durable."""
        self._insert()
        self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")
        self._uncommitted, self._committed_at = 0, time.monotonic()

    def close(self) -> None:
        """Commit and close; when that fails (a full disk), what was committed before stands."""
        try:
            if self._db.in_transaction:
                self._execute("COMMIT")
        except IncompleteError:
            with suppress(sqlite3.OperationalError):
                self._db.rollback()
        self._db.close()

    def clear_verdicts(self, versions: Mapping[str, str]) -> None:
        """Drop all verdicts: the replies are to be checked again by a parser and filters of these versions."""
        self._execute("DELETE FROM verdicts")
        if self.verdict_versions() != dict(versions):
            self._execute("DELETE FROM taken_back")
        values = [(_VERSION + name, version) for name, version in versions.items()]
        self._db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", values)

    def revoke(self, slot: int, reason: str, stage: str, evidence: str) -> None:
        """Turn a kept slot into a rejected one because of the set it is in, which no later check of it alone sees."""
        self._execute("INSERT INTO taken_back VALUES (?, ?, ?, ?)", (slot, reason, stage, evidence))
        change = "UPDATE verdicts SET verdict = 'rejected', reason = ?, stage = ?, evidence = ? WHERE slot = ?"
        self._execute(change, (reason, stage, evidence, slot))

    def revoked(self) -> Iterator[tuple[int, tuple[str, str, str]]]:
        """Yield slot and reason, stage and evidence of every row that the present filters have revoked."""
        for slot, reason, stage, evidence in self._execute("SELECT slot, reason, stage, evidence FROM taken_back"):
            yield slot, (reason, stage, evidence)

    def verdict_versions(self) -> dict[str, str]:
        """Return the versions of the parser and the filters that gave the verdicts; empty before the first."""
        stored = self._execute("SELECT key, value FROM run WHERE key LIKE 'version: %'")
        return {key.removeprefix(_VERSION): value for key, value in stored}

    def add_engine(self, versions: Mapping[str, str]) -> None:
        """Record the versions of an engine that replies: a run that goes on may need none any more."""
        values = [(_ENGINE + name, version) for name, version in versions.items()]
        self._db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", values)

    def engine_versions(self) -> dict[str, str]:
        """Return the versions of the engines that have replied."""
        stored = self._execute("SELECT key, value FROM run WHERE key LIKE 'engine: %'")
        return {key.removeprefix(_ENGINE): value for key, value in stored}

    def slots(self) -> Iterator[tuple[int, str]]:
        """Yield slot and cell of every slot opened, in order."""
        for slot, cell in self._execute("SELECT slot, cell FROM slots ORDER BY slot"):
            yield int(slot), str(cell)  # `yield from` would close the cursor, perhaps after the database

    def cell(self, slot: int) -> str:
        """Return the cell of one slot."""
        return str(self._execute("SELECT cell FROM slots WHERE slot = ?", (slot,)).fetchone()[0])

    def replies(self, slot: int | None = None) -> Iterator[StoredReply]:
        """Yield replies in the order they came: of one slot with their prompts, or of all without."""
        where, values = ("", ()) if slot is None else ("WHERE slot = ?", (slot,))
        prompt = "prompt" if slot is not None else "x''"
        columns = f"slot, step, request_key, outcome, replies.text, error, prompt_tokens, output_tokens, {prompt}"
        reasoning, join = "'', 0", ""
        if self._has_reasoning:
            reasoning, join = "COALESCE(reasoning.text, ''), COALESCE(tokens, 0)", "LEFT JOIN reasoning USING (seq)"
        query = f"SELECT {columns}, {reasoning} FROM replies {join} {where} ORDER BY seq"
        for stored in self._execute(query, values):
            yield StoredReply(*(*stored[:8], self._unpacked(stored[8]), *stored[9:]))

    def add_job(self, name: str) -> None:
        """Record that a job of this name is about to be sent to a server."""
        self._db.execute("INSERT INTO jobs VALUES (NULL, ?, '', 0)", (name,))

    def name_job(self, name: str, job: str) -> None:
        """Record the id that the server gave a job."""
        self._db.execute("UPDATE jobs SET id = ? WHERE name = ?", (job, name))

    def end_job(self, name: str) -> None:
        """Record that nothing of a job is needed any more."""
        self._db.execute("UPDATE jobs SET ended = 1 WHERE name = ?", (name,))

    def open_jobs(self) -> list[tuple[str, str]]:
        """Return name and id of the jobs that have not ended, the id empty where none came back."""
        return list(self._db.execute("SELECT name, id FROM jobs WHERE NOT ended ORDER BY seq"))

    def failed_keys(self) -> list[str]:
        """Return the request key of every reply that is a failure."""
        return [key for (key,) in self._execute("SELECT request_key FROM replies WHERE outcome != 'ok'")]

    def judge_reply(self, request_key: str) -> tuple[str, int, int] | None:
        """Return a judge's stored reply, its text and its prompt and output tokens; None when it was never asked."""
        query = "SELECT text, prompt_tokens, output_tokens FROM judged WHERE request_key = ?"
        row = self._db.execute(query, (request_key,)).fetchone()
        return None if row is None else (str(row[0]), int(row[1]), int(row[2]))

    def add_judge_reply(self, request_key: str, text: str, prompt_tokens: int, output_tokens: int) -> None:
        """Record a judge's reply under its request: about the same texts the same judge is never asked again."""
        values = (request_key, text, prompt_tokens, output_tokens)
        self._db.execute("INSERT OR REPLACE INTO judged VALUES (?, ?, ?, ?)", values)
        self._uncommitted += 1

    def judge_totals(self) -> tuple[int, int, int]:
        """Return the prompt and output tokens of all that a judge was asked, and their number."""
        query = "SELECT TOTAL(prompt_tokens), TOTAL(output_tokens), COUNT(*) FROM judged"
        prompt, output, count = self._db.execute(query).fetchone()
        return int(prompt), int(output), int(count)

    def clear_judge_replies(self) -> None:
        """Forget what a judge was asked, once something is made of it."""
        self._db.execute("DELETE FROM judged")

    def verdict(self, slot: int) -> StoredVerdict | None:
        """Return the verdict of one slot, None while it is open."""
        return next(self._verdicts("WHERE slot = ?", slot), None)

    def verdicts(self, verdict: str | None = None) -> Iterator[StoredVerdict]:
        """Yield verdicts by slot, all or of one kind."""
        return self._verdicts() if verdict is None else self._verdicts("WHERE verdict = ?", verdict)

    def _verdicts(self, where: str = "", *values: int | str) -> Iterator[StoredVerdict]:
        for stored in self._execute(f"SELECT * FROM verdicts {where} ORDER BY slot", values):
            yield StoredVerdict(*(*stored[:-1], self._value(stored[-1])))

    def verdict_counts(self) -> Counter[tuple[str, str]]:
        """Return how many slots of each cell ended with each verdict, by (cell, verdict)."""
        joined = "verdicts LEFT JOIN slots USING (slot) GROUP BY 1, 2"
        rows = self._execute(f"SELECT COALESCE(cell, ''), verdict, COUNT(*) FROM {joined}")
        return Counter({(cell, verdict): count for cell, verdict, count in rows})

    def outcomes(self) -> Counter[str]:
        """Return the number of replies by outcome."""
        return Counter(dict(self._execute("SELECT outcome, COUNT(*) FROM replies GROUP BY 1")))

    def token_totals(self) -> dict[str, int]:
        """Return the prompt and output tokens of all replies, and those of the output that were thought, if any."""
        prompt, output = self._execute("SELECT TOTAL(prompt_tokens), TOTAL(output_tokens) FROM replies").fetchone()
        query = "SELECT TOTAL(tokens) FROM reasoning"
        reasoning = int(self._execute(query).fetchone()[0]) if self._has_reasoning else 0
        return {"prompt": int(prompt), "output": int(output)} | ({"reasoning": reasoning} if reasoning else {})

    def content_hash(self) -> str:
        """Return the SHA-256 of every row that was recorded, whatever place in the file it has; jobs are not facts."""
        digest = hashlib.sha256()
        for table, key in _FACTS.items():
            if table != "reasoning" or self._has_reasoning:
                for row in self._execute(f"SELECT * FROM {table} ORDER BY {key}"):
                    digest.update(repr(row).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def check(self) -> None:
        """Raise UserError when SQLite finds a page of the file damaged."""
        if (message := str(self._execute("PRAGMA quick_check(1)").fetchone()[0])) != "ok":
            raise damaged(self._db.path, message)

    def _value(self, text: str) -> Any:  # noqa: ANN401 - any JSON value
        try:
            return json.loads(text)
        except (ValueError, TypeError) as error:
            raise damaged(self._db.path, str(error)) from None

    def _unpacked(self, prompt: bytes) -> str:
        try:
            return self.packer.unpack(prompt)
        except ValueError as error:
            raise damaged(self._db.path, f"a prompt cannot be read, {error}") from None


_PROMPTS = "prompt_text"
_FACTS = {"run": "key", "slots": "slot", "replies": "seq", "reasoning": "seq", "judged": "request_key"}
_FACTS |= {"verdicts": "slot", "taken_back": "slot"}
_VERSION, _ENGINE = "version: ", "engine: "


def storable(text: str) -> str:
    """Return a reply as it can be written: half a character, which a server may send, as the sign for a broken one."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
