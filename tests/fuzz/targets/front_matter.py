"""The front matter of a card."""

from pathlib import Path

from synthgen.cards.card import card_faults, front_faults
from synthgen.cards.front_matter import read_front_matter

SEEDS = [b'---\npretty_name: "x"\nlanguage: ["en"]\nconfigs: [{"a": "b"}]\n---\n\n# x\n\n## 1. y\n\n| a | b |\n']


def read(data: bytes, _: Path) -> None:
    text = data.decode("utf-8", "replace")
    card_faults(text, disclosed=["y"])
    front_faults(text, SEEDS[0].decode())
    read_front_matter(text, where="README.md")
