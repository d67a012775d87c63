"""The shipped MNLI sample: balanced, distinct, small, and disjoint from the data root of tests."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from synthgen.cli.commands import app
from tests.data import TINY_DATA_ROOT

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLE = CHECKOUT / "synthgen" / "dataset" / "samples" / "mnli.jsonl"


def read_pairs() -> list[dict[str, str | int]]:
    return [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]


def test_the_sample_has_twenty_pairs_a_label_in_mnli_columns() -> None:
    pairs = read_pairs()
    assert all(list(pair) == ["premise", "hypothesis", "label"] for pair in pairs)
    assert Counter(pair["label"] for pair in pairs) == {0: 20, 1: 20, 2: 20}


def test_no_pair_is_repeated_and_each_premise_carries_each_label_once() -> None:
    pairs = read_pairs()
    assert len({(pair["premise"], pair["hypothesis"]) for pair in pairs}) == 60
    assert len({(pair["premise"], pair["label"]) for pair in pairs}) == 60
    assert len({pair["premise"] for pair in pairs}) == 20


def test_label_order_leaves_no_pattern_of_three() -> None:
    labels = [pair["label"] for pair in read_pairs()]
    orders = {tuple(labels[start : start + 3]) for start in range(0, 60, 3)}
    assert len(orders) == 6


def test_each_command_on_a_shipped_set_names_the_next_and_no_doubt_of_its_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = {
        "import snli --from sample --n 9 --out real": "synthgen inspect real",
        "why real --reason near": "",
        "inspect real": "evaluator plan none=none real=real --targets all",
        "card real --check": "synthgen publish real --to OWNER/NAME --dry-run",
        "publish real --to ./public --dry-run": "synthgen publish real --to ./public",
        "publish real --to ./public": "synthgen card public --verify",
        "tasks": "synthgen make --task anli_plus --preview 3",
        "tasks --new pair mine.md": "synthgen tasks --check mine.md",
        "tasks --check mine.md": "synthgen make --preview 3 --task mine.md",
    }
    for command, following in steps.items():
        app(command.split(), standalone_mode=False)
        shown = capsys.readouterr().err
        assert shown.endswith(f"next: {following}\n") if following else shown == "", shown
        assert "taken for" not in shown


def test_no_text_of_the_sample_is_in_the_data_root_of_tests() -> None:
    held = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("xnli", "mnli", "tatoeba")
        for path in (TINY_DATA_ROOT / folder).iterdir()
    )
    assert not [text for pair in read_pairs() for text in (pair["premise"], pair["hypothesis"]) if str(text) in held]
