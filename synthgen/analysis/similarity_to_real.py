"""Is a set like the real one? What gives labels away, lengths, overlap, question types, and how varied texts are.

A distance lies between 0 and 1: for counts the largest gap between two distributions (Kolmogorov-Smirnov), for names
the share of rows that would have to change (total variation). `floor` is the same distance between two halves of the
real set: less than that cannot be asked. Diversity follows Shaib et al. 2024: compression ratio, self-repetition,
self-BLEU; and distinct-n (Li et al. 2016). All of it depends on the number of rows, so both sets have equally many.
"""

import random
import statistics as stats
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synthgen import console
from synthgen.analysis import artefacts
from synthgen.analysis.text_statistics import ngrams, self_bleu
from synthgen.dataset.manifest import dataset_format, read_intact_manifest, read_manifest
from synthgen.dataset.shards import sample_rows
from synthgen.errors import UserError
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.formats.texts import row_texts
from synthgen.text.words import LONGEST_EXAMPLE, tokens, with_pairs_of_letters, word_count, words_long

MAX_ROWS = 2_000
REPEATED_WORDS = 4
NGRAMS = (1, 2, 3)
QUESTION_WORDS = ("what", "who", "whom", "whose", "which", "when", "where", "why", "how")


def measure(folder: Path, format_: Format, like: Path | None = None) -> dict[str, Any]:
    """Return the checks `artefacts`, `shape` and `diversity` of the rows in a folder, beside those of a real set.

    Without a real set, the figures of at most 2,000 rows and that nothing was compared. Raises UserError when `like`
    is a set of another format.
    """
    check_like(like, format_)
    if like is None:
        rows = sample_rows(folder, MAX_ROWS)
        checks = {"artefacts": artefacts.find_artefacts(format_, rows), "diversity": diversity(format_, rows)}
        return checks | {"shape": "not done: no real set was given for comparison (--like DATASET)"}
    rows, real = (sample_rows(each, artefacts.MAX_ROWS) for each in (folder, like))
    manifest, drawn = read_manifest(like), equal_samples(rows, real)
    compared = {name: getattr(manifest, name) for name in ("task", "origin", "content_hash")}
    return {
        "artefacts": artefacts.find_artefacts(format_, rows, real) | {"compared_with": compared},
        "shape": shape_distances(format_, rows, real),
        "diversity": diversity(format_, drawn[0]) | {"real": diversity(format_, drawn[1])},
    }


def warn_of_artefacts(facts: Mapping[str, Any]) -> None:
    """Warn on stderr that labels can be guessed from a part of the row more often than in the real set."""
    warnings = []
    for name, points in facts.get("excess", {}).items():
        if points > facts["margin"]:
            share, real = (each["baselines"][name]["accuracy"] for each in (facts, facts["real"]))
            warnings.append(f"{name} alone predicts {share:.1f} % of the labels ({real:.1f} % in the real set)")
    for word in facts.get("new_give_aways", ())[: artefacts.NAMED_WORDS]:
        share = f"{100 * word['share']:.0f} % of the {word['rows']} rows with '{word['text']}' are {word['label']}"
        warnings.append(f"{share}; in the real set {word['real_rows']} rows have both")
    for warning in warnings:
        consequence = f"at {facts['rows']} rows each; models will learn this pattern instead of the task"
        console.note(f"{warning}, {consequence}", label="ARTEFACTS")


def check_like(like: Path | None, format_: Format) -> None:
    """Raise UserError when a set of this format cannot be compared with the real set."""
    if like is None:
        return
    manifest = read_intact_manifest(like)
    real = dataset_format(manifest)
    if (real.name, real.columns, real.labels) != (format_.name, format_.columns, format_.labels):
        shape, real_shape = (f"{each.name}: {', '.join(each.columns)}" for each in (format_, real))
        raise UserError(f"--like {like} is a {manifest.task} set ({real_shape}); the set has {shape}")


def shape_distances(format_: Format, rows: Sequence[Row], real: Sequence[Row], *, seed: int = 0) -> dict[str, Any]:
    """Return, for each feature, the distance to the real set, the floor, and the medians or the commonest values."""
    drawn, real_drawn = equal_samples(rows, real, seed)
    features = {}
    for name, feature in _features(format_).items():
        values, real_values = [feature(row) for row in drawn], [feature(row) for row in real_drawn]
        features[name] = {
            "distance": distance(values, real_values),
            "floor": distance(real_values[::2], real_values[1::2]),
            "set": _middle(values),
            "real": _middle(real_values),
        }
    return {"rows": len(drawn), "features": features}


