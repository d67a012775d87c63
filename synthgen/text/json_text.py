"""The one way into JSON: values that later code can count on, or one line that says what is wrong."""

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

from synthgen.errors import UserError, shorten
from synthgen.text.plain_text import read_plain_text

MOST_LEVELS = 100
LARGEST_INTEGER = 2**64 - 1
"""Ids and hashes have 64 bits; nothing here counts further."""


class JsonFault(ValueError):
    """A text is no JSON, or JSON that is refused; the message is one line."""


def parse_json(text: str, *, nan: bool = False) -> Any:  # noqa: ANN401 - any JSON value
    r"""Return the value of a JSON text; half a surrogate pair in it is read as U+FFFD.

    Raises JsonFault for what is no JSON, and for objects with a key twice, more than 100 levels, integers of more than
    64 bits, numbers too large for a float, and, without `nan`, NaN and Infinity.

    >>> parse_json('{"a": [1.5, "\\ud83d"]}')
    {'a': [1.5, '\ufffd']}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    synthgen.text.json_text.JsonFault: the key 'a' stands twice in one object
    """
    decoder = _WITH_NAN if nan else _STRICT
    try:
        value = decoder.decode(_HALF_PAIRS.sub(_whole, text) if _HALF.search(text) else text)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise JsonFault(str(error)) from None
    if text.count("[") + text.count("{") > MOST_LEVELS:
        refuse_depth(value)
    return value


def read_json(path: Path, what: str = "", *, nan: bool = False) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON document of a file of ours or of a model; UserError names it with `what` before its name."""
    try:
        return parse_json(read_plain_text(path, what), nan=nan)
    except JsonFault as fault:
        raise UserError(f"{what}{path} is not JSON: {fault}") from None


def read_json_object(path: Path, what: str = "", *, nan: bool = False) -> dict[str, Any]:
    """Return the JSON object of a file; UserError names it when it holds none."""
    value = read_json(path, what, nan=nan)
    if not isinstance(value, dict):
        raise UserError(f"{what}{path} is not a JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonFault(f"the key {shorten(twice)!r} stands twice in one object")
    return values


def _integer(digits: str) -> int:
    if len(digits) > 21 or abs(value := int(digits)) > LARGEST_INTEGER:
        raise JsonFault(f"it has an integer of {len(digits):,} digits; 64 bits are read")
    return value


def _float(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise JsonFault(f"the number {shorten(digits, 20)} is too large")
    return value


def _constant(name: str) -> NoReturn:
    raise JsonFault(f"{name} is not a JSON number")


def _decoder(**options: Any) -> json.JSONDecoder:  # noqa: ANN401 - of json.JSONDecoder
    return json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, **options)


_STRICT, _WITH_NAN = _decoder(parse_constant=_constant), _decoder()
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_HALF_PAIRS = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _whole(escape: re.Match[str]) -> str:
    return r"\ufffd" if escape["half"] else escape[0]


def refuse_depth(value: object) -> None:
    """Raise JsonFault for a value of too many levels: Python's own limit depends on where it is called from."""
    level: list[Any] = [value]
    for _ in range(MOST_LEVELS):
        within = [each for each in level if isinstance(each, dict | list)]
        if not within:
            return
        level = [child for each in within for child in (each.values() if isinstance(each, dict) else each)]
    raise _too_deep()


def _too_deep() -> JsonFault:
    return JsonFault(f"it has more than {MOST_LEVELS} levels")
