"""A translator into a language of our own, "tlh": every word written backwards, so that tests can undo it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence

from synthgen.errors import unknown
from synthgen.translation.backends.base import BackendSpec, Item, Outcome, TranslationFailure
from synthgen.translation.backends.documents import DocumentBackend


def backwards(text: str) -> str:
    """Write each word backwards: `"one, two"` gives `"eno, owt"`; twice gives the text again."""
    return re.sub(r"\w+", lambda word: word[0][::-1], text)


class Backwards(DocumentBackend):
    """Translates en to tlh and back; can fail on a word, and can kill its own process after some calls."""

    name, ref, revision, licence, note = "backwards", "test:backwards", "1", "cc-by-nc-4.0", ""
    versions: dict[str, str] = {}  # noqa: RUF012 - a constant
    items_at_once = 4

    def __init__(self, *, separator: str = " | ", most: int = 200, fails_on: str = "", dies_after: int = 0) -> None:
        self.separator, self.most = separator, most
        self._fails_on, self._dies_after = fails_on, dies_after
        self.texts: list[str] = []
        self.calls = 0
        self.settings: dict[str, str | int | bool] = {"separator": separator}

    def check(self, source: str, target: str) -> None:
        if {source, target} != {"en", "tlh"}:
            raise unknown("target language", target, ["tlh"])

    def translate_texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        self.texts += texts
        return [backwards(text) for text in texts]

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        self.calls += 1
        if self._dies_after and self.calls > self._dies_after:
            os.kill(os.getpid(), signal.SIGKILL)
        outcomes = super().translate(items, source, target)
        failed = [bool(self._fails_on) and any(self._fails_on in text for text in item) for item in items]
        return [
            TranslationFailure("http", "no answer", failed=True) if bad else outcome
            for bad, outcome in zip(failed, outcomes, strict=True)
        ]


BACKEND = BackendSpec("backwards", lambda ref, compute: Backwards(), example="backwards", languages=("en", "tlh"))
