"""synthgen: task-formatted synthetic training data, matched in size to the real sets.

Every command is a function of the same name: `synthgen.make("mnli", n=200, model="pack:smollm2-135m-instruct")`.
Functions load what they need when they are first used, so that importing the package is quick.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    __version__ = version("synthgen-evaluator")
except PackageNotFoundError:
    __version__ = "0+source"

FUNCTIONS = {
    "make": "synthgen.generation.make",
    "import_task": "synthgen.corpora.import_corpus",
    "filter": "synthgen.filters.command",
    "translate": "synthgen.translation.command",
    "card": "synthgen.cards.card",
    "publish": "synthgen.publishing.publish",
    "verify": "synthgen.publishing.verify",
    "inspect": "synthgen.analysis.inspect",
    "why": "synthgen.generation.why",
    "tasks": "synthgen.task.registry",
    "pull": "synthgen.models.packs",
}
"""The public functions and where they are."""

__all__ = ["__version__", *sorted(FUNCTIONS)]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:  # noqa: ANN401 - each command has its own type
    if name not in FUNCTIONS:
        raise AttributeError(f"module 'synthgen' has no attribute '{name}'")
    from synthgen.runtime.public_function import public

    function = globals()[name] = public(getattr(import_module(FUNCTIONS[name]), name))  # a module may have the name too
    return function
