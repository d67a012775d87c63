"""Servers of the OpenAI protocol as they are met, one class each: what it refuses, in its words, and how it replies.

Each class names the page that it follows. All say the same: sentences for `make`, a label for a judge, German for a
translator; what differs is what they take and how they wrap it.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web

from tests.mock_endpoint import WORDS, answering

LABEL = "neutral"
TRANSLATES, JUDGES = "Translate the JSON object", '{"label": "…"}'
"""What stands in the prompts of a translator and of a judge."""
Refusal = tuple[int, Any]


def openai_error(message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def scripted_reply(body: dict[str, Any], number: int) -> str:
    """Return what a model would say to a chat: an object of the keys that the prompt asks for."""
    prompt = body["messages"][-1]["content"]
    draw = random.Random(number)
    if TRANSLATES in prompt:
        keys = re.findall(r'"(text\d+)":', prompt)
        german = "Der alte Mann und seine Tochter haben heute nach dem Essen noch {} Stunden am Fluss gewartet."
        return json.dumps({key: german.format(draw.randrange(10**6)) for key in dict.fromkeys(keys)})
    if JUDGES in prompt:
        return json.dumps({"label": LABEL})
    (shape,) = re.findall(r"Answer with JSON: (\{.*?\})", prompt)[-1:]
    return json.dumps({key: f"The {' '.join(draw.choices(WORDS, k=9))}." for key in json.loads(shape)})


@dataclass
class Provider:
    """A server that takes everything; the others differ from it."""

    counters: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def refusal(self, path: str, body: dict[str, Any]) -> Refusal | None:
        """Return status and body of a refusal, None for a request that is served."""
        return None

    def no_reply(self, number: int) -> Refusal | None:
        """Return status and body of what some requests of `make` come to instead of a reply; None where none do."""
        return None

    def message(self, text: str) -> dict[str, Any]:
        """Return the message of a reply."""
        return {"role": "assistant", "content": text}

    def usage(self) -> dict[str, Any]:
        return {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}

    def models(self) -> Any:
        return {"object": "list", "data": [{"id": "tiny", "object": "model"}]}

    async def reply(self, request: web.Request) -> web.Response:
        path = request.path
        if path.endswith("/models"):
            return web.json_response(self.models())
        body = await request.json()
        if refused := self.refusal(path, body):
            self.counters["refused"] += 1
            return web.json_response(refused[1], status=refused[0])
        self.counters["served"] += 1
        number, prompt = self.counters["served"], body["messages"][-1]["content"]
        writes = not any(other in prompt for other in (TRANSLATES, JUDGES))
        if number % 20 == 0 and writes and (fault := self.no_reply(number)):
            self.counters["no reply"] += 1
            return web.json_response(fault[1], status=fault[0])
        self.bodies.append(body)
        text = scripted_reply(body, self.counters["served"])
        choice = {"index": 0, "message": self.message(text), "finish_reason": "stop"}
        return web.json_response({"id": "x", "model": "tiny", "choices": [choice], "usage": self.usage()})

    def serving(self) -> AbstractContextManager[str]:
        return answering(self.reply)


class VLLM(Provider):
    """https://docs.vllm.ai/en/latest/features/reasoning_outputs: with a reasoning parser the thought is `reasoning`."""

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": text, "reasoning": None, "tool_calls": []}


class SGLang(Provider):
    """https://docs.sglang.ai/advanced_features/separate_reasoning.html: the thought is `reasoning_content`."""

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": text, "reasoning_content": "A museum and a river?"}


class LlamaCpp(Provider):
    """https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md: 503 while it loads; bare fences."""

    loading: ClassVar[int] = 2

    async def reply(self, request: web.Request) -> web.Response:
        if self.counters["loading"] < self.loading:
            self.counters["loading"] += 1
            error = {"code": 503, "message": "Loading model", "type": "unavailable_error"}
            return web.json_response({"error": error}, status=503, headers={"Retry-After": "0"})
        return await super().reply(request)

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": f"```\n{text}\n```"}


