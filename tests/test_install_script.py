"""`.ci/install` looks at the machine before it loads anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


def install(tmp_path: Path, driver: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script where `nvidia-smi` names a driver and `python3` only says which build it was asked for."""
    tools = {
        "nvidia-smi": f"echo {driver}" if driver else "exit 9",
        "python3": 'case "$*" in *sys.exit*) exit 0;; *) echo "python3 $*"; exit 3;; esac',
    }
    for name, line in tools.items():
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\n{line}\n")
        tool.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **variables}
    command = ["bash", str(CHECKOUT / ".ci" / "install"), str(tmp_path / "venv")]
    return subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_a_driver_that_is_too_old_for_the_wheels_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    done = install(tmp_path, "550.54.15")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: the NVIDIA driver is 550.54.15, and vLLM's wheels need 580 or newer")


@pytest.mark.parametrize(("driver", "variables"), [("580.65", {}), ("", {}), ("550.54", {"SYNTHGEN_INSTALL": "cpu"})])
def test_any_other_machine_gets_an_environment(tmp_path: Path, driver: str, variables: dict[str, str]) -> None:
    done = install(tmp_path, driver, **variables)
    assert done.returncode == 3
    assert "python3 -m venv" in done.stdout


def test_each_build_has_constraints_of_its_own() -> None:
    script = (CHECKOUT / ".ci" / "install").read_text(encoding="utf-8")
    for name in ("constraints.txt", "constraints-gpu.txt"):
        pins = (CHECKOUT / ".ci" / name).read_text(encoding="utf-8")
        assert f"-c .ci/{name}" in script
        assert "numpy==" in pins
        assert "://" not in pins
