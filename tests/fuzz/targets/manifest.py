"""The manifest of a set."""

from pathlib import Path

from synthgen.cards.card import views
from synthgen.dataset.manifest import Manifest, dataset_format

SEEDS = [
    b'{"task": "mnli", "format": "pair", "columns": ["premise", "hypothesis", "label"], "labels": ["a", "b"], "origin": "real",'
    b'"language": "en", "licence": "cc0-1.0", "n": 1, "asked": 2, "kept": 1, "failed": 0, "rejected": {"x": 1},'
    b'"label_counts": {"a": 1}, "seed": 0, "files": {}, "parents": [{"role": "source"}], "statistics": {}, "checks": {}}'
]


def read(data: bytes, _: Path) -> None:
    manifest = Manifest.from_json(data.decode("utf-8", "replace"), where="synthgen.json")
    dataset_format(manifest)
    views(manifest)
