"""The licence of a set, derived from the licences of its parts: generator, translator, source text, shots, verifier.

Only what a licence plainly says is derived: whether it allows commercial use, derivatives, other terms for them. A
licence that is not known here counts as terms of its own, which the result names and never replaces by an id.
Sources: creativecommons.org compatibility chart (BY < BY-SA, NC and SA do not mix), SPDX ids as the hub writes them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.errors import UserError

UNKNOWN = "unknown"
_PERMISSIVE = {"mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "cc0-1.0"}
_CREATIVE_COMMONS = re.compile(r"cc-by(?P<nc>-nc)?(?P<more>-sa|-nd)?-(?P<version>\d\.\d)")


@dataclass(frozen=True, slots=True)
class LicensedSource:
    """A source of the rows: its role, its name, its licence as its owner writes it."""

    role: str
    name: str
    licence: str

    def __str__(self) -> str:
        return f"{self.role} {self.name} ({self.licence})"


@dataclass(frozen=True, slots=True)
class Terms:
    """The conditions of a licence on derived works. `custom` is the text of terms that have no id here."""

    attribution: bool = False
    non_commercial: bool = False
    share_alike: bool = False
    no_derivatives: bool = False
    version: str = "4.0"
    custom: str = ""


def normalise(licence: str) -> str:
    """Return a licence's id as the hub writes it, or its text where it is no single known licence.

    >>> normalise("CC BY-SA 4.0"), normalise("MIT"), normalise("Quora terms, non-commercial")
    ('cc-by-sa-4.0', 'mit', 'Quora terms, non-commercial')
    """
    candidate = re.sub(r"\s+", "-", licence.strip().casefold())
    return candidate if candidate in _PERMISSIVE or _CREATIVE_COMMONS.fullmatch(candidate) else licence.strip()


def terms(licence: str) -> Terms:
    """Return what a licence asks for.

    >>> terms("CC BY-NC-SA 3.0")
    Terms(attribution=True, non_commercial=True, share_alike=True, no_derivatives=False, version='3.0', custom='')
    """
    name = normalise(licence)
    if name in _PERMISSIVE:
        return Terms()
    if match := _CREATIVE_COMMONS.fullmatch(name):
        more = match["more"]
        return Terms(True, bool(match["nc"]), more == "-sa", more == "-nd", match["version"])
    return Terms(non_commercial="non-commercial" in name.casefold() or "-nc" in name.casefold(), custom=name)


def derive(parts: Iterable[LicensedSource]) -> str:
    """Return the licence of a work made from the parts: an id, or the terms that all hold, joined by semicolons.

    One part gives its own licence. Raises UserError for a part that forbids derivatives, and for no part at all.

    >>> derive([LicensedSource("generator", "m", "apache-2.0"), LicensedSource("passages", "squad", "CC BY-SA 4.0")])
    'cc-by-sa-4.0'
    >>> passages = LicensedSource("passages", "squad", "CC BY-SA 4.0")
    >>> derive([passages, LicensedSource("translator", "nllb", "cc-by-nc-4.0")])
    'cc-by-sa-4.0; cc-by-nc-4.0'
    """
    parts = list(parts)
    if not parts:
        raise UserError("the set names no generator and no sources, so its licence cannot be derived; name one of them")
    for part in parts:
        if terms(part.licence).no_derivatives:
            raise UserError(f"{part} allows no derived work; no set made from it may be published")
    names = list(dict.fromkeys(normalise(part.licence) for part in parts))
    binding = [name for name in names if terms(name) != Terms()]
    if not binding:
        return names[0]
    return _joint(binding) or "; ".join(binding)


def _joint(binding: list[str]) -> str | None:
    """Return the one licence that satisfies all of several binding ones, if there is one."""
    if len(binding) == 1:
        return binding[0]
    every = [terms(name) for name in binding]
    non_commercial = any(each.non_commercial for each in every)
    share_alike = [each for each in every if each.share_alike]
    if any(each.custom for each in every) or any(each.non_commercial != non_commercial for each in share_alike):
        return None
    version = max(each.version for each in every)
    return f"cc-by{'-nc' if non_commercial else ''}{'-sa' if share_alike else ''}-{version}"


def forbidden(licence: str, parts: Iterable[LicensedSource]) -> list[str]:
    """Return why a set made from the parts may not carry a licence, one line a part; empty when it may.

    >>> forbidden("cc-by-4.0", [LicensedSource("translator", "nllb", "cc-by-nc-4.0")])
    ['translator nllb (cc-by-nc-4.0) does not allow the licence cc-by-4.0: it allows no commercial use']
    """
    texts = [normalise(each) for each in licence.split(";")]
    claimed = [terms(each) for each in texts]
    return [
        f"{part} does not allow the licence {licence}: {reason}"
        for part in parts
        for reason in _objections(terms(part.licence), normalise(part.licence), claimed, texts)
    ]


def unfounded(licence: str, parts: Iterable[LicensedSource]) -> list[str]:
    """Return a line where a claimed licence is neither a known one nor the terms of a part.

    >>> unfounded("banana", [LicensedSource("model", "m", "apache-2.0")])
    ["the licence 'banana' is neither known nor that of a part of the set: model m (apache-2.0)"]
    """
    parts = list(parts)
    texts = {normalise(text) for part in parts for text in (part.licence, *part.licence.split(";"))} | {UNKNOWN}
    unknown = [text for text in map(normalise, licence.split(";")) if terms(text).custom and text not in texts]
    if not parts or not unknown or normalise(licence) in texts:
        return []
    return [f"the licence '{unknown[0]}' is neither known nor that of a part of the set: {', '.join(map(str, parts))}"]


def licence_faults(licence: str, model: Mapping[str, Any] | None, parents: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what the parts that a manifest names have against its licence; parents may be silent about theirs."""
    parents = list(parents)
    parts = parts_of(model, parents)
    are_complete = all("licence" in parent for parent in parents)
    return forbidden(licence, parts) + (unfounded(licence, parts) if are_complete else [])


def _objections(part: Terms, name: str, claimed: list[Terms], texts: list[str]) -> list[str]:
    """Return what a part's terms have against the claimed ones; a claim that names the part's licence is fine."""
    if part.no_derivatives:
        return ["it allows no derived work"]
    if name in texts or all(each in texts for each in name.split("; ")):
        return []
    if part.custom:
        return ["its terms must be named"]
    reasons = []
    if part.non_commercial and not any(each.non_commercial for each in claimed):
        reasons.append("it allows no commercial use")
    alike = [each for each in claimed if each.share_alike and each.non_commercial == part.non_commercial]
    if part.share_alike and not any(each.version >= part.version for each in alike):
        reasons.append("it must be shared under the same licence")
    if part.attribution and not any(each.attribution or each.custom for each in claimed):
        reasons.append("it asks for attribution")
    return reasons


def parts_of(model: Mapping[str, Any] | None, parents: Iterable[Mapping[str, Any]]) -> list[LicensedSource]:
    """Return the parts a manifest names: its model, and every parent that says its licence."""
    parts = [LicensedSource("model", str(model["ref"]), str(model["licence"]))] if model else []
    for parent in parents:
        if "licence" in parent:
            name = next((str(parent[key]) for key in ("corpus", "name", "hub", "file", "task") if key in parent), "?")
            parts.append(LicensedSource(str(parent.get("role", "source")), name, str(parent["licence"])))
    return parts
