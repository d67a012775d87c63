"""Edits change rows before they are filtered, counted apart. Off unless a configuration file names them."""

from contextlib import suppress

from synthgen.formats.base import Format, ParseError, Row, clean_text


class TextCleaning:
    """Texts in NFC, without control characters, runs of white space as one space. Texts with offsets stay as they are.

    >>> from synthgen.formats.pair import PairFormat
    >>> clean = TextCleaning(PairFormat(("question1", "question2"), ("no", "yes")))
    >>> clean.apply({"question1": "Is it  so?", "question2": "Why?", "label": 0})
    {'question1': 'Is it so?', 'question2': 'Why?', 'label': 0}
    """

    name = "clean"
    VERSION = 1
    """Raised when it changes rows otherwise."""

    def __init__(self, format_: Format) -> None:
        self._columns = () if format_.name == "span" else format_.text_columns

    def apply(self, row: Row) -> Row:
        """Return the cleaned row, the same object if nothing changes; a text of which nothing would be left stays."""
        changed = {}
        for column in self._columns:
            text = row.get(column)
            with suppress(ParseError):
                if isinstance(text, str) and (cleaned := clean_text(text)) != text:
                    changed[column] = cleaned
        return {**row, **changed} if changed else row
