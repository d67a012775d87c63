"""Decontamination: rows that repeat an item of an evaluation set, as a whole or in part, in any language of theirs.

Candidates share word trigrams with an item. A long text is a hit with a run of 13 words of the item's (GPT-3's n-gram,
Brown et al. 2020, appendix C), with most of its trigrams, as in a truncated copy, or as a near duplicate; short texts
only when every text of the row hits another text of an item: a stock sentence proves nothing. For translations and
paraphrases (Yang et al. 2023, 2311.04850) an encoder, when one is named, looks for the item that means the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from heapq import nsmallest
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from synthgen import console
from synthgen.errors import listed
from synthgen.filters.base import Drop, Filter, FilterSpec
from synthgen.filters.decontamination.cross_lingual import BACKGROUND, Margins, NearestItem, Neighbours, grouped
from synthgen.filters.decontamination.evaluation_sets import item_hash, read_evaluation_sets, unread_files
from synthgen.filters.dedup.similarity import VERSIONS, NearSettings, compared_texts, likeness, texts_apart
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.models import sentence_encoder
from synthgen.models.sentence_encoder import PREFIX, SentenceEncoder
from synthgen.runtime.provenance import public_settings
from synthgen.text import language_id
from synthgen.text.language_id import count_words, row_language
from synthgen.text.words import count_of_parts, hashes_of_words, mixed, word_count, words, words_long

REPORT_NAME = "contamination.json"
_CANDIDATES = 8
_FEWEST_WORDS = 6
_NEARLY = 0.05
_COMMON = 200
"""A trigram that more texts have ("one of the") points to none of them."""


@dataclass(frozen=True, slots=True)
class ContaminationSettings:
    """When a text repeats an item's: a run of words or a share of trigrams; `long_from` words are a long text.

    With an `encoder` (`pack:multilingual-e5-small`, a folder, a hub id) rows that mean what an item means go too,
    translations and paraphrases: the item stands out by a `margin` of cosine, as `cross_lingual` takes it, or by
    `own_margin` in the row's own language.
    """

    run: int = 13
    share: float = 0.8
    long_from: int = 10
    encoder: str = ""
    prefix: str = PREFIX
    margin: float = 0.22
    own_margin: float = 0.3

    def __post_init__(self) -> None:
        if self.run < 3 or self.long_from < 3 or not 0 < self.share <= 1:
            raise ValueError("run and long_from are at least 3, share is above 0 and at most 1")
        for name, value in (("margin", self.margin), ("own_margin", self.own_margin)):
            if not _NEARLY < value <= 1 - BACKGROUND:
                raise ValueError(f"{name} = {value} is not above {_NEARLY} and at most {1 - BACKGROUND}")


@dataclass(frozen=True, slots=True)
class _Item:
    apart: tuple[str, ...]
    texts: tuple[str, ...]
    set_number: int
    code: str


class _Match(NamedTuple):
    """What two texts, or a row and an item, have in common, and whether the row must go for it alone."""

    evidence: str
    is_enough: bool


NAMED = 4
"""Files whose items were read, as named on the terminal; the manifest has all."""


class Contamination(Filter):
    """Drops rows that repeat items of the sets it was given. The evidence names the set and the item's hash."""

    name = "contamination"
    VERSION = 2

    def __init__(
        self,
        format_: Format,
        against: Sequence[Path],
        settings: ContaminationSettings | None = None,
        language: str = "en",
        neighbours: Neighbours | None = None,
    ) -> None:
        """Read the evaluation sets; rows are in `language` unless they name their own.

        `neighbours` are the items by what they mean, when they are encoded already.
        """
        self._format, self._language, self._settings = format_, language, settings or ContaminationSettings()
        against = list(against)
        self._sets = list(chain.from_iterable(map(read_evaluation_sets, against)))
        self._not_read = list(chain.from_iterable(map(unread_files, against)))
        if self._sets:
            items = sum(len(each.items) for each in self._sets)
            console.note(f"--against: {items:,} items read of {listed([each.name for each in self._sets], most=NAMED)}")
        if self._not_read:
            console.note(f"--against: not read, so their items are not searched for: {listed(self._not_read)}")
        self._items = [
            _Item(apart, tuple(map(words, texts)), number, item_hash(texts))
            for number, each in enumerate(self._sets)
            for texts, apart in zip(each.items, each.apart, strict=True)
        ]
        holders = _holders(self._items)
        self._holders = list(holders.values())
        grams, owners = _trigrams([(text,) for text in holders])
        order = np.argsort(grams, kind="stable")
        self._owners = owners[order]
        self._keys, self._first, self._count = np.unique(grams[order], return_index=True, return_counts=True)
        self._sizes = np.bincount(self._owners, minlength=len(holders)).tolist()
        self._hits: dict[int, Counter[str]] = defaultdict(Counter)
        self._below: Counter[int] = Counter()
        self._neighbours = neighbours
        self._encoder_facts: dict[str, str] = {}
        self._by_meaning = 0

    def check(self, row_id: str, row: Row) -> Drop | None:
        """Return a drop naming the evaluation set, the item's hash and what they share."""
        return self.check_batch([(row_id, row)])[0]

    def check_batch(self, rows: Sequence[tuple[str, Row]]) -> list[Drop | None]:
        """Return the drops of several rows."""
        texts = [tuple(map(words, compared_texts(self._format, row))) for _, row in rows]
        candidates = self._candidates(texts)
        drops = [self._drop(row, candidates.get(number, ())) for number, row in enumerate(texts)]
        if self._settings.encoder and (rest := [number for number, drop in enumerate(drops) if drop is None]):
            for number, drop in zip(rest, self._same_meaning([rows[number][1] for number in rest]), strict=True):
                drops[number] = drop
        return drops

    def metadata(self) -> dict[str, Any]:
        """Return the counts by set; `contamination.json` has the hashes of the items."""
        translations = "then the nearest item by a sentence encoder" if self._settings.encoder else "no translations"
        return {
            "method": f"shared word trigrams, then runs, containment and near duplicates; {translations}",
            "settings": public_settings(asdict(self._settings)),
            "sets": len(self._sets),
            "items": len(self._items),
            **({"not_read": self._not_read} if self._not_read else {}),
            "rows_removed": sum(hits.total() for hits in self._hits.values()),
            **({"rows_removed_by_meaning": self._by_meaning} | self._encoder_facts if self._encoder_facts else {}),
            "rows_with_hits_below_the_threshold": self._below.total(),
            "sets_hit": {self._sets[number].name: hits.total() for number, hits in sorted(self._hits.items())},
        }

    def files(self) -> dict[str, Any]:
        """Return the report: every set checked with its revision, and hashes of the items hit; no text."""
        sets = [
            {
                "name": each.name,
                "revision": each.revision,
                "items": len(each.items),
                "rows_removed": self._hits[number].total(),
                "rows_below_the_threshold": self._below[number],
                "items_hit": dict(sorted(self._hits[number].items())),
            }
            for number, each in enumerate(self._sets)
        ]
        return {REPORT_NAME: {key: value for key, value in self.metadata().items() if key != "sets"} | {"sets": sets}}

    def _same_meaning(self, rows: Sequence[Row]) -> Iterator[Drop | None]:
        """Yield the drop of each row that says what an item says; the items are read when the first rows come."""
        texts = [texts_apart(self._format, row) for row in rows]
        if self._neighbours is None:
            encoder = SentenceEncoder(self._settings.encoder, self._settings.prefix)
            self._encoder_facts = encoder.facts
            items, sets = [item.apart for item in self._items], [item.set_number for item in self._items]
            self._neighbours = Neighbours(encoder, items, sets, width=len(texts[0]))
        margins = Margins(self._settings.margin, self._settings.own_margin)
        long_enough = [number for number, parts in enumerate(texts) if sum(map(count_words, parts)) >= _FEWEST_WORDS]
        nearest: dict[int, NearestItem | None] = {}
        for language, numbers in grouped(long_enough, lambda at: row_language(rows[at], self._language)).items():
            best = self._neighbours.nearest([texts[number] for number in numbers], language, margins, _NEARLY)
            nearest |= zip(numbers, best, strict=True)
        return (self._drop_by_meaning(nearest.get(number)) for number in range(len(rows)))

    def _drop_by_meaning(self, nearest: NearestItem | None) -> Drop | None:
        if nearest is None:
            return None
        item = self._items[nearest.item]
        if nearest.excess < 0:
            self._below[item.set_number] += 1
            return None
        self._by_meaning += 1
        return self._hit(item, f"the same meaning, cosine {nearest.cosine:.3f}, {nearest.margin:.3f} above others")

    def _hit(self, item: _Item, evidence: str) -> Drop:
        self._hits[item.set_number][item.code] += 1
        return Drop("contamination", f"{self._sets[item.set_number].name} item {item.code}: {evidence}")

    def _candidates(self, texts: Sequence[tuple[str, ...]]) -> dict[int, list[int]]:
        """Return, for each row that shares trigrams with items, those it shares most with and those it has most of."""
        if not len(self._keys):
            return {}
        grams, rows = _trigrams(texts)
        shared: dict[int, Counter[int]] = defaultdict(Counter)
        at = np.searchsorted(self._keys, grams)
        at[at == len(self._keys)] = 0
        known = (self._keys[at] == grams) & (self._count[at] <= _COMMON)
        first, row = self._first[at[known]], rows[known]
        for start, end, number in zip(first, first + self._count[at[known]], row.tolist(), strict=True):
            shared[number].update(self._owners[start:end].tolist())
        return {row: self._likeliest(counts) for row, counts in shared.items()}

    def _likeliest(self, shared: Counter[int]) -> list[int]:
        """Return the items most of whose trigrams, and the greatest share of a text's, are those counted by text."""
        counts: Counter[int] = Counter()
        shares: dict[int, float] = defaultdict(float)
        for text, count in shared.items():
            for item in self._holders[text]:
                counts[item] += count
                shares[item] = max(shares[item], count / self._sizes[text])
        most = nsmallest(_CANDIDATES, counts, key=lambda item: (-counts[item], self._items[item].code))
        fullest = nsmallest(_CANDIDATES, shares, key=lambda item: (-shares[item], self._items[item].code))
        return list(dict.fromkeys((*most, *fullest)))

    def _drop(self, texts: tuple[str, ...], candidates: Iterable[int]) -> Drop | None:
        below: set[int] = set()
        for item in (self._items[number] for number in candidates):
            match = self._compare(texts, item.texts)
            if match.is_enough:
                return self._hit(item, match.evidence)
            if match.evidence:
                below.add(item.set_number)
        self._below.update(below)
        return None

    def _compare(self, texts: tuple[str, ...], others: tuple[str, ...]) -> _Match:
        """Return what a row and an item share."""
        shared: dict[str, str] = {}
        for text in texts:
            rest = (other for other in others if other not in shared)
            matches = {other: match for other in rest if (match := self._match(text, other))}
            for match in matches.values():
                if match.is_enough:
                    return match
            if matches:
                other = text if text in matches else next(iter(matches))
                shared[other] = matches[other].evidence
        is_enough = len(shared) == len(texts) and sum(map(word_count, texts)) >= _FEWEST_WORDS
        return _Match(next(iter(shared.values()), ""), is_enough)

    def _match(self, text: str, other: str) -> _Match | None:
        """Return what two texts share, None when it is not enough even where all texts of a row share as much."""
        (left, one), (right, two) = _parts(text), _parts(other)
        smaller = min(len(one), len(two))
        share = len(one & two) / smaller if smaller else float(text == other)
        if share >= self._settings.share:
            words_of_both = min(count_of_parts(left), count_of_parts(right))
            evidence = f"{share:.0%} of the trigrams of {words_of_both} words"
            return _Match(evidence, words_of_both >= self._settings.long_from)
        run = words_long(min(left, right, key=len), self._settings.run)
        if min(len(left), len(right)) >= run and _share_run(left, right, run):
            return _Match(f"a run of {self._settings.run} words", is_enough=True)
        if near := likeness(text, other, NearSettings()):
            measure, value = near
            is_long = min(count_of_parts(left), count_of_parts(right)) >= self._settings.long_from
            return _Match(f"{measure} {value}", is_long)
        return None


