"""Human corpora, translations of them that others have made, and anybody's files → dataset folders: `synthgen import`.

A row is kept as released, also where our own checks would refuse a generated one: how many of those there are is in the
manifest (`statistics.check`). Rejected is only what nothing can be trained on, with its reason, file and line: rows
without a label, malformed lines, answers that are not at their offsets, and rows of an official release that an earlier
file of it has too.
"""

import shlex
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synthgen import console, options
from synthgen.analysis.text_statistics import describe
from synthgen.cards.card import write_card
from synthgen.corpora.corpus import Corpus, open_corpus
from synthgen.corpora.local_files import is_sample
from synthgen.corpora.sampling import Survey, draw, quotas
from synthgen.corpora.stated_facts import stated_facts
from synthgen.dataset.folder import drafted, refuse_taken
from synthgen.dataset.manifest import Manifest, finish, is_finished, read_manifest, refuse_changed
from synthgen.dataset.shards import cell_counts, regrouped, write_rejected, write_tables
from synthgen.errors import UserError, refuse
from synthgen.runtime.drafts import sweep
from synthgen.runtime.lock import only_writer
from synthgen.runtime.provenance import last_part
from synthgen.task.registry import definitions, task_name


def import_task(
    task: options.Corpus,
    *,
    source: options.Source,
    out: options.Out,
    n: options.Draw = None,
    seed: options.Seed = 0,
    language: options.SetLanguage = None,
    pair_with: options.PairWith = None,
    columns: options.Columns = (),
    labels: options.LabelNames = (),
    hypotheses: options.Hypotheses = (),
    where: options.Where = (),
    origin: options.ImportOrigin = None,
    generator: options.Generator = None,
    licence: options.Licence = None,
    split: options.Split = None,
    source_text: options.SourceText = None,
    citation: options.Citation = None,
) -> Manifest:
    """Import data as a dataset folder: an official release, a published translation of one, or any other files.

    Files may be JSON, JSON lines, CSV, TSV, Parquet or Arrow, compressed or not; or a folder of them, such as the hub's
    cache or the output of `save_to_disk`.

    Translations: facebook/xnli (mnli), and XTREME's translate-train files (mnli,
    pawsx, squad_v1, tydiqa).

    Without --language, the language is the one in the file name or the corpus if the texts agree with it, else the one
    identified from the texts.

    Example: synthgen import mnli --from data --n 200 --out runs/mnli-real

    Example: synthgen import mnli --from hub --language de --pair-with runs/mnli-real --out runs/mnli-de

    Example: synthgen import mnli --from wanli/ --origin synthetic --generator GPT-3 --licence CC-BY-4.0 --out runs/w

    Example: synthgen import squad_v1 --from qa.csv.gz --columns context=text,answer=span --language tr --out runs/qa

    Returns the folder's manifest; the same call again returns it too. The smaller of two draws with one seed is, but
    for rounding, part of the larger. Raises UserError for a task, path, file, language, column, label or n that cannot
    be, IncompleteError when the hub does not answer.
    """
    started = time.monotonic()
    _refuse_draw(n, seed)
    if not is_finished(out):
        refuse_taken(out)
    given: dict[str, Any] = {"columns": columns, "labels": labels, "hypotheses": hypotheses, "where": where}
    given |= {"origin": origin, "generator": generator, "licence": licence, "language": language, "split": split}
    given |= {"source": source_text, "citation": citation}
    corpus = open_corpus(task, source, stated=stated_facts(task, given), pair_with=pair_with)
    identity = _identity(task_name(task), corpus, n, seed)
    if is_finished(out):
        sweep(out.absolute().parent)
        return _same_or_refused(out, identity)
    with only_writer(out):
        survey = _survey(corpus, n, seed)
        chosen = None if n is None else draw(survey, quotas(task, dict(survey.cells), n))
        command = _command(task, source, n, seed, pair_with, given)
        provenance = {"seed": seed, "command": command, "definitions": definitions(task)}
        return _write(out, survey, chosen, identity | provenance, started)


def _refuse_draw(n: int | None, seed: int) -> None:
    if n is not None and n < 1:
        raise UserError(f"--n is {n}; allowed: 1 or more")
    if n is None:
        refuse("without --n every row is kept", seed=seed or None)


def _survey(corpus: Corpus, n: int | None, seed: int) -> Survey:
    """Return what a corpus has of each cell, and say how its labels were taken; UserError when nothing can be used."""
    survey = Survey(corpus, n, seed)
    survey.refuse_other_labels()
    if not survey.cells.total():
        raise _nothing_usable(survey)
    for line in label_lines(corpus):
        console.note(line)
    return survey


