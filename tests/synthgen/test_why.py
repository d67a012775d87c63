"""`synthgen why`: the rejections of a folder by reason."""

from __future__ import annotations

from pathlib import Path

import pytest

import synthgen
from synthgen.cli.printing import print_why
from synthgen.dataset import read_rejected
from synthgen.errors import UserError
from synthgen.runtime.typer_command import Arguments
from tests.synthgen.conftest import make_scripted
from tests.synthgen.scripts import mostly


@pytest.fixture
def made(tiny_model: str, tmp_path: Path) -> Path:
    make_scripted(tiny_model, tmp_path / "out", mostly(0.3, "No."), n=20)
    return tmp_path / "out"


def test_without_an_id_every_rejection_is_counted_under_its_reason_with_examples(made: Path) -> None:
    kinds = synthgen.why(made)
    assert sum(kind["count"] for kind in kinds) == len(list(read_rejected(made))) > 0
    assert [kind["count"] for kind in kinds] == sorted((kind["count"] for kind in kinds), reverse=True)
    for kind in kinds:
        assert 1 <= len(kind["examples"]) <= 2
        assert synthgen.why(made, kind["examples"][0]["id"])["reason"] == kind["reason"]


def test_one_reason_or_filter_gives_more_examples_and_an_unknown_one_names_those_there_are(made: Path) -> None:
    kind = synthgen.why(made)[0]
    [one] = synthgen.why(made, reason=kind["reason"])
    assert len(one["examples"]) == min(kind["count"], 20)
    with pytest.raises(UserError, match=r"unknown reason 'nothing' in .*; known: .*"):
        synthgen.why(made, reason="nothing")


def test_a_set_without_rejections_has_none(tiny_model: str, tmp_path: Path) -> None:
    make_scripted(tiny_model, tmp_path / "clean", mostly(0.0, "No."), n=6)
    assert synthgen.why(tmp_path / "clean") == []


ROWS = """\
{"premise": "A train leaves for Lyon at nine.", "hypothesis": "A train goes to Lyon today.", "label": 0}
{"premise": "A train leaves for Lyon at nine.", "hypothesis": "A train goes to Lyon today.", "label": 0}
{"premise": "A train leaves for Lyon at nine.", "hypothesis": "Der Zug nach Lyon fährt heute leider nicht.", "label": 2}
"""


def test_rejected_rows_are_shown_field_by_field_with_their_label_and_evidence_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text(ROWS, encoding="utf-8")
    synthgen.import_task("mnli", source=tmp_path / "rows.jsonl", out=tmp_path / "in")
    synthgen.filter(tmp_path / "in", out=tmp_path / "out")
    kinds = synthgen.why(tmp_path / "out")
    for shown in (kinds, synthgen.why(tmp_path / "out", kinds[0]["examples"][0]["id"])):
        print_why(shown, Arguments({"folder": tmp_path / "out", "reason": None}))
    lines = capsys.readouterr().out.splitlines()
    foreign = lines.index("    hypothesis: Der Zug nach Lyon fährt heute leider nicht.")
    most_like = "hypothesis: most like de; en has a probability of 0.00 and 0.00 by the two models"
    assert lines[foreign - 2] == f"    evidence: {most_like}"
    assert lines[foreign + 1] == "    label: contradiction"
    assert "  label: entailment" in lines, "the row alone"
    assert not [line for line in lines if "{" in line]
