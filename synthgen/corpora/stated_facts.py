"""What the user says of other people's rows: their origin, generator, licence, language, split, source and columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from synthgen.corpora.catalogue import find_sources
from synthgen.corpora.readers.columns import RecordOptions, record_options
from synthgen.dataset.manifest import Origin
from synthgen.errors import UserError, refuse, unknown
from synthgen.text.languages import language_code

FACTS = ("origin", "generator", "licence", "language", "split", "source", "citation")
"""The options of an import that say where its rows come from."""

RECORD_OPTIONS = ("columns", "labels", "hypotheses", "where")
"""Those that say how its records are read."""


@dataclass(frozen=True, slots=True)
class StatedFacts:
    """The facts of an import that no file states; None where nothing was said."""

    origin: str | None = None
    generator: str | None = None
    licence: str | None = None
    language: str | None = None
    split: str | None = None
    source: str | None = None
    citation: str | None = None
    records: RecordOptions = field(default_factory=RecordOptions)

    @property
    def is_own(self) -> bool:
        """Return whether the rows are said to be somebody's own, or in columns of their own."""
        return bool(self.records or self.is_foreign)

    @property
    def is_foreign(self) -> bool:
        """Return whether they are said to be others than those of the official release."""
        is_other = self.origin not in (None, "real") or self.generator or self.licence or self.source or self.citation
        return bool(is_other)

    def parent_facts(self) -> dict[str, Any]:
        """Return what a manifest's parent says of them."""
        facts = {name: getattr(self, name) for name in ("generator", "source", "citation")}
        return {name: value for name, value in facts.items() if value} | self.records.facts()


def stated_facts(task: str, given: Mapping[str, Any]) -> StatedFacts:
    """Return the facts and the options of records, checked, from options of an import; any may be missing.

    Raises UserError for an empty fact and for an origin, column or label that is none.
    """
    facts: dict[str, str | None] = {name: given.get(name) for name in FACTS}
    records: dict[str, Sequence[str]] = {name: given.get(name, ()) for name in RECORD_OPTIONS}
    origin = facts["origin"]
    if origin is not None and origin not in (allowed := tuple(each for each in get_args(Origin) if each != "sample")):
        raise unknown("origin", origin, allowed, where="--origin")
    if origin in (None, "real"):
        refuse(
            "a generator wrote the rows of a synthetic or translated set: give --origin", generator=facts["generator"]
        )
    for name, value in facts.items():
        if value is not None and not value.strip():
            raise UserError(f"--{name} is empty")
    lines = {name: None if value is None else " ".join(value.split()) for name, value in facts.items()}
    if lines["language"]:
        lines["language"] = language_code(lines["language"])
    return StatedFacts(**lines, records=record_options(find_sources(task)[0].format, **records))
