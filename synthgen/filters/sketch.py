"""Band keys of rows: rows that share one may be near duplicates and are compared; rows that share none are not.

Each text is a set of words and word bigrams, sketched by MinHash (Broder 1997) with multiply-shift hash functions. A
band's key is made of the same band of every text of the row, so two rows meet only where all their texts are alike:
two hypotheses of one premise, or one stock hypothesis of two premises, do not. Everything is vectorised over rows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

BANDS = 24
ROWS_PER_BAND = 4
"""A pair of similarity s shares a band with probability 1 - (1 - s^4)^24: 0.93 at s = 0.57, the least that one word
replaced in a text of six leaves, and 0.998 at 0.7."""

Keys = npt.NDArray[np.uint64]
_Hashes = npt.NDArray[np.uint32]

_draw = np.random.default_rng(20130611)
_BYTES = _draw.integers(1, 2**64, 256, dtype=np.uint64)
_BYTES[[10, 32]] = 0
_POWERS = np.cumprod(np.full(512, 0x9E3779B97F4A7C15, dtype=np.uint64))
_MULTIPLY = _draw.integers(0, 2**32, BANDS * ROWS_PER_BAND, dtype=np.uint32) | np.uint32(1)
_BAND = _draw.integers(0, 2**64, BANDS, dtype=np.uint64)
_ELEMENTS_AT_ONCE = 1 << 16


class _Folding(dict[int, str]):
    """What becomes of each character, found out once: its lower case, a space, or itself between spaces."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if unicodedata.category(letter)[0] in "PSZC":
            folded = " "
        else:
            folded = f" {letter} " if any(first <= code <= last for first, last in _SPACELESS) else letter.lower()
        return self.setdefault(code, folded)


_SPACELESS = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0x20000, 0x3FFFF),
)
"""Thai and Lao, Burmese, Khmer, kana, Han: scripts without spaces between words, whose letters each count as a word."""
_FOLDING = _Folding()


def words(text: str) -> str:
    """Return a text's words, casefolded and without punctuation, one space between them.

    >>> words("It's  RAINING!"), words("Straße, 東京")
    ('it s raining', 'strasse 東 京')
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(text.translate(_FOLDING).split())


def band_keys(texts: Sequence[Sequence[str]]) -> Keys:
    """Return the keys (rows, BANDS) of rows given as columns of `words`: `texts[field][row]`."""
    sketches = _minhashes(*_shingles([text for column in texts for text in column])).astype(np.uint64)
    sketches = sketches.reshape(BANDS, ROWS_PER_BAND, len(texts), -1)
    keys = sketches[:, 0]
    for place in range(1, ROWS_PER_BAND):
        keys = mixed(keys * np.uint64(0xD6E8FEB86659FD93) + sketches[:, place])
    of_row = mixed(keys + np.arange(len(texts), dtype=np.uint64)[:, None]).sum(axis=1)
    return np.ascontiguousarray(mixed(of_row ^ _BAND[:, None]).T)


def mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return well-spread 64-bit values (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _shingles(texts: Sequence[str]) -> tuple[_Hashes, npt.NDArray[np.int64]]:
    """Return the hashes of all words and bigrams, text after text, and where each text's begin (one more at the end).

    Every word has two places: its own hash and that of the bigram it begins; the last word of a text has its own twice.
    """
    alone, is_last = word_hashes(texts)
    following = np.where(is_last, alone, mixed(alone * np.uint64(3) + np.roll(alone, -1)))
    hashes = np.empty(2 * len(alone), dtype=np.uint32)
    hashes[0::2], hashes[1::2] = alone >> np.uint64(32), following >> np.uint64(32)
    return hashes, np.concatenate(([0], 2 * (np.flatnonzero(is_last) + 1)))


def word_hashes(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Return the hash of every word of texts given as `words`, text after text, and whether it is its text's last.

    An empty text has one word, the empty one.
    """
    data = np.frombuffer(("\n".join(texts) + "\n").encode("utf-8", "surrogatepass"), dtype=np.uint8)
    ends = np.flatnonzero((data == 32) | (data == 10))
    starts = np.concatenate(([0], ends[:-1] + 1))
    place = np.arange(len(data)) - np.repeat(starts, ends - starts + 1)
    return mixed(np.add.reduceat(_BYTES[data] * _POWERS[place & 511], starts)), data[ends] == 10


def _minhashes(hashes: _Hashes, offsets: npt.NDArray[np.int64]) -> _Hashes:
    """Return the sketches (hash functions, texts): for each function the least value over the text's shingles."""
    lengths = np.diff(offsets)
    result = np.empty((len(_MULTIPLY), len(lengths)), dtype=np.uint32)
    order = np.argsort(lengths, kind="stable")
    bounds = np.flatnonzero(np.diff(lengths[order], prepend=-1, append=-1))
    for first, last in pairwise(bounds):
        length = int(lengths[order[first]])
        step = max(1, _ELEMENTS_AT_ONCE // length)
        for at in range(first, last, step):
            rows = order[at : min(at + step, last)]
            result[:, rows] = _least(hashes[offsets[rows] + np.arange(length)[:, None]])
    return result


def _least(shingles: _Hashes) -> _Hashes:
    """Return the least value of each hash function over shingles (shingles, texts)."""
    if shingles.size <= 256:
        return np.asarray((shingles * _MULTIPLY[:, None, None]).min(axis=1))
    product, least = np.empty_like(shingles), np.empty((len(_MULTIPLY), shingles.shape[1]), dtype=np.uint32)
    for row, factor in zip(least, _MULTIPLY, strict=True):
        np.multiply(shingles, factor, out=product)
        np.minimum.reduce(product, axis=0, out=row)
    return least
