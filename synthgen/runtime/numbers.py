"""Checks of the numbers that options take; a message begins with the number, or with the option's name before it."""

from synthgen.errors import UserError, shorten
from synthgen.text.json_text import LARGEST_INTEGER


def from_0(number: int, name: str = "") -> None:
    """Raise UserError for a number below 0."""
    _whole(number, 0, name)


def from_1(number: int, name: str = "") -> None:
    """Raise UserError for a number below 1."""
    _whole(number, 1, name)


def _whole(number: int, least: int, name: str = "") -> None:
    """Raise UserError for a number out of bounds: what is kept of it is read again as one of 64 bits."""
    if not least <= number <= LARGEST_INTEGER:
        most = "" if number < least else f" to {LARGEST_INTEGER:,}"
        raise UserError(f"{name} {shorten(str(number))}; allowed: whole numbers from {least}{most}".lstrip())


def above_0(number: float) -> None:
    """Raise UserError for a number that is not above 0."""
    if not number > 0:
        raise UserError(f"{number:g}; allowed: numbers above 0")
