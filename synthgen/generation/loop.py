"""The request loop: the controller's requests go to the engine, replies come back, and progress is shown.

Before it begins, the requests are checked; after the first 200 rows the cost of the whole run is projected.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from synthgen import console
from synthgen.engines import Engine
from synthgen.engines.base import completion_prompt
from synthgen.engines.budget import Budget
from synthgen.errors import IncompleteError, UserError
from synthgen.generation.controller import Controller
from synthgen.generation.prompt_chain import PromptChain
from synthgen.generation.slot_work import SlotReply
from synthgen.generation.slots import Slot
from synthgen.runtime.files import format_count, format_duration
from synthgen.text.json_text import read_json_object

ROWS_BEFORE_PROJECTION = 200
SECONDS_BETWEEN_UPDATES = 0.2
NO_REPLY = "no reply yet"
PLACEHOLDER = "A sentence that stands for one that is not written yet."


@dataclass(slots=True)
class Usage:
    """Rows kept, tokens and seconds since the start of this process, the tokens as the run's `budget` counts them."""

    budget: Budget
    kept: int = 0
    start: float = field(default_factory=time.monotonic)
    _before: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._before = self.budget.tokens

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens of prompts and of replies."""
        (prompt, output), (prompt_before, output_before) = self.budget.tokens, self._before
        return prompt - prompt_before, output - output_before

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return max(time.monotonic() - self.start, 1e-9)

    def projection(self, rows: int) -> str:
        """Return the tokens and hours that this many rows take at the cost of those kept so far."""
        if not self.kept:
            return "no row was kept, so time and tokens of the whole run cannot be estimated"
        share = rows / self.kept
        counts = (format_count(round(each * share)) for each in self.tokens)
        tokens = "{} prompt and {} output tokens".format(*counts)
        prices = self.budget.prices
        money = f", cost about {share * prices.cost(*self.tokens):,.2f}" if prices else ""
        return f"{rows:,} rows will take about {tokens} and {format_duration(self.seconds * share)}{money}"


def check_context_length(chain: PromptChain, model: Path, served: int = -1) -> None:
    """Raise UserError when a prompt and its reply cannot fit, earlier texts taken at their longest.

    `served` is the length that the engine is to serve, the model's own when not above 0. A model folder without
    `tokenizer.json` (a server's model) is not checked: the server refuses in its own words.
    """
    tokenizer_file, config_file = model / "tokenizer.json", model / "config.json"
    if not tokenizer_file.is_file() or not config_file.is_file():
        return
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    config = read_json_object(config_file)
    limit = config.get("max_position_embeddings") or config.get("text_config", {}).get("max_position_embeddings")
    limit = served if served > 0 else limit or sys.maxsize
    for cell in chain.task.label_counts:
        for step, request in chain.trial_requests(cell, lambda step: "word " * (step.max_tokens // len(step.fields))):
            needed = len(tokenizer.encode(completion_prompt(request)).ids) + request.sampling.limit
            if needed > limit:
                raise UserError(
                    f"the prompt of step '{step.name}' and its reply can have {needed} tokens, the model reads at most "
                    f"{limit}: use a model with a longer context, or shorter --shots or --passages"
                )


def check_requests(controller: Controller, engine: Engine) -> None:
    """Raise UserError for a step that the engine can never serve, before the first request."""
    for cell in controller.counters:
        for _, request in controller.chain.trial_requests(cell, lambda _: PLACEHOLDER):
            engine.check(request)


def exchanges(controller: Controller, engine: Engine, *, budget: Budget) -> Iterator[SlotReply]:
    """Send the controller's requests until the budget is spent; yield the replies."""
    in_flight = 0

    def next_slot() -> Slot | None:
        """Return the controller's next slot with a request, within the budget."""
        nonlocal in_flight
        slot = controller.next_slot() if budget.allows(controller.requests, in_flight) else None
        if slot is not None:
            in_flight += 1
            if budget.estimates:
                budget.note(controller.work.request(slot))
        return slot

    for reply in engine.results(controller.work, next_slot):
        in_flight -= 1
        budget.add(reply.stored)
        yield reply


def serve(controller: Controller, engine: Engine, *, budget: Budget, rows: int) -> None:
    """Send the controller's requests until the quotas are full or the budget is spent.

    Raises IncompleteError when the server is gone or too many requests fail.
    """
    kept_before, usage, updated_at = controller.kept, Usage(budget), 0.0
    with console.progress() as bar:
        line = bar.add_task(f"make {controller.chain.task.name}", total=rows, completed=kept_before, note=NO_REPLY)
        for reply in exchanges(controller, engine, budget=budget):
            controller.take(reply)
            if controller.requests_failing:
                failed = sum(counter.failed for counter in controller.counters.values())
                raise IncompleteError(
                    f"too many requests fail: {failed} slots failed, the last with: {reply.stored.error}"
                )
            if waste := controller.waste:
                raise IncompleteError(waste)
            if (now := time.monotonic()) - updated_at > SECONDS_BETWEEN_UPDATES:
                updated_at, last, usage.kept = now, usage.kept, controller.kept - kept_before
                bar.update(line, completed=controller.kept, note=_progress(controller, usage))
                if last < ROWS_BEFORE_PROJECTION <= usage.kept and controller.kept < rows:
                    console.note(usage.projection(rows - kept_before))
        controller.check_complete()
        usage.kept = controller.kept - kept_before
        bar.update(line, completed=controller.kept, note=_progress(controller, usage))
    if controller.is_full:
        controller.close_open_slots()


def _progress(controller: Controller, usage: Usage) -> str:
    """Return the rates, the cost and the acceptance so far."""
    accepted = " ".join(
        f"{cell} {each.acceptance:.0%}" if each.ended else f"{cell} –" for cell, each in controller.counters.items()
    )
    rates = f"{usage.kept / usage.seconds:.1f} kept/s, {usage.tokens[1] / usage.seconds:.0f} tokens/s"
    cost = f", {note}" if (note := usage.budget.cost_note) else ""
    return f"{rates}{cost}, accepted: {accepted}"
