"""What a tracker has to offer, and the trackers there are: a module each, imported when it is used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from synthgen.errors import missing_package, unknown


class TrackedRun(Protocol):
    """A run as a tracker shows it."""

    def log(self, values: Mapping[str, float | str], step: int | None) -> None:
        """Add values, at a step where they have one."""

    def finish(self) -> None:
        """Say that nothing follows."""


OpenRun = Callable[[str, Mapping[str, Any]], TrackedRun]
"""Begin a run with a name and a configuration of JSON values."""

TRACKERS = {
    "trackio": "evaluator.tracking.wandb_api",
    "wandb": "evaluator.tracking.wandb_api",
    "tensorboard": "evaluator.tracking.tensorboard",
}
"""The modules by the packages that they need; each has `opener(package, folder)`."""


def check_tracker(name: str | None) -> None:
    """Raise UserError for a tracker that is none, or whose package is not installed."""
    if name is None:
        return
    if name not in TRACKERS:
        raise unknown("--track", name, TRACKERS)
    if find_spec(name) is None:
        raise missing_package(name, "track", f"--track {name}")


def opener(name: str, folder: Path) -> OpenRun:
    """Return what begins runs of a tracker; one that writes files does so in `folder`."""
    open_run: OpenRun = import_module(TRACKERS[name]).opener(name, folder)
    return open_run
