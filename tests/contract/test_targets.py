"""Every target keeps the contract: a new file in `evaluator/benchmark/targets` is tested by existing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluator.benchmark import targets
from evaluator.benchmark.averages import AVERAGES
from evaluator.benchmark.own_target import new_target
from evaluator.benchmark.registry import find, load_all, select, shipped_names, target_names
from evaluator.benchmark.target import Target, facts
from evaluator.benchmark.target_check import COLUMNS
from evaluator.stats.benchmark_averages import benchmark_languages
from synthgen.errors import UserError
from synthgen.text.languages import find_language_code, language

ROOT = Path(__file__).resolve().parents[2]
TARGETS = load_all()


@pytest.fixture(params=TARGETS, ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    return request.param


def test_the_list_names_every_file_of_the_folder() -> None:
    kinds = ("*.py", "*.toml")
    files = {path.stem for folder in targets.__path__ for kind in kinds for path in Path(folder).glob(kind)}
    assert files - {"__init__"} == set(shipped_names())


def test_a_wrong_key_in_the_file_of_facts_is_named(tmp_path: Path) -> None:
    (tmp_path / "abba.toml").write_text('titel = "Abba"\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"unknown key 'titel' in .*abba\.toml; did you mean 'title'\?"):
        facts(str(tmp_path / "abba.py"))


def test_the_name_is_the_file_name(target: Target) -> None:
    assert find(target.name) is target


def test_a_target_says_where_everything_comes_from(target: Target) -> None:
    for text in (target.title, target.train_source, target.licence, target.citation):
        assert text
    assert target.hub or target.name not in shipped_names()
    for sources in target.sources.values():
        assert all(source.origin and source.paths for source in sources)
    assert (target.train is None) == (not target.train_sources)


def test_languages_are_sorted_and_of_the_fifty_in_the_averages(target: Target) -> None:
    assert list(target.languages) == sorted(set(target.languages))
    for code in target.languages:
        assert find_language_code(code)
        if any(target.name in names for names in AVERAGES.values()):
            language(code)


def test_a_language_outside_the_target_is_refused(target: Target) -> None:
    with pytest.raises(UserError, match=f"unknown language 'xx' in target {target.name}"):
        target.check_language("xx")


def test_the_name_stands_in_one_file_of_the_package(target: Target) -> None:
    """All that is particular to a target sits in its file; recipes alone name targets beside it."""
    root = ROOT / "evaluator"
    allowed = {"recipe.py", "demo.py", f"{target.name}.py", "commands.py"}
    naming = {
        path.name
        for path in root.rglob("*.py")
        if f'"{target.name}"' in path.read_text(encoding="utf-8") and path.name not in allowed
    }
    assert naming <= {"__init__.py", "averages.py", "registry.py"}


def test_language_lists_have_the_published_sizes() -> None:
    sizes = {target.name: len(target.languages) for target in TARGETS}
    assert [sizes[name] for name in ("xnli", "xcopa", "udpos", "panx", "xquad", "mlqa", "tydiqa")] == [
        15, 11, 38, 48, 12, 7, 9
    ]  # fmt: skip
    assert [sizes[name] for name in ("tatoeba", "mewslix", "lareqa")] == [41, 11, 11]
    assert len({code for target in select(["all"]) for code in target.languages}) == 50


def test_all_is_ten_targets_and_xtreme9_the_older_nine() -> None:
    assert len(select(["all"])) == 10
    assert [target.name for target in select(["xtreme9"])] == [
        "xnli", "udpos", "panx", "xquad", "mlqa", "tydiqa", "tatoeba", "pawsx", "bucc2018"
    ]  # fmt: skip


def test_an_unknown_target_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match="unknown target 'xnil'; did you mean 'xnli'?"):
        find("xnil")


def test_targets_json_has_the_contracted_keys() -> None:
    import evaluator

    for row in json.loads(json.dumps(evaluator.targets())):
        assert list(row) == ["name", "languages", "metrics", "train_source", "licence"]


NEW_FILE = """
import json, sys
from evaluator.benchmark import targets
targets.__path__.append(sys.argv[1])
"""

RUN_CONTRACT = """
import pytest
sys.exit(pytest.main(["-p", "no:cacheprovider", "-n0", "-v", "-k", "abba", "tests/contract/test_targets.py"]))
"""

PRINT_AVERAGES = """
from evaluator.benchmark.registry import AVERAGES, select
from evaluator.stats.benchmark_averages import benchmark_languages
groups = [[target.name for target in select([name])] for name in ("all", "xtreme9")]
print(json.dumps([groups, {name: benchmark_languages(name) for name in AVERAGES}]))
"""


FACTS_OF_ANOTHER = """
from evaluator.benchmark.targets import tatoeba
_FACTS = {**tatoeba._FACTS, "name": "abba"}
"""


@pytest.fixture
def with_a_new_file(tmp_path: Path) -> Callable[[str], str]:
    """A runner of code for which the targets have one file more, a copy of Tatoeba's under another name."""

    def run(code: str) -> str:
        command = [sys.executable, "-c", NEW_FILE + code, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout

    text = Path(targets.__file__).with_name("tatoeba.py").read_text(encoding="utf-8")
    text = text.replace("_FACTS = facts(__file__)", FACTS_OF_ANOTHER)
    (tmp_path / "abba.py").write_text(text, encoding="utf-8")
    return run


def test_a_new_file_is_held_to_the_contract_without_another_change(with_a_new_file: Callable[[str], str]) -> None:
    checks = with_a_new_file(RUN_CONTRACT)
    assert checks.count("[abba] PASSED") == 5
    assert "FAILED" not in checks


def test_a_new_file_is_listed_after_the_targets_of_the_averages(with_a_new_file: Callable[[str], str]) -> None:
    rows = json.loads(with_a_new_file("import evaluator\nprint(json.dumps(evaluator.targets()))"))
    named = {name for names in AVERAGES.values() for name in names}
    assert [row["name"] for row in rows if row["name"] in named] == [row["name"] for row in rows][: len(named)]
    assert [row["name"] for row in rows][len(named) :] == sorted({"abba", *target_names()} - named)


def test_a_new_file_joins_no_average(with_a_new_file: Callable[[str], str]) -> None:
    groups, languages = json.loads(with_a_new_file(PRINT_AVERAGES))
    assert groups == [[target.name for target in select([name])] for name in ("all", "xtreme9")]
    assert languages == {
        name: {target: list(codes) for target, codes in benchmark_languages(name).items()} for name in AVERAGES
    }


@pytest.mark.slow
def test_the_four_skeletons_are_held_to_the_contract(tmp_path: Path) -> None:
    for format_ in COLUMNS:
        new_target(format_, tmp_path / f"abba_{format_}.toml")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n0", "-v", "-k", "abba_", __file__]
    environment = os.environ | {"SYNTHGEN_TARGETS": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(" PASSED") == 5 * len(COLUMNS)