class Ollama(Provider):
    """https://docs.ollama.com/api/openai-compatibility: other parameters are ignored; models think in the text."""

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": f"<think>\nThe user wants {{JSON}}.\n</think>\n\n{text}"}


class LMStudio(Provider):
    """https://lmstudio.ai/docs/developer/openai-compat/structured-output: json_schema or text; 200 for other paths."""

    def refusal(self, path: str, body: dict[str, Any]) -> Refusal | None:
        if not path.startswith("/v1/"):
            return 200, {"error": f"Unexpected endpoint or method. (POST {path})"}
        if body.get("response_format", {}).get("type") not in (None, "json_schema", "text"):
            return 400, {"error": "'response_format.type' must be 'json_schema' or 'text'"}
        return None


class TGI(Provider):
    """https://huggingface.co/docs/text-generation-inference/basic_tutorials/using_guidance: a format of its own."""

    def refusal(self, path: str, body: dict[str, Any]) -> Refusal | None:
        form = body.get("response_format", {})
        what = "Failed to deserialize the JSON body into the target type: response_format: "
        if form.get("type") == "json_schema":
            return 422, {"error": f"{what}unknown variant `json_schema`, expected one of `json`, `regex`"}
        if form and "value" not in form:
            return 422, {"error": f"{what}missing field `value`", "error_type": "Input validation error"}
        return None

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": f"Here is the JSON:\n\n{text}\n\nLet me know if you need more."}


class OpenAI(Provider):
    """https://platform.openai.com/docs/api-reference/chat/create: refuses unknown parameters and `minLength`."""

    known: ClassVar[frozenset[str]] = frozenset(
        [
            "model",
            "messages",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "stop",
            "response_format",
            "seed",
            "n",
        ]
    )

    def refusal(self, path: str, body: dict[str, Any]) -> Refusal | None:
        if unknown := sorted(set(body) - self.known):
            return 400, openai_error(f"Unrecognized request argument supplied: {unknown[-1]}")
        if path.endswith("/v1/completions"):
            fault = "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use "
            return 404, openai_error(f"{fault}v1/chat/completions?", "model")
        return schema_fault(body)

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": text, "refusal": None, "annotations": []}


def schema_fault(body: dict[str, Any]) -> Refusal | None:
    """Return the refusal of a schema that strict mode does not take."""
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    for name, each in schema.get("properties", {}).items():
        context = f"Invalid schema for response_format 'reply': In context=('properties', '{name}'), "
        if "type" not in each:
            return 400, openai_error(f"{context}schema must have a 'type' key.", "response_format")
        if "minLength" in each:
            return 400, openai_error(f"{context}'minLength' is not permitted.", "response_format")
    if schema and set(schema["required"]) != set(schema["properties"]):
        return 400, openai_error("'required' is required to be supplied", "response_format")
    return None


