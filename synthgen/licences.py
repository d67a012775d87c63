"""Import path kept for users: see `synthgen.dataset.licences`."""

from synthgen.dataset.licences import (
    LicensedSource,
    Terms,
    derive,
    forbidden,
    licence_faults,
    normalise,
    parts_of,
    terms,
    unfounded,
)

__all__ = [
    "LicensedSource",
    "Terms",
    "derive",
    "forbidden",
    "licence_faults",
    "normalise",
    "parts_of",
    "terms",
    "unfounded",
]
