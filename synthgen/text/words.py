"""Tokenisers: the words of texts in any script and their hashes, by which duplicates and contamination are found.

Scripts without spaces between words (Unicode's line-break classes SA, ID and CJ, and Tibetan) are not segmented by a
dictionary: each letter with its marks is a word by itself, two letters count as one word of a length, and where texts
are compared as sets of words, each pair of neighbouring letters is one. Elsewhere a word is what stands between spaces.
"""

import re
import struct
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, compress, pairwise
from operator import add

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.text.arrow import changed, joined, sizes

VERSION = 2
"""Raise it when a text has other `words`, or they have other hashes; it counts for every filter that compares texts."""

LONGEST_EXAMPLE = 5_000
"""Characters of a text that statistics of a set read: nearly all texts are shorter."""

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


_JOINED = "\x01"
"""Stands before a mark that joins the word before it; a text's own is folded to a space."""


class _Folding(dict[int, str]):
    """Character → a space, or itself apart from others where its script has no spaces; filled as characters come."""

    def __missing__(self, code: int) -> str:
        letter = folded = chr(code)
        category = unicodedata.category(letter)[0]
        if category in "PSZC":
            folded = " "
        elif _is_spaceless(code):
            folded = f"{_JOINED}{letter} " if category == "M" else f" {letter} "
        return self.setdefault(code, folded)


SPACELESS = (
    *((0xE00, 0xFFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x1AAF), (0xA9E0, 0xA9FF), (0xAA60, 0xAADF)),
    *((0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3031, 0x3035), (0x303B, 0x303C), (0x3040, 0x30FF)),
    *((0x3100, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF)),
    *((0xFF66, 0xFF9F), (0x11700, 0x1174F), (0x16FE0, 0x18DFF), (0x1AFF0, 0x1B2FF), (0x20000, 0x3FFFF)),
)
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai scripts, kana, bopomofo, Han: scripts without spaces between words."""


def _is_spaceless(code: int) -> bool:
    return any(first <= code <= last for first, last in SPACELESS)


LETTERS_PER_WORD = 2
"""Letters of these scripts that count as a word of a length."""
_FOLDING = _Folding()
_ASCII = bytes(ord(_FOLDING[code].lower()) if code < 128 else code for code in range(256))
MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)
"""Bit masks of the first so many of eight bytes."""
_LONGER = np.uint64(0x9E3779B97F4A7C15)
_FEW_WORDS, _ALL = 16, (1 << 64) - 1
_EMPTY = np.uint64(0x2545F4914F6CDD1D)


def words(text: str) -> str:
    """Return a text's words, casefolded and without punctuation, one space between them.

    >>> words("It's  RAINING!"), words("Straße, 東京"), words("กินข้าว")
    ('it s raining', 'strasse 東 京', 'กิ น ข้ า ว')
    """
    if text.isascii():
        return b" ".join(text.encode().translate(_ASCII).split()).decode()
    text = unicodedata.normalize("NFKC", text).casefold().lower()
    if len(text) > _LONG:
        return _words_of_long(text)
    return " ".join(text.translate(_FOLDING).split()).replace(f" {_JOINED}", "").replace(_JOINED, "")


_LONG = 500
"""Characters from which on numpy is faster than objects of Python."""
_SPACE, _LETTER_APART, _MARK_APART = 2, 3, 4
_KINDS = np.zeros(0x110000, dtype=np.uint8)
"""What a character is in `words`, 0 where it has not come yet."""


def _words_of_long(text: str) -> str:
    """Return the `words` of a long casefolded text: what `_FOLDING` says of its characters, in arrays."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _KINDS[codes]
    if not kinds.all():
        for code in np.unique(codes[kinds == 0]).tolist():
            folded = _FOLDING[code]
            _KINDS[code] = {chr(code): 1, " ": _SPACE, f" {chr(code)} ": _LETTER_APART}.get(folded, _MARK_APART)
        kinds = _KINDS[codes]
    places = np.flatnonzero(kinds != _SPACE)
    kept, kinds = codes[places], kinds[places]
    breaks = (np.diff(places) > 1) | (kinds[:-1] >= _LETTER_APART) | (kinds[1:] == _LETTER_APART)
    spaces = np.flatnonzero(breaks & (kinds[1:] != _MARK_APART)) + 1
    return np.insert(kept, spaces, ord(" ")).tobytes().decode("utf-32-le")


