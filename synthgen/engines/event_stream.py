"""A reply that comes as a stream of events, from a server that streams without being asked: one completion of all."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from synthgen.text.json_text import JsonFault, parse_json

_LINE_END = re.compile("\r\n|\n|\r")
_FIELD, _END = "data:", "[DONE]"
_BESIDE = (":", "event:", "id:", "retry:")


def read_completion(text: str) -> Any:  # noqa: ANN401 - any JSON value
    r"""Return the JSON value of a body, the whole (chat) completion where the body is a stream of its pieces.

    Raises JsonFault for what is no JSON, and for a stream that was cut off.

    >>> read_completion('data: {"choices": [{"text": "It "}]}\ndata: {"choices": [{"text": "rains."}]}\ndata: [DONE]')
    {'choices': [{'message': {'content': 'It rains.'}, 'finish_reason': None}]}
    """
    text = text.lstrip()
    if not text.startswith((_FIELD, *_BESIDE)):
        return parse_json(text)
    lines = _LINE_END.split(text)
    data = [line.removeprefix(_FIELD).strip() for line in lines if line.startswith(_FIELD)]
    events = [event for each in data if each not in ("", _END) and isinstance(event := parse_json(each), dict)]
    for event in events:
        if event.get("error"):
            return event
    return _joined(events, ended=_END in data)


def _joined(events: list[dict[str, Any]], *, ended: bool) -> dict[str, Any]:
    """Return the completion of which each event has a piece of the first choice."""
    choices = [choice for event in events for choice in (event.get("choices") or [])[:1] if isinstance(choice, dict)]
    reason = next((reason for choice in choices if (reason := choice.get("finish_reason"))), None)
    if not (reason or ended):
        raise JsonFault("the event stream ended too early")
    pieces_by_field = defaultdict[str, list[str]](list)
    for choice in choices:
        piece = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        for name, value in piece.items():
            if isinstance(value, str) and name != "role":
                pieces_by_field[name].append(value)
    usage = next((usage for event in reversed(events) if (usage := event.get("usage"))), None)
    message = {name: "".join(pieces) for name, pieces in pieces_by_field.items()}
    return {"choices": [{"message": message, "finish_reason": reason}]} | ({"usage": usage} if usage else {})