def label_lines(corpus: Corpus) -> Iterator[str]:
    """Yield a line that says how numbers were taken for labels, where nothing but their order says it."""
    labels = corpus.format.labels
    if corpus.format.name in ("pair", "tags") and not all(map(str.isdecimal, labels)):
        numbers = sorted({number for part in corpus.parts if part.records for number in part.records.labels.numbers})
        if numbers:
            pairs = ", ".join(f"{number} is {labels[number]}" for number in numbers[:20])
            yield f"labels identified by their numbers: {pairs}; --labels gives other meanings"


def _nothing_usable(survey: Survey) -> UserError:
    names = ", ".join(part.path.name for part in survey.corpus.parts)
    if english := survey.corpus.english:
        if survey.corpus.translation:
            return UserError(f"{names} has no translation of a row of {english.name}")
        return UserError(f"{names} has no row with an id of {english.name}; --columns id=NAME names the column of ids")
    first = f"; first in {survey.first_evidence}" if survey.first_evidence else ""
    return UserError(f"no usable row in {names}: {dict(survey.reasons) or 'no rows'}{first}")


def _write(
    out: Path, survey: Survey, chosen: npt.NDArray[np.bool_] | None, facts: dict[str, Any], started: float
) -> Manifest:
    """Write the folder beside its place and move it there when it is whole."""
    stream, format_, counts = survey.stream, survey.corpus.format, Counter[str]()

    def kept() -> Iterator[pa.Table]:
        for table in regrouped(survey.tables(chosen), stream.schema):
            counts.update(cell_counts(format_, table))
            yield table

    with drafted(out) as draft:
        files = write_tables(draft, kept(), stream.schema) | write_rejected(draft, survey.rejected())
        texts = describe(format_, (row for table in survey.tables(chosen) for row in table.to_pylist()))
        manifest = _manifest(survey, counts, facts | {"files": files}, texts, started)
        write_card(draft, manifest)
        finish(draft, manifest)
    return manifest


def _manifest(
    survey: Survey, counts: Counter[str], facts: dict[str, Any], texts: dict[str, Any], started: float
) -> Manifest:
    corpus = survey.corpus
    order = dict.fromkeys([*corpus.format.labels, *counts])
    odd = {"available": dict(survey.cells), "check": dict(survey.check), "notes": dict(survey.notes)}
    return Manifest(
        **facts,
        format=corpus.format.name,
        columns=corpus.format.columns,
        labels=corpus.format.labels,
        n=counts.total(),
        asked=counts.total() + survey.reasons.total(),
        kept=counts.total(),
        failed=0,
        rejected=dict(survey.reasons),
        label_counts={cell: counts[cell] for cell in order if counts.get(cell)},
        versions={"pyarrow": pa.__version__},
        seconds=round(time.monotonic() - started, 1),
        statistics=texts | odd,
        checks=_checks(corpus, counts.total()),
    )


def _checks(corpus: Corpus, kept: int) -> dict[str, Any]:
    """Return what the manifest says of the language, of whom to cite, and of a ready-made translation."""
    checks = {"set_language": corpus.language.facts()}
    if cited := {part.source.name: part.source.citation for part in corpus.parts if "corpus" in part.parent}:
        checks["citations"] = cited
    if not (translation := corpus.translation):
        return checks
    facts: dict[str, Any] = {"from": "en", "to": corpus.language.code, "by": translation.by}
    facts |= {"pairing": translation.pairing, "quality": "not measured here"}
    if english := corpus.english:
        facts |= {"pairing": f"ids are those of {english.name}", "translated": kept, "of": english.manifest.kept}
    return checks | {"translation": facts}


def _identity(task: str, corpus: Corpus, n: int | None, seed: int) -> dict[str, Any]:
    """Return the manifest keys that say which import this is; two with equal ones have equal rows."""
    origin = "sample" if all(is_sample(part.path) for part in corpus.parts) else corpus.stated.origin or "real"
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
    if differs := [f"{key} is {old} there, {new} in this command" for key, (old, new) in pairs.items() if old != new]:
        raise UserError(f"{out} contains another import: {'; '.join(differs)}. Give another --out")
    refuse_changed(out, manifest, f"remove {out} to import again")
    return manifest


def _command(
    task: str, source: str | Path, n: int | None, seed: int, pair_with: Path | None, values: dict[str, Any]
) -> str:
    """Return the command of an import as others may read it."""
    words = [
        "synthgen",
        "import",
        last_part(task),
        "--from",
        source if source in ("hub", "sample") else Path(source).resolve().name,
    ]
    for name, value in values.items():
        if value:
            words += [f"--{name}", value if isinstance(value, str) else ",".join(value)]
    words += ["--pair-with", Path(pair_with).name] if pair_with else []
    words += ["--n", str(n), "--seed", str(seed)] if n is not None else []
    return shlex.join(map(str, words))
