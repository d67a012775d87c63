"""Commands where the machine gives little: they work, or say in one line what is missing."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from synthgen.runtime.entry import refused_by_machine
from synthgen.runtime.limits import connections_at_once
from tests.synthgen.conftest import dataset_folder, make_scripted, random_rows

pytestmark = pytest.mark.slow  # real commands, each in a process of its own

SYNTHGEN = Path(sys.executable).with_name("synthgen")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [row | {"id": str(n)} for n, row in enumerate(random_rows(60))]
    return dataset_folder(tmp_path_factory.mktemp("environment") / "set", rows)


def shell(line: str, folder: Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash in which `synthgen` and `$SET` stand for the command and a set of sixty rows."""
    line = line.replace("synthgen", shlex.quote(str(SYNTHGEN))).replace("$SET", shlex.quote(str(folder)))
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | variables
    return subprocess.run(["bash", "-c", line], capture_output=True, check=False, cwd=cwd, env=env)


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("synthgen filter $SET --out füñf", {"PYTHONIOENCODING": "ascii"}),
        ("synthgen inspect $SET", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        ("synthgen filter $SET --out f >&-", {}),
        ("synthgen filter $SET --out f 2>/dev/full", {}),
        ("ulimit -n 64; synthgen filter $SET --out f", {}),
        ("env -u HOME synthgen filter $SET --out f", {"TMPDIR": "/nowhere"}),
    ],
)
def test_a_command_works_with_little(line: str, variables: dict[str, str], folder: Path, tmp_path: Path) -> None:
    done = shell(line, folder, tmp_path, **variables)
    assert (done.returncode, [text for text in done.stderr.splitlines() if not text.startswith(b"next: ")]) == (0, [])
    assert ">&-" in line or done.stdout.isascii()


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("synthgen make --task mnli --n 4 --out ''", 2, "--out is empty; give a value, or leave it out"),
        ("synthgen make --task mnli --n 4 --out=", 2, "--out is empty; give a value, or leave it out"),
        ("synthgen filter '' --out f", 2, "an argument is empty; give a value, or leave it out"),
        ("mkdir d; cd d; rmdir ../d; synthgen filter $SET --out f", 2, "the working directory is gone; change to one"),
        (
            "ulimit -v 1000000; synthgen filter $SET --out f",
            2,
            "the address space is limited to 1.0 GB (ulimit -v)",
        ),
        ("ulimit -n 14; synthgen filter $SET --out f", 3, "raise the limit of 14 (ulimit -n); then run the same"),
        (r"synthgen filter $SET --out $'f\xff'", 2, r"'f\udcff' is not text in utf-8: rename it, or where"),
        (r"mkdir $'d\xff'; cd $'d\xff'; synthgen filter $SET --out f", 2, r"d\udcff' is not text in utf-8: rename it"),
        ("synthgen tasks >/dev/full", 3, "No space left on device"),
        ("ln -s loop loop; synthgen filter $SET --out loop/f", 2, "Symlink loop from"),
    ],
)
def test_what_the_machine_refuses_is_one_line(line: str, code: int, message: str, folder: Path, tmp_path: Path) -> None:
    done = shell(line, folder, tmp_path)
    assert done.returncode == code
    assert done.stderr.decode().startswith("error: ")
    assert message in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), 3),
        (OSError(12, "Cannot allocate memory"), 3),
        (ImportError("libtorch.so: failed to map segment from shared object"), 3),
        (RuntimeError("can't start new thread"), 3),
        (OSError(13, "Permission denied", "out/data"), 2),
        (OSError(28, "No space left on device", "out/data"), 3),
        (RuntimeError("Could not determine home directory."), 2),
        (RuntimeError("Symlink loop from 'loop/out'"), 2),
        (ConnectionError("says no number: a bug"), None),
        (ImportError("No module named 'synthgen.task.no'"), None),
    ],
)
def test_what_the_machine_refuses_is_told_from_a_bug(error: Exception, code: int | None) -> None:
    assert getattr(refused_by_machine(error), "exit_code", None) == code


def test_a_server_gets_as_many_connections_as_there_are_files_left_to_open() -> None:
    assert connections_at_once(3) == 3
    assert connections_at_once(10**9) < 65_536


@pytest.mark.skipif(sys.platform != "linux", reason="gives up root's right to write anywhere with setpriv")
def test_a_folder_that_may_only_be_read_can_be_read(tiny_model: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    make_scripted(tiny_model, made, n=12)
    for path in (made, made / "data"):
        path.chmod(0o555)
    drop = "-dac_override,-dac_read_search"
    reader = f"setpriv --bounding-set={drop} --inh-caps={drop} synthgen" if os.getuid() == 0 else "synthgen"
    before = sorted((path, path.stat().st_mtime_ns) for path in made.rglob("*"))
    for words in (
        "card $SET --verify",
        "why $SET mnli-s0-0000001",
        "inspect $SET --out page.html",
        "publish $SET --to ./p",
    ):
        done = shell(f"{reader} {words}", made, tmp_path)
        assert done.returncode == 0, words
        assert all(line.startswith("next: ") for line in done.stderr.decode().splitlines()), words
    done = shell(f"{reader} inspect $SET", made, tmp_path)
    assert done.returncode == 2
    assert done.stderr.decode().endswith("give --out FILE to write only the page, there\n")
    assert sorted((path, path.stat().st_mtime_ns) for path in made.rglob("*")) == before
