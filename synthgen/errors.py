"""The two exceptions with an exit code, and the wording of common error messages."""

import codecs
import difflib
import errno
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager


class UserError(ValueError):
    """The user's input is wrong. The message is one line: the value, where it stood, what is allowed. Exit code 2."""

    exit_code = 2


class IncompleteError(RuntimeError):
    """The work could not be completed: the `fault`, then what is `kept` and how to go on. Exit code 3.

    Who knows better what is kept takes the fault alone and says that instead.
    """

    exit_code = 3

    def __init__(self, fault: str, kept: str = "") -> None:
        super().__init__(f"{fault}; {kept}" if kept else fault)
        self.fault = fault


def unknown(kind: str, value: str | Sequence[str], known: Iterable[str], *, where: str = "") -> UserError:
    """Return the error for a name, or several, that is not one of `known`, with the nearest match first.

    >>> print(unknown("task", "mnly", ["mnli", "qqp"]))
    unknown task 'mnly'; did you mean 'mnli'? known: mnli, qqp
    >>> print(unknown("task", ["mnly", "x"], ["mnli", "qqp"], where="a.toml"))
    unknown tasks 'mnly' ('mnli'?), 'x' in a.toml; known: mnli, qqp
    """
    values, names = [value] if isinstance(value, str) else list(value), list(known)
    near = [next(iter(difflib.get_close_matches(each, names, n=1, cutoff=0.5)), "") for each in values]
    place, known_names = f" in {where}" if where else "", f"known: {listed(names)}"
    if len(values) == 1:
        hint = f"; did you mean '{near[0]}'?" if near[0] else ";"
        return UserError(f"unknown {kind} '{shorten(values[0])}'{place}{hint} {known_names}")
    shown = (f"'{shorten(each)}'" + (f" ('{name}'?)" if name else "") for each, name in zip(values, near, strict=True))
    return UserError(f"unknown {kind}s {', '.join(shown)}{place}; {known_names}")


def listed(names: Iterable[object], most: int = 40) -> str:
    """Return names as a list that a person reads: the first ones, each in at most 100 characters, and how many follow.

    >>> listed(["a", "b", "c", "d"], most=2)
    'a, b and 2 more'
    """
    every = list(names)
    shown = ", ".join(shorten(str(name)) for name in every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most:,} more"


def not_utf8(where: object, error: UnicodeDecodeError) -> UserError:
    """Return the error for text that is not UTF-8, with the line that converts it."""
    byte = f"{error.reason} (0x{error.object[error.start]:02x}) at byte {error.start}"
    convert = "`iconv -f windows-1252 -t utf-8`, or from gb18030 for Chinese, windows-1256 for Arabic, …"
    if error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        convert = "`iconv -f utf-16 -t utf-8`: its first bytes say that it is UTF-16"
    return UserError(f"{where} is not UTF-8: {byte}; convert it, e.g. with {convert}")


def refuse_twice(where: object, columns: Iterable[str]) -> None:
    """Raise UserError for the first name that two columns have."""
    if twice := next((name for name, count in Counter(columns).items() if count > 1), None):
        raise UserError(f"{where} has two columns '{twice}'")


def refuse(reason: str, **options: object) -> None:
    """Raise UserError for the first of `options` that was given, i.e. is neither None, False nor empty.

    >>> refuse("nothing is written with --preview 2", ray=None, max_requests=9)
    Traceback (most recent call last):
    synthgen.errors.UserError: --max-requests 9 has no effect: nothing is written with --preview 2
    """
    for name, value in options.items():
        if value is not None and value is not False and value != ():
            flag = f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
            raise UserError(f"{flag} has no effect: {reason}")


def missing_package(package: str, extra: str, purpose: str) -> UserError:
    """Return the error for an optional package that is not installed, with its install line."""
    return UserError(f"{purpose} needs the package '{package}': pip install 'synthgen-evaluator[{extra}]'")


@contextmanager
def requires(package: str, extra: str, purpose: str) -> Iterator[None]:
    """Turn the ImportError of an optional package into the error with its install line."""
    try:
        yield
    except ImportError:
        raise missing_package(package, extra, purpose) from None


def shorten(text: str, most: int = 100, dots: str = "...") -> str:
    """Return a text in at most so many characters, with dots in place of what is cut off."""
    return text if len(text) <= most else text[: most - len(dots)] + dots


EXCERPT = 200
"""Characters of an example in a message."""


def excerpt(text: str, most: int = EXCERPT) -> str:
    r"""Return the beginning of a text in one line.

    >>> excerpt("  two\nlines  "), excerpt("one two", 6)
    ('two lines', 'one...')
    """
    return shorten(" ".join(text.split()), most)


def is_disk_full(error: OSError) -> bool:
    """Return whether a file could not be written because its disk, its owner's quota or its size has no room left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def disk_advice(error: OSError) -> str:
    """Return what to do about a disk that is full or fails; an empty text for any other error."""
    if is_disk_full(error):
        return "make room on the disk, or for temporary files set TMPDIR"
    return "the disk or the connection to it fails; check it" if error.errno == errno.EIO else ""


@contextmanager
def plain_os_error(what: str, advice: str = "") -> Iterator[None]:
    """Turn an OSError into a UserError: what could not be done, why, what to do; that of a full disk stays as it is."""
    try:
        yield
    except OSError as error:
        if disk_advice(error):
            raise
        raise UserError(f"{what}: {error.strerror or error}" + (f"; {advice}" if advice else "")) from None


def first_line(error: BaseException) -> str:
    r"""Return what an error says in one line: its first, or the name of its class where it says nothing.

    >>> first_line(OSError("no answer\nand a page of details")), first_line(TimeoutError())
    ('no answer', 'TimeoutError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
