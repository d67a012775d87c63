"""Apertium, the rule-based translator, where its program and pairs are installed (`apt install apertium-eng-spa`).

It has no vocabulary limit and no sentence limit, and the same words give the same translation everywhere, so texts are
translated line by line and nothing is gained by joining them. Long texts are cut into sentences all the same: their
pieces say which part of a passage an answer was in. The pairs are GPL; what they translate is not.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from synthgen.errors import IncompleteError, UserError, unknown
from synthgen.translation.backends.base import Item, Outcome, TranslationFailure
from synthgen.translation.backends.documents import Documents

CODES = {"en": "eng", "es": "spa", "ca": "cat", "pt": "por", "fr": "fra", "it": "ita", "gl": "glg"}
_BREAKS = re.compile(r"\s*[\n\x0b\x0c\r\x85\u2028\u2029]\s*")
SECONDS_A_CALL = 600


class Apertium:
    """The pairs of languages that this machine's Apertium has."""

    name = "apertium"
    ref = "apertium"
    licence = "cc0-1.0"
    items_at_once = 512
    most = 1000
    separator = ""
    note = "rule-based; the programs and dictionaries are GPL, which does not extend to what they translate"

    def __init__(self) -> None:
        """Find the program; UserError with its install line when it is not there."""
        self._program = shutil.which("apertium") or ""
        if not self._program:
            raise UserError("--mt apertium needs the program 'apertium': apt install apertium-eng-spa apertium-eng-cat")
        self._documents = Documents(self)

    @property
    def versions(self) -> dict[str, str]:
        """The version of the program."""
        said = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=False)
        return {"apertium": (re.findall(r"\d+(?:\.\d+)+", said.stdout + said.stderr) or ["unknown"])[0]}

    @property
    def revision(self) -> str:
        """The installed pairs, each with a digest of its modes file, are what Debian packages have versions for."""
        return f"apertium {self.versions['apertium']}, {', '.join(f'{a}-{b}' for a, b in self.pairs)}"

    @property
    def settings(self) -> dict[str, str | int | bool]:
        """What determines the translations."""
        return {"unknown_words": "as they are"}

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs of languages that are installed, as BCP-47 codes."""
        listed = subprocess.run([self._program, "-l"], capture_output=True, text=True, check=False).stdout.split()
        ours = {code: name for name, code in CODES.items()}
        found = [tuple(mode.split("-")) for mode in listed if mode.count("-") == 1]
        return [(ours[a], ours[b]) for a, b in found if a in ours and b in ours]

    def check(self, source: str, target: str) -> None:
        """Raise UserError with the installed pairs when this is none of them."""
        if (source, target) not in self.pairs:
            pairs = [f"{a}-{b}" for a, b in self.pairs]
            raise unknown("language pair", f"{source}-{target}", pairs, where="this machine's Apertium")

    def length(self, text: str) -> int:
        """Return the number of characters."""
        return len(text)

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        """Return one outcome for each item."""
        try:
            return self._documents.translate(items, source, target)
        except subprocess.TimeoutExpired as error:
            return [TranslationFailure("timeout", str(error), failed=True) for _ in items]

    def translate_texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Return one translation for each text, by a process per core, each text a paragraph of its own."""
        mode = f"{CODES[source]}-{CODES[target]}"
        shares = [list(range(first, len(texts), self._processes)) for first in range(self._processes)]
        with ThreadPoolExecutor(self._processes) as threads:
            answers = threads.map(lambda share: self._run([texts[i] for i in share], mode), shares)
            found = {
                i: line
                for share, lines in zip(shares, answers, strict=True)
                for i, line in zip(share, lines, strict=True)
            }
        return [found[i] for i in range(len(texts))]

    def spent(self) -> tuple[int, int]:
        """Return zeros: nothing is paid by the token."""
        return 0, 0

    def close(self) -> None:
        """Nothing is kept running."""

    @property
    def _processes(self) -> int:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def _run(self, texts: Sequence[str], mode: str) -> list[str]:
        """Translate one text a line; an empty line between keeps rules from reaching over from one to the next."""
        if not texts:
            return []
        lines = "\n\n".join(_BREAKS.sub(" ", text) for text in texts) + "\n"
        # -u leaves out the marks of unknown words; the text goes through standard input, never a command line.
        command = [self._program, "-u", "-f", "txt", mode]
        done = subprocess.run(
            command, input=lines, capture_output=True, text=True, check=False, timeout=SECONDS_A_CALL, encoding="utf-8"
        )
        answers = [line.strip() for line in done.stdout.split("\n") if line.strip()]
        if done.returncode or len(answers) != len(texts):
            reason = done.stderr.strip().splitlines()[-1:] or [f"{len(answers)} lines for {len(texts)}"]
            raise IncompleteError(f"apertium {mode} failed ({reason[0]}); what was translated is kept, run it again")
        return answers
