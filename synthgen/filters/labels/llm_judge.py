"""The LLM judge: a language model that a second prompt asks which label fits, or what the answer is.

The choice is constrained by a JSON schema, greedy, one request a row. Replies that can be read are kept in a ledger
under the content address of their request: the same model of the same server is never asked twice about the same texts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from synthgen.dataset.ledger import Ledger
from synthgen.engines import Engine, Reply, Request, Sampling
from synthgen.engines.arguments import manifest_arguments, reply_arguments
from synthgen.engines.asker import KEPT, Asker
from synthgen.engines.batch import MOST_REQUESTS
from synthgen.engines.budget import Budget
from synthgen.engines.config import EngineConfig, StartEngine
from synthgen.engines.reply_text import json_object
from synthgen.errors import EXCERPT, IncompleteError, UserError, shorten
from synthgen.filters.base import JudgeConfig
from synthgen.filters.labels.annotator import Annotation, Annotator
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import UNANSWERABLE
from synthgen.models.packs import ResolvedModel
from synthgen.runtime.provenance import public_name
from synthgen.text.toml_text import read_toml

LABEL_TOKENS, ANSWER_TOKENS = 32, 96
LETTERS = "ABCDEFGHIJ"
PROMPTS: dict[str, str] = read_toml(Path(__file__).with_name("judge_prompts.toml"))
"""Format → the prompt for a row of it."""
NONE = " If the passage does not say it, the answer is empty."


def open_judge(format_: Format, config: JudgeConfig, model: str = "") -> LLMJudge:
    """Return the judge with the model named, else that of `config`; its engine starts with the first question.

    `http://HOST/v1[#NAME]` is an endpoint, a `.jsonl` file a script of replies, anything else a model for vLLM. Raises
    UserError when no model is named, for one that cannot be found, and for a format that has no label to judge.
    """
    ref, generator = model or config.model, config.generator
    check_judge(format_, ref)
    if generator and generator.start and generator.model.ref == ref:
        budget = _budget(config, generator.model)
        return LLMJudge(format_, config, generator.model, generator.start, owned=False, budget=budget)
    engine = EngineConfig.beside(ref, config.options) if generator else EngineConfig.of(ref, config.options)

    def start() -> Engine:
        """Return the engine; batches are kept where the judge's replies are."""
        return engine.start(0, judge.replies)

    budget = _budget(config, engine.model, free=not engine.has_address)
    judge = LLMJudge(format_, config, engine.model, start, owned=True, budget=budget)
    return judge


def _budget(config: JudgeConfig, model: ResolvedModel, *, free: bool = False) -> Budget:
    """Return what the judge may cost: beside a generator, with what that costs; nothing where it runs here (`free`)."""
    money, batch = config.options.money, config.options.batch
    if config.generator is None:
        return Budget(prices=money.prices(model.ref, batch=batch), max_cost=money.max_cost)
    generator = config.generator.model.ref
    is_free = free and model.ref != generator
    prices = None if is_free else money.prices_beside(model.ref, generator=generator)
    budget = Budget(prices=prices, max_cost=money.max_cost)
    budget.join(config.generator.budget)
    return budget


def check_judge(format_: Format, model: str, option: str = "") -> None:
    """Raise UserError when no model is named, two are, or rows of a format have no label to judge.

    `model` is what a configuration file names, `option` what --judge does.
    """
    if not (ref := model or option):
        raise UserError("[judge] names no model: give it `model = REF`, or --judge REF")
    if option and option != ref:
        raise UserError(f"--judge {option} has no effect: [judge] names the model {model}; leave one of the two out")
    if format_.name not in PROMPTS:
        raise UserError(f"--judge {ref}: rows of a {format_.name} set cannot be judged; possible: {', '.join(PROMPTS)}")


