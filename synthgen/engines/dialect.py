"""The OpenAI protocol as one server speaks it: bodies of requests, what its refusals mean, replies out of bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from synthgen.engines.base import (
    THINKING_TOKENS,
    TRUNCATED,
    Reply,
    Request,
    Sampling,
    completion_prompt,
    messages,
    text_reply,
)
from synthgen.engines.event_stream import read_completion
from synthgen.engines.failures import busy_or_code, end_fault, error_message, failed_reply, is_broken_end
from synthgen.engines.reply_text import SCHEMA_NAME
from synthgen.text.json_text import JsonFault, parse_json

MOST_TOKENS = 2**31


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one server takes of the protocol: without a refusal, everything; `response_format` is empty for none."""

    without: frozenset[str] = frozenset()
    limit: str = "max_tokens"
    response_format: str = "json_schema"
    chat: bool = False
    """Whether plain completions go through the chat too."""
    thinks: bool = False
    """Whether the model thinks, whatever it is asked to, so that a reply needs room for it."""

    def after(self, request: Request, status: int, text: str) -> tuple[Dialect, str] | None:
        """Return the dialect after a refusal and what changes, None when the refusal names nothing to change."""
        if status not in (400, 404, 405, 422) or failed_reply(request.tag, status, text, "").outcome == "ok":
            return None
        if not (request.sampling.schema or self.chat) and (status in (404, 405) or "chat" in text):
            return replace(self, chat=True), "chat instead of completions"
        if status in (404, 405):
            return None
        return self._without(request, text[:1000])

    def _without(self, request: Request, text: str) -> tuple[Dialect, str] | None:
        """Return the dialect without what a refusal names."""
        if "max_completion_tokens" in text and self.limit == "max_tokens":
            # Only models that think have the other name; their limit counts the thought.
            new = replace(self, limit="max_completion_tokens", thinks=True)
            return new, "max_completion_tokens instead of max_tokens"
        for names in _REFUSED_TOGETHER:
            if not names <= self.without and any(re.search(rf"\b{name}\b", text) for name in names):
                return replace(self, without=self.without | names), f"no {' and no '.join(sorted(names))}"
        if "system" not in self.without and request.system and _SYSTEM_ROLE.search(text):
            return replace(self, without=self.without | {"system"}), "the system prompt in the prompt"
        if request.sampling.schema and self.response_format and _FORMAT.search(text):
            weaker = "json_object" if self.response_format == "json_schema" else ""
            return replace(self, response_format=weaker), f"{weaker or 'no response_format'} instead of a JSON schema"
        return None

    def after_reply(self, request: Request, reply: Reply) -> Dialect | None:
        """Return the dialect after a reply that was cut off while the model thought, though it was not asked to."""
        has_reasoned = reply.reasoning_tokens or not reply.text
        has_room = request.sampling.thinking or self.thinks
        return replace(self, thinks=True) if reply.error == TRUNCATED and has_reasoned and not has_room else None


_REFUSED_TOGETHER = tuple(map(frozenset, (("top_k", "chat_template_kwargs"), ("temperature", "top_p"), ("stop",))))
"""Parameters that are no part of OpenAI's protocol, those that its models that think refuse; one refusal is enough."""
_FORMAT = re.compile("response_format|json_schema|json_object|guided|structured output", re.IGNORECASE)
_SYSTEM_ROLE = re.compile(r"system['\"]?\W+(role|message)|does not support '?system|role.{0,20}system", re.IGNORECASE)


def body(model: str, request: Request, dialect: Dialect) -> tuple[str, str]:
    """Return the path and JSON body of a request: chat with `response_format` for a schema, else a plain completion."""
    schema, shared = request.sampling.schema, _shared(model, request.sampling, dialect)
    if not (schema or dialect.chat):
        return "/completions", f'{shared}, "prompt": {json.dumps(completion_prompt(request))}}}'
    if schema and dialect.response_format != "json_schema":
        rule = f"\n\nAnswer with one JSON object of this schema, nothing else: {schema}"
        request = replace(request, prompt=request.prompt + rule)
    chat = json.dumps(messages(request, has_system="system" not in dialect.without))
    return "/chat/completions", f'{shared}, "messages": {chat}}}'


@cache
def _shared(model: str, sampling: Sampling, dialect: Dialect) -> str:
    """Return the beginning of the bodies of all requests with one sampling."""
    limit = sampling.limit + (THINKING_TOKENS if dialect.thinks and not sampling.thinking else 0)
    optional = {"temperature": sampling.temperature, "top_p": 1.0, "top_k": sampling.top_k, "stop": list(sampling.stop)}
    if sampling.schema or dialect.chat:
        optional["chat_template_kwargs"] = {"enable_thinking": sampling.thinking}
    settings = {name: value for name, value in optional.items() if name not in dialect.without and value != []}
    shared: dict[str, Any] = {"model": model, dialect.limit: limit, **settings}
    if sampling.schema and dialect.response_format:
        shared["response_format"] = {"type": dialect.response_format}
        if dialect.response_format == "json_schema":
            schema = {"name": SCHEMA_NAME, "strict": True, "schema": _strict(json.loads(sampling.schema))}
            shared["response_format"]["json_schema"] = schema
    return json.dumps(shared)[:-1]


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without lengths of texts, which OpenAI's strict mode refuses; an empty text is found later."""
    fields = schema.get("properties", {}).items()
    properties = {name: {k: v for k, v in each.items() if k != "minLength"} for name, each in fields}
    return {**schema, "properties": properties} if properties else schema


