"""Human corpora, and translations of them that others have made → dataset folders: `synthgen import`.

Rows come from files as released (readers in `pairs`, `spans`, `choices`, `tagged`) or from the hub (`hub`); `sources`
and `translations` are the tables of what there is, `files` finds them, `parts` makes them one stream, `pairing` finds
the English rows of translated ones, `draw` chooses n of it. A real row is
kept as released, also where our own checks would refuse a generated one: how many of those there are is in the
manifest (`statistics.check`). Rejected is only what nothing can be trained on: rows without a label, malformed lines,
answers that are not at their offsets, and rows that an earlier file of the corpus has too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthgen import options
from synthgen.analysis.text_statistics import describe
from synthgen.cards.card import write_card
from synthgen.corpora.catalogue import SOURCES
from synthgen.corpora.corpus import Corpus, open_corpus
from synthgen.corpora.local_files import is_sample
from synthgen.corpora.sampling import Survey, draw, quotas, survey_corpus
from synthgen.dataset.folder import drafted, refuse_taken
from synthgen.dataset.manifest import Manifest, finish, is_finished, read_manifest
from synthgen.dataset.shards import row_features, write_rejected, write_rows
from synthgen.errors import UserError, refuse
from synthgen.formats.base import Row


def import_task(
    task: options.Corpus,
    *,
    source: options.Source,
    out: options.Out,
    n: options.Draw = None,
    seed: options.Seed = 0,
    language: options.MachineTranslation = None,
    pair_with: options.PairWith = None,
) -> Manifest:
    """Import real data as a dataset folder, or a machine translation of it that others have made.

    Translations: facebook/xnli (mnli), and XTREME's translate-train files (mnli, pawsx, squad_v1, tydiqa).

    Examples: synthgen import mnli --from data --n 200 --out runs/mnli-real;
    synthgen import mnli --from hub --language de --pair-with runs/mnli-real --out runs/mnli-de;
    synthgen import squad_v1 --from squad.translate.train.en-de.json --out runs/squad-de

    Returns the folder's manifest; the same call again returns it too. The smaller of two draws with one seed is, but
    for rounding, part of the larger. Raises UserError for a task, path, file, language or n that cannot be,
    IncompleteError when the hub does not answer.
    """
    started = time.monotonic()
    if n is not None and n < 1:
        raise UserError(f"--n is {n}; allowed is 1 or more")
    if n is None:
        refuse("without --n every row is kept", seed=seed or None)
    if not is_finished(out):
        refuse_taken(out)
    corpus = open_corpus(task, source, language=language, pair_with=pair_with)
    asked_for = _identity(task, corpus, n, seed)
    if is_finished(out):
        return _same_or_refused(out, asked_for)
    survey = survey_corpus(corpus, seed)
    _refuse_empty(corpus, survey)
    chosen = None if n is None else draw(survey, quotas(task, survey.counts(), n))
    facts = asked_for | {"seed": seed, "command": _command(task, source, n, seed, language, pair_with)}
    return _write(out, corpus, survey, chosen, facts, started)


def _refuse_empty(corpus: Corpus, survey: Survey) -> None:
    """Raise UserError when no row can be kept."""
    if not survey.cells and corpus.english:
        raise UserError(f"{_names(corpus)} has no translation of a row of {corpus.english.name}")
    if not survey.cells:
        reasons = Counter(rejection.reason for rejection in survey.rejected)
        raise UserError(f"no usable row in {_names(corpus)}: {dict(reasons) or 'nothing there'}")


def _kept_rows(corpus: Corpus, survey: Survey, chosen: frozenset[int] | None) -> Iterator[Row]:
    """Yield the rows to keep, in the corpus's order."""
    usable = {number for rows in survey.cells.values() for _, number in rows} if chosen is None else chosen
    return (item.row for number, item in enumerate(corpus.items()) if number in usable)