def distance(values: Sequence[Any], real: Sequence[Any]) -> float:
    """Return the distance of two samples, 0 to 1.

    >>> distance(["a", "b"], ["a", "a"]), distance([1, 2, 3], [4, 5, 6])
    (0.5, 1.0)
    """
    if not values or not real:
        return 0.0
    if isinstance(values[0], str):
        a, b = Counter(values), Counter(real)
        return round(sum(abs(a[name] / len(values) - b[name] / len(real)) for name in a | b) / 2, 4)
    edges = np.unique([*values, *real])
    return round(float(np.abs(_below(values, edges) - _below(real, edges)).max()), 4)


def _below(values: Sequence[float], edges: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.searchsorted(np.sort(np.asarray(values)), edges, side="right") / len(values)


def _middle(values: Sequence[Any]) -> Any:  # noqa: ANN401 - a number, or counts by name
    if values and isinstance(values[0], str):
        return {name: round(count / len(values), 3) for name, count in Counter(values).most_common(6)}
    return round(float(stats.median(values)), 3) if values else None


def _features(format_: Format) -> dict[str, Callable[[Row], Any]]:
    """Return what is compared: the label, words of every text, overlap of the first two, type of a question."""
    columns = format_.text_columns
    features: dict[str, Callable[[Row], Any]] = {
        "label": format_.cell,
        "words": lambda row: sum(map(word_count, row_texts(format_, row).values())),
    }
    features |= {f"words of {name}": partial(_of_text, name, word_count) for name in columns}
    if len(columns) > 1:
        features[f"overlap of {columns[1]} with {columns[0]}"] = lambda row: _overlap(row[columns[0]], row[columns[1]])
    questions = [name for name in columns if name.startswith("question") and name != "question_concept"]
    return features | {f"type of {name}": partial(_of_text, name, question_type) for name in questions}


def _of_text(column: str, feature: Callable[[str], Any], row: Row) -> Any:  # noqa: ANN401 - a number or a name
    return feature(str(row[column]))


def question_type(text: str) -> str:
    """Return the first question word of a text, or `other`.

    >>> question_type("In which year did it end?"), question_type("Is it over?")
    ('which', 'other')
    """
    return next((word for word in tokens(text) if word in QUESTION_WORDS), "other")


def _overlap(first: str, second: str) -> float:
    words, others = (set(with_pairs_of_letters(tokens(text))) for text in (first, second))
    return len(words & others) / len(others) if others else 0.0


def diversity(format_: Format, rows: Sequence[Row], *, seed: int = 0) -> dict[str, Any]:
    """Return how varied the texts of at most 2,000 rows are; higher compression and repetition mean less varied."""
    drawn = list(rows) if len(rows) <= MAX_ROWS else random.Random(seed).sample(list(rows), MAX_ROWS)
    texts = [" ".join(row_texts(format_, row).values())[:LONGEST_EXAMPLE] for row in drawn]
    words = [tokens(text) for text in texts]
    measures: dict[str, Any] = {"rows": len(drawn), "compression_ratio": compression_ratio(texts)}
    measures |= {f"distinct_{n}": distinct(words, n) for n in NGRAMS}
    return measures | {"self_repetition": self_repetition(words), "self_bleu": self_bleu(texts, seed=seed)["value"]}


def compression_ratio(texts: Sequence[str]) -> float:
    """Return bytes before to bytes after zlib at its strongest."""
    data = "\n".join(texts).encode()
    return round(len(data) / len(zlib.compress(data, 9)), 3)


def distinct(words: Sequence[Sequence[str]], n: int) -> float:
    """Return the share of n-grams that are different ones.

    >>> distinct([["a", "b", "a", "b"]], 2)
    0.6667
    """
    grams = [gram for row in words for gram in ngrams(row, n)]
    return round(len(set(grams)) / len(grams), 4) if grams else 0.0


def self_repetition(words: Sequence[Sequence[str]]) -> float:
    """Return the share of rows with a run of four words, or eight letters, that another row has too."""
    rows = [ngrams(row, words_long(row, REPEATED_WORDS)) for row in words]
    owners = Counter(gram for grams in rows for gram in set(grams))
    repeated = sum(any(owners[gram] > 1 for gram in grams) for grams in rows)
    return round(repeated / len(words), 4) if words else 0.0


def equal_samples(rows: Sequence[Row], real: Sequence[Row], seed: int = 0) -> tuple[list[Row], list[Row]]:
    """Return equally many rows of both sets, 2,000 at most, drawn at random."""
    size = min(len(rows), len(real), MAX_ROWS)
    return random.Random(seed).sample(list(rows), size), random.Random(seed).sample(list(real), size)
