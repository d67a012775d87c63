"""What lies beside a results file: the arms and the plan."""

from pathlib import Path

from evaluator.reporting.inputs import data_cards, plan_rows, read_arms, read_side_file

SEEDS = [
    b'{"none": {"kept": 3, "rejected": {"x": 1}, "origin": "real", "dataset_card": "x/README.md", "data": {"a": {"b": [1]}}}}',
    b'{"planned": {"runs": 3, "seconds": 1.5}, "real": {"runs": 3}, "jobs": [1], "note": "x"}',
]


def read(data: bytes, folder: Path) -> None:
    for name in ("arms.json", "plan.json"):
        (folder / name).write_bytes(data)
    source = folder / "results.jsonl"
    data_cards(["none"], read_arms(source, folder / "page"))
    plan_rows(read_side_file(source, "plan.json"))
