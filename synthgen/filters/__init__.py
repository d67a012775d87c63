"""Filters keep a row or drop it with a short reason. The order of the tuple is the order they run in.

A filter sees rows one at a time; `judge` says whether a row may be kept given those kept before, `remember` is called
once for each row that was kept. Filters never change a row.
"""

from __future__ import annotations

import hashlib
import inspect
import sys

from synthgen.filters.base import Filter, Verdict
from synthgen.filters.exact import ExactDuplicates
from synthgen.filters.language import Language
from synthgen.filters.near import NearDuplicates
from synthgen.filters.personal import PersonalData
from synthgen.filters.residue import Residue
from synthgen.filters.shape import Shape
from synthgen.formats import Format

ORDER = (Shape, Residue, Language, ExactDuplicates, NearDuplicates)
"""What `make` runs where nothing else is asked for."""


def default_filters(format_: Format, language: str = "en", prompt: str = "") -> tuple[Filter, ...]:
    """Return fresh filters for one set in `language`, in order; `prompt` is the prompt file's text."""
    return (
        Shape(format_),
        Residue(format_, prompt),
        Language(format_, language),
        ExactDuplicates(format_),
        NearDuplicates(format_),
    )


def filters_hash() -> str:
    """Return the version of the filters: a hash of their source, so that a changed filter is a changed version."""
    sources = [inspect.getsource(sys.modules[make.__module__]) for make in ORDER]
    return hashlib.sha256("\n".join(sources).encode()).hexdigest()


__all__ = [
    "ORDER",
    "ExactDuplicates",
    "Filter",
    "Language",
    "NearDuplicates",
    "PersonalData",
    "Residue",
    "Shape",
    "Verdict",
    "default_filters",
    "filters_hash",
]