class OSeries(OpenAI):
    """https://platform.openai.com/docs/guides/reasoning: another limit, which counts the thought; no temperature."""

    def refusal(self, path: str, body: dict[str, Any]) -> Refusal | None:
        if "max_tokens" in body:
            fault = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            return 400, openai_error(f"Unsupported parameter: {fault}", "max_tokens", "unsupported_parameter")
        for name in ("temperature", "top_p"):
            if name in body:
                fault = f"Unsupported parameter: '{name}' is not supported with this model."
                return 400, openai_error(fault, name, "unsupported_parameter")
        return super().refusal(path, body)

    def no_reply(self, number: int) -> Refusal:
        fault = "Could not finish the message because max_tokens or model output limit was reached. "
        return 400, openai_error(f"{fault}Please try again with higher max_tokens.")

    def usage(self) -> dict[str, Any]:
        return super().usage() | {"completion_tokens": 420, "completion_tokens_details": {"reasoning_tokens": 400}}

    async def reply(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else {}
        if body.get("max_completion_tokens", 1000) < 420 and not self.refusal(request.path, body):
            self.counters["cut"] += 1
            choice = {"message": {"content": "", "refusal": None}, "finish_reason": "length"}
            return web.json_response({"choices": [choice], "usage": self.usage()})
        return await super().reply(request)


class Azure(OpenAI):
    """https://learn.microsoft.com/en-us/rest/api/azureopenai/models/list: base models are listed, not deployments."""

    def models(self) -> Any:
        facts = {"object": "model", "status": "succeeded", "lifecycle_status": "generally-available"}
        return {"object": "list", "data": [{"id": name, **facts} for name in ("gpt-4o", "gpt-4.1", "o3")]}


class DeepSeek(Provider):
    """https://api-docs.deepseek.com/api/create-chat-completion: json_object only; blank lines before a late reply."""

    def refusal(self, path: str, body: dict[str, Any]) -> Refusal | None:
        if body.get("response_format", {}).get("type") not in (None, "text", "json_object"):
            return 400, openai_error("This response_format type is unavailable now")
        return None

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": text, "reasoning_content": "They want an object."}

    async def reply(self, request: web.Request) -> web.Response:
        response = await super().reply(request)
        return web.Response(
            status=response.status, body=b"\n\n\n" + bytes(response.body or b""), content_type="application/json"
        )


class Mistral(Provider):
    """https://docs.mistral.ai/api: 422 for what is not in its schema; models that think send lists of parts."""

    known: ClassVar[frozenset[str]] = frozenset(
        ["model", "messages", "max_tokens", "temperature", "top_p", "stop", "response_format", "random_seed", "n"]
    )

    def refusal(self, path: str, body: dict[str, Any]) -> Refusal | None:
        if extra := sorted(set(body) - self.known):
            faults = [{"type": "extra_forbidden", "loc": ["body", name], "input": body[name]} for name in extra]
            detail = [fault | {"msg": "Extra inputs are not permitted"} for fault in faults]
            return 422, {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"}
        return None

    def message(self, text: str) -> dict[str, Any]:
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": "An object, then."}]}
        return {"role": "assistant", "content": [thought, {"type": "text", "text": text}]}


class Gemini(Provider):
    """https://ai.google.dev/gemini-api/docs/openai: errors in a list; a filtered prompt has no message at all."""

    unknown: ClassVar[tuple[str, ...]] = ("top_k", "chat_template_kwargs")

    def refusal(self, path: str, body: dict[str, Any]) -> Refusal | None:
        if names := [name for name in self.unknown if name in body]:
            faults = "\n".join(f'Unknown name "{name}": Cannot find field.' for name in names)
            message = f"Invalid JSON payload received. {faults}"
            return 400, [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}]
        return None

    def no_reply(self, number: int) -> Refusal:
        choice = {"index": 0, "finish_reason": "content_filter: PROHIBITED_CONTENT"}
        return 200, {"choices": [choice], "usage": {"prompt_tokens": 50, "total_tokens": 50}}


class Groq(Provider):
    """https://console.groq.com/docs/structured-outputs: a reply that is no JSON, or was cut off, is an error."""

    def refusal(self, path: str, body: dict[str, Any]) -> Refusal | None:
        if "top_k" in body:
            return 400, openai_error("property 'top_k' is unsupported")
        return None

    def no_reply(self, number: int) -> Refusal:
        cut_off = "max completion tokens reached before generating a valid document"
        error = openai_error("Failed to generate JSON.", None, "json_validate_failed")
        error["error"]["failed_generation"] = cut_off if number % 40 else '{"premise": "The temperature'
        return 400, error


class OpenRouter(Provider):
    """https://openrouter.ai/docs/api-reference/errors-and-debugging: a provider's failure may come with status 200."""

    async def reply(self, request: web.Request) -> web.Response:
        self.counters["all"] += 1
        if request.method == "POST" and self.counters["all"] % 20 == 0:
            return web.json_response({"error": {"code": 502, "message": "Provider returned error"}})
        return await super().reply(request)

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": f"\n{text}", "reasoning": "Let me see.", "refusal": None}


PROVIDERS: tuple[type[Provider], ...] = (
    *(OpenAI, OSeries, Azure, DeepSeek, Mistral, Gemini, Groq, OpenRouter),
    *(Ollama, LlamaCpp, LMStudio, TGI, SGLang, VLLM),
)
