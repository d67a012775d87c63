"""What a model writes: an object of texts for a row, a translation, a label."""

from pathlib import Path

from synthgen.engines.base import Reply
from synthgen.formats.base import ParseError
from synthgen.generation.prompt_chain import _json_texts
from synthgen.task.definition import Step
from synthgen.translation.backends.llm import read_reply

STEP = Step("premise", "", {"premise": ""})
ALLOWED = (ParseError,)
SEEDS = [b'{"text0": "Ein Satz.", "premise": "A text."}', b'{"premise": "A \\ud83d text"}']


def read(data: bytes, _: Path) -> None:
    text = data.decode("utf-8", "replace")
    read_reply(Reply((0, 0), "ok", text), ("A sentence.",))
    for value in _json_texts(text, STEP).values():
        value.encode()