def _write(
    out: Path, corpus: Corpus, survey: Survey, chosen: frozenset[int] | None, facts: dict[str, Any], started: float
) -> Manifest:
    """Write the folder beside its place and move it there when it is whole."""
    counts: Counter[str] = Counter()

    def counted() -> Iterator[Row]:
        for row in _kept_rows(corpus, survey, chosen):
            counts[corpus.format.cell(row)] += 1
            yield row

    with drafted(out) as draft:
        features = row_features(corpus.format, translated=bool(corpus.translation))
        files = write_rows(draft, counted(), features)
        files |= write_rejected(draft, survey.rejected)
        texts = describe(corpus.format, _kept_rows(corpus, survey, chosen))
        manifest = _manifest(corpus, survey, counts, facts | {"files": files}, started, texts)
        write_card(draft, manifest)
        finish(draft, manifest)
    return manifest


def _manifest(
    corpus: Corpus,
    survey: Survey,
    counts: Counter[str],
    facts: dict[str, Any],
    started: float,
    texts: dict[str, Any],
) -> Manifest:
    languages = {part.language for part in corpus.parts}
    language = languages.pop() if len(languages) == 1 else "mul"
    kept = counts.total()
    order = [*corpus.format.labels, *counts]
    return Manifest(
        **facts,
        format=corpus.format.name,
        columns=corpus.format.columns,
        labels=corpus.format.labels,
        language=language,
        n=kept,
        asked=kept + len(survey.rejected),
        kept=kept,
        failed=0,
        rejected=dict(Counter(rejection.reason for rejection in survey.rejected)),
        label_counts={cell: counts[cell] for cell in dict.fromkeys(order) if cell in counts},
        versions={"pyarrow": pa.__version__},
        seconds=round(time.monotonic() - started, 1),
        statistics={
            **texts,
            "available": survey.counts(),
            "check": dict(survey.check),
            "notes": dict(survey.notes),
        },
        checks=_checks(corpus, language, kept),
    )


def _checks(corpus: Corpus, language: str, kept: int) -> dict[str, Any]:
    """Return what the manifest says of a ready-made translation; nothing for a corpus's own rows."""
    if not (found := corpus.translation):
        return {}
    facts: dict[str, Any] = {
        "from": "en",
        "to": language,
        "by": found.by,
        "pairing": found.pairing,
        "quality": "not measured here",
    }
    if corpus.english:
        of = corpus.english.manifest.kept
        facts |= {"pairing": f"ids are those of {corpus.english.name}", "translated": kept, "of": of}
    return {"translation": facts}


def _identity(task: str, corpus: Corpus, n: int | None, seed: int) -> dict[str, Any]:
    """Return the manifest keys that say which import this is; two with equal ones have equal rows."""
    from_sample = all(is_sample(part.path) for part in corpus.parts)
    own = "sample" if from_sample else "real"
    return {
        "task": task,
        "origin": "translated" if corpus.translation else own,
        "licence": corpus.licence,
        "sampling": {"n": n, "seed": seed},
        "parents": corpus.parents,
    }


def _same_or_refused(out: Path, asked_for: dict[str, Any]) -> Manifest:
    """Return the finished folder's manifest when it is of this very import; UserError names what differs."""
    manifest = read_manifest(out)
    differs = [key for key, value in asked_for.items() if getattr(manifest, key) != value]
    if differs:
        details = "; ".join(f"{key} is {getattr(manifest, key)}, asked for {asked_for[key]}" for key in differs)
        raise UserError(f"{out} holds another import: {details}. Give another --out")
    return manifest


def _command(
    task: str, source: str | Path, n: int | None, seed: int, language: str | None, pair_with: Path | None
) -> str:
    origin = source if source in ("hub", "sample") else Path(source).resolve().name
    told = [f"synthgen import {task} --from {origin}"]
    told += [f"--language {language}"] if language else []
    told += [f"--pair-with {Path(pair_with).name}"] if pair_with else []
    return " ".join(told + ([f"--n {n} --seed {seed}"] if n is not None else []))


def _names(corpus: Corpus) -> str:
    return ", ".join(part.path.name for part in corpus.parts)


__all__ = ["SOURCES", "import_task"]