class LLMJudge(Annotator):
    """An annotator that asks a language model; what that was trained on is not known."""

    asks_engine = True

    def __init__(
        self,
        format_: Format,
        config: JudgeConfig,
        model: ResolvedModel,
        start: StartEngine,
        *,
        owned: bool,
        budget: Budget | None = None,
    ) -> None:
        """Ask `model` through the engine that `start` gives, within a budget; stop it at the end if it is `owned`."""
        self._format, self._config, self._model, self._owned = format_, config, model, owned
        self._asker = Asker(model, start, self._open_ledger(config.replies), budget=budget)
        self._tokens = (0, 0)
        self._key = "answer" if format_.name == "span" else "label"
        self._names = LETTERS[: len(format_.labels)] if format_.name == "choice" else format_.labels
        """What the labels are called in a prompt: letters for the places of options."""
        self.rows_at_once = MOST_REQUESTS if config.options.batch and config.generator is None else 64

    @property
    def replies(self) -> Ledger:
        """The ledger that keeps the replies."""
        return self._asker.ledger

    @property
    def progress(self) -> str:
        """What the replies have cost, where they have a price."""
        return self._asker.budget.cost_note

    def read(self, rows: Sequence[Row]) -> list[Annotation]:
        """Return the annotation of each row; IncompleteError when requests keep failing, or no reply can be read."""
        requests = [self._request(number, row) for number, row in enumerate(rows)]
        judge = f"the judge {self._model.ref}"
        replies = self._asker.ask(requests, self._fault, f"the replies of {judge} cannot be read")
        if failed := [reply for reply in replies if reply.outcome != "ok"]:
            left = f"{judge}: {len(failed)} requests without an answer"
            raise IncompleteError(f"{left}, the last with: {failed[-1].error}", KEPT)
        prompt, output = self._asker.spent()
        self._tokens = self._tokens[0] + prompt, self._tokens[1] + output
        return [self._annotation(reply) for reply in replies]

    def metadata(self) -> dict[str, Any]:
        """Return the model, the prompt, the tokens of the replies that were used, and what they cost."""
        model: dict[str, Any] = {
            "name": public_name(self._model.ref),
            "revision": self._model.revision,
            "licence": self._model.licence,
        }
        prompt, options = PROMPTS[self._format.name].replace("{{", "{").replace("}}", "}"), self._config.options
        if options.arguments and not self._model.url:
            model["engine_args"] = manifest_arguments(options.arguments)
        if options.thinking:
            model["thinking"] = True
        prices, tokens = self._asker.budget.prices, dict(zip(("prompt", "output"), self._tokens, strict=True))
        cost = {"cost": prices.facts(*self._tokens)} if prices else {}
        return model | {"prompt": prompt, "temperature": 0, "tokens": tokens} | cost

    def close(self) -> None:
        """Stop the engine and close the ledger, unless they are the run's."""
        if self._owned:
            self._asker.close()
        if self.replies is not self._config.replies:
            self.replies.close()

    def _open_ledger(self, replies: Ledger | Path | None) -> Ledger:
        if isinstance(replies, Ledger):
            return replies
        if replies is None:
            return Ledger(Path(":memory:"))
        replies.mkdir(parents=True, exist_ok=True)
        served = reply_arguments(manifest_arguments(self._config.options.arguments)) if not self._model.url else None
        details = [self._model.url, json.dumps(served, sort_keys=True) if served else ""]
        names = (self._model.ref, self._model.revision, *filter(None, details))
        model = blake2b("\n".join(names).encode(), digest_size=8)
        return Ledger(replies / f"{model.hexdigest()}.sqlite")

    def _request(self, number: int, row: Row) -> Request:
        max_tokens = ANSWER_TOKENS if self._key == "answer" else LABEL_TOKENS
        schema, thinking = json.dumps(self._schema()), self._config.options.thinking
        sampling = Sampling(max_tokens, temperature=0.0, top_k=-1, stop=(), schema=schema, thinking=thinking)
        return Request((number, 0), self._prompt(row), sampling)

    def _schema(self) -> dict[str, Any]:
        """Return the schema of a reply: one of the labels, or an answer that may be empty where rows may have none."""
        least = 0 if UNANSWERABLE in self._format.labels else 1
        answer, label = {"type": "string", "minLength": least}, {"type": "string", "enum": list(self._names)}
        properties = {self._key: answer if self._key == "answer" else label}
        return {"type": "object", "properties": properties, "required": [self._key], "additionalProperties": False}

    def _prompt(self, row: Row) -> str:
        """Return the prompt: what all rows share first, so that engines keep it in their prefix cache."""
        means = self._config.definitions
        texts = "\n\n".join(f"{name}: {text}" for name, text in self._texts(row).items())
        return PROMPTS[self._format.name].format(
            labels="\n".join(f"- {name}: {means.get(name, name)}" for name in self._names),
            right=means.get("right", "right"),
            none=NONE if UNANSWERABLE in self._format.labels else "",
            texts=texts,
        )

    def _texts(self, row: Row) -> dict[str, str]:
        """Return the texts of a row by the names a reader sees, without its label or answer."""
        if isinstance(self._format, PairFormat):
            first, second = self._format.fields
            return {f"First text ({first})": row[first], f"Second text ({second})": row[second]}
        if not isinstance(self._format, ChoiceFormat):
            return {"Passage": row["context"], "Question": row["question"]}
        record = self._format.from_row(row)
        before = {"Text": record.context, "Question": record.question}
        return {name: text for name, text in before.items() if text} | dict(zip(LETTERS, record.options, strict=False))

    def _annotation(self, reply: Reply) -> Annotation:
        """Return the annotation in a reply."""
        annotation = None if reply.error else self._parse(reply.text)
        unread = f"{reply.error}: {shorten(reply.text or reply.reasoning, EXCERPT)}"
        return annotation or Annotation("", unread=unread)

    def _fault(self, reply: Reply, _: Request) -> str:
        """Return what is wrong with a reply; empty for nothing."""
        if reply.error or self._parse(reply.text) is not None:
            return reply.error
        return f"no {self._key}" if json_object(reply.text) else "not JSON"

    def _parse(self, text: str) -> Annotation | None:
        value = (json_object(text) or {}).get(self._key)
        if not isinstance(value, str):
            return None
        if self._key == "answer":
            return Annotation(value.strip())
        label = dict(zip(self._names, self._format.labels, strict=True)).get(value)
        return None if label is None else Annotation(label)
