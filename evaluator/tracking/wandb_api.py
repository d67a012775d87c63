"""Weights & Biases, and trackio, which has the same functions. Where values go, the package's own variables say."""

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from evaluator.tracking.backend import OpenRun, TrackedRun

PROJECT = "evaluator"
_NOTHING_ELSE = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "host": "-",
    "program": PROJECT,
    "save_code": False,
    "silent": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}
"""Settings of wandb: it would send the machine, its console, paths and code."""
_MACHINE = ("auto_log_cpu", "auto_log_gpu")
"""Options of newer versions of trackio, which would log the load of the machine."""


def opener(name: str, folder: Path) -> OpenRun:
    """Return what begins a run of one of the two."""
    package = import_module(name)
    options: dict[str, Any] = {each: False for each in _MACHINE if each in signature(package.init).parameters}
    if name == "wandb":
        options = {"reinit": "create_new", "settings": package.Settings(**_NOTHING_ELSE)}

    def begin(run: str, config: Mapping[str, Any]) -> TrackedRun:
        begun: TrackedRun = package.init(project=PROJECT, name=run, config=dict(config), **options)
        return begun

    return begin
