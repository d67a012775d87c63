"""Serving a run: the engine is fed from the controller, replies are taken as they come, and one sees how it goes.

Shown live: rows kept a second, tokens a second, acceptance of each label, time left. Printed once, after the first 200
rows: what the whole run will take. Neighbours: `controller` decides what to ask, `generate` starts and ends runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from synthgen import console
from synthgen.engines import Engine, Reply, Request
from synthgen.errors import IncompleteError
from synthgen.generation.controller import Controller
from synthgen.models.packs import ResolvedModel

ROWS_BEFORE_PROJECTION = 200
SECONDS_BETWEEN_UPDATES = 0.2
PLACEHOLDER = "A sentence that stands for one that is not written yet."


@dataclass(slots=True)
class Usage:
    """What was spent since the run was started: rows kept, tokens, seconds; and what a number of rows will take."""

    kept: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    began: float = field(default_factory=time.monotonic)

    def add(self, reply: Reply) -> None:
        """Count the tokens of a reply."""
        self.prompt_tokens += reply.prompt_tokens
        self.output_tokens += reply.output_tokens

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return max(time.monotonic() - self.began, 1e-9)

    def projected(self, rows: int) -> str:
        """Return the tokens and hours that this many rows take at the cost of those kept so far."""
        if not self.kept:
            return "no row was kept, so what the run will take cannot be said"
        share = rows / self.kept
        tokens = f"{_short(self.prompt_tokens * share)} prompt and {_short(self.output_tokens * share)} output tokens"
        return f"{rows:,} rows will take about {tokens} and {_duration(self.seconds * share)}"


def check_requests(controller: Controller, engine: Engine) -> None:
    """Let the engine refuse, before the first request, what it can never serve; UserError says what."""
    for label in controller.tallies:
        texts: dict[str, str] = {}
        for number, step in enumerate(controller.task.steps_of(label)):
            engine.check(controller.script.request(controller.script.imagined(label, number, texts)))
            texts |= dict.fromkeys(step.fields, PLACEHOLDER)


def answered(controller: Controller, engine: Engine, *, budget: int) -> Iterator[tuple[Reply, Request]]:
    """Feed the engine from the controller until its request budget is spent; yield replies with their requests."""
    in_flight: dict[tuple[int, int], Request] = {}

    def next_request() -> Request | None:
        request = controller.next_request() if controller.requests < budget else None
        if request is not None:
            in_flight[request.tag] = request
        return request

    for reply in engine.run(next_request):
        yield reply, in_flight.pop(reply.tag)


def serve(controller: Controller, engine: Engine, model: ResolvedModel, *, budget: int, rows: int) -> None:
    """Feed the engine from the controller until the quotas are full or the request budget is spent.

    Raises IncompleteError when the server is gone or too many requests fail.
    """
    before, spent, shown_at = controller.kept, Usage(), 0.0
    with console.progress() as bar:
        shown = bar.add_task(f"make {controller.task.name}", total=rows, completed=before, note="")
        for reply, request in answered(controller, engine, budget=budget):
            _take(controller, reply, request, model)
            spent.add(reply)
            if (now := time.monotonic()) - shown_at > SECONDS_BETWEEN_UPDATES:
                shown_at, last, spent.kept = now, spent.kept, controller.kept - before
                bar.update(shown, completed=controller.kept, note=_note(controller, spent))
                if last < ROWS_BEFORE_PROJECTION <= spent.kept and controller.kept < rows:
                    console.stderr.print(spent.projected(rows - before), highlight=False)
        controller.judge_written()
        bar.update(shown, completed=controller.kept)
    if controller.is_full:
        controller.close_open_slots()


def _take(controller: Controller, reply: Reply, request: Request, model: ResolvedModel) -> None:
    controller.take(reply, request, request.key(model.ref, model.revision))
    if controller.requests_failing:
        failed = sum(tally.failed for tally in controller.tallies.values())
        raise IncompleteError(f"too many requests fail: {failed} slots failed, the last with: {reply.error}")


def _note(controller: Controller, spent: Usage) -> str:
    accepted = " ".join(f"{cell} {tally.acceptance:.0%}" for cell, tally in controller.tallies.items())
    rates = f"{spent.kept / spent.seconds:.1f} kept/s, {spent.output_tokens / spent.seconds:.0f} tokens/s"
    return f"{rates}, accepted: {accepted}"


def _short(number: float) -> str:
    """Return a number in three figures.

    >>> _short(999), _short(12_345), _short(3_927_020)
    ('999', '12.3k', '3.93M')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def _duration(seconds: float) -> str:
    """Return a time in its largest unit.

    >>> _duration(42), _duration(600), _duration(90_000)
    ('42 s', '10 minutes', '25.0 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