SPEC = FilterSpec(
    Contamination,
    ContaminationSettings,
    builder=lambda context, settings: Contamination(context.format, context.against, settings, context.language),
    runs="against",
    needs="against",
    check="contamination",
    place=90,
    shared=VERSIONS | {"encoder": sentence_encoder.VERSION, "language": language_id.VERSION},
)


@lru_cache(16)
def _parts(text: str) -> tuple[list[str], set[tuple[str, ...]]]:
    """Return the words of a text of `words` and their trigrams; a row is compared with several items."""
    parts = text.split()
    return parts, set(zip(parts, parts[1:], parts[2:], strict=False))


def _share_run(left: list[str], right: list[str], length: int) -> bool:
    """Return whether two texts have so many words in a row in common: looked for where trigrams are."""
    shorter, longer = sorted((left, right), key=len)
    runs = {tuple(shorter[at : at + length]) for at in range(len(shorter) - length + 1)}
    trigrams = set(zip(shorter, shorter[1:], shorter[2:], strict=False))
    shared = bytes(map(trigrams.__contains__, zip(longer, longer[1:], longer[2:], strict=False)))
    begin = b"\1" * (length - 2)
    at = shared.find(begin)
    while at >= 0 and tuple(longer[at : at + length]) not in runs:
        at = shared.find(begin, at + 1)
    return at >= 0