def completion(request: Request, text: str) -> Reply:
    """Return the reply in a (chat) completion's JSON; a body of another shape is a server error."""
    try:
        body = read_completion(text)
        if fault := _error_of(body):
            return _failed(request, fault)
        choice, usage = body["choices"][0], body.get("usage")
        end = choice.get("finish_reason")
        error = end_fault(end)
        if not error and is_broken_end(end):
            return Reply(request.tag, "http", error=f"the server ended the reply with '{end}'")
        message = choice.get("message") or {"content": choice.get("text") if error else choice["text"]}
        reply, reasoning = _parts_of(message, is_object=bool(request.sampling.schema))
        refusal = message.get("refusal")
        details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    except JsonFault as fault:
        return Reply(request.tag, "http", error=f"the reply is not a completion: {fault}: {_line(text)}")
    except (KeyError, TypeError, IndexError, AttributeError):
        return Reply(request.tag, "http", error=f"the reply is not a completion: {_line(text)}")
    for stop in request.sampling.stop:  # of a server that does not take it
        reply = reply.lstrip("\n").partition(stop)[0]
    return text_reply(
        request.tag,
        reply or str(refusal or ""),
        tokens=(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens")),
        error="refusal" if refusal else error,
        reasoning=reasoning,
        reasoning_tokens=_count(details, "reasoning_tokens") or None,
    )


def error_part(text: str) -> str:
    """Return what a body that came as a success says of an error: of a completion not what the model wrote.

    >>> error_part('{"choices": [{"message": {"content": "insufficient funds"}, "finish_reason": "error"}]}')
    ''
    >>> error_part('{"choices": [{"message": {"content": "It"}, "error": {"code": 402}}]}')
    '{"error": {"code": 402}}'
    """
    if '"choices"' not in text:
        return text
    with suppress(JsonFault, KeyError, TypeError, IndexError, AttributeError):
        body = read_completion(text)
        error = body.get("error") or _error_of(body)
        return json.dumps({"error": error}) if error else ""
    return ""


def _error_of(body: dict[str, Any]) -> Any:  # noqa: ANN401 - what a server sends
    """Return the error in place of choices, or in the first of them."""
    return body["choices"][0].get("error") if body.get("choices") else body.get("error")


def _failed(request: Request, error: Any) -> Reply:  # noqa: ANN401 - the same
    """Return the reply that an error is which came as a success, as gateways do when the provider behind them fails."""
    code = (error.get("code") or error.get("type")) if isinstance(error, dict) else None
    text = json.dumps({"error": error})
    return failed_reply(request.tag, busy_or_code(code), text, error_message(text))


def _parts_of(message: Mapping[str, Any], *, is_object: bool) -> tuple[str, str]:
    """Return what the model wrote and what it thought, wherever servers put them; `is_object` where it has a schema."""
    text, reasoning = _text_and_reasoning(message.get("content"))
    if is_object and not text:
        text = _argument(message)
    reasoning = reasoning or _text_and_reasoning(message.get("reasoning_content") or message.get("reasoning"))[0]
    if is_object and not text and _is_object(reasoning):
        return reasoning, ""  # some servers take a reply without a thought for the thought
    return text, reasoning


def _text_and_reasoning(content: Any) -> tuple[str, str]:  # noqa: ANN401 - what a server sends
    """Return the text and the thought of a content: a text, nothing, an object instead of its text, a list of parts."""
    if isinstance(content, dict):
        return json.dumps(content, ensure_ascii=False), ""
    if not isinstance(content, list):
        return str(content or ""), ""
    parts = [part for part in content if isinstance(part, Mapping)]
    thoughts = (part.get("thinking") or part.get("reasoning") for part in parts)
    text = "".join(str(part["text"]) for part in parts if part.get("type", "text").endswith("text") and "text" in part)
    return text, "\n".join(_text_and_reasoning(thought)[0] for thought in thoughts if thought)


def _argument(message: Mapping[str, Any]) -> str:
    """Return the arguments of the one tool that a reply calls: some models say an object that they are asked for so."""
    calls = message.get("tool_calls")
    function = calls[0].get("function") if isinstance(calls, list) and len(calls) == 1 else None
    return _text_and_reasoning(function.get("arguments"))[0] if isinstance(function, dict) else ""


def _line(text: str) -> str:
    """Return the beginning of a body in one line."""
    return " ".join(text[:400].split())[:200]


def _is_object(text: str) -> bool:
    """Say whether a text is a JSON object, with nothing around it."""
    try:
        return isinstance(parse_json(text), dict)
    except JsonFault:
        return False


def _count(usage: Any, name: str) -> int:  # noqa: ANN401 - what a server sends
    """Return a number of tokens, 0 for what is none."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return int(value) if isinstance(value, int | float) and 0 <= value < MOST_TOKENS else 0
