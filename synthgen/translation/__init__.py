"""`synthgen translate`: any set, real or synthetic, as the same set in another language.

The package has the function's name in another form, so that `synthgen.translate` is the command. `job` says what is
asked, `run` translates, `memory` knows what was, `folder` writes; `documents` cuts and joins texts for the backends,
`spans` finds answers again, `quality` scores. Every row keeps its id, label and option order; `translated_from` names
the row it was made from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from synthgen.dataset import Manifest
from synthgen.errors import UserError
from synthgen.formats.span import SpanFormat
from synthgen.opened import OpenedSet, open_set
from synthgen.translation.alignment import Aligner
from synthgen.translation.backends import DEFAULT_MT, open_backend
from synthgen.translation.base import Backend
from synthgen.translation.estimator import Estimator
from synthgen.translation.job import Job, Options, check_job, check_set
from synthgen.translation.machine import Machine
from synthgen.translation.run import run_job
from synthgen.verifiers import SpanVerifier

_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")


def translate(
    folder: Path,
    *,
    to: str | Sequence[str],
    out: Path,
    mt: str = DEFAULT_MT,
    options: Options | None = None,
    origin: str | None = None,
    backend: Backend | None = None,
    machine: Machine | None = None,
) -> list[Manifest]:
    """Write `folder` in each language of `to` and return the manifests, one a language.

    One language: `out` is the dataset folder; several: `out/<language>` are. `mt` names the model (see
    `synthgen.translation.backends`), `backend` is one that is open already; `machine` says where it runs. `origin` says
    what the rows of a folder without a manifest are. The same call again goes on where it was, also after a crash, and
    returns finished folders.

    Raises UserError for languages, models and data that do not go together, IncompleteError when the model cannot be
    had or nothing came back.
    """
    languages = [each.strip() for each in to.split(",")] if isinstance(to, str) else list(to)
    if not all(map(_CODE.fullmatch, languages)) or len(set(languages)) != len(languages):
        raise UserError(f"--to '{','.join(languages)}': give languages as BCP-47 codes, each once, e.g. de,sw")
    opened = open_set(Path(folder), origin=origin)
    served = backend or open_backend(mt, machine)
    out, options = Path(out), options or Options()
    try:
        check_set(opened)
        aligner = Aligner(options.aligner) if options.aligner and isinstance(opened.format, SpanFormat) else None
        answerer = _answerer(options.qa, opened) if options.qa else None
        folders = {language: out if len(languages) == 1 else out / language for language in languages}
        jobs = [Job(opened, served, language, folders[language], options, aligner, answerer) for language in languages]
        for job in jobs:
            check_job(job)
        return [run_job(job) for job in jobs]
    finally:
        if backend is None:
            served.close()


def _answerer(checkpoint: Path, opened: OpenedSet) -> SpanVerifier:
    """Return the model that answers the questions of a set; UserError for a set that asks none."""
    if not isinstance(opened.format, SpanFormat):
        raise UserError(
            f"--qa {checkpoint} finds answers again; {opened.name} is a {opened.format.name} set without any"
        )
    return SpanVerifier(checkpoint, opened.format, "--qa")


__all__ = ["Estimator", "Machine", "Options", "translate"]
