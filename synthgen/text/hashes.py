"""Hashes of a column's values, without a Python object a value: they rank rows and tell equal texts.

Texts are read eight bytes at a time; each eight are mixed with their place and added up. The hashes do not withstand an
adversary; among other texts, two of the same 128 bits are never seen.
"""

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.text.arrow import joined, sizes
from synthgen.text.words import MASKS, Hashes, Places, eights_of, folded, mixed

_PLACE, _LENGTH, _NUMBER = (np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
_NULL = np.uint64(0x94D049BB133111EB)
_LANES = np.array([0x27D4EB2F165667C5, 0x85EBCA77C2B2AE63], dtype=np.uint64)
_LOWER = bytes(32 if chr(code).isspace() else ord(chr(code).lower()) for code in range(128)) + bytes(range(128, 256))


def value_hashes(column: pa.ChunkedArray) -> Hashes:
    """Return 64 bits for each value of a column, equal for equal values; null is none of them."""
    values = column.combine_chunks()
    if pa.types.is_string(values.type):
        hashes = _span_hashes(*_spans(values.fill_null("")))[0]
    elif pa.types.is_integer(values.type):
        hashes = mixed(values.fill_null(0).to_numpy().astype(np.int64).view(np.uint64) + _NUMBER)
    else:
        hashes = _span_hashes(*_spans(pa.array(map(repr, values.to_pylist()), pa.string())))[0]
    return np.where(pc.is_null(values).to_numpy(zero_copy_only=False), _NULL, hashes) if values.null_count else hashes


def equal_text_hashes(texts: pa.Array) -> Hashes:
    """Return 128 bits (2, texts) for each text, equal for texts that are equal when `normalised`."""
    letters, starts, lengths = _spans(folded(texts, normalised))
    return _span_hashes(*_squeezed(letters[:-8].translate(_LOWER), starts + lengths), lanes=2)


def normalised(text: str) -> str:
    r"""Return a text in NFKC, casefolded, with one space for white space and none around it.

    >>> normalised(" It  RAINS.\n"), normalised("Straße №1")
    ('it rains.', 'strasse no1')
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(plain.casefold().split())


def _spans(texts: pa.Array) -> tuple[bytes, Places, Places]:
    """Return the texts' bytes, end to end, eight more at the end, and where each begins and how long it is."""
    lengths = sizes(texts)
    return joined(texts) + bytes(8), np.cumsum(lengths) - lengths, lengths


def _squeezed(text: bytes, ends: Places) -> tuple[bytes, Places, Places]:
    """Return texts that end there, like `_spans`, but each space before no word of the same text and those in front."""
    letters = np.frombuffer(text, dtype=np.uint8)
    is_space = letters == 32
    keeps = np.zeros(len(letters), dtype=np.bool_)
    keeps[:-1] = ~is_space[1:]
    keeps[ends[ends > 0] - 1] = False
    keeps |= ~is_space
    ends = ends - np.searchsorted(np.flatnonzero(~keeps), ends)
    kept = np.concatenate((letters[keeps], np.zeros(8, dtype=np.uint8)))
    starts = np.concatenate(([0], ends[:-1]))
    starts += (kept[starts] == 32) & (starts < ends)
    return kept.tobytes(), starts, ends - starts


def _span_hashes(text: bytes, starts: Places, lengths: Places, lanes: int = 1) -> Hashes:
    """Return the hashes (lanes, texts) of parts of a text that has eight bytes more at its end."""
    eights = (lengths + 7) >> 3
    ends = np.cumsum(eights)
    place = np.arange(int(eights.sum())) - np.repeat(ends - eights, eights)
    left = np.minimum(np.repeat(lengths, eights) - 8 * place, 8)
    values = eights_of(text)[np.repeat(starts, eights) + 8 * place] & MASKS[left]
    places = place.astype(np.uint64) * _PLACE
    hashes = np.empty((lanes, len(lengths)), dtype=np.uint64)
    for lane, salt in zip(hashes, _LANES, strict=False):
        sums = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(mixed(values ^ (places + salt)))))
        lane[:] = mixed(sums[ends] - sums[ends - eights] + lengths.astype(np.uint64) * _LENGTH)
    return hashes
