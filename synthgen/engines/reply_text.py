"""What a reply says, apart from what the model thought before it and from what it wrapped its JSON object in."""

import json
import re
from contextlib import suppress
from typing import Any

from synthgen.text.json_text import JsonFault, parse_json

SCHEMA_NAME = "reply"
"""What the schema of a reply is called; no field of a task has this name."""
_CLOSING = re.compile(r"</(?:think|thinking|thought|reasoning|seed:think)>|\[/THINK\]|◁/think▷")
_OPENING = re.compile(r"\s*(?:<(?:think|thinking|thought|reasoning|seed:think)>|\[THINK\]|◁think▷)")
_FENCE = re.compile(r"```(?:\w+)?\s*\n\s*(.*?)\n?\s*```", re.DOTALL)


def split_reasoning(text: str) -> tuple[str, str]:
    r"""Return what a model thought aloud and what it then says; chat templates may open the thought themselves.

    >>> split_reasoning("<think>\nA cat?\n</think>\n\nIt rains.")
    ('A cat?', 'It rains.')
    >>> split_reasoning("<think>\nA cat? Or a")
    ('A cat? Or a', '')
    """
    opening = _OPENING.match(text)
    closings = list(_CLOSING.finditer(text))
    if not opening and not closings:
        return "", text
    start = opening.end() if opening else 0
    end, rest = (closings[-1].start(), closings[-1].end()) if closings else (len(text), len(text))
    return text[start:end].strip(), text[rest:].lstrip()


def json_object(text: str) -> dict[str, Any] | None:
    r"""Return the JSON object of a reply: the reply itself, or the first one in a fence or in prose; None without one.

    >>> json_object('Sure!\n```json\n{"label": "neutral"}\n```\nAnything else?')
    {'label': 'neutral'}
    """
    text = text.strip().removeprefix("\ufeff")
    with suppress(JsonFault):
        value = parse_json(text)
        if isinstance(value, str) and value.lstrip().startswith("{"):  # escaped once more
            value = parse_json(value)
        if isinstance(value, dict):
            return _unwrapped(value)
    fenced = [match[1] for match in _FENCE.finditer(text)] if "```" in text else []
    for candidate in (*fenced, text[text.find("{") :]):
        try:
            _, end = _DECODER.raw_decode(candidate)
            value = parse_json(candidate[:end])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return _unwrapped(value)
    return None


def _unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """Return the object inside one that has the name of its schema as only key, as some models reply."""
    inner = value.get(SCHEMA_NAME)
    return inner if len(value) == 1 and isinstance(inner, dict) else value


_DECODER = json.JSONDecoder()
"""Says where the first value of a text ends; `parse_json` reads it."""
