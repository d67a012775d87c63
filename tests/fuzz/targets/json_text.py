"""JSON of any origin."""

import json
from pathlib import Path

from synthgen.text.json_text import JsonFault, parse_json

ALLOWED = (JsonFault,)
SEEDS = [
    b'{"a": [1, 2.5, "b\\u00e9\\ud83d\\ude00", null, true], "c": {"d": {}}}',
    b'["\\ud83d", "\\\\ud83d"]',
    b"[1e5, -0]",
]


def read(data: bytes, _: Path) -> None:
    value = parse_json(data.decode("utf-8", "replace"))
    again = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    assert parse_json(again.decode()) == value
