"""Tokenisers: the words of texts in any script and their hashes, by which duplicates and contamination are found."""

import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.text.arrow import changed, joined, sizes

VERSION = 1
"""Raise it when a text has other `words`, or they have other hashes; it counts for every filter that compares texts."""

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


class _Folding(dict[int, str]):
    """Character → its lower case, a space, or itself between spaces; filled as characters come."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if unicodedata.category(letter)[0] in "PSZC":
            folded = " "
        else:
            folded = f" {letter} " if any(first <= code <= last for first, last in SPACELESS) else letter.lower()
        return self.setdefault(code, folded)


SPACELESS = ((0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0x20000, 0x3FFFF))
"""Thai and Lao, Burmese, Khmer, kana, Han: scripts without spaces between words, whose letters each count as a word."""
_FOLDING = _Folding()
_ASCII = bytes(ord(_FOLDING[code]) if code < 128 else code for code in range(256))
MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)
"""Bit masks of the first so many of eight bytes."""
_LONGER = np.uint64(0x9E3779B97F4A7C15)
_EMPTY = np.uint64(0x2545F4914F6CDD1D)


def words(text: str) -> str:
    """Return a text's words, casefolded and without punctuation, one space between them.

    >>> words("It's  RAINING!"), words("Straße, 東京")
    ('it s raining', 'strasse 東 京')
    """
    if text.isascii():
        return b" ".join(text.encode().translate(_ASCII).split()).decode()
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_FOLDING).split())


def bare_words(text: str) -> set[str]:
    """Return the words between white space, casefolded and without punctuation at their ends.

    >>> sorted(bare_words("Tea, or not tea?"))
    ['not', 'or', 'tea']
    """
    return {word.strip(".,;:!?\"'()").casefold() for word in text.split()} - {""}


_LETTERS = "".join(f"{chr(first)}-{chr(last)}" for first, last in SPACELESS)
_MARKS = "".join(chr(code) for code in range(0xE00, 0x3100) if unicodedata.category(chr(code))[0] == "M")
_LETTER = re.compile(f"[{_LETTERS}][{_MARKS}]*")
_LETTER_OR_WORD = re.compile(f"{_LETTER.pattern}|[^\\s{_LETTERS}]+")


def words_and_letters(text: str) -> tuple[list[str], int]:
    """Return the words between white space, the letters of scripts without spaces apart, and how many these are.

    >>> words_and_letters("An ant."), words_and_letters("东京 has 3。"), words_and_letters("กินน้ำ")
    ((['An', 'ant.'], 0), (['东', '京', 'has', '3。'], 2), (['กิ', 'น', 'น้', 'ำ'], 4))
    """
    if text.isascii() or not _LETTER.search(text):
        return text.split(), 0
    parts = [part for part in _LETTER_OR_WORD.findall(text) if any(map(str.isalnum, part))]
    return parts, sum(map(bool, map(_LETTER.match, parts)))


def letter_runs(text: str) -> set[str]:
    """Return the runs of letters, digits and underscores, casefolded."""
    return set(re.findall(r"\w+", text.casefold()))


def lower_case_words(text: str) -> list[str]:
    """Return the words of three letters or more that are written in lower case: no names, no numbers."""
    bare = (word.strip(".,;:!?\"'()[]«»“”¿¡") for word in text.split())
    return [word for word in bare if len(word) > 2 and word.isalpha() and word.islower()]


def tokens(text: str) -> list[str]:
    """Return the lower-cased words and punctuation marks of a text.

    >>> tokens("Nobody's here.")
    ['nobody', "'", 's', 'here', '.']
    """
    return re.findall(r"\w+|[^\w\s]", text.lower())


_TOKEN = re.compile(
    r"""\d+(?:[.,:]\d+)*|(?:[A-Z]\.)+[A-Z]?|\w+?(?=n['’]t\b)|n['’]t\b|['’](?:s|re|ve|ll|d|m|S)\b|(?:Mr|Mrs|Ms|Dr|St)\.
    |\w+(?:[-'’]\w+)*?(?=['’](?:s|re|ve|ll|d|m)\b)|\w+(?:[-'’]\w+)*|\.\.\.|--|``|''|\S""",
    re.VERBOSE,
)


def treebank_tokens(sentence: str) -> list[str]:
    """Return the words of an English sentence as treebanks cut them: punctuation, clitics and n't apart.

    >>> treebank_tokens("She didn't sell Anna's $3.50 map, did she?")
    ['She', 'did', "n't", 'sell', 'Anna', "'s", '$', '3.50', 'map', ',', 'did', 'she', '?']
    """
    return _TOKEN.findall(sentence)


def word_hashes(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """Return the hash of every word of the texts' `words`, text after text, and where each text's words end.

    A text without words has one, the empty one. Words are read eight bytes at a time.
    """
    encoded = [(text if text.isascii() else words(text)).encode("utf-8", "surrogatepass") for text in texts]
    return _hashed(b" ".join(encoded), np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)))


def array_word_hashes(texts: pa.Array) -> tuple[Hashes, Places]:
    """Return the `word_hashes` of an array of texts; those in ASCII never become Python objects."""
    plain = folded(texts, words)
    return _hashed(joined(plain, " "), sizes(plain))


def folded(texts: pa.Array, fold: Callable[[str], str]) -> pa.Array:
    """Return the texts, those that are not all ASCII changed by a function."""
    return changed(texts, pc.invert(pc.string_is_ascii(texts)), fold)


def _hashed(text: bytes, of_texts: Places) -> tuple[Hashes, Places]:
    """Return the `word_hashes` of texts of these sizes that stand in one, a space between any two."""
    letters = text.translate(_ASCII) + b" " * 9
    data = np.frombuffer(letters, dtype=np.uint8, count=len(letters) - 8)
    borders = np.flatnonzero(np.diff(data != 32, prepend=False, append=False))
    starts, lengths = borders[0::2], borders[1::2] - borders[0::2]
    eights = eights_of(letters)
    hashes = mixed(eights[starts] & MASKS[np.minimum(lengths, 8)])
    longer = np.flatnonzero(lengths > 8)
    done = 8
    while len(longer):
        chunk = eights[starts[longer] + done] & MASKS[np.minimum(lengths[longer] - done, 8)]
        hashes[longer] = mixed(hashes[longer] * _LONGER + chunk)
        done += 8
        longer = longer[lengths[longer] > done]
    ends = np.searchsorted(starts, np.cumsum(of_texts + 1) - 1)
    without = np.flatnonzero(np.diff(ends, prepend=0) == 0)
    if not len(without):
        return hashes, ends
    hashes = np.insert(hashes, np.concatenate(([0], ends[:-1]))[without], _EMPTY)
    return hashes, ends + np.cumsum(np.bincount(without, minlength=len(ends)))


def eights_of(data: bytes) -> Hashes:
    """Return the eight bytes from each place on as a number; the last seven places have none."""
    return np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))


def mixed(values: Hashes) -> Hashes:
    """Return well-spread 64-bit values (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