def _holders(items: Sequence[_Item]) -> dict[str, list[int]]:
    """Return the items that have each text, however they are ordered; of a text of very many one stands for all."""
    holders: dict[str, list[int]] = defaultdict(list)
    for number in sorted(range(len(items)), key=lambda number: (items[number].code, items[number].set_number)):
        for text in dict.fromkeys(items[number].texts):
            holders[text].append(number)
    return {text: numbers if len(numbers) <= _COMMON else numbers[:1] for text, numbers in holders.items()}


def _trigrams(texts: Sequence[tuple[str, ...]]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return the hashes of all word trigrams inside the texts of rows or items, and the number of the row of each."""
    flat = list(chain.from_iterable(texts))
    if not flat:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    owner = np.repeat(np.arange(len(texts)), list(map(len, texts)))
    hashes, ends = hashes_of_words(flat)
    is_last = np.zeros(len(hashes), dtype=np.bool_)
    is_last[ends - 1] = True
    text_of_word = np.repeat(np.arange(len(flat)), np.diff(ends, prepend=0))
    inside = ~(is_last[:-2] | is_last[1:-1])
    grams = mixed(mixed(hashes[:-2] * np.uint64(3) + hashes[1:-1]) * np.uint64(5) + hashes[2:])
    return grams[inside], owner[text_of_word[:-2][inside]]