def _class_of(codes: Iterable[int]) -> str:
    """Return characters as ranges of a class of a regular expression."""
    ordered = sorted(codes)
    firsts = [code for before, code in pairwise([-2, *ordered]) if code - before > 1]
    lasts = [code for code, after in pairwise([*ordered, 1 << 21]) if after - code > 1]
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in zip(firsts, lasts, strict=True))


_LETTERS = "".join(f"{chr(first)}-{chr(last)}" for first, last in SPACELESS)
_PLACES_OF_MARKS = (range(0x300, 0x3400), range(0xA600, 0xAC00), range(0xFB00, 0x1F000), range(0xE0100, 0xE01F0))
_IS_MARK = [code for code in chain.from_iterable(_PLACES_OF_MARKS) if unicodedata.category(chr(code))[0] == "M"]
_MARK = re.compile(f"[{_class_of(_IS_MARK)}\u200c\u200d]")


def _marks(codes: Sequence[int]) -> str:
    """Return a pattern of such marks; a class with many ranges beyond U+FFFF is slow where it does not match."""
    low, high = (_class_of(code for code in codes if (code > 0xFFFF) is is_high) for is_high in (False, True))
    return rf"[{low}\u200c\u200d]++|(?![\x00-\uffff\U0001f000-\U000e00ff])[{high}]++"


_LETTER = re.compile(f"[{_LETTERS}](?:{_marks(_IS_MARK)})*+")
_LETTER_OR_WORD = re.compile(f"{_LETTER.pattern}|[^\\s{_LETTERS}]++")
RUN = rf"(?:[^\W{_LETTERS}]++|{_marks([code for code in _IS_MARK if not _is_spaceless(code)])})+"
"""Pattern of a run of letters, digits, marks and underscores in a script with spaces."""
LETTER_OR_RUN = f"{_LETTER.pattern}|{RUN}"
"""The same, or a letter of a script without spaces."""
_LETTER_OR_RUN = re.compile(LETTER_OR_RUN)
_LETTER_OR_TOKEN = re.compile(rf"{LETTER_OR_RUN}|[^\w\s]")


def _is_letter(part: str) -> bool:
    """Whether a word is a letter of a script without spaces."""
    return not part.isascii() and _LETTER.match(part) is not None


def _words_and_different_letters(text: str) -> tuple[list[str], set[str]]:
    if text.isascii() or not _LETTER.search(text):
        return text.split(), set()
    parts = _LETTER_OR_WORD.findall(text)
    different = set(parts)
    with_letters = {part for part in different if any(map(str.isalnum, part))}
    if len(with_letters) < len(different):
        parts = list(filter(with_letters.__contains__, parts))
    return parts, set(filter(_is_letter, with_letters))


def words_and_letters(text: str) -> tuple[list[str], int]:
    """Return the words between white space, the letters of scripts without spaces apart, and how many these are.

    >>> words_and_letters("An ant."), words_and_letters("东京 has 3。"), words_and_letters("กินน้ำ")
    ((['An', 'ant.'], 0), (['东', '京', 'has', '3。'], 2), (['กิ', 'น', 'น้', 'ำ'], 4))
    """
    parts, letters = _words_and_different_letters(text)
    return parts, sum(map(letters.__contains__, parts)) if letters else 0


def word_count(text: str) -> int:
    """Return the number of words between white space; two letters of a script without spaces count as one.

    >>> word_count("An ant."), word_count("东京 has。"), word_count("猫")
    (2, 2, 1)
    """
    parts, letters = words_and_letters(text)
    return len(parts) - letters // LETTERS_PER_WORD


