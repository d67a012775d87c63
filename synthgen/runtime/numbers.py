"""What numbers of options may be."""

from synthgen.errors import UserError


def from_0(number: int) -> None:
    """Raise UserError for a number below 0."""
    if number < 0:
        raise UserError(f"{number}; allowed: whole numbers from 0")


def from_1(number: int) -> None:
    """Raise UserError for a number below 1."""
    if number < 1:
        raise UserError(f"{number}; allowed: whole numbers from 1")


def above_0(number: float) -> None:
    """Raise UserError for a number that is not above 0."""
    if not number > 0:
        raise UserError(f"{number:g}; allowed: numbers above 0")
