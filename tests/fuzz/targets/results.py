"""A results file."""

from pathlib import Path

from evaluator.stats.comparison import compare_results
from evaluator.stats.results import read_results

_ROW = b'{"arm": "%s", "size": %d, "arm_n": 9, "seed": 0, "target": "xnli", "language": "de", "split": "test", "metric": "accuracy", "value": %d, "n": 2, "data_revision": "a"}\n'
_ITEMS = b', "item_ids": ["a", "b"], "item_scores": [1, 0.5]}\n'
SEEDS = [
    _ROW % (b"none", 0, 50) + _ROW % (b"real", 9, 60),
    (_ROW % (b"none", 0, 50)).replace(b"}\n", _ITEMS) + (_ROW % (b"real", 9, 60)).replace(b"}\n", _ITEMS),
]


def read(data: bytes, folder: Path) -> None:
    path = folder / "results.jsonl"
    path.write_bytes(data)
    compare_results(read_results(path), margin=0.5)
