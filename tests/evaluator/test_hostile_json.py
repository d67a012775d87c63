"""JSON that Python's reader gives up on, nested deep or with numbers of thousands of digits: one line that names it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evaluator.benchmark.files.predictions import rankings_by_id
from evaluator.benchmark.target import Split
from evaluator.reporting.inputs import read_side_file
from synthgen.cards.front_matter import read_front_matter
from synthgen.corpora.readers.text import read_json, read_json_lines
from synthgen.dataset.manifest import Manifest
from synthgen.errors import UserError

DEEP = "[" * 100_000 + "]" * 100_000
LONG = '{"kept": ' + "9" * 5000 + "}"


@pytest.mark.parametrize("content", [f'{{"a": {DEEP}}}', LONG], ids=["deep", "long"])
@pytest.mark.parametrize(
    "read",
    [
        read_json,
        lambda path: list(read_json_lines(path)),
        lambda path: Manifest.from_json(path.read_text(), where=path.name),
        lambda path: read_front_matter(f"---\na: {path.read_text()}\n---\n", where=path.name),
        lambda path: read_side_file(path.with_name("results.jsonl"), path.name),
        lambda path: rankings_by_id(path.read_text(), Split("xx", (), (), (), ())),
    ],
    ids=["document", "lines", "manifest", "front matter", "side file", "predictions"],
)
def test_json_that_cannot_be_read_is_one_line(tmp_path: Path, read: Callable[[Path], object], content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=r"x\.json.*not (JSON|a key)|prediction file is not JSON") as raised:
        read(tmp_path / "x.json")
    assert "\n" not in str(raised.value)
