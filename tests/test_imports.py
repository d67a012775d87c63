"""What a command loads at its start imports nothing heavy. Which package may import which, pyproject.toml says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
LIGHT = (
    "synthgen.errors",
    "synthgen.console",
    "synthgen.runtime",
    "synthgen.formats",
    "synthgen.dataset",
    "synthgen.models.packs",
    "synthgen.runtime.ray_cluster",
    "synthgen.cli",
    "evaluator.cli",
    "evaluator.sweep.compare",
    "evaluator.benchmark.registry",
    "evaluator.experiment.graph",
)
HEAVY = ("ray", "torch", "transformers", "vllm", "scipy", "datasets")


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert done.stdout.strip() == "[]"
