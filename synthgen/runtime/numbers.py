"""Checks of the numbers that options take; a message begins with the number, or with the option's name before it."""

from synthgen.errors import UserError


def from_0(number: int) -> None:
    """Raise UserError for a number below 0."""
    if number < 0:
        raise UserError(f"{number}; allowed: whole numbers from 0")


def from_1(number: int, name: str = "") -> None:
    """Raise UserError for a number below 1."""
    if number < 1:
        raise UserError(f"{name} {number}; allowed: whole numbers from 1".lstrip())


def above_0(number: float) -> None:
    """Raise UserError for a number that is not above 0."""
    if not number > 0:
        raise UserError(f"{number:g}; allowed: numbers above 0")
