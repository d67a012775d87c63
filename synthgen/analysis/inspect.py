"""`synthgen inspect`: what is in a set, in the terminal and as one page: funnel, labels, lengths, artefacts, doubles.

The page shows the card's figures. What is measured here (artefacts, shape, diversity, a person's labels) goes to the
manifest's `checks`, and the card is made anew from it.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from rapidfuzz import fuzz, process

from synthgen import options
from synthgen.analysis.human_sample import read_sample, write_sample
from synthgen.analysis.shown_rows import drawn_rows, rejected_rows
from synthgen.analysis.similarity_to_real import check_like, measure
from synthgen.cards.card import shown_values, write_card
from synthgen.cards.charts import figures
from synthgen.cards.summary_tables import SummaryTable, counts, findings, nearest_pairs
from synthgen.dataset.manifest import Manifest, dataset_format, finish, read_intact_manifest, read_manifest
from synthgen.dataset.shards import read_rows, sample_rows
from synthgen.errors import UserError, plain_os_error, refuse
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts
from synthgen.runtime.files import write_atomically
from synthgen.text.escape import shown_in_pages

PAGE_NAME = "inspect.html"
MAX_ROWS = 100_000
COMPARED_ROWS = 1_000
COMPARED_CHARACTERS = 1_000
SHOWN_PAIRS = 5
_TEMPLATE = Path(__file__).with_name("inspect_template.html")


def inspect(
    folder: options.Folder,
    *,
    like: options.Like = None,
    sample: options.Sample = None,
    csv: options.Csv = None,
    judged: options.Judged = None,
    out: options.InspectionPage = None,
) -> Manifest:
    """Measure rejections, lengths, labels, artefacts, diversity and most similar pairs; write them to inspect.html.

    `--out FILE` writes the page to FILE and nothing to the folder.

    Example: synthgen inspect runs/mnli --like runs/mnli-real

    Returns the manifest, with what was measured. With `sample` and `csv` a blind sample is written and nothing else;
    `judged` is such a file filled in. Raises UserError for a folder or a file that does not fit.
    """
    if (sample is None) != (csv is None):
        raise UserError("a blind sample needs both --sample N and --csv FILE")
    if sample is not None:
        if judged is not None:
            raise UserError(
                f"--judged {judged} and --sample {sample} exclude each other: write a sample, or read one back"
            )
        refuse(f"--sample {sample} writes texts and measures nothing", like=like, out=out)
    folder = Path(folder)
    manifest = read_intact_manifest(folder)
    format_ = dataset_format(manifest)
    if sample is not None and csv is not None:
        write_sample(format_, _rows(folder), csv, count=sample, seed=manifest.seed)
        return manifest
    check_like(like, format_)
    checks = {} if judged is None else {"judged": read_sample(format_, _rows(folder), judged)}
    manifest = replace(manifest, checks=manifest.checks | measure(folder, format_, like) | checks)
    shown = _read_once(folder, manifest.content_hash)
    tables = [shown.rows, *_real_rows(format_, like, manifest.seed), rejected_rows(format_, folder)]
    page = render(manifest, shown.pairs, tables)
    if out is not None:
        with plain_os_error(f"cannot write --out {out}"):
            write_atomically(Path(out), page)
        return manifest
    with plain_os_error(f"cannot write to {folder}", "give --out FILE to write only the page, there"):
        write_card(folder, manifest)
        write_atomically(folder / PAGE_NAME, page)
        return finish(folder, manifest)


def _real_rows(format_: Format, like: Path | None, seed: int) -> list[SummaryTable]:
    if like is None:
        return []
    return [drawn_rows(format_, sample_rows(like, MAX_ROWS), seed=seed, title="Rows of the real set")]


def nearest(format_: Format, rows: Sequence[Row], *, seed: int = 0) -> list[dict[str, Any]]:
    """Return the five most alike pairs of at most 1,000 rows: ids, texts, edit similarity 0-100.

    Of a row's texts at most 1,000 characters are compared and returned; where a text was cut stands `…`.
    """
    drawn = random.Random(seed).sample(list(rows), min(COMPARED_ROWS, len(rows)))
    texts = [" | ".join(_beginnings(list(row_texts(format_, row).values()), COMPARED_CHARACTERS)) for row in drawn]
    scores = np.triu(process.cdist(texts, texts, scorer=fuzz.ratio, dtype=np.float32), k=1)
    best = np.argsort(scores, axis=None)[::-1][:SHOWN_PAIRS]
    places = [divmod(int(place), len(texts)) for place in best]
    pairs = [(a, b, round(float(scores[a, b]), 1)) for a, b in places if a != b and scores[a, b] > 0]
    return [
        {"similarity": score, "ids": [drawn[a]["id"], drawn[b]["id"]], "texts": [texts[a], texts[b]]}
        for a, b, score in pairs
    ]


def _beginnings(texts: Sequence[str], size: int) -> Sequence[str]:
    """Return the texts cut so that they have `size` characters together: the longest lose most, short ones nothing."""
    for place, length in enumerate(sorted(map(len, texts))):
        limit = size // (len(texts) - place)
        if length > limit:
            return [text if len(text) <= limit else f"{text[:limit]}…" for text in texts]
        size -= length
    return texts


class _PageRows(NamedTuple):
    """The rows of a folder that are shown, and its nearest pairs."""

    rows: SummaryTable
    pairs: list[dict[str, Any]]


@lru_cache(maxsize=1)
def _read_once(folder: Path, _content_hash: str) -> _PageRows:
    """Return what the rows of a folder come to, which takes seconds; the page and the terminal show the same."""
    manifest, rows = read_manifest(folder), _rows(folder)
    format_ = dataset_format(manifest)
    return _PageRows(drawn_rows(format_, rows, seed=manifest.seed, title="Rows"), nearest(format_, rows))


def _rows(folder: Path) -> list[Row]:
    return list(islice(read_rows(folder), MAX_ROWS))


def summary_tables(folder: Path, manifest: Manifest | None = None) -> list[SummaryTable]:
    """Return everything that the page shows as tables, for a terminal; `manifest` is the folder's, measured anew."""
    manifest = manifest or read_intact_manifest(folder)
    pairs = _read_once(Path(folder), manifest.content_hash).pairs
    with shown_values():
        return [*counts(manifest), *findings(manifest), nearest_pairs(pairs)]


def render(manifest: Manifest, pairs: Sequence[dict[str, Any]], rows: Sequence[SummaryTable]) -> str:
    """Return the page: self-contained, everything from data escaped; `rows` are tables of rows to read."""
    with shown_values():
        pictures = [Markup(svg) for svg in figures(manifest).values()]
        tables = [*rows, *findings(manifest), nearest_pairs(pairs)]
        return _template().render(m=manifest, pictures=pictures, tables=tables)


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=shown_in_pages, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
