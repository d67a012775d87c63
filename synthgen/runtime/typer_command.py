"""A Typer command from a public function: its signature gives the options, its docstring the help.

A parameter whose type is `Annotated` with a `typer.Option` or `typer.Argument` is an option of the command; any other
exists only in Python. The command line has one text where Python takes text or something else (`int | str`), and where
the type is marked `COMMAS`; any other sequence is an option that can be repeated.
"""

import ast
import inspect
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeAlias, Union, cast, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import ParameterInfo

from synthgen import console
from synthgen.errors import UserError

COMMAS = "comma-separated"
"""The mark of a sequence of names that is one text on the command line."""


@dataclass(frozen=True, slots=True)
class OptionCheck:
    """The check of one option's value by itself: MODULE:FUNCTION raises UserError for a value that is not allowed.

    `keyword` is the parameter of the function that takes the value, the first where there is none.
    """

    function: str
    keyword: str = ""

    def check(self, value: Any) -> None:  # noqa: ANN401 - any option
        """Raise UserError for a value, or one of several, that is not allowed."""
        module, _, name = self.function.partition(":")
        for each in value if isinstance(value, list | tuple) else [value]:
            function = getattr(import_module(module), name)
            function(**{self.keyword: each}) if self.keyword else function(each)


class Arguments(dict[str, Any]):
    """The arguments a function was called with, by name, and the `words` of the command line, its program first."""

    def __init__(self, values: Mapping[str, Any], words: Sequence[str] = ()) -> None:
        """Keep the values of all options, and the words where there are any."""
        super().__init__(values)
        self.words = tuple(words)

    def line(self, *, command: str = "", without: str = "") -> str:
        """Return the words as a shell takes them, with another command in place of this one, or without an option.

        >>> Arguments({"preview": 3}, ["synthgen", "make", "--preview", "3", "--out", "a b"]).line(without="preview")
        "synthgen make --out 'a b'"
        """
        kept, words, flag = list[str](), iter(self.words), f"--{without.replace('_', '-')}"
        for word in words:
            if not without or word.partition("=")[0] != flag:
                kept.append(word)
            elif "=" not in word and not isinstance(self[without], bool):
                next(words, None)
        return shlex.join([*kept[:1], command, *kept[2:]] if command else kept)


Show: TypeAlias = Callable[[Any, Arguments], object]
"""Prints a result for a person."""
Document: TypeAlias = Callable[[Any, Arguments], Any]
"""Returns the JSON value of a result."""

_EMPTY = re.compile("--[a-z-]+=")
_Json = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON on stdout.")]
_AS_JSON = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Json)
_CONTEXT = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


def json_value(result: Any, arguments: Arguments) -> Any:  # noqa: ANN401 - any result
    """Return the JSON value of a result: of a dataclass its fields, of a list that of each item."""
    if isinstance(result, list):
        return [json_value(item, arguments) for item in result]
    return asdict(result) if is_dataclass(result) and not isinstance(result, type) else result


def add_command(
    app: typer.Typer, name: str, function: str | Callable[..., Any], show: Show, document: Document = json_value
) -> None:
    """Add a command to `app`: a function, or the "module:name" of one that is imported when the command runs.

    `show` prints the result for a person; with --json the JSON value that `document` returns is printed instead. A
    result with an `exit_code` other than 0 ends the command with it.
    """
    docstring = _unimported_docstring(function) if isinstance(function, str) else inspect.getdoc(function)

    @app.command(name, cls=_LazyCommand, help=help_text(docstring or ""))
    def _command() -> TyperCommand:
        if isinstance(function, str):
            module, _, attribute = function.partition(":")
            return _build(name, getattr(import_module(module), attribute), show, document)
        return _build(name, function, show, document)


class _LazyCommand(TyperCommand):
    """A command whose callback returns the command itself, options and all."""

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 - Typer's
        """Build the command and let it parse the arguments; an empty one would name this folder."""
        for before, each in zip(["", *args], args, strict=False):
            if not each or _EMPTY.fullmatch(each):
                name = each.rstrip("=") or (before if before.startswith("--") else "an argument")
                raise UserError(f"{name} is empty; give a value, or leave it out")
        words, above = [info_name, *args], parent
        while above is not None:
            words, above = [above.command.name, *words], above.parent
        command = cast(Callable[[], TyperCommand], self.callback)()
        return command.make_context(info_name, args, parent, obj=words, **extra)


