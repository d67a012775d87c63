"""The blind sample: what is written, what is never lost, and what is read back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synthgen.analysis.human_sample import read_sample, write_sample
from synthgen.analysis.inspect import PAGE_NAME, inspect
from synthgen.cli.commands import app
from synthgen.corpora.import_corpus import import_task
from synthgen.errors import UserError
from synthgen.formats.base import Row
from synthgen.formats.pair import PairFormat

PAIRS = PairFormat(("question1", "question2"), ("no", "yes"))


def row(row_id: str, text: str = "A?") -> Row:
    return {"id": row_id, "question1": text, "question2": "B?", "label": 1}


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def put(path: Path, lines: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)


def answer_all(path: Path, answer: str = "yes") -> None:
    header, *lines = table(path)
    put(path, [header, *([*line[:-1], answer] for line in lines)])


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "blind.csv"
    write_sample(PAIRS, [row("a"), row("b")], path, count=2)
    return path


@pytest.fixture(scope="module")
def mnli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judging") / "mnli"
    import_task("mnli", source="sample", out=folder)
    return folder


@pytest.mark.parametrize("answers", [("yes", "yes", "yes"), ("yes", "no", "no"), ("yes", "no", "")])
def test_a_row_that_stands_twice_in_a_judged_sample_is_named_with_its_second_line(
    tmp_path: Path, answers: tuple[str, ...]
) -> None:
    path = tmp_path / "judged.csv"
    put(path, [["id", "judged"], *zip(["a", "b", "a"], answers, strict=True)])  # type: ignore[list-item]
    with pytest.raises(UserError, match=r"judged\.csv, line 4: row 'a' is on line 2 already"):
        read_sample(PAIRS, [row("a"), row("b")], path)


def test_blank_lines_of_a_judged_sample_count_as_lines_and_not_as_rows(tmp_path: Path) -> None:
    path = tmp_path / "judged.csv"
    put(path, [["id", "judged"], ["a", "yes"], [], ["", ""], ["b", ""]])
    found = read_sample(PAIRS, [row("a"), row("b")], path)
    assert (found["rows"], found["not_judged"]) == (1, 1)
    put(path, [["id", "judged"], ["a", "yes"], [], ["c", "yes"]])
    with pytest.raises(UserError, match="line 4: no row 'c'"):
        read_sample(PAIRS, [row("a"), row("b")], path)


def test_answers_are_never_written_over(sample: Path) -> None:
    header, first, second = table(sample)
    put(sample, [header, [*first[:-1], "yes"], second])
    held = sample.read_bytes()
    with pytest.raises(UserError, match=r"--csv .*blind\.csv exists and has answers \(1\)"):
        write_sample(PAIRS, [row("a"), row("b")], sample, count=2)
    assert sample.read_bytes() == held


@pytest.mark.parametrize("content", [b"id,text\n1,hello\n", b"\xff\xfe\x00", b"# notes\n"])
def test_a_file_that_is_no_sample_is_never_written_over(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"--csv .*other\.csv exists and is not a blind sample"):
        write_sample(PAIRS, [row("a")], path, count=1)
    assert path.read_bytes() == content


def test_a_sample_without_answers_and_an_empty_file_are_written_over(sample: Path) -> None:
    write_sample(PAIRS, [row("c")], sample, count=1)
    assert [line[0] for line in table(sample)] == ["id", "c"]
    sample.write_bytes(b"")
    write_sample(PAIRS, [row("d")], sample, count=1)
    assert [line[0] for line in table(sample)] == ["id", "d"]


@pytest.mark.parametrize(
    ("name", "why"), [("nodir/s.csv", "No such file"), (".", "Is a directory"), ("x" * 300, "too long")]
)
def test_a_place_where_no_sample_can_be_written_is_one_line(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(
        UserError, match=f"--csv .* cannot be written: .*{why}.*; give a file in a writable folder"
    ) as caught:
        write_sample(PAIRS, [row("a")], tmp_path / name, count=1)
    assert len(str(caught.value).splitlines()) == 1


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\r=1",
    "\n=1",
    " =1",
    "\x0b \x01=1",
    "\xa0=1",
    "\ufeff=1",
    "\uff1d1",
]


@pytest.mark.parametrize("text", [*FORMULAS, "=cmd|' /C calc'!A0", "'=1", "''=1"])
def test_ids_and_texts_that_look_like_a_formula_are_protected_and_read_back(tmp_path: Path, text: str) -> None:
    path = tmp_path / "blind.csv"
    write_sample(PAIRS, [row(text, text)], path, count=1)
    assert table(path)[1][:2] == [f"'{text}", f"'{text}"]
    answer_all(path)
    assert read_sample(PAIRS, [row(text, text)], path)["rows"] == 1


@pytest.mark.parametrize("text", ["a=b", "'tis", "  plain", "1-2", "''", ""])
def test_other_ids_and_texts_are_written_as_they_are(tmp_path: Path, text: str) -> None:
    path = tmp_path / "blind.csv"
    write_sample(PAIRS, [row(text, text)], path, count=1)
    assert table(path)[1][:2] == [text, text]


def test_ids_that_differ_by_the_protecting_apostrophe_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "blind.csv"
    rows = [row("=a"), row("'=a") | {"label": 0}, row("''=a")]
    write_sample(PAIRS, rows, path, count=3)
    truth = {"'=a": "yes", "''=a": "no", "'''=a": "yes"}
    put(path, [["id", "judged"], *([line[0], truth[line[0]]] for line in table(path)[1:])])
    found = read_sample(PAIRS, rows, path)
    assert (found["rows"], found["agreement"]) == (3, 1.0)


def test_an_id_is_found_also_where_a_spreadsheet_took_the_apostrophe_away(tmp_path: Path) -> None:
    path = tmp_path / "judged.csv"
    put(path, [["id", "judged"], ["=a", "yes"]])
    assert read_sample(PAIRS, [row("=a")], path)["rows"] == 1
    put(path, [["id", "judged"], ["=a", "yes"], ["'=a", "yes"]])
    with pytest.raises(UserError, match="line 3: row '=a' is on line 2 already"):
        read_sample(PAIRS, [row("=a")], path)


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_judged_sample_is_said_to_be_empty(tmp_path: Path, content: str) -> None:
    path = tmp_path / "judged.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"judged\.csv is empty: the first line of a judged sample has its columns"):
        read_sample(PAIRS, [row("a")], path)


def test_a_text_longer_than_pythons_limit_for_csv_cells_is_read_back(tmp_path: Path) -> None:
    path, python_limit = tmp_path / "blind.csv", 131_072
    rows = [row("a", "x" * (python_limit + 1))]
    write_sample(PAIRS, rows, path, count=1)
    path.write_text(path.read_text(encoding="utf-8").replace("B?,", "B?,yes"), encoding="utf-8")
    assert read_sample(PAIRS, rows, path)["rows"] == 1


def test_a_sample_cannot_be_written_and_read_back_at_once(mnli: Path, sample: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--judged .*blind\.csv and --sample 2 exclude each other"):
        inspect(mnli, sample=2, csv=tmp_path / "new.csv", judged=sample)
    assert not (tmp_path / "new.csv").exists()
    assert not (mnli / PAGE_NAME).exists()


def test_the_command_says_where_the_sample_is_also_as_json(mnli: Path, tmp_path: Path) -> None:
    path = tmp_path / "[a]blind.csv"
    words = ["inspect", str(mnli), "--sample", "2", "--csv", str(path)]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert json.loads(done.stdout) == {"csv": str(path), "rows": 2}
    assert (
        f"{path}: 2 rows without labels; write your labels into the column 'judged'"
        in CliRunner().invoke(app, words).stdout
    )


def test_a_judged_file_that_is_not_there_is_one_plain_line(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "nofile.csv", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError, match=rf"^cannot read --judged {path}: {reason}; give the file of --sample N"):
            read_sample(PAIRS, [], path)
