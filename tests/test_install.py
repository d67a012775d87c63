"""The wheel in an empty environment: light, quick, complete."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.install


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that holds the built wheel and its core requirements."""
    place = tmp_path_factory.mktemp("install")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(place), str(CHECKOUT)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(place / "venv")], check=True)
    wheel = next(place.glob("*.whl"))
    python = place / "venv" / "bin" / "python"
    constraints = str(CHECKOUT / ".ci" / "constraints.txt")
    subprocess.run([str(python), "-m", "pip", "--quiet", "install", "-c", constraints, str(wheel)], check=True)
    return place / "venv" / "bin"


def output(environment: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [str(environment / words[0]), *words[1:]], capture_output=True, text=True, check=False, cwd=environment
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_the_core_lists_tasks_and_targets_without_torch(environment: Path) -> None:
    for words in (("synthgen", "tasks", "--json"), ("evaluator", "targets", "--json")):
        assert json.loads(output(environment, *words))
    installed = {path.name for path in environment.parent.rglob("site-packages/*")}
    assert "torch" not in installed
    assert "synthgen" in installed


def test_prompts_samples_schemas_and_templates_are_in_the_wheel(environment: Path) -> None:
    site = next(environment.parent.rglob("site-packages"))
    assert (site / "synthgen/prompts/mnli.md").is_file()
    assert (site / "synthgen/dataset/schemas/manifest.schema.json").is_file()
    assert (site / "synthgen/cards/card_template.md").is_file()
    assert len(list((site / "synthgen/dataset/samples/licences").glob("*.txt"))) == 3


def test_every_data_file_of_the_packages_is_in_the_wheel(environment: Path) -> None:
    site = next(environment.parent.rglob("site-packages"))
    folders = (CHECKOUT / "synthgen", CHECKOUT / "evaluator")
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix not in (".py", ".pyc")]
    assert files
    assert not [path for path in files if path.is_file() and not (site / path.relative_to(CHECKOUT)).is_file()]


def test_a_missing_extra_prints_its_install_line(environment: Path) -> None:
    line = output(environment, "synthgen", "packs", "pull", "nothing", code=2)
    assert "unknown pack 'nothing'" in line
    (environment / "model").mkdir(exist_ok=True)
    (environment / "model" / "config.json").write_text("{}")
    line = output(environment, "synthgen", "make", "--task", "mnli", "--n", "3", "--model", "./model", code=2)
    assert "pip install 'synthgen-evaluator[vllm]'" in line