def _build(name: str, function: Callable[..., Any], show: Show, document: Document) -> TyperCommand:
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    options = [_option(parameter, hints.get(key, parameter.annotation)) for key, parameter in parameters.items()]

    def _run(context: typer.Context, as_json: bool, **values: Any) -> None:  # noqa: ANN401 - what the function takes
        arguments = {key: names(value) if COMMAS in _metadata(hints[key]) else value for key, value in values.items()}
        changed = {key: value for key, value in arguments.items() if not _is_default(context, parameters[key], hints)}
        result = function(**changed)
        called = Arguments(arguments, context.obj)
        console.print_json(document(result, called)) if as_json else show(result, called)
        raise typer.Exit(getattr(result, "exit_code", 0))

    _run.__signature__ = inspect.Signature([_CONTEXT, *filter(None, options), _AS_JSON])  # type: ignore[attr-defined]
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    app.command(name, help=help_text(inspect.getdoc(function) or ""))(_run)
    return cast(TyperCommand, typer.main.get_command(app))


def _option(parameter: inspect.Parameter, hint: Any) -> inspect.Parameter | None:  # noqa: ANN401 - a type
    """Return a parameter as Typer takes it; None for one that exists only in Python."""
    if (info := _info(hint)) is None:
        return None
    kind: Any = get_args(hint)[0]
    default: Any = parameter.empty if info.default_factory else parameter.default
    if get_origin(kind) is Sequence:
        commas = COMMAS in _metadata(hint)
        if default is not parameter.empty:
            default = ",".join(default) if commas else list(default)
        kind = str if commas else list[get_args(kind)]  # type: ignore[misc]
    elif get_origin(kind) in (Union, UnionType) and str in get_args(kind):
        kind = str | None if type(None) in get_args(kind) else str
    return parameter.replace(kind=parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def _is_default(context: typer.Context, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    """Say whether an option was left out, so that the function's own default holds."""
    info, source = _info(hints[parameter.name]), context.get_parameter_source(parameter.name)
    return source is not None and source.name == "DEFAULT" and not (info and info.default_factory)


def option_names(function: Callable[..., Any]) -> dict[str, str]:
    """Return the options of a function's command as a file names them, each with the parameter that takes it.

    >>> def count(folder: Annotated[Path, typer.Argument()], *, source: Annotated[str, typer.Option("--from")]): ...
    >>> option_names(count)
    {'folder': 'folder', 'from': 'source'}
    """
    infos = {name: _info(hint) for name, hint in get_type_hints(function, include_extras=True).items()}
    return {_flag(name, info): name for name, info in infos.items() if info is not None}


def option_help(hint: Any) -> str:  # noqa: ANN401 - a type
    """Return what `--help` says of an option, by its type."""
    info = _info(hint)
    return (info.help or "") if info else ""


def _flag(name: str, info: ParameterInfo) -> str:
    texts = [info.default, *(info.param_decls or ())]  # in Annotated the first name stands as the default
    flags = [text.removeprefix("--") for text in texts if isinstance(text, str) and text.startswith("--")]
    return (flags[0] if flags else name).replace("-", "_")


def _info(hint: Any) -> ParameterInfo | None:  # noqa: ANN401 - a type
    return next((each for each in _metadata(hint) if isinstance(each, ParameterInfo)), None)


def _metadata(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def names(text: str) -> list[str]:
    """Return the names of a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def help_text(docstring: str) -> str:
    r"""Return a docstring up to its last example; what follows is for programmers.

    >>> help_text("Count rows.\n\nExample: synthgen count runs/mnli\n\nRaises UserError for a folder without rows.")
    'Count rows.\n\nExample: synthgen count runs/mnli'
    """
    paragraphs = docstring.split("\n\n")
    last = max((place for place, text in enumerate(paragraphs) if text.startswith("Example")), default=0)
    return "\n\n".join(paragraphs[: last + 1])


def _unimported_docstring(reference: str) -> str | None:
    """Return the docstring of the "module:name" function without importing what its module imports."""
    module, _, name = reference.partition(":")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(reference)
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    return next(ast.get_docstring(node) for node in body if isinstance(node, ast.FunctionDef) and node.name == name)
