"""Human corpora, and translations of them that others have made → dataset folders: `synthgen import`.

A real row is kept as released, also where our own checks would refuse a generated one: how many of those there are is
in the manifest (`statistics.check`). Rejected is only what nothing can be trained on: rows without a label, malformed
lines, answers that are not at their offsets, and rows that an earlier file of the corpus has too.
"""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from synthgen import options
from synthgen.analysis.text_statistics import describe
from synthgen.cards.card import write_card
from synthgen.corpora.corpus import Corpus, open_corpus
from synthgen.corpora.local_files import is_sample
from synthgen.corpora.sampling import Survey, draw, quotas, survey_corpus
from synthgen.dataset.folder import drafted, refuse_taken
from synthgen.dataset.manifest import Manifest, finish, is_finished, read_manifest, refuse_changed
from synthgen.dataset.shards import row_features, write_rejected, write_rows
from synthgen.errors import UserError, refuse
from synthgen.formats.base import Row
from synthgen.runtime.lock import only_writer


def import_task(
    task: options.Corpus,
    *,
    source: options.Source,
    out: options.Out,
    n: options.Draw = None,
    seed: options.Seed = 0,
    language: options.SetLanguage = None,
    pair_with: options.PairWith = None,
) -> Manifest:
    """Import real data as a dataset folder, or a machine translation of it that others have made.

    Translations: facebook/xnli (mnli), and XTREME's translate-train files (mnli, pawsx, squad_v1, tydiqa).

    Where --language does not say it, the language is that of the file's name or the corpus where the texts agree, else
    the one that the texts are identified to be in.

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
    identity = _identity(task, corpus, n, seed)
    if is_finished(out):
        return _same_or_refused(out, identity)
    facts = identity | {"seed": seed, "command": _command(task, source, n, seed, language, pair_with)}
    with only_writer(out):
        survey = survey_corpus(corpus, seed)
        if not survey.cells:
            raise _nothing_usable(corpus, survey)
        chosen = draw(survey, survey.counts() if n is None else quotas(task, survey.counts(), n))
        return _write(out, corpus, survey, chosen, facts, started)


def _nothing_usable(corpus: Corpus, survey: Survey) -> UserError:
    names = ", ".join(part.path.name for part in corpus.parts)
    if corpus.english:
        return UserError(f"{names} has no translation of a row of {corpus.english.name}")
    reasons = Counter(rejection.reason for rejection in survey.rejected)
    return UserError(f"no usable row in {names}: {dict(reasons) or 'nothing there'}")


def _rows(corpus: Corpus, chosen: frozenset[int]) -> Iterator[Row]:
    return (item.row for number, item in enumerate(corpus.items()) if number in chosen)


def _write(
    out: Path, corpus: Corpus, survey: Survey, chosen: frozenset[int], facts: dict[str, Any], started: float
) -> Manifest:
    """Write the folder beside its place and move it there when it is whole."""
    features = row_features(corpus.format, translated=bool(corpus.translation))
    with drafted(out) as draft:
        files = write_rows(draft, _rows(corpus, chosen), features) | write_rejected(draft, survey.rejected)
        texts = describe(corpus.format, _rows(corpus, chosen))
        manifest = _manifest(corpus, survey, chosen, facts | {"files": files}, texts, started)
        write_card(draft, manifest)
        finish(draft, manifest)
    return manifest


def _manifest(
    corpus: Corpus, survey: Survey, chosen: frozenset[int], facts: dict[str, Any], texts: dict[str, Any], started: float
) -> Manifest:
    counts = {cell: sum(number in chosen for _, number in rows) for cell, rows in survey.cells.items()}
    order = dict.fromkeys([*corpus.format.labels, *counts])
    odd = {"available": survey.counts(), "check": dict(survey.check), "notes": dict(survey.notes)}
    return Manifest(
        **facts,
        format=corpus.format.name,
        columns=corpus.format.columns,
        labels=corpus.format.labels,
        n=len(chosen),
        asked=len(chosen) + len(survey.rejected),
        kept=len(chosen),
        failed=0,
        rejected=dict(Counter(rejection.reason for rejection in survey.rejected)),
        label_counts={cell: counts[cell] for cell in order if counts.get(cell)},
        versions={"pyarrow": pa.__version__},
        seconds=round(time.monotonic() - started, 1),
        statistics=texts | odd,
        checks=_checks(corpus, len(chosen)),
    )


def _checks(corpus: Corpus, kept: int) -> dict[str, Any]:
    """Return what the manifest says of the language, and of a ready-made translation."""
    checks = {"set_language": corpus.language.facts()}
    if not (translation := corpus.translation):
        return checks
    facts: dict[str, Any] = {
        "from": "en",
        "to": corpus.language.code,
        "by": translation.by,
        "pairing": translation.pairing,
    }
    facts |= {"quality": "not measured here"}
    if english := corpus.english:
        facts |= {"pairing": f"ids are those of {english.name}", "translated": kept, "of": english.manifest.kept}
    return checks | {"translation": facts}


def _identity(task: str, corpus: Corpus, n: int | None, seed: int) -> dict[str, Any]:
    """Return the manifest keys that say which import this is; two with equal ones have equal rows."""
    origin = "sample" if all(is_sample(part.path) for part in corpus.parts) else "real"
    return {
        "task": task,
        "origin": "translated" if corpus.translation else origin,
        "language": corpus.language.code,
        "licence": corpus.licence,
        "sampling": {"n": n, "seed": seed},
        "parents": corpus.parents,
    }


def _same_or_refused(out: Path, identity: dict[str, Any]) -> Manifest:
    """Return the finished folder's manifest when it is of this very import; UserError names what differs."""
    manifest = read_manifest(out)
    pairs = {key: (getattr(manifest, key), value) for key, value in identity.items()}
    if differs := [f"{key} is {old}, asked for {new}" for key, (old, new) in pairs.items() if old != new]:
        raise UserError(f"{out} holds another import: {'; '.join(differs)}. Give another --out")
    refuse_changed(out, manifest, f"remove {out} to import again")
    return manifest


def _command(
    task: str, source: str | Path, n: int | None, seed: int, language: str | None, pair_with: Path | None
) -> str:
    origin = source if source in ("hub", "sample") else Path(source).resolve().name
    words = [f"synthgen import {task} --from {origin}"]
    words += [f"--language {language}"] if language else []
    words += [f"--pair-with {Path(pair_with).name}"] if pair_with else []
    return " ".join(words + ([f"--n {n} --seed {seed}"] if n is not None else []))
