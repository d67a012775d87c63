"""Public functions for callers in Python: paths may be texts, and a value of a wrong type is one line."""

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from synthgen.errors import UserError, shorten
from synthgen.runtime.typer_command import COMMAS, OptionCheck, names
from synthgen.text.json_text import LARGEST_INTEGER

_NAMES = {
    Path: "a path",
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    NoneType: "None",
}


LONGEST = 4096
"""Characters of a text in a file, as of a path."""


class _WrongType(TypeError):
    """A value has not the type of its parameter."""


def public(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes what is close to its types, with a signature that `help` shows without options.

    A path may be a text and a text a path, one value stands for a list of one, and a list of whole numbers for a text
    of them. UserError names anything else.
    """
    hints, marked = get_type_hints(function), get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - what the function takes and returns
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{function.__name__}(): {error}; allowed: {', '.join(signature.parameters)}") from None
        for name, value in bound.arguments.items():
            has_commas = COMMAS in getattr(marked[name], "__metadata__", ())
            bound.arguments[name] = _checked(name, value, hints[name], has_commas=has_commas)
        return function(*bound.args, **bound.kwargs)

    shown = [each.replace(annotation=_shown(hints[name])) for name, each in signature.parameters.items()]
    result = hints.get("return", signature.return_annotation)
    called.__signature__ = signature.replace(parameters=shown, return_annotation=result)  # type: ignore[attr-defined]
    called.__annotations__ = {name: _shown(hint) for name, hint in hints.items()}
    return called


def converted(function: Callable[..., Any], name: str, value: Any, shown: str = "") -> Any:  # noqa: ANN401 - any value
    """Return a value as the parameter `name` of a function has it; UserError, with the name `shown`, for another.

    Checks that need only the value run here: of tasks, numbers and languages, and that it is not empty or endless.
    """
    check_bounds(shown or name, value)
    marks = getattr(get_type_hints(function, include_extras=True)[name], "__metadata__", ())
    result = _checked(shown or name, value, get_type_hints(function)[name], has_commas=COMMAS in marks)
    try:
        for mark in marks:
            if isinstance(mark, OptionCheck) and result is not None:
                mark.check(result)
    except UserError as error:
        raise UserError(f"{shown or name}: {error}") from None
    return result


def check_bounds(name: str, value: Any) -> None:  # noqa: ANN401 - any value
    """Raise UserError for an empty value, a text longer than `LONGEST` characters and a number that is not finite.

    >>> check_bounds("margin", float("inf"))
    Traceback (most recent call last):
    synthgen.errors.UserError: margin = inf is not a finite number
    """
    if value in ("", [], {}):
        raise UserError(f"{name} is empty; give a value, or leave it out")
    for each in value if isinstance(value, list | tuple) else [value]:
        if isinstance(each, str) and len(each) > LONGEST:
            raise UserError(f"{name} = {shorten(repr(each))} has {len(each):,} characters; allowed: up to {LONGEST:,}")
        if isinstance(each, float) and not isfinite(each):
            raise UserError(f"{name} = {each} is not a finite number")


def _checked(name: str, value: Any, hint: Any, *, has_commas: bool) -> Any:  # noqa: ANN401 - any value and type
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise UserError(f"{name} is an integer of {value.bit_length():,} bits; allowed: up to 64")
    try:
        return _converted(names(value) if has_commas and isinstance(value, str) else value, hint)
    except _WrongType:
        argument = f"{name} = {shorten(repr(value))}"
        if any("\0" in str(each) for each in (value if isinstance(value, (list, tuple)) else [value])):
            raise UserError(f"{argument} holds a null character; no name or path has one") from None
        raise UserError(f"{argument} is of the type {type(value).__name__}; allowed: {_described(hint)}") from None


def _converted(value: Any, hint: Any) -> Any:  # noqa: ANN401 - any value and type
    if get_origin(hint) in (Union, UnionType):
        return _of_one(value, get_args(hint))
    if get_origin(hint) is Sequence:
        return _sequence(value, get_args(hint)[0])
    if hint is Path or hint is str:
        return _text_or_path(value, hint)
    if isinstance(hint, type) and get_origin(hint) is None:
        return _plain(value, hint)
    return value


def _of_one(value: Any, hints: tuple[Any, ...]) -> Any:  # noqa: ANN401 - any value and type
    """Return a value as the first of some types that it is, or else that it can be taken for."""
    if type(value) in hints:
        return _converted(value, type(value))
    if {str, int} <= {*hints} and isinstance(value, (list, tuple, range)) and value:
        return ",".join(str(_plain(each, int)) for each in value)  # a text of numbers, as on the command line
    for hint in hints:
        try:
            return _converted(value, hint)
        except _WrongType:
            continue
    raise _WrongType


def _sequence(value: Any, item: Any) -> Sequence[Any]:  # noqa: ANN401 - any value and type
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return (_converted(value, item),)
    return tuple(_converted(each, item) for each in value)


def _text_or_path(value: Any, hint: type[str] | type[Path]) -> str | Path:  # noqa: ANN401 - any value
    if not isinstance(value, (str, os.PathLike)) or not isinstance(text := os.fspath(value), str):
        raise _WrongType
    if "\0" in text:
        raise _WrongType
    if hint is Path:
        return Path(value)
    return value if isinstance(value, str) else os.path.join(os.curdir, value)  # a path is never taken for a hub id


def _plain(value: Any, hint: type) -> Any:  # noqa: ANN401 - any value
    if isinstance(value, bool) and hint is not bool:
        raise _WrongType
    if hint is int and isinstance(value, Integral):
        return int(value)
    if hint is float and isinstance(value, Real):
        return float(value)
    if hint in (int, float) or not isinstance(value, hint):
        raise _WrongType
    return value


def _shown(hint: Any) -> Any:  # noqa: ANN401 - a type
    """Return a type as `help` shows it: where a path is taken, a text is."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return Union[(*kinds, str)] if Path in kinds else hint


def _described(hint: Any) -> str:  # noqa: ANN401 - a type
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_described, get_args(hint))))
    if get_origin(hint) is Sequence:
        return f"a list, of each {_described(get_args(hint)[0])}"
    return _NAMES.get(hint, getattr(hint, "__name__", str(hint)))
