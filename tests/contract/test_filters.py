"""Contract of every filter: a verdict is a function of the row alone, or of the rows kept before it."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synthgen
from synthgen.filters.base import FilterContext, FilterSpec, SetFilter
from synthgen.filters.registry import ORDER
from synthgen.filters.rows import residue
from synthgen.formats.base import Row
from tests.synthgen.conftest import NLI

CONTEXT = FilterContext(NLI, prompt="Sentence A: The match was called off because of the heavy rain on Friday.")
TEXTS = (
    "The two brothers ran the old mill together for forty years.",
    "Der Hund schläft heute auf dem alten Sofa.",
    "I'm sorry, but I can't assist with that request.",
    "Hypothesis: the man sleeps.",
    "Write to ann.lee@posteo.de today, she said.",
    "no no no no no no no no",
    "Mill.",
    "The match was called off because of the heavy rain, they say.",
    "A bell\x07 rang.",
    "",
)
MODELS = ("semantic",)
"""Filters that compare rows with a model, which tests of their own have."""


def make(spec: FilterSpec) -> Any:
    return spec.build(CONTEXT, spec.settings())


FREE = [spec for spec in ORDER if spec.runs not in ("against", "verifier", "judge") and not spec.needs]
SETS = [spec for spec in FREE if spec.name not in MODELS and isinstance(make(spec), SetFilter)]
ALONE = [spec for spec in FREE if spec.name not in MODELS and spec not in SETS]

rows = st.lists(
    st.tuples(st.sampled_from(TEXTS) | st.text(max_size=40), st.sampled_from(TEXTS), st.integers(0, 2)), max_size=12
)


@pytest.mark.parametrize("spec", ALONE, ids=lambda spec: spec.name)
@settings(max_examples=25, deadline=None)
@given(drawn=rows)
def test_a_filter_partitions_its_input_whatever_the_order_and_keeps_what_it_kept(spec: FilterSpec, drawn) -> None:
    numbered = [(f"r{i}", {"premise": a, "hypothesis": b, "label": label}) for i, (a, b, label) in enumerate(drawn)]
    verdicts = make(spec).check_batch(numbered)
    assert len(verdicts) == len(numbered)
    assert all(verdict is None or (verdict.reason and isinstance(verdict.evidence, str)) for verdict in verdicts)
    assert [make(spec).check(*each) for each in numbered] == verdicts
    shuffled = random.Random(0).sample(list(zip(numbered, verdicts, strict=True)), len(numbered))
    assert make(spec).check_batch([each for each, _ in shuffled]) == [verdict for _, verdict in shuffled]
    kept = [each for each, verdict in zip(numbered, verdicts, strict=True) if verdict is None]
    assert make(spec).check_batch(kept) == [None] * len(kept)


@pytest.mark.parametrize("spec", SETS, ids=lambda spec: spec.name)
@settings(max_examples=25, deadline=None)
@given(drawn=rows)
def test_a_filter_that_compares_rows_keeps_again_what_it_kept(spec: FilterSpec, drawn) -> None:
    numbered = [(f"r{i}", {"premise": a, "hypothesis": b, "label": label}) for i, (a, b, label) in enumerate(drawn)]

    def kept(rows: list[tuple[str, Row]]) -> list[tuple[str, Row]]:
        filter_, left = make(spec), []
        for row_id, row in rows:
            if filter_.check(row_id, row) is None:
                filter_.add_kept(row_id, row)
                left.append((row_id, row))
        return left

    left = kept(numbered)
    assert kept(left) == left


def test_names_and_places_of_filters_differ() -> None:
    assert len({spec.name for spec in ORDER}) == len({spec.place for spec in ORDER}) == len(ORDER)


@pytest.mark.parametrize("spec", ORDER, ids=lambda spec: spec.name)
def test_a_filters_settings_have_defaults_and_its_check_a_name(spec: FilterSpec) -> None:
    spec.settings()
    assert spec.name
    assert spec.runs in ("always", "default", "asked", "against", "verifier", "judge", "named")


def test_the_registry_refuses_two_filters_of_one_name_or_place(tmp_path: Path) -> None:
    for number, (name, place) in enumerate((("shape", 31), ("another", 30))):
        done = with_another_filter(tmp_path / str(number), "from synthgen.filters import registry", name, place)
        assert "ValueError: 2 filters of synthgen.filters have the " in done.stderr


@pytest.mark.slow  # the contract tests once more, in a process of its own
def test_one_new_file_makes_a_filter_that_is_found_and_held_to_the_contract(tmp_path: Path) -> None:
    options = [__file__, "-vv", "-n", "0", "-p", "no:cacheprovider", "-k", "new-one"]
    done = with_another_filter(tmp_path, f"import pytest; sys.exit(pytest.main({options}))", "new-one", 31)
    assert done.returncode == 0, done.stdout
    assert "keeps_what_it_kept[new-one] PASSED" in done.stdout
    assert "its_check_a_name[new-one] PASSED" in done.stdout


def with_another_filter(folder: Path, code: str, name: str, place: int) -> subprocess.CompletedProcess[str]:
    """Run code in a Python that finds one more file among the row filters: a copy of one, but for name and place."""
    source = Path(residue.__file__).read_text(encoding="utf-8")
    copy = source.replace('"residue"', f'"{name}"').replace("place=30", f"place={place}")
    assert {f'"{name}"', f"place={place}"} <= set(re.findall(r'"[\w-]+"|place=\d+', copy))
    folder.mkdir(exist_ok=True)
    (folder / "one_more.py").write_text(copy, encoding="utf-8")
    shutil.copy(Path(residue.__file__).with_suffix(".toml"), folder)
    code = f"import sys; from synthgen.filters import rows; rows.__path__.append({str(folder)!r}); {code}"
    root = Path(synthgen.__file__).parents[1]
    return subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
