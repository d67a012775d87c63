"""A file of predictions, in each of its shapes."""

from contextlib import suppress
from pathlib import Path

from evaluator.benchmark.files import predictions
from evaluator.benchmark.target import Split
from synthgen.errors import UserError

SPLIT = Split("de", (), (), (), ("x",))
SEEDS = [b'{"a": ["x", "y"]}']


def read(data: bytes, _: Path) -> None:
    text = data.decode("utf-8", "replace")
    for parse in (predictions.answers_by_id, predictions.rankings_by_id, predictions.pair_lines):
        with suppress(UserError):
            parse(text, SPLIT)
    predictions.rankings_by_id(text, SPLIT)
