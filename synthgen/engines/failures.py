"""What an HTTP status and an error body say of a request: to be sent again, once more, or never; how long to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from synthgen.engines.base import TRUNCATED, UNREADABLE, Reply, text_reply
from synthgen.text.digits import whole_number
from synthgen.text.json_text import JsonFault, parse_json

BUSY = (429, 503, 529)
"""HTTP statuses of a server without room, 529 as Anthropic says it: no fault of the request."""
_OF_THE_PROMPT = (400, 403, 413, 422)
"""Statuses that a prompt may be refused with which is too long, or which holds forbidden content."""
_PASSING = (408, 409, 423, 425)
"""Statuses of a fault in the request that may be gone when it is sent again."""
SHORTEST_PAUSE, DEFAULT_PAUSE, LONGEST_PAUSE = 0.05, 0.5, 30.0
TOO_LONG, FILTERED = "prompt too long", "content filter"
"""What is wrong with a prompt that a server will never take."""
_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|size|window|limit|overflow)|exceed_context|maximum (?:model|prompt|input) length"
    r"|maximum number of tokens|model token limit|max_new_tokens` must be|too many tokens|range of input length"
    r"|input tokens exceed|prompt token count|prompt exceeds max"
    r"|(?:prompt|input|request|payload|entity)\b[^.]{0,40}\btoo (?:long|large)",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content[ _]?(?:filter|management|policy)|ResponsibleAIPolicy|moderat|flagged|Content Exists Risk"
    r"|data_inspection|inappropriate content|prohibited_content",
    re.IGNORECASE,
)
_CUT_OFF = re.compile(
    r"Could not finish the message|output limit was reached|max completion tokens reached", re.IGNORECASE
)
"""What OpenAI's models that think, Azure's and Groq's say instead of `finish_reason: length`, with status 400."""
_WRITTEN = "failed_generation"
"""Where Groq says what the model wrote that is no JSON."""
_NO_CREDIT = re.compile(
    r"insufficient[ _](?:user[ _])?(?:quota|balance|credits?|funds)|quota is not enough|exceeded_current_quota"
    r"|(?:credit|balance)\b[^.]{0,30}\b(?:too low|not enough|insufficient|exhausted)|all available credits"
    r"|billing_(?:hard_limit|not_active)|arrears?\b|arrearage|\"code\"\s*:\s*\"?402\b",
    re.IGNORECASE,
)
_ENDS = {
    TRUNCATED: re.compile("length|max_?(?:output_?)?tokens|context_window", re.IGNORECASE),
    FILTERED: re.compile("content_?filter|safety|sensitive|prohibited|recitation|blocklist|spii", re.IGNORECASE),
    "refusal": re.compile("refusal", re.IGNORECASE),
}
"""What is wrong with a reply → the reasons that servers give for its end."""
_NO_ROOM = re.compile("rate_?limit|overload|capacity|unavailable", re.IGNORECASE)
_BROKEN = re.compile("error|abort|cancel|insufficient_system_resource|malformed", re.IGNORECASE)
_PAUSE_IN_TEXT = re.compile(
    r'"retry_?(?:after|delay)(?P<ms>_ms)?(?:_seconds)?"\s*:\s*"?(?P<pause>[\d.]+(?:ms|s)?)', re.I
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SPANS = re.compile(rf"(?:{_SPAN.pattern})+")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def is_out_of_credit(status: int, text: str) -> bool:
    """Say whether an error is that the account has no money, which no pause mends."""
    return status == 402 or _NO_CREDIT.search(text[:2000]) is not None


def end_fault(reason: object) -> str:
    """Return what is wrong with a reply that ended for this reason, empty for nothing.

    >>> end_fault("stop"), end_fault("length"), end_fault("content_filter: PROHIBITED_CONTENT")
    ('', 'truncated', 'content filter')
    """
    return next((fault for fault, pattern in _ENDS.items() if pattern.search(str(reason))), "")


def is_broken_end(reason: object) -> bool:
    """Say whether a reply that ended for this reason was given up by the server, and may succeed when asked again."""
    return _BROKEN.search(str(reason)) is not None


def failed_reply(tag: tuple[int, int], status: object, text: str, message: str) -> Reply:
    """Return the reply that an error is: busy, refused, a failure; an unusable one where its prompt never succeeds.

    `status` is that of HTTP, or the code that an error has which came as a success.
    """
    if status in BUSY:
        return Reply(tag, "busy", error=message)
    if status in _OF_THE_PROMPT or isinstance(status, str):
        if _CUT_OFF.search(text):
            return Reply(tag, "ok", error=TRUNCATED)  # without what the server says, which no model wrote
        if _WRITTEN in text and (written := _error(text).get(_WRITTEN)) is not None:
            return text_reply(tag, str(written), tokens=(0, 0), error=UNREADABLE if str(written).strip() else "")
        if status == 413 or _TOO_LONG.search(text):
            return Reply(tag, "ok", message, TOO_LONG)
        if _FILTERED.search(text):
            return Reply(tag, "ok", message, FILTERED)
    refused = isinstance(status, int) and 400 <= status < 500 and status not in _PASSING
    return Reply(tag, "refused" if refused else "http", error=message)


def busy_or_code(code: object) -> object:
    """Return the code of an error as a status where it stands for one: a number as text, a word for no room."""
    if not isinstance(code, str):
        return code
    if (number := whole_number(code)) is not None:
        return number
    return BUSY[0] if _NO_ROOM.search(code) else code


def error_message(text: str) -> str:
    """Return what an error body says, at most 300 characters of one line.

    >>> error_message('{"error": {"message": "slow down"}}'), error_message('{"detail": "Not Found"}')
    ('slow down', 'Not Found')
    >>> error_message("")
    'an empty body'
    """
    error = _error(text)
    text = str(error.get("message") or error.get("detail") or error) if error else text
    return " ".join(text.split())[:300] or "an empty body"


def _error(text: str) -> dict[str, Any]:
    """Return the error in a body of JSON, one that is only a text as its message; empty for a body that is none."""
    try:
        error = parse_json(text)
    except JsonFault:
        return {}
    if isinstance(error, list) and error:  # as Google sends them
        error = error[0]
    if isinstance(error, dict):
        error = error.get("error", error)
    return error if isinstance(error, dict) else {"message": str(error)}


def pause_seconds(headers: Mapping[str, str], text: str = "") -> float:
    """Return the pause that a busy server asks for, in seconds: in its headers, else in its error body, else .5.

    >>> pause_seconds({"Retry-After": "2"}), pause_seconds({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"})
    (2.0, 30.0)
    >>> pause_seconds({"x-ratelimit-reset-tokens": "6ms"}), pause_seconds({}, '{"error": {"retry_after": 1.5}}')
    (0.05, 1.5)
    """
    match = _PAUSE_IN_TEXT.search(text[:4000])
    pauses = (
        _number(headers.get("retry-after-ms", ""), 0.001),
        _number(headers.get("Retry-After", "")),
        _until(headers.get("Retry-After", "")),
        _number(match["pause"], 0.001 if match["ms"] else 1.0) if match else None,
        _longest(headers),
    )
    seconds = next((each for each in pauses if each is not None), DEFAULT_PAUSE)
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
