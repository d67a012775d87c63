"""Files that people write: read whole and at once, whatever stands in their place; their TOML is bounded."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluator.experiment.arms import read_lines
from evaluator.experiment.file import parse_experiment
from evaluator.stats.results import read_results
from synthgen.errors import UserError
from synthgen.text.json_text import read_json
from synthgen.text.plain_text import read_plain_text
from synthgen.text.toml_text import TomlFault, parse_toml, read_toml, read_toml_text

LATIN = "caf\u00e9 = 1\n".encode("latin-1")


def _link(path: Path) -> None:
    path.symlink_to(path.name)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _wide(path: Path) -> None:
    path.write_bytes("a = 1\n".encode("utf-16"))


@pytest.mark.parametrize("read", [read_plain_text, read_toml, read_json, parse_experiment])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "a pipe that nobody writes to"),
        (_endless, "has more than 64 MB"),
        (_link, "symbolic links"),
        (Path.mkdir, "Is a directory"),
        (_wide, r"UTF-8: .*at byte 0; convert it, e\.g\. with `iconv -f utf-16 -t utf-8`"),
        (lambda path: path.write_bytes(LATIN), "iconv -f windows-1252"),
    ],
)
def test_what_is_no_text_file_is_one_line_at_once(
    tmp_path: Path, read: Callable[[Path], object], make: Callable[[Path], object], said: str
) -> None:
    make(path := tmp_path / "a.toml")
    with pytest.raises(UserError, match=rf"a\.toml.*{said}") as refused:
        read(path)
    assert "\n" not in str(refused.value)


def test_a_pipe_that_somebody_writes_to_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "a.toml")
    holder = os.open(path, os.O_RDWR)  # as a shell holds the other side of <(command)

    def write() -> None:
        os.write(holder, b"a = 1\r\nb = 2\n")
        os.close(holder)

    threading.Timer(0.2, write).start()
    assert read_toml(path) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nb = [1, 1" + "0" * 5_000 + "]\n", r"an integer of 5,001 digits; .*\(at line 2, column 9\)"),
        ("a = 1" + "0" * 25, r"an integer of 26 digits; 64 bits are read \(at line 1, column 5\)"),
        ("a = 0x" + "f" * 17, "64 bits are read"),
        ("a = " + "[" * 50_000, "more than 100 levels"),
        (".".join("a" * 5_000) + " = 1", "more than 100 levels"),
        ("a = 1\na = 2", "Cannot overwrite a value"),
    ],
)
def test_toml_that_is_too_deep_or_too_large_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TomlFault, match=said):
        parse_toml(text)
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(UserError, match=rf"a\.toml is not TOML: .*{said}"):
        read_toml(tmp_path / "a.toml")
    read = read_toml_text(text)
    assert any(re.search(said.partition(";")[0], fault.message) for fault in read.faults), read.faults
    assert len(read.faults) == 1


def test_an_integer_that_is_too_long_leaves_the_other_entries_of_a_file(tmp_path: Path) -> None:
    read = read_toml_text("a = 1\nb = 1" + "0" * 5_000 + "\nc = 'x'\n")
    assert (read.values, read.faults[0].line, set(read.left_out)) == ({"a": 1, "c": "x"}, 2, {"b"})


def test_a_byte_order_mark_before_results_is_no_part_of_them(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_bytes(b'\xef\xbb\xbf{"arm": 3}\n')
    with pytest.raises(UserError, match=r"line 1: (?!not JSON)"):
        read_results(tmp_path / "results.jsonl")


def test_a_corpus_for_masked_lm_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_bytes(LATIN)
    with pytest.raises(UserError, match=r"corpus\.txt is not UTF-8"):
        list(read_lines([tmp_path / "corpus.txt"]))