def count_of_parts(parts: Sequence[str]) -> int:
    """Return the `word_count` of a text of `words` that was split already.

    >>> count_of_parts(words("An ant. 東京 has!").split())
    4
    """
    counts = Counter(parts)
    if not any(map(_LETTER.search, counts)):
        return len(parts)
    with_letters = {part: count for part, count in counts.items() if any(map(str.isalnum, part))}
    return (
        sum(with_letters.values())
        - sum(map(with_letters.__getitem__, filter(_is_letter, with_letters))) // LETTERS_PER_WORD
    )


def words_long(parts: Sequence[str], count: int) -> int:
    """Return how many of such parts are `count` words: twice as many where most of them are letters.

    >>> words_long(["an", "ant"], 3), words_long(["东", "京"], 3)
    (3, 6)
    """
    if "".join(parts).isascii():
        return count
    return count * LETTERS_PER_WORD if 2 * sum(map(_is_letter, parts)) > len(parts) else count


def with_pairs_of_letters(parts: Sequence[str]) -> Counter[str]:
    """Return how often each word occurs, and in place of the letters of scripts without spaces their pairs.

    >>> dict(with_pairs_of_letters(["in", "東", "京", "都", "3", "in"]))
    {'in': 2, '3': 1, '東京': 1, '京都': 1}
    """
    return _with_pairs(parts, set(filter(_is_letter, set(parts))))


def _with_pairs(parts: Sequence[str], letters: set[str]) -> Counter[str]:
    if not letters:
        return Counter(parts)
    if 10 * len(letters) ** 2 < len(parts):
        return _with_few_pairs(parts, letters)
    is_letter = np.frombuffer(bytes(map(letters.__contains__, parts)), dtype=np.bool_)
    is_pair, is_word = _pairs_and_words(is_letter)
    counts = Counter(compress(parts, is_word.tobytes()))
    counts.update(map(add, compress(parts, is_pair.tobytes()), compress(parts[1:], is_pair.tobytes())))
    return counts


def _pairs_and_words(is_letter: Flags) -> tuple[Flags, Flags]:
    """Return which parts are letters with one after them, and which have none on either side."""
    is_pair = is_letter[:-1] & is_letter[1:]
    return is_pair, ~(np.append(is_pair, False) | np.append(False, is_pair))


def _with_few_pairs(parts: Sequence[str], letters: set[str]) -> Counter[str]:
    """Return the same for a text that repeats a few letters, whose pairs are counted before they become texts."""
    different = list(dict.fromkeys(parts))
    numbers = np.fromiter(map({part: i for i, part in enumerate(different)}.__getitem__, parts), dtype=np.int64)
    is_letter = np.fromiter(map(letters.__contains__, different), dtype=np.bool_)
    is_pair, is_word = _pairs_and_words(is_letter[numbers])
    counts = Counter(compress(parts, is_word.tobytes()))
    pairs, times = np.unique(numbers[:-1][is_pair] * len(different) + numbers[1:][is_pair], return_counts=True)
    for pair, count in zip(pairs.tolist(), times.tolist(), strict=True):
        first, second = divmod(pair, len(different))
        counts[different[first] + different[second]] += count
    return counts


def bare_words(text: str) -> set[str]:
    """Return the words between white space, casefolded and without punctuation at their ends, and pairs of letters.

    >>> sorted(bare_words("Tea, or not tea?")), sorted(bare_words("東京都。")), sorted(bare_words("چای، یا آب؟"))
    (['not', 'or', 'tea'], ['京都', '東京'], ['آب', 'چای', 'یا'])
    """
    parts, letters = _words_and_different_letters(text)
    return {word.strip(_PUNCTUATION).casefold() for word in (_with_pairs(parts, letters) if letters else parts)} - {""}


_PUNCTUATION = ".,;:!?\"'()،؛؟۔।॥።၊။"


def running_words(text: str) -> list[str]:
    """Return the runs of letters, digits, marks and underscores, casefolded; letters of scripts without spaces alone.

    >>> running_words("It's हिन्दी 東京")
    ['it', 's', 'हिन्दी', '東', '京']
    """
    return (_ASCII_RUN if text.isascii() else _LETTER_OR_RUN).findall(text.casefold())


