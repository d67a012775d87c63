"""Keys of rows: rows that share one may be near duplicates and are compared; rows that share none are not.

Two kinds, each made of all texts of a row, so that rows meet only where all their texts are alike: two hypotheses of
one premise, or one stock hypothesis of two premises, do not. Bands: each text is a set of words and word bigrams,
sketched by MinHash (Broder 1997) with multiply-shift hash functions; a band's key is made of the same band of every
text. One-edit keys, for rows of several texts: half of one text and the whole of the others. One word put in, taken out
or replaced leaves one half as it was, so such a pair is found for certain. Everything is vectorised over rows.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synthgen.text.words import array_word_hashes, mixed, word_hashes

ROWS_PER_BAND = 4
BANDS, BANDS_OF_ONE_TEXT = 12, 32
"""A pair of similarity s shares a band with probability 1 - (1 - s^4)^bands: with 12 bands 0.96 at 0.7 and 0.99 at
0.76, one word in twelve. A row of one text has no one-edit keys: with 32 bands 0.97 at 0.57, one word in six."""
SHORTEST_HALF = 2

Keys = npt.NDArray[np.uint64]
_Hashes = npt.NDArray[np.uint32]
_Places = npt.NDArray[np.int64]

_draw = np.random.default_rng(20130611)
_MULTIPLY = _draw.integers(0, 2**32, BANDS_OF_ONE_TEXT * ROWS_PER_BAND, dtype=np.uint32) | np.uint32(1)
_SALT = _draw.integers(0, 2**64, 128, dtype=np.uint64)
_STEP, _BACK = 0x9E3779B97F4A7C15, pow(0x9E3779B97F4A7C15, -1, 2**64)
_POWERS, _INVERSES = (np.cumprod(np.full(4096, base, dtype=np.uint64)) for base in (_STEP, _BACK))
_ELEMENTS_AT_ONCE = 1 << 16


def row_keys(texts: Sequence[Sequence[str]]) -> Keys:
    """Return the keys (keys a row, rows) of rows given as columns of texts, `texts[field][row]`; 0 is no key."""
    return _keys(*word_hashes([text for column in texts for text in column]), len(texts))


def array_row_keys(texts: Sequence[pa.Array]) -> Keys:
    """Return the `row_keys` of rows given as columns."""
    return _keys(*array_word_hashes(pa.concat_arrays(texts)), len(texts))


def _keys(hashes: Keys, ends: _Places, fields: int) -> Keys:
    keys = _band_keys(hashes, ends, fields)
    return np.concatenate((keys, _one_edit_keys(hashes, ends, fields))) if fields > 1 else keys


def _band_keys(hashes: Keys, ends: _Places, fields: int) -> Keys:
    """Return the keys (bands, rows)."""
    bands = BANDS if fields > 1 else BANDS_OF_ONE_TEXT
    sketches = _minhashes(*_shingles(hashes, ends), bands * ROWS_PER_BAND).astype(np.uint64)
    sketches = sketches.reshape(bands, ROWS_PER_BAND, fields, -1)
    keys = sketches[:, 0]
    for place in range(1, ROWS_PER_BAND):
        keys = mixed(keys * np.uint64(0xD6E8FEB86659FD93) + sketches[:, place])
    of_row = mixed(keys + np.arange(fields, dtype=np.uint64)[:, None]).sum(axis=1)
    return mixed(of_row ^ _SALT[:bands, None])


def _one_edit_keys(hashes: Keys, ends: _Places, fields: int) -> Keys:
    """Return the keys (4 a field and 1, rows): halves of one text with the other texts, and all words in any order.

    A text of n words has its first and last floor(n/2) and ceil(n/2), so that texts of n and n + 1 words have one
    length of half in common; lengths that are even and odd go to different keys.
    """
    begins = np.concatenate(([0], ends[:-1]))
    lengths = ends - begins
    place = np.arange(len(hashes)) - np.repeat(begins, lengths)
    sums = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(hashes * _POWERS[place & 4095])))
    bags = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(hashes)))
    number = np.repeat(_SALT[-fields:], len(ends) // fields)
    whole = mixed((sums[ends] - sums[begins]) ^ number).reshape(fields, -1)
    others = (whole.sum(axis=0) - whole).reshape(-1)
    keys = []
    for parity in (0, 1):
        half = np.where(lengths // 2 % 2 == parity, lengths // 2, (lengths + 1) // 2)
        absent = (half % 2 != parity) | (half < SHORTEST_HALF)
        firsts = sums[begins + half] - sums[begins]
        lasts = (sums[ends] - sums[ends - half]) * _INVERSES[(lengths - half) & 4095] * np.uint64(_STEP)
        for side, value in enumerate((firsts, lasts)):
            key = mixed((value ^ number) + mixed(others ^ _SALT[64 + 2 * parity + side]))
            keys.append(np.where(absent, np.uint64(0), key).reshape(fields, -1))
    bag = mixed((bags[ends] - bags[begins]) ^ number).reshape(fields, -1).sum(axis=0)
    return np.concatenate((*keys, bag[None]))


def _shingles(hashes: Keys, ends: _Places) -> tuple[_Hashes, _Places]:
    """Return the hashes of all words and bigrams, text after text, and where each text's begin (one more at the end).

    Every word has two places: its own hash and that of the bigram it begins; the last word of a text has its own twice.
    """
    following = mixed(hashes * np.uint64(3) + np.roll(hashes, -1))
    following[ends - 1] = hashes[ends - 1]
    result = np.empty(2 * len(hashes), dtype=np.uint32)
    result[0::2], result[1::2] = hashes >> np.uint64(32), following >> np.uint64(32)
    return result, np.concatenate(([0], 2 * ends))


def _minhashes(shingles: _Hashes, offsets: _Places, functions: int) -> _Hashes:
    """Return the sketches (functions, texts): for each hash function the least value over the text's shingles.

    Texts of like length are taken together; the shorter repeat their last shingle, which changes no least value.
    """
    lengths = np.diff(offsets)
    result = np.empty((functions, len(lengths)), dtype=np.uint32)
    rounded = _rounded(lengths)
    order = np.argsort(rounded, kind="stable")
    bounds = np.flatnonzero(np.diff(rounded[order], prepend=-1, append=-1))
    for first, last in pairwise(bounds):
        length = int(rounded[order[first]])
        step = max(1, _ELEMENTS_AT_ONCE // length)
        for at in range(first, last, step):
            rows = order[at : min(at + step, last)]
            places = offsets[rows] + np.minimum(np.arange(length)[:, None], lengths[rows] - 1)
            result[:, rows] = _least(shingles[places], functions)
    return result


def _rounded(lengths: _Places) -> _Places:
    """Return numbers no smaller, but few different ones: four between any two powers of two."""
    bits = np.maximum(np.frexp(lengths)[1] - 3, 1)
    return np.asarray(((lengths - 1 >> bits) + 1) << bits)


def _least(shingles: _Hashes, functions: int) -> _Hashes:
    """Return the least value of each hash function over shingles (shingles, texts), several functions at once."""
    least = np.empty((functions, shingles.shape[1]), dtype=np.uint32)
    at_once = max(1, _ELEMENTS_AT_ONCE // shingles.size)
    product = np.empty((min(at_once, functions), *shingles.shape), dtype=np.uint32)
    for at in range(0, functions, at_once):
        factors = _MULTIPLY[at : min(at + at_once, functions), None, None]
        here = np.multiply(shingles, factors, out=product[: len(factors)])
        np.minimum.reduce(here, axis=1, out=least[at : at + at_once])
    return least
