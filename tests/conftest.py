"""Where tests find real data, models and a browser, and why they skip without them."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from synthgen.runtime.cache import cache_root

CHECKOUT = Path(__file__).resolve().parents[1]

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault; benchmarks measure speed
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data-root", default=None, help="folder of the real XTREME-R files")


if "PYTEST_XDIST_WORKER" in os.environ:  # one thread in each of several processes, before any of them imports torch
    os.environ.setdefault("OMP_NUM_THREADS", "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell ignores it for what it starts with "&"
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a cache of its own with the user's models.

    Else a server at a port that an earlier run had would be taken for that one, and its replies for paid ones.
    """
    if hasattr(config, "workerinput"):
        return
    packs = cache_root() / "packs"
    packs.mkdir(parents=True, exist_ok=True)
    cache = Path(tempfile.mkdtemp(prefix="synthgen-tests-"))
    (cache / "packs").symlink_to(packs)
    os.environ["SYNTHGEN_CACHE"] = str(cache)
    config.add_cleanup(lambda: shutil.rmtree(cache, ignore_errors=True))


@pytest.fixture(scope="session")
def data_root(request: pytest.FixtureRequest) -> Path:
    """The folder of the real files: --data-root, else SYNTHGEN_DATA, else ../shared/data."""
    named = request.config.getoption("--data-root") or os.environ.get("SYNTHGEN_DATA")
    root = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    if not root.is_dir():
        pytest.skip(f"no real data at {root}: give --data-root or SYNTHGEN_DATA")
    return root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file in one process under `--dist loadgroup`, and all tests of Ray in one: they would join each other."""
    for item in items:
        group = "ray" if item.get_closest_marker("ray") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish() -> None:
    """Take what the imports made out of garbage collection: hypothesis collects at every example, 0.3 s each."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """Give it back, so that what is left at exit is freed and no library warns of leaks."""
    gc.unfreeze()
