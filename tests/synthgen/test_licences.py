"""Licences: what parts ask for, the one licence that satisfies all of them, and claims that a part forbids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.corpora.catalogue import SOURCES
from synthgen.dataset.licences import LicensedSource, derive, forbidden
from synthgen.errors import UserError

KNOWN = ("mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-3.0", "cc-by-sa-4.0", "cc-by-sa-3.0", "cc-by-nc-4.0")
KNOWN += ("cc-by-nc-sa-3.0", "Quora terms, non-commercial", "gemma", "unknown")


def parts(*licences: str) -> list[LicensedSource]:
    return [LicensedSource("source", f"part {number}", licence) for number, licence in enumerate(licences)]


@pytest.mark.parametrize(
    ("licences", "result"),
    [
        (("apache-2.0",), "apache-2.0"),
        (("apache-2.0", "MIT"), "apache-2.0"),
        (("apache-2.0", "CC BY 4.0"), "cc-by-4.0"),
        (("CC BY-SA 3.0", "CC BY-SA 4.0"), "cc-by-sa-4.0"),
        (("CC BY 4.0", "cc-by-nc-4.0"), "cc-by-nc-4.0"),
        (("cc-by-nc-sa-3.0", "cc-by-nc-4.0"), "cc-by-nc-sa-4.0"),
        (("CC BY-SA 4.0", "cc-by-nc-4.0"), "cc-by-sa-4.0; cc-by-nc-4.0"),
        (("apache-2.0", "gemma"), "gemma"),
        (("gemma", "CC BY 4.0"), "gemma; cc-by-4.0"),
    ],
)
def test_the_derived_licence_satisfies_every_part(licences: tuple[str, ...], result: str) -> None:
    assert derive(parts(*licences)) == result
    assert forbidden(result, parts(*licences)) == []


@given(st.lists(st.sampled_from(KNOWN), min_size=1, max_size=5))
def test_a_derived_licence_is_never_forbidden_and_does_not_depend_on_repetition(licences: list[str]) -> None:
    result = derive(parts(*licences))
    assert forbidden(result, parts(*licences)) == []
    assert derive(parts(*licences, *licences)) == result


@pytest.mark.parametrize(
    ("claimed", "licence", "why"),
    [
        ("apache-2.0", "cc-by-nc-4.0", "no commercial use"),
        ("mit", "CC BY-SA 4.0", "same licence"),
        ("cc-by-sa-3.0", "cc-by-sa-4.0", "same licence"),
        ("mit", "CC BY 4.0", "attribution"),
        ("mit", "Quora terms, non-commercial", "must be named"),
        ("cc-by-4.0", "unknown", "must be named"),
        ("mit", "cc-by-nd-4.0", "no derived work"),
    ],
)
def test_a_claim_that_a_part_forbids_names_the_part(claimed: str, licence: str, why: str) -> None:
    (line,) = [line for line in forbidden(claimed, parts(licence)) if why in line]
    assert "part 0" in line
    assert licence in line


def test_a_part_without_derivatives_stops_the_derivation() -> None:
    with pytest.raises(UserError, match=r"part 1 \(CC BY-ND 4\.0\) allows no derived work"):
        derive(parts("mit", "CC BY-ND 4.0"))


def test_no_parts_have_no_licence() -> None:
    with pytest.raises(UserError, match="names no generator and no sources"):
        derive([])


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_every_human_corpus_may_carry_its_own_licence(source: str) -> None:
    parts = [LicensedSource("source", each.name, each.licence) for each in SOURCES[source]]
    assert forbidden("; ".join(dict.fromkeys(part.licence for part in parts)), parts) == []
