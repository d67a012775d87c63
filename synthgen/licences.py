"""Import path kept for users: see `synthgen.dataset.licences`."""

from synthgen.dataset.licences import (
    Part,
    Terms,
    derive,
    forbidden,
    licence_faults,
    normalise,
    parts_of,
    terms,
    unfounded,
)

__all__ = ["Part", "Terms", "derive", "forbidden", "licence_faults", "normalise", "parts_of", "terms", "unfounded"]
