"""The scripts of examples/ run, and the notebooks made of them are notebooks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.notebooks import EXAMPLES, notebook

SCRIPTS = ("inspect_a_set.py", "read_results.py")


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_from_the_projects_folder(name: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES.parent)}
    command = [sys.executable, f"examples/{name}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_notebook_has_the_cells_of_its_script(name: str) -> None:
    made = notebook((EXAMPLES / name).read_text(encoding="utf-8"))
    assert json.loads(json.dumps(made)) == made
    kinds = [cell["cell_type"] for cell in made["cells"]]
    assert kinds[:2] == ["markdown", "code"]
    assert len({cell["id"] for cell in made["cells"]}) == len(kinds)
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            compile(cell["source"], name, "exec")
