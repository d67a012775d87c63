"""What an HTTP status and an error body say of a request: to be sent again, once more, or never; how long to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from synthgen.engines.base import Reply
from synthgen.text.json_text import JsonFault, parse_json

BUSY = (429, 503, 529)
"""HTTP statuses of a server without room, 529 as Anthropic says it: no fault of the request."""
_OF_THE_PROMPT = (400, 403, 413, 422)
"""Statuses that a prompt may be refused with which is too long, or says what must not be said."""
_PASSING = (408, 409, 423, 425)
"""Statuses of a fault in the request that may be gone when it is sent again."""
SHORTEST_PAUSE, DEFAULT_PAUSE, LONGEST_PAUSE = 0.05, 0.5, 30.0
TOO_LONG, FILTERED = "prompt too long", "content filter"
"""What is wrong with a prompt that a server will never take."""
_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|size|window|overflow)|exceed_context|maximum model length|maximum number of tokens"
    r"|max_new_tokens` must be|(?:prompt|input|request|payload|entity)\b[^.]{0,40}\btoo (?:long|large)",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content[ _]?(?:filter|management)|ResponsibleAIPolicy|moderat|flagged", re.IGNORECASE)
_SAID_PAUSE = re.compile(r'"retry_?(?:after|delay)(?P<ms>_ms)?(?:_seconds)?"\s*:\s*"?(?P<pause>[\d.]+(?:ms|s)?)', re.I)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SPANS = re.compile(rf"(?:{_SPAN.pattern})+")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def is_too_long(text: str) -> bool:
    """Say whether an error is that a prompt does not fit the model."""
    return _TOO_LONG.search(text) is not None


def failed_reply(tag: tuple[int, int], status: object, text: str, message: str) -> Reply:
    """Return the reply that an error is: busy, refused, a failure; an unusable one where its prompt never succeeds.

    `status` is that of HTTP, or the code that an error has which came as a success.
    """
    if status in BUSY:
        return Reply(tag, "busy", error=message)
    if status in _OF_THE_PROMPT or isinstance(status, str):
        if status == 413 or is_too_long(text):
            return Reply(tag, "ok", message, TOO_LONG)
        if _FILTERED.search(text):
            return Reply(tag, "ok", message, FILTERED)
    refused = isinstance(status, int) and 400 <= status < 500 and status not in _PASSING
    return Reply(tag, "refused" if refused else "http", error=message)


def error_message(text: str) -> str:
    """Return what an error body says, at most 300 characters of one line.

    >>> error_message('{"error": {"message": "slow down"}}'), error_message("")
    ('slow down', 'an empty body')
    """
    try:
        body = parse_json(text)
        error = body.get("error", body) if isinstance(body, dict) else body
        text = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except JsonFault:
        pass
    return " ".join(text.split())[:300] or "an empty body"


def pause_seconds(headers: Mapping[str, str], text: str = "") -> float:
    """Return the pause that a busy server asks for, in seconds: in its headers, else in its error body, else .5.

    >>> pause_seconds({"Retry-After": "2"}), pause_seconds({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"})
    (2.0, 30.0)
    >>> pause_seconds({"x-ratelimit-reset-tokens": "6ms"}), pause_seconds({}, '{"error": {"retry_after": 1.5}}')
    (0.05, 1.5)
    """
    said = _SAID_PAUSE.search(text[:4000])
    asked = (
        _number(headers.get("retry-after-ms", ""), 0.001),
        _number(headers.get("Retry-After", "")),
        _until(headers.get("Retry-After", "")),
        _number(said["pause"], 0.001 if said["ms"] else 1.0) if said else None,
        _longest(headers),
    )
    seconds = next((each for each in asked if each is not None), DEFAULT_PAUSE)
    return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, seconds)) if seconds == seconds else DEFAULT_PAUSE


def _longest(headers: Mapping[str, str]) -> float | None:
    """Return the longer of the pauses until there may be requests, and tokens, again, where none are left."""
    limit, kinds = "x-ratelimit", ("requests", "tokens")
    spent = [kind for kind in kinds if headers.get(f"{limit}-remaining-{kind}", "0") == "0"]
    resets = (_number(headers.get(f"{limit}-reset-{kind}", "")) for kind in spent)
    return max((each for each in resets if each is not None), default=None)


def _number(value: str, unit: float = 1.0) -> float | None:
    """Return a number of such units, or a span such as `6m0s`, in seconds; None for what is neither."""
    try:
        return float(value) * unit
    except ValueError:
        parts = _SPAN.findall(value) if _SPANS.fullmatch(value) else []
    return sum(float(count) * _SECONDS[each] for count, each in parts) if parts else None


def _until(value: str) -> float | None:
    """Return the seconds until a date of HTTP; None for what is none."""
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a time zone
        return None
