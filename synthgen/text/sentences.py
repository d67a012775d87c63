"""Sentence segmentation, and pieces of a text that a translation model can take.

A sentence that is too long for the model is cut at clauses, never silently.
The offsets of the pieces cover the text but for white space between them, so a translation can be put together again
and every part of it traced to its source.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

_SIGNS, _SIGNS_ALONE = ".!?…", "。！？।॥።؟۔။។៕"
_END = re.compile(
    rf"""[{_SIGNS}{_SIGNS_ALONE}\n](?:
    (?<=[{_SIGNS}])(?<![{_SIGNS}]{{2}})[{_SIGNS}]*+["'”’)\]]*+(?=\s++["'“‘(\[¿¡]*+[^\W_a-z])
    |(?<=[{_SIGNS_ALONE}])[{_SIGNS_ALONE}]*+[」』”’）]*+
    |(?<=\n)\n*+)""",
    re.VERBOSE,
)
"""A run of signs is tried once, from its beginning, and no part of it given back: texts of one sign stay linear."""
_ENDS, _CLOSING = tuple(_SIGNS + _SIGNS_ALONE), "\"'”’)]」』）"
_ABBREVIATIONS = (
    *("Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Sr", "Jr", "No", "vs", "etc", "e.g", "i.e", "cf", "Fig", "Gen", "Col"),
    *("Lt", "Sgt", "Gov", "Sen", "Rep", "Rev", "Hon", "Mt", "Ft", "approx", "c", "ca"),
)
_LONGEST_ABBREVIATION = 12
_ABBREVIATION = re.compile(
    rf"\n?\.(?:{'|'.join(re.escape(each[::-1]) for each in _ABBREVIATIONS)}|[A-Z](?:\.[A-Z])*+)(?=\Z|[\s(\[\"'“])"
)
"""An abbreviation read from its end, so that it is looked for in one place."""
_CLAUSE = re.compile(r"[;:,—–]\s+|[、，；：،؛၊]|\s+")

Span = tuple[int, int]


def sentences(text: str) -> list[Span]:
    """Return the offsets of the sentences of a text, without the white space around them.

    >>> text = "Dr. Low came. He sat down (at last). OK?"
    >>> [text[start:end] for start, end in sentences(text)]
    ['Dr. Low came.', 'He sat down (at last).', 'OK?']
    """
    backwards, size, is_abbreviation = text[::-1], len(text), _ABBREVIATION.match
    cuts = [
        end
        for match in _END.finditer(text)
        if text[(end := match.end()) - 1] not in ".\n"
        or not is_abbreviation(backwards, size - end, size - end + _LONGEST_ABBREVIATION)
    ]
    borders = [0, *cuts] if size in (0, *cuts[-1:]) else [0, *cuts, size]
    spans = (
        _trimmed(text, *span) if text[span[0]].isspace() or text[span[1] - 1].isspace() else span
        for span in pairwise(borders)
    )
    return [span for span in spans if span[0] < span[1]]


def whole_sentences(text: str) -> str:
    """Return a text without the unfinished sentence that a limit on its length has left at its end.

    A text of one unfinished sentence is returned as it is: nothing would be left of it.

    >>> whole_sentences("The mill is old. It was built by Mr. Low"), whole_sentences("The mill is")
    ('The mill is old.', 'The mill is')
    """
    spans = sentences(text)
    if len(spans) < 2 or text.rstrip().rstrip(_CLOSING).endswith(_ENDS):
        return text
    return text[: spans[-2][1]]


def pieces(text: str, length: Callable[[str], int], most: int) -> list[Span]:
    """Return the sentences of a text, those longer than `most` cut again at clauses or spaces.

    >>> [span for span in pieces("one two three, four", lambda part: len(part.split()), 3)]
    [(0, 7), (8, 19)]
    """
    return [part for span in sentences(text) for part in _fitting(text, span, length, most)]


def packed(text: str, length: Callable[[str], int], most: int) -> list[Span]:
    """Return runs of whole sentences of a text, as many in each as `most` allows; longer sentences are cut.

    >>> [span for span in packed("One. Two. Three four.", lambda part: len(part.split()), 2)]
    [(0, 9), (10, 21)]
    """
    begins, ends = list[int](), list[int]()
    for span in sentences(text):
        if begins and length(text[begins[-1] : span[1]]) <= most:
            ends[-1] = span[1]
            continue
        for start, end in _fitting(text, span, length, most):
            if begins and length(text[begins[-1] : end]) <= most:
                ends[-1] = end
            else:
                begins.append(start)
                ends.append(end)
    return [*zip(begins, ends, strict=True)]


def _fitting(text: str, span: Span, length: Callable[[str], int], most: int) -> Iterable[Span]:
    """Return a span, in parts where it is longer than `most`."""
    return (span,) if length(text[span[0] : span[1]]) <= most else _cut(text, span, length, most)


def _cut(text: str, span: Span, length: Callable[[str], int], most: int) -> Iterator[Span]:
    """Yield a longer span in parts of at most `most`: halved at the clause end or space nearest to its middle."""
    places = [match.end() for match in _CLAUSE.finditer(text, *span)]
    clauses = [each for each in places if text[each - 2] in ";:,—–"]
    return _halved(text, span, (clauses, places), length, most)


def _halved(
    text: str, span: Span, places: tuple[list[int], list[int]], length: Callable[[str], int], most: int
) -> Iterator[Span]:
    start, end = span
    if end - start <= 1 or length(text[start:end]) <= most:
        yield span
        return
    middle = (start + end) / 2
    clause, place = (_nearest(each, middle, span) for each in places)
    is_near = clause is not None and abs(clause - middle) < (end - start) / 4
    cut = clause if is_near else place
    cut = int(middle) if cut is None else cut
    for part in (_trimmed(text, start, cut), _trimmed(text, cut, end)):
        if part[0] < part[1]:
            yield from _halved(text, part, places, length, most)


def _nearest(places: list[int], middle: float, span: Span) -> int | None:
    """Return the one of ascending places within a span that is nearest to its middle, the first of two."""
    first, last = bisect_right(places, span[0]), bisect_left(places, span[1])
    at = bisect_left(places, middle, first, max(first, last))
    return min(places[max(first, at - 1) : min(last, at + 1)], key=lambda place: abs(place - middle), default=None)


def _trimmed(text: str, start: int, end: int) -> Span:
    if start < end and not text[start].isspace() and not text[end - 1].isspace():
        return start, end
    part = text[start:end]
    first = start + len(part) - len(part.lstrip())
    return first, max(first, end - (len(part) - len(part.rstrip())))
