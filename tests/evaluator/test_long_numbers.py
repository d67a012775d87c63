"""Numbers of thousands of digits, in files and options: a value that is not allowed, and never more than that."""

from __future__ import annotations

from pathlib import Path

import pytest

import evaluator
import synthgen
from evaluator.benchmark.files.predictions import number_lines
from evaluator.benchmark.registry import find
from evaluator.benchmark.target import DataRoot
from evaluator.experiment.arguments import parse_seeds, parse_size
from evaluator.experiment.arms import parse_arm
from evaluator.experiment.hardware import detect
from synthgen.corpora.readers.squad import NOWHERE, answer_start
from synthgen.engines.failures import busy_or_code
from synthgen.errors import UserError
from synthgen.formats.base import ParseError
from synthgen.formats.span import locate
from synthgen.generation.run import check_n
from tests.data import TINY_DATA_ROOT

LONG = "9" * 5_000


@pytest.mark.parametrize("read", [parse_seeds, parse_size, check_n])
@pytest.mark.parametrize("text", [LONG, "1" * 400], ids=["5,000 digits", "400 digits"])
def test_an_option_of_so_many_digits_is_named_in_short(read: object, text: str) -> None:
    with pytest.raises(UserError) as refused:
        read(text)  # type: ignore[operator]
    assert len(str(refused.value)) < 300 or read is check_n


@pytest.mark.parametrize(
    "value", [f"runs/x:{LONG}", f"runs/x:{LONG}%", f"runs/x:0.{LONG}%+runs/y:rest", f"mlm:x:{LONG}"]
)
def test_an_arm_of_so_many_rows_is_named_in_short(value: str) -> None:
    with pytest.raises(UserError, match=r"arm 'real': '[\d.]+\.\.\.' is no number of rows, and no share; expected"):
        parse_arm(f"real={value}")


def test_threads_of_so_many_digits_are_named_in_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_THREADS", LONG)
    with pytest.raises(UserError, match=r"SYNTHGEN_THREADS is '9+\.\.\.'; allowed: whole numbers from 1"):
        detect()


def test_values_of_files_and_replies_of_so_many_digits_are_no_numbers() -> None:
    split = find("tatoeba").load(DataRoot(TINY_DATA_ROOT), "de", "test")
    with pytest.raises(UserError, match=r"prediction line 1 is '9+\.\.\.'"):
        number_lines(LONG, split)
    assert answer_start({"answer_start": LONG}) == NOWHERE
    with pytest.raises(ParseError):
        locate("Rome", "Rome", LONG)
    assert busy_or_code(LONG) == LONG


@pytest.mark.parametrize("value", [2**70, 10**5_000], ids=["long", "too long to print"])
def test_an_integer_that_no_file_keeps_is_refused_before_anything_is_trained(tmp_path: Path, value: int) -> None:
    for name in ("max_train_examples", "max_eval_examples", "seeds"):
        with pytest.raises(UserError, match=f"{name} is an integer of .* bits; allowed: up to 64"):
            evaluator.compare(["none=none"], targets=["xnli"], store=tmp_path / "store", **{name: value})
    assert list(tmp_path.iterdir()) == []


def test_a_call_with_an_unknown_argument_says_of_which_function_and_what_it_takes() -> None:
    with pytest.raises(TypeError, match=r"card\(\): got an unexpected keyword argument 'verify'; allowed: folder"):
        synthgen.card("runs/mnli", verify=True)  # type: ignore[call-arg]
