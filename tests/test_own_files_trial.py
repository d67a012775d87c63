"""A task and a target from the how-to pages alone, outside the checkout, in an environment made from the wheel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.evaluator.conftest import write_tiny_model

CHECKOUT = Path(__file__).resolve().parents[1]
HOW_TO = CHECKOUT / "docs" / "how-to"
pytestmark = [pytest.mark.install, pytest.mark.slow]

MAKE = """
import random
import synthgen
from synthgen.engines.scripted import ScriptedEngine

WORDS = "station library hotel ticket window bank garden river doctor bridge market winter train".split()

def reply(request):
    draw = random.Random(repr((request.nonce, request.tag[1])))
    return " ".join(f"{draw.choice(WORDS)}{draw.randrange(99)}" for _ in range(8)) + "."

manifest = synthgen.make("polite.md", n=50, engine="scripted", model="tiny", out="polite", decoding="plain",
                         started_engine=ScriptedEngine(reply))
assert manifest.kept == 50
"""

COMPARE = """
evaluator compare none=none nli=nli own=polite --targets mood.toml,sib200 --languages de,es,en --data-root data \
  --model ./tiny --recipe small --seeds 2 --store store --out both.html
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment that holds the wheel, and of this one everything else."""
    pytest.importorskip("torch")
    place = tmp_path_factory.mktemp("trial")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(place), str(CHECKOUT)], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "venv")], check=True)
    python = place / "venv" / "bin" / "python"
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    wheel = next(place.glob("*.whl"))
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in ("synthgen", "evaluator"):
        script = python.with_name(name)
        code = f"from {name}.cli.commands import main; main()"
        script.write_text(f'#!/bin/sh\nexec {python} -c "{code}" "$@"\n')
        script.chmod(0o755)
    paths = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    return {**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, "PATH": paths}


def blocks(page: str) -> list[str]:
    """Return the commands of a page but those that start the real generator."""
    text = (HOW_TO / page).read_text(encoding="utf-8")
    return re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_a_task_and_a_target_from_the_pages_are_made_trained_on_scored_and_reported(
    environment: dict[str, str], tmp_path: Path
) -> None:
    write_tiny_model(tmp_path / "tiny")

    def run(*words: str) -> None:
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def shell(text: str) -> None:
        run("bash", "-euo", "pipefail", "-c", text)

    run("python", "-c", f"import synthgen; assert not synthgen.__file__.startswith({str(CHECKOUT)!r})")
    for block in blocks("write-a-task.md"):
        shell(block)
    run("python", "-c", MAKE)
    shell("rm polite.md && synthgen card polite --verify && synthgen filter polite --out clean")
    for block in blocks("write-a-target.md"):
        shell(block.replace("pack:multilingual-e5-small", "./tiny"))
    for code in ("deu", "eng", "spa"):
        folder = tmp_path / "data" / "sib200" / f"{code}_Latn"
        folder.mkdir(parents=True)
        rows = "index_id\tcategory\ttext\n1\tsports\ta red ball\n2\thealth\tthe dog sat\n3\ttravel\ta big house\n"
        for split in ("train", "test"):
            (folder / f"{split}.tsv").write_text(rows, encoding="utf-8")
    shell(COMPARE)
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {(row["arm"], row["target"]) for row in rows} == {
        (arm, target) for arm in ("none", "nli", "own") for target in ("mood", "sib200")
    }
    assert {row["arm_n"] for row in rows if row["arm"] == "own"} == {50}
    page = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert "mood" in page
    assert "sib200" in page
