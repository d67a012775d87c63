"""Apertium, the rule-based translator, where its program and pairs are installed (`apt install apertium-eng-spa`).

It has no vocabulary limit and no sentence limit, and the same words give the same translation everywhere, so texts are
translated line by line and nothing is gained by joining them. Long texts are cut into sentences all the same: their
pieces say which part of a passage an answer was in. The pairs are GPL; what they translate is not.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from synthgen.errors import IncompleteError, UserError
from synthgen.runtime.guard import ended_with_this_process
from synthgen.runtime.workers import usable_cores
from synthgen.translation.backends.base import (
    BackendSpec,
    ComputeConfig,
    Item,
    Outcome,
    TranslationFailure,
    check_pair,
)
from synthgen.translation.backends.documents import DocumentBackend

CODES = {"en": "eng", "es": "spa", "ca": "cat", "pt": "por", "fr": "fra", "it": "ita", "gl": "glg"}
_BREAKS = re.compile(r"\s*[\n\x0b\x0c\r\x85\u2028\u2029]\s*")
SECONDS_A_CALL = 600


class Apertium(DocumentBackend):
    """The pairs of languages that this machine's Apertium has.

    `pairs` are BCP-47 codes; `revision` lists them with the program's version, as Debian packages them.
    """

    name = ref = "apertium"
    licence = "cc0-1.0"
    items_at_once = 512
    most = 1000
    note = "rule-based; the programs and dictionaries are GPL, which does not extend to what they translate"

    def __init__(self) -> None:
        """Find the program and its pairs; UserError with its install line when it is not there."""
        self._program = shutil.which("apertium") or ""
        if not self._program:
            raise UserError("--mt apertium needs the program 'apertium': apt install apertium-eng-spa apertium-eng-cat")
        version = self._output("--version")
        self.versions = {"apertium": (re.findall(r"\d+(?:\.\d+)+", version) or ["unknown"])[0]}
        languages = {code: language for language, code in CODES.items()}
        modes = [mode.split("-") for mode in self._output("-l").split() if mode.count("-") == 1]
        self.pairs = [(languages[a], languages[b]) for a, b in modes if a in languages and b in languages]
        self.revision = f"apertium {self.versions['apertium']}, {', '.join(f'{a}-{b}' for a, b in self.pairs)}"
        self.settings: dict[str, str | int | bool] = {"unknown_words": "as they are"}

    def _output(self, option: str) -> str:
        done = subprocess.run([self._program, option], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def check(self, source: str, target: str) -> None:
        """Raise UserError with the installed pairs when this is none of them."""
        check_pair(self.pairs, source, target, where="this machine's Apertium")

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        """Return one outcome for each item, failures where the program takes ten minutes."""
        try:
            return super().translate(items, source, target)
        except subprocess.TimeoutExpired as error:
            return [TranslationFailure("timeout", str(error), failed=True) for _ in items]

    def translate_texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Return one translation for each text, by a process per core, each text a paragraph of its own."""
        mode, processes = f"{CODES[source]}-{CODES[target]}", usable_cores()
        translations = [""] * len(texts)
        with ended_with_this_process(), ThreadPoolExecutor(processes) as threads:
            shares = [texts[first::processes] for first in range(processes)]
            for first, lines in enumerate(threads.map(lambda share: self._run(share, mode), shares)):
                translations[first::processes] = lines
        return translations

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
            raise IncompleteError(f"apertium {mode} failed ({reason[0]}); what is translated is kept, run it again")
        return answers


def _installed_pairs() -> list[tuple[str, str]]:
    """Return the pairs of this machine's Apertium; none where the program, which `translate` asks for, is missing."""
    return Apertium().pairs if shutil.which("apertium") else []


def _open(_: str, compute: ComputeConfig) -> Apertium:
    compute.refuse("--mt apertium uses no model", "device", "threads", "compute")
    return Apertium()


BACKEND = BackendSpec("apertium", _open, pairs=_installed_pairs, example="apertium", languages=("en", "es"))
