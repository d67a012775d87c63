"""Whole numbers in texts of others: Python refuses to read thousands of digits, and nothing here has so many."""

MOST_DIGITS = 18


def whole_number(text: str) -> int | None:
    """Return the number that a text of decimal digits is; None for any other text, and for more than 18 digits.

    >>> whole_number("042"), whole_number("-1"), whole_number("9" * 5_000)
    (42, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None
