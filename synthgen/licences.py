"""Import path kept for users: see `synthgen.dataset.licences`."""

from synthgen.dataset.licences import (
    UNKNOWN,
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
from synthgen.dataset.licences import LicensedSource as Part

__all__ = [
    "UNKNOWN", "LicensedSource", "Part", "Terms", "derive", "forbidden", "licence_faults", "normalise", "parts_of",
    "terms", "unfounded",
]  # fmt: skip
