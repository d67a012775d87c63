"""Which line of a TOML file a key stands on, found with the parser itself: beginnings of the file are parsed."""

import tomllib
from collections.abc import Sequence
from typing import Any


def line_of(text: str, keys: Sequence[str]) -> int | None:
    r"""Return the line, from 1, on which a key or table begins; of a key that is not there that of its table.

    >>> line_of("a = 1\n[b]\nc = [\n  2,\n]\nd = 3\n", ["b", "c"])
    3
    """
    lines = text.splitlines(keepends=True)
    while keys:
        begin = 0
        for end in range(1, len(lines) + 1):
            if (values := _parsed("".join(lines[:end]))) is None:
                continue
            if _has(values, keys):
                return begin + 1
            begin = end
        keys = keys[:-1]
    return None


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except ValueError:
        return None


def _has(values: Any, keys: Sequence[str]) -> bool:  # noqa: ANN401 - a TOML value
    for key in keys:
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True
