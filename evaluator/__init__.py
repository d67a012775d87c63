"""evaluator: what intermediate-task data does to zero-shot cross-lingual transfer on XTREME-R.

Every command is a function of this module, imported when first used: `evaluator.compare([...], targets=["xnli"])`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from evaluator.options import DEFAULT_MODEL

if TYPE_CHECKING:
    from evaluator.benchmark.data_root import data_check as data_check
    from evaluator.benchmark.fetch import data_fetch as data_fetch
    from evaluator.benchmark.registry import targets as targets
    from evaluator.benchmark.score_file import score as score
    from evaluator.experiment.encoders import models as models
    from evaluator.experiment.starter import init as init
    from evaluator.reporting.report import report as report
    from evaluator.store.archive import store_pack as store_pack
    from evaluator.store.archive import store_unpack as store_unpack
    from evaluator.store.commands import store_check as store_check
    from evaluator.store.commands import store_clean as store_clean
    from evaluator.store.commands import store_list as store_list
    from evaluator.store.commands import store_repair as store_repair
    from evaluator.store.commands import store_size as store_size
    from evaluator.sweep.compare import compare as compare
    from evaluator.sweep.plan import plan as plan
    from evaluator.sweep.publish import publish as publish
    from evaluator.sweep.run import run as run
    from evaluator.training.train import train as train

_COMMANDS = {
    "compare": "evaluator.sweep.compare",
    "data_check": "evaluator.benchmark.data_root",
    "data_fetch": "evaluator.benchmark.fetch",
    "init": "evaluator.experiment.starter",
    "models": "evaluator.experiment.encoders",
    "plan": "evaluator.sweep.plan",
    "publish": "evaluator.sweep.publish",
    "report": "evaluator.reporting.report",
    "run": "evaluator.sweep.run",
    "score": "evaluator.benchmark.score_file",
    **dict.fromkeys(("store_pack", "store_unpack"), "evaluator.store.archive"),
    **dict.fromkeys(
        ("store_check", "store_clean", "store_list", "store_repair", "store_size"), "evaluator.store.commands"
    ),
    "targets": "evaluator.benchmark.registry",
    "train": "evaluator.training.train",
}

__all__ = ["DEFAULT_MODEL", *_COMMANDS]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:  # noqa: ANN401 - each command has its own type
    if name not in _COMMANDS:
        raise AttributeError(f"module 'evaluator' has no attribute '{name}'")
    from synthgen.runtime.public_function import public

    return public(getattr(import_module(_COMMANDS[name]), name))