def letter_runs(text: str) -> set[str]:
    """Return the different `running_words`, and of letters their pairs.

    >>> sorted(letter_runs("It's 東京都"))
    ['it', 's', '京都', '東京']
    """
    return set(with_pairs_of_letters(running_words(text)))


def lower_case_words(text: str) -> Counter[str]:
    """Count the words of three letters or more that are not written in upper case, and pairs of letters.

    >>> dict(lower_case_words("The dog saw Rome in 1912")), dict(lower_case_words("她在Rome。यह हिन्दी है"))
    ({'dog': 1, 'saw': 1}, {'हिन्दी': 1, '她在': 1})
    """
    counts = Counter[str]()
    for word, count in _with_pairs(*_words_and_different_letters(text)).items():
        bare = word.strip(f"{_PUNCTUATION}[]«»“”¿¡")
        if (len(bare) > 2 or _is_letter(bare)) and bare == bare.lower() and _is_word(bare):
            counts[bare] += count
    return counts


def _is_word(text: str) -> bool:
    return text.isalpha() or (text != "" and all(letter.isalpha() or _MARK.match(letter) for letter in text))


def tokens(text: str) -> list[str]:
    """Return the lower-cased words and punctuation marks of a text; letters of scripts without spaces one by one.

    >>> tokens("Nobody's here."), tokens("हिन्दी में"), tokens("東京です。")
    (['nobody', "'", 's', 'here', '.'], ['हिन्दी', 'में'], ['東', '京', 'で', 'す', '。'])
    """
    return (_ASCII_TOKEN if text.isascii() else _LETTER_OR_TOKEN).findall(text.lower())


_ASCII_RUN, _ASCII_TOKEN = re.compile(r"\w+"), re.compile(r"\w+|[^\w\s]")
_TOKEN = re.compile(
    r"""\d+(?:[.,:]\d+)*|(?:[A-Z]\.)+[A-Z]?
    |(?=\w++[-'’])(?:\w+?(?=n['’]t\b)|n['’]t\b|\w+(?:[-'’]\w+)*?(?=['’](?:s|re|ve|ll|d|m)\b)|\w+(?:[-'’]\w+)*)
    |['’](?:s|re|ve|ll|d|m|S)\b|(?:Mr|Mrs|Ms|Dr|St)\.|\w++|\.\.\.|--|``|''|\S""",
    re.VERBOSE,
)
"""A word is looked at for clitics where an apostrophe or hyphen follows its letters."""


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
    return hashes_of_words([text if text.isascii() else words(text) for text in texts])


def hashes_of_words(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """Return the `word_hashes` of texts that are `words` already, or ASCII."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
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
    while len(longer) > _FEW_WORDS:
        chunk = eights[starts[longer] + done] & MASKS[np.minimum(lengths[longer] - done, 8)]
        hashes[longer] = mixed(hashes[longer] * _LONGER + chunk)
        done += 8
        longer = longer[lengths[longer] > done]
    for place in longer.tolist():
        rest = letters[starts[place] + done : starts[place] + lengths[place]]
        hashes[place] = _hash_on(int(hashes[place]), rest)
    ends = np.searchsorted(starts, np.cumsum(of_texts + 1) - 1)
    without = np.flatnonzero(np.diff(ends, prepend=0) == 0)
    if not len(without):
        return hashes, ends
    hashes = np.insert(hashes, np.concatenate(([0], ends[:-1]))[without], _EMPTY)
    return hashes, ends + np.cumsum(np.bincount(without, minlength=len(ends)))


def _hash_on(value: int, rest: bytes) -> int:
    """Return the hash of a word from that of its first bytes: the loop of `_hashed` for a word longer than others."""
    longer = int(_LONGER)
    for (eight,) in struct.iter_unpack("<Q", rest.ljust(-(-len(rest) // 8) * 8, b"\0")):
        value = (value * longer + eight) & _ALL
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _ALL
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _ALL
        value ^= value >> 31
    return value


def eights_of(data: bytes) -> Hashes:
    """Return the eight bytes from each place on as a number; the last seven places have none."""
    return np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))


def mixed(values: Hashes) -> Hashes:
    """Return well-spread 64-bit values (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
