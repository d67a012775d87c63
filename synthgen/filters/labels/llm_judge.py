"""The LLM judge: a language model that a second prompt asks which label fits, or what the answer is.

The choice is constrained by a JSON schema, greedy, one request a row. Replies that can be read are kept in a ledger
under the content address of their request: the same model of the same server is never asked twice about the same texts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from synthgen.dataset.ledger import Ledger
from synthgen.engines import (
    Engine,
    Reply,
    Request,
    Sampling,
    engine_of,
    open_engine,
    resolve_model,
    takes_arguments,
)
from synthgen.engines.arguments import of_replies, recorded
from synthgen.engines.base import run_with_retries
from synthgen.engines.reply_faults import EXAMPLE, ReplyFaults
from synthgen.engines.reply_text import json_object
from synthgen.errors import IncompleteError, UserError, shorten
from synthgen.filters.base import JudgeConfig, StartEngine
from synthgen.filters.labels.annotator import Annotation, Annotator
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import UNANSWERABLE
from synthgen.models.packs import ResolvedModel
from synthgen.runtime.files import read_toml
from synthgen.runtime.provenance import public_name

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
    ref = model or config.model
    check_judge(format_, ref)
    if config.shared is not None and config.shared[0].ref == ref:
        return LLMJudge(format_, config, *config.shared, owned=False)
    engine = engine_of(ref)
    arguments = config.arguments if config.shared is None or takes_arguments(engine) else {}
    resolved = resolve_model(engine, ref, timeout=config.timeout, arguments=arguments)
    start = partial(open_engine, engine, resolved, seed=0, timeout=config.timeout, arguments=arguments)
    return LLMJudge(format_, config, resolved, start, owned=True)


def check_judge(format_: Format, model: str, option: str = "") -> None:
    """Raise UserError when no model is named, two are, or rows of a format have no label to judge.

    `model` is what a configuration file names, `option` what --judge does.
    """
    if not (ref := model or option):
        raise UserError("[judge] names no model: give it `model = REF`, or --judge REF")
    if option and option != ref:
        raise UserError(f"--judge {option} has no use: [judge] names the model {model}; leave one of the two out")
    if format_.name not in PROMPTS:
        raise UserError(f"--judge {ref}: rows of a {format_.name} set cannot be judged; only {', '.join(PROMPTS)}")


class LLMJudge(Annotator):
    """An annotator that asks a language model; what that was trained on is not known."""

    def __init__(
        self, format_: Format, config: JudgeConfig, model: ResolvedModel, start: StartEngine, *, owned: bool
    ) -> None:
        """Ask `model` through the engine that `start` gives; stop it at the end if it is `owned`."""
        self._format, self._config, self._model = format_, config, model
        self._start, self._owned = start, owned
        self._engine: Engine | None = None
        self._ledger = self._open_ledger(config.replies)
        self._unreadable: dict[str, Reply] = {}
        """Replies that say no label or answer: not kept, so that a later run asks again."""
        self._faults = ReplyFaults()
        self._tokens = Counter(prompt=0, output=0)
        self._key = "answer" if format_.name == "span" else "label"
        self._names = LETTERS[: len(format_.labels)] if format_.name == "choice" else format_.labels
        """What the labels are called in a prompt: letters for the places of options."""

    def read(self, rows: Sequence[Row]) -> list[Annotation]:
        """Return the annotation of each row; IncompleteError when requests keep failing, or no reply can be read."""
        requests = [self._request(number, row) for number, row in enumerate(rows)]
        keys = [request.key(self._model.ref, self._model.revision) for request in requests]
        pairs = zip(keys, requests, strict=True)
        self._ask({key: request for key, request in pairs if key not in self._unreadable and not self._stored(key)})
        return [self._annotation(key) for key in keys]

    def metadata(self) -> dict[str, Any]:
        """Return the model, the prompt, and the tokens of the replies that were used."""
        model: dict[str, Any] = {
            "name": public_name(self._model.ref),
            "revision": self._model.revision,
            "licence": self._model.licence,
        }
        prompt = PROMPTS[self._format.name].replace("{{", "{").replace("}}", "}")
        if self._config.arguments and not self._model.url:
            model["engine_args"] = recorded(self._config.arguments)
        return model | {"prompt": prompt, "temperature": 0, "tokens": dict(self._tokens)}

    def close(self) -> None:
        """Stop the engine and close the ledger, unless they are the run's."""
        if self._engine is not None and self._owned:
            self._engine.close()
        if self._ledger is not self._config.replies:
            self._ledger.close()

    def _open_ledger(self, replies: Ledger | Path | None) -> Ledger:
        if isinstance(replies, Ledger):
            return replies
        if replies is None:
            return Ledger(Path(":memory:"))
        replies.mkdir(parents=True, exist_ok=True)
        served = of_replies(recorded(self._config.arguments)) if not self._model.url else None
        said = [self._model.url, json.dumps(served, sort_keys=True) if served else ""]
        names = (self._model.ref, self._model.revision, *filter(None, said))
        model = blake2b("\n".join(names).encode(), digest_size=8)
        return Ledger(replies / f"{model.hexdigest()}.sqlite")

    def _ask(self, missing: Mapping[str, Request]) -> None:
        """Let the engine answer every request and keep its replies; failed requests are sent again some times."""
        if not missing:
            return
        requests = list(missing.values())
        keys = {request.tag: key for key, request in missing.items()}
        if self._engine is None:
            self._engine = self._start()
            self._engine.check(requests[0])
        failed = []
        for reply in run_with_retries(self._engine, requests):
            if reply.outcome != "ok":
                failed.append(reply)
                continue
            self._keep(keys[reply.tag], reply)
            if self._faults.waste:
                break
        self._ledger.commit()
        judge, kept = f"the judge {self._model.ref}", "what it said is kept, the same command goes on"
        if waste := self._faults.waste:
            raise IncompleteError(f"{judge} cannot be read: {waste}", kept)
        if failed:
            left = f"{judge} leaves {len(failed)} requests without an answer"
            raise IncompleteError(f"{left}, the last with: {failed[-1].error}", kept)

    def _keep(self, key: str, reply: Reply) -> None:
        """Keep a reply in the ledger; one that cannot be read is kept for this run only."""
        fault = reply.error or self._fault(reply.text)
        self._faults.add(fault, reply.text or reply.reasoning)
        if fault:
            self._unreadable[key] = replace(reply, error=fault)
            return
        self._ledger.add_judge_reply(key, reply.text, reply.prompt_tokens, reply.output_tokens)
        self._ledger.commit_when_due()

    def _request(self, number: int, row: Row) -> Request:
        max_tokens = ANSWER_TOKENS if self._key == "answer" else LABEL_TOKENS
        sampling = Sampling(max_tokens, temperature=0.0, top_k=-1, stop=(), schema=json.dumps(self._schema()))
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

    def _stored(self, key: str) -> tuple[Annotation, int, int] | None:
        """Return the answer to a request with its tokens; None when it was not sent or what is kept cannot be read."""
        if (stored := self._ledger.judge_reply(key)) is None or (annotation := self._parse(stored[0])) is None:
            return None
        return annotation, *stored[1:]

    def _annotation(self, key: str) -> Annotation:
        """Return the annotation in the reply to a request."""
        if reply := self._unreadable.get(key):
            self._tokens.update(prompt=reply.prompt_tokens, output=reply.output_tokens)
            return Annotation("", unread=f"{reply.error}: {shorten(reply.text or reply.reasoning, EXAMPLE)}")
        if (stored := self._stored(key)) is None:
            raise KeyError(f"the request {key} was not answered")
        annotation, prompt, output = stored
        self._tokens.update(prompt=prompt, output=output)
        return annotation

    def _fault(self, text: str) -> str:
        """Return what is wrong with a reply; empty for nothing."""
        if self._parse(text) is not None:
            return ""
        return f"no {self._key}" if json_object(text) else "not JSON"

    def _parse(self, text: str) -> Annotation | None:
        value = (json_object(text) or {}).get(self._key)
        if not isinstance(value, str):
            return None
        if self._key == "answer":
            return Annotation(value.strip())
        label = dict(zip(self._names, self._format.labels, strict=True)).get(value)
        return None if label is None else Annotation(label)
