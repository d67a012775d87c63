"""The one way into TOML; of files that people write, every fault of syntax and values at once, each with its line."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from synthgen.errors import UserError, shorten, unknown
from synthgen.text.json_text import LARGEST_INTEGER, MOST_LEVELS, JsonFault, refuse_depth
from synthgen.text.plain_text import read_plain_text

Place = tuple[str, ...]
"""The keys that lead to an entry."""

MOST_REPAIRS = 20
_NAME = r"""(?:"[^"\n]*"|'[^'\n]*'|[\w-]+)"""
_KEY = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_TABLE = re.compile(rf"\s*(\[\[?)\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*\]\]?\s*(?:#.*)?")
_STRING = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#.*|[\[\]{}]')
_LINE = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")
_NUMBER = re.compile(r"(?<![\w.])(?:0[xob])?[0-9A-Fa-f][0-9A-Fa-f_]*")
_LEFT_OUT = "left out "
"""What a table is called that stands in the text twice, until it is dropped."""


class TomlFault(ValueError):
    """A text is no TOML, or TOML that is refused; the message is one line, with the place where it is known."""


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML text.

    Raises TomlFault for what is no TOML, for more than 100 levels and for integers of more than 64 bits.

    >>> parse_toml("a.b = 1")
    {'a': {'b': 1}}
    >>> parse_toml("a = 99999999999999999999")
    Traceback (most recent call last):
    synthgen.text.toml_text.TomlFault: it has an integer of 20 digits; 64 bits are read (at line 1, column 5)
    """
    try:
        values = tomllib.loads(text)
        refuse_depth(values)
    except (RecursionError, JsonFault):
        raise TomlFault(f"it has more than {MOST_LEVELS} levels") from None
    except tomllib.TOMLDecodeError as error:
        raise TomlFault(str(error)) from None
    except ValueError:  # more digits than Python reads
        raise _long_integer(text) from None
    if _has_long_integer(values):
        raise _long_integer(text)
    return values


def _has_long_integer(value: object) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_long_integer, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and abs(value) > LARGEST_INTEGER


def _long_integer(text: str) -> TomlFault:
    """Return the fault of a text with an integer that is too long, with the place of the longest number."""
    number = max(_NUMBER.finditer(text), key=lambda match: len(match[0]))
    line, column = text.count("\n", 0, number.start()) + 1, number.start() - text.rfind("\n", 0, number.start())
    digits = f"an integer of {len(number[0].replace('_', '')):,} digits"
    return TomlFault(f"it has {digits}; 64 bits are read (at line {line}, column {column})")


def read_toml(path: Path, what: str = "") -> dict[str, Any]:
    """Return the values of a TOML file; UserError when it cannot be read, with `what` before its name."""
    return toml_values(read_plain_text(path, what), path)


def toml_values(text: str, path: Path) -> dict[str, Any]:
    """Return the values of the text of a TOML file; UserError when it is none."""
    try:
        return parse_toml(text)
    except TomlFault as fault:
        raise UserError(f"{path} is not TOML: {fault}") from None


class Fault(NamedTuple):
    """What is wrong in a text, and on which line."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class TomlText:
    """The values of a text, the lines of their keys, the faults of its syntax, and the top keys that these touch."""

    values: dict[str, Any]
    lines: Mapping[Place, int]
    faults: tuple[Fault, ...]
    left_out: frozenset[str]

    def line(self, place: Place) -> int:
        """Return the line of an entry, or of the nearest table that it is in; else the first."""
        return self.known_line(place) or 1

    def known_line(self, place: Place) -> int | None:
        r"""Return the line of an entry, or of the nearest table that it is in; None where it is in none.

        >>> text = read_toml_text("a = 1\n[b]\nc = [\n  2,\n]\nd = 3\n")
        >>> text.known_line(("b", "c")), text.known_line(("b", "x")), text.known_line(("x",))
        (3, 2, None)
        """
        for part in (place[:end] for end in range(len(place), 0, -1)):
            if inside := [line for other, line in self.lines.items() if other[: len(part)] == part]:
                return self.lines.get(part, min(inside))
        return None


def read_toml_text(text: str, first: int = 1) -> TomlText:
    """Return what a TOML text says; `first` is the number of its first line in the file.

    An entry that is no TOML is left out and the rest is read, so that one answer has all faults.
    """
    lines, faults, left_out = text.split("\n"), list[Fault](), set[str]()
    for _ in range(MOST_REPAIRS):
        try:
            values = parse_toml("\n".join(lines))
            break
        except TomlFault as error:
            if not _LINE.search(str(error)):
                return TomlText({}, {}, (*faults, Fault(first, f"not TOML: {error}")), frozenset(left_out))
            start, end = _faulty_lines(str(error), lines)
            reason = _LINE.sub("", str(error)).strip()
            faults.append(Fault(first + start, f"'{shorten(lines[start].strip(), 60)}' is not TOML: {reason}"))
            left_out.add(_leave_out(lines, start, end))
    else:
        values = {}
    values = {key: value for key, value in values.items() if not key.startswith(_LEFT_OUT)}
    places = {place: first + number for place, number in _places(lines)}
    return TomlText(values, places, tuple(faults), frozenset(left_out))


