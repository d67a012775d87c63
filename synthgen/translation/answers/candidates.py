"""Candidates for the answer in a translated passage, and their consensus.

Four ways give a span of the passage, or nothing: markers put around the answer before its sentence is translated; the
answer translated by itself and searched for; word alignment (see `alignment`); a model's answer to the translated
question. A candidate is accepted when two ways agree on it, or when it is the source's answer again after translation
back (Lewis et al., ACL 2020, MLQA, and Artetxe et al., ACL 2020, do by hand what this approximates).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz.fuzz import partial_ratio_alignment

from synthgen.text.words import LETTER_OR_RUN, RUN
from synthgen.translation.backends.base import Piece, Translation

Span = tuple[int, int]

MARKERS = (("[[", "]]"), ("((", "))"), ("<<", ">>"))
BRACKETS = tuple(zip("([{«“（「『《【", ")]}»”）」』》】", strict=True))
FUZZY_LEAST = 80.0
"""Least similarity (0-100) of an inexact occurrence: inflected endings and articles pass, other words do not."""
OVERLAP_LEAST = 0.7
_WORD = re.compile(rf"(?:\w\.)+\w\b|{RUN}(?:[-'’]{RUN}|[.,]\d+)*|{LETTER_OR_RUN}")
"""A full stop or comma is part of a word in numbers and in letters like U.S.; translators lose spaces after others."""
_EDGE = " \t\n.,;:!?\"'“”«»()[]{}¿¡،؛؟۔।॥。，、；：！？（）「」『』《》【】"


@dataclass(frozen=True, slots=True)
class Projection:
    """An accepted answer: its span in the translated passage and the ways that gave it."""

    span: Span
    ways: tuple[str, ...]


def region(translation: Translation, answer: Span) -> tuple[Span, Span]:
    """Return the stretch of the source that holds the answer and the stretch of its translation, whole pieces.

    >>> region(Translation("A b. C d.", (Piece((0, 4), (0, 4)), Piece((5, 9), (5, 9)))), (7, 8))
    ((5, 9), (5, 9))
    """
    start, end = answer
    pieces = [each for each in translation.pieces if each.source[0] < end and each.source[1] > start]
    if not pieces:
        pieces = [Piece((0, translation.pieces[-1].source[1]), (0, len(translation.text)))]
    return (pieces[0].source[0], pieces[-1].source[1]), (pieces[0].target[0], pieces[-1].target[1])


def wrap_in_marker(text: str, stretch: Span, answer: Span) -> tuple[str, tuple[str, str]] | None:
    """Return a stretch of the text with markers around the answer, and the markers; None when all occur in the text.

    >>> wrap_in_marker("It was [[x]] in Rome.", (0, 21), (16, 20))
    ('It was [[x]] in ((Rome)).', ('((', '))'))
    """
    for opening, closing in MARKERS:
        if opening not in text and closing not in text:
            before, inside, after = text[stretch[0] : answer[0]], text[slice(*answer)], text[answer[1] : stretch[1]]
            return f"{before}{opening}{inside}{closing}{after}", (opening, closing)
    return None


def from_markers(text: str, stretch: Span, translated: str, markers: tuple[str, str]) -> Span | None:
    """Return where in the stretch of the passage is what the translated markers hold."""
    opening, closing = markers
    if translated.count(opening) != 1 or translated.count(closing) != 1:
        return None
    first, last = translated.index(opening), translated.index(closing)
    inside = translated[first + len(opening) : last].strip()
    return search(text, stretch, inside, share=first / max(1, len(translated))) if inside else None


def search(text: str, stretch: Span, answer: str, *, share: float | None = None) -> Span | None:
    """Return where in the stretch the answer is, exactly or nearly; of several places the one nearest to `share`.

    >>> search("O cão viu o gato.", (0, 17), "Gato")
    (12, 16)
    """
    pattern, passage = answer.strip(_EDGE), text[slice(*stretch)]
    if not pattern:
        return None
    exact = [each.start() for each in re.finditer(re.escape(pattern.casefold()), passage.casefold())]
    if exact and len(passage.casefold()) == len(passage):
        if len(exact) > 1 and share is None:
            return None
        start = min(exact, key=lambda at: abs(at / len(passage) - (share or 0.0)))
        return snap_to_words(text, (stretch[0] + start, stretch[0] + start + len(pattern)))
    near = partial_ratio_alignment(pattern.casefold(), passage.casefold(), score_cutoff=FUZZY_LEAST)
    if near is None or len(pattern) > len(passage) or near.dest_start == near.dest_end:
        return None
    return snap_to_words(text, (stretch[0] + near.dest_start, stretch[0] + near.dest_end))


def consensus(candidates: Mapping[str, Span]) -> Projection | None:
    """Return the span two ways agree on: overlapping by 0.7 of their union; the first of the ways sets the ends.

    >>> consensus({"markers": (10, 20), "search": (30, 40), "alignment": (10, 19)})
    Projection(span=(10, 20), ways=('markers', 'alignment'))
    """
    for way, span in candidates.items():
        others = [other for other, its_span in candidates.items() if other != way and agree(span, its_span)]
        if others:
            return Projection(span, (way, *others))
    return None


def agree(a: Span, b: Span) -> bool:
    """Say whether two spans are the same but for an article or the like: they share 0.7 of their union.

    >>> agree((0, 10), (2, 10)), agree((0, 10), (5, 15))
    (True, False)
    """
    shared = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return shared > 0 and shared / (a[1] - a[0] + b[1] - b[0] - shared) >= OVERLAP_LEAST


def round_trip_matches(answer: str, back: str) -> bool:
    """Say whether an answer translated back is the source's, but for case, articles and punctuation.

    >>> round_trip_matches("the Eiffel Tower", "Eiffel tower.")
    True
    """
    return bool(_plain(answer)) and _plain(answer) == _plain(back)


def _plain(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.casefold()) if word not in ("a", "an", "the")]


def snap_to_words(text: str, span: Span) -> Span | None:
    """Return a stretch widened to whole words, without punctuation at its edges but for the bracket it needs.

    >>> text = "Foi o Facebook (fundado em 2004 (maio)), disse."
    >>> [text[slice(*snap_to_words(text, span))] for span in ((6, 39), (15, 31))]
    ['Facebook (fundado em 2004 (maio))', 'fundado em 2004']
    >>> text = "他出生在北方的《湖边》小镇。"
    >>> [text[slice(*snap_to_words(text, span))] for span in ((4, 6), (8, 13))]
    ['北方', '《湖边》小镇']
    """
    start, end = span
    while start < end and text[start] in _EDGE:
        start += 1
    while end > start and text[end - 1] in _EDGE:
        end -= 1
    for word in _WORD.finditer(text):
        if word.start() < start < word.end():
            start = word.start()
        if word.start() < end < word.end():
            end = word.end()
    return _bracketed(text, (start, end)) if start < end else None


def _bracketed(text: str, span: Span) -> Span:
    """Return a span widened by the brackets right beside it whose partners are in it."""
    start, end = span
    for opening, closing in BRACKETS:
        while text[start:end].count(opening) > text[start:end].count(closing) and text[end : end + 1] == closing:
            end += 1
        while text[start:end].count(closing) > text[start:end].count(opening) and text[start - 1 : start] == opening:
            start -= 1
    return start, end


def aligned(text: str, stretch: Span, places: Sequence[Span]) -> Span | None:
    """Return the span of the passage from the first to the last of some places relative to `stretch`."""
    if not places:
        return None
    start, end = min(place[0] for place in places), max(place[1] for place in places)
    return snap_to_words(text, (stretch[0] + start, stretch[0] + end))
