"""Every public function from Python: paths as texts, wrong types in one line, and help without options of a command."""

from __future__ import annotations

import inspect
import os
import pydoc
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evaluator
import synthgen
from synthgen.dataset import read_rows
from synthgen.errors import UserError
from synthgen.runtime.public_function import public
from tests.synthgen.conftest import parquet_folder, random_rows

FUNCTIONS = [(package, name) for package in (synthgen, evaluator) for name in package.__all__ if name[0].islower()]
PARAMETERS = [
    (package, name, parameter)
    for package, name in FUNCTIONS
    for parameter in inspect.signature(getattr(package, name)).parameters
]


def test_a_manifest_is_a_table_in_a_notebook_and_a_frame(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    manifest = synthgen.import_task("snli", source="sample", n=6, out=tmp_path / "set")
    frame = manifest.to_pandas()
    assert frame[frame.what == "label"].rows.sum() == manifest.kept == 6
    assert dict(zip(frame.what, frame.rows, strict=False))["asked"] == manifest.asked
    assert len(pandas.read_parquet(tmp_path / "set" / "data")) == 6
    shown = replace(manifest, rejected={"<script>": 1}, asked=manifest.asked + 1)._repr_html_()
    assert "<td>asked</td><td></td><td>7</td>" in shown
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown


def test_without_pandas_a_frame_is_one_line_that_names_the_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pandas'] = None\nfrom synthgen.runtime.notebook import data_frame\ndata_frame([])"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert "to_pandas() needs the package 'pandas': pip install 'synthgen-evaluator[hub]'" in ended.stderr


@pytest.mark.parametrize(("package", "name", "parameter"), PARAMETERS)
@pytest.mark.parametrize("value", [object(), b"bytes", {"a": 1}, 1j, "a\0b", Path("a\0b"), ["a\0b"]])
def test_a_value_of_a_wrong_type_is_one_line_that_names_it(
    package: Any, name: str, parameter: str, value: object
) -> None:
    function = getattr(package, name)
    required = [each for each in inspect.signature(function).parameters.values() if each.default is each.empty]
    given = {each.name: "x" for each in required} | {parameter: value}
    has_null = isinstance(value, (str, Path, list))
    fault = "holds a null character" if has_null else f"is of the type {type(value).__name__}; allowed"
    with pytest.raises(UserError, match=rf"^{parameter} = .* {fault}") as error:
        function(**given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("package", "name"), FUNCTIONS)
def test_help_shows_types_and_no_options(package: Any, name: str) -> None:
    text = pydoc.plain(pydoc.render_doc(getattr(package, name)))
    assert "typer" not in text
    assert "Info object" not in text
    assert inspect.getdoc(getattr(package, name)).split("\n")[0] in text


def test_paths_may_be_texts_from_making_a_set_to_publishing_it(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "in", random_rows(20))
    out = str(tmp_path / "out")
    synthgen.filter(str(source), out=out, origin="real", like=None)
    synthgen.inspect(out, like=out)
    assert synthgen.card(out) == tmp_path / "out" / "README.md"
    assert synthgen.verify(out).faults == ()
    assert synthgen.why(out, next(iter(read_rows(out)))["id"])["verdict"] == "kept"
    assert synthgen.publish(out, to=tmp_path / "public").status == "published"


def _function(
    path: Path | None = None,
    text: str = "",
    many: Sequence[Path] = (),
    number: float = 0,
    n: int | str = 0,
) -> tuple[Any, ...]:
    return path, text, many, number, n


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"path": "a"}, (Path("a"), "", (), 0, 0)),
        ({"text": Path("a/b")}, (None, os.path.join(".", "a/b"), (), 0, 0)),
        ({"number": np.float32(0.5), "n": np.int64(3)}, (None, "", (), 0.5, 3)),
        ({"many": "a"}, (None, "", (Path("a"),), 0, 0)),
        ({"many": iter(["a", Path("b")])}, (None, "", (Path("a"), Path("b")), 0, 0)),
        ({"number": Fraction(1, 2), "n": "real"}, (None, "", (), 0.5, "real")),
        ({"n": [0, np.int64(2)]}, (None, "", (), 0, "0,2")),
        ({"n": range(3)}, (None, "", (), 0, "0,1,2")),
    ],
)
def test_what_is_close_to_a_type_is_taken_for_it(given: dict[str, Any], taken: tuple[Any, ...]) -> None:
    found = public(_function)(**given)
    assert found == taken
    assert [type(each) for each in found] == [type(each) for each in taken]


@pytest.mark.parametrize(
    "given",
    [{"n": True}, {"n": 0.5}, {"n": []}, {"n": ["a"]}, {"n": [True]}, {"number": "1"}, {"text": 3}, {"path": 3}],
)
def test_what_only_looks_close_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="; allowed: "):
        public(_function)(**given)


@pytest.mark.parametrize("targets", ["xnli,nothing", ["nothing"], "nothing"])
def test_one_text_stands_for_a_list(targets: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown target 'nothing'"):
        evaluator.plan("none=none", targets=targets, store=tmp_path / "store")