def _faulty_lines(message: str, lines: list[str]) -> tuple[int, int]:
    """Return the first and the last line of the entry that an error of the parser is about, counted from 0."""
    match = _LINE.search(message)
    number, start, depth, quote = 0, 0, 0, ""
    for number, line in enumerate(lines[: int(match[1]) if match and match[1] else None]):
        if not depth and not quote and line.strip():
            start = number
        depth, quote = _state_after(line, depth, quote)
    if not depth and not quote:
        return start, number
    others = (n for n in range(start + 1, len(lines)) if _KEY.match(lines[n]) or _TABLE.fullmatch(lines[n]))
    return start, next(others, len(lines)) - 1


def _leave_out(lines: list[str], start: int, end: int) -> str:
    """Empty the lines of an entry, or rename a table that cannot stand there; return the top key that it was under."""
    key = next((place[0] for place, number in _places(lines) if number == start), "")
    is_table = _TABLE.fullmatch(lines[start])
    lines[start : end + 1] = [f'["{_LEFT_OUT}{start}"]' if is_table else "", *[""] * (end - start)]
    return key


def _places(lines: Iterable[str]) -> Iterator[tuple[Place, int]]:
    """Yield the keys that lead to each entry and table, with its line; an array's tables are counted from 0."""
    table: Place = ()
    counts: dict[Place, int] = {}
    depth, quote = 0, ""
    for number, line in enumerate(lines):
        if not depth and not quote:
            if match := _TABLE.fullmatch(line):
                table = _parts(match[2])
                if match[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                    table = (*table, str(counts[table]))
                yield table, number
                continue
            if match := _KEY.match(line):
                yield (*table, *_parts(match[1])), number
        depth, quote = _state_after(line, depth, quote)


def _state_after(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Return how many brackets and which long quotes are open after a line."""
    for match in _STRING.finditer(line):
        token = match[0]
        if quote:
            quote = "" if token == quote else quote
        elif token in ('"""', "'''"):
            quote = token
        elif token in "[]{}":
            depth += 1 if token in "[{" else -1
    return max(depth, 0), quote


def _parts(dotted: str) -> Place:
    """Return the names of a dotted key.

    >>> _parts('shots . "any one"')
    ('shots', 'any one')
    """
    return tuple(name.strip("\"'") for name in re.findall(_NAME, dotted))


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of an entry, in words and as a test."""

    words: str
    fits: Callable[[Any], bool]


def whole(least: int) -> Shape:
    """Return the shape of whole numbers."""
    return Shape(f"int from {least}", lambda value: type(value) is int and value >= least)


def list_of(of: Shape, least: int = 0) -> Shape:
    """Return the shape of lists."""
    return Shape(f"list of {of.words}", lambda v: isinstance(v, list) and len(v) >= least and all(map(of.fits, v)))


def table_of(of: Shape, least: int = 0) -> Shape:
    """Return the shape of tables with values of one shape."""
    return Shape(
        f"table of {of.words}",
        lambda value: isinstance(value, dict) and len(value) >= least and all(map(of.fits, value.values())),
    )


def one_of(*shapes: Shape) -> Shape:
    """Return the shape of what has one of several."""
    return Shape(" or ".join(each.words for each in shapes), lambda value: any(each.fits(value) for each in shapes))


def is_number(value: object) -> bool:
    """Say whether a value is a finite number from 0."""
    return type(value) in (int, float) and 0 <= value < float("inf")  # type: ignore[operator]


TEXT = Shape("text", lambda value: isinstance(value, str))
FULL_TEXT = Shape("text that is not empty", lambda value: isinstance(value, str) and bool(value.strip()))
FLAG = Shape("true or false", lambda value: isinstance(value, bool))
NUMBER = Shape("float", is_number)
TABLE = Shape("table", lambda value: isinstance(value, dict))

Finding = tuple[Place, str]
"""What is wrong, and the keys that lead to where it stands."""


def shape_faults(
    table: Mapping[str, Any], shapes: Mapping[str, Shape], what: str = "", at: Place = ()
) -> list[Finding]:
    """Return what is wrong with the types of a table's values; `what` is said before a key."""
    return [
        ((*at, key), f"{what}{key} is {shorten(repr(table[key]), 60)}; expected {shape.words}")
        for key, shape in shapes.items()
        if key in table and not shape.fits(table[key])
    ]


def key_faults(
    table: Mapping[str, Any], known: Iterable[str], *, what: str = "", kind: str = "key", at: Place = ()
) -> list[Finding]:
    """Return the keys of a table that are none of the known ones, each with the nearest."""
    names = sorted(known)
    return [((*at, key), what + str(unknown(kind, key, names))) for key in table if key not in names]


def of_shape(table: Mapping[str, Any], shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """Return the entries of a table that have the shape they should have."""
    return {key: value for key, value in table.items() if key in shapes and shapes[key].fits(value)}
