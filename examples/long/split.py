"""Split the SNLI pairs that ship with the package by premise: `python examples/long/split.py runs/demo-long/rows`.

Written are `test.jsonl`, `target.jsonl` (the target's own few training pairs) and `intermediate.jsonl`. No premise is
in two of them.
"""

import json
import sys
from pathlib import Path

from synthgen.dataset.samples import SNLI_ROWS

TEST_PAIRS, TARGET_PAIRS = 1000, 400


def main(folder: Path) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    by_premise: dict[str, list[str]] = {}
    for line in SNLI_ROWS.read_text(encoding="utf-8").splitlines():
        by_premise.setdefault(json.loads(line)["premise"], []).append(line)
    parts: dict[str, list[str]] = {"test": [], "target": [], "intermediate": []}
    for pairs in by_premise.values():
        part = "test" if len(parts["test"]) < TEST_PAIRS else "target"
        parts[part if len(parts["target"]) < TARGET_PAIRS else "intermediate"] += pairs
    for name, lines in parts.items():
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
