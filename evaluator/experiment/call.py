"""How `compare` and `plan` are called: with arms and options, with an experiment file, or with a preset's data."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_type_hints

from evaluator.experiment.arguments import Arguments
from evaluator.experiment.arms import split_arm
from evaluator.experiment.file import ExperimentFile, is_experiment, read_experiment
from evaluator.experiment.presets import expand
from synthgen.errors import UserError

P = ParamSpec("P")
A = TypeVar("A", bound=Arguments)
R = TypeVar("R")


def takes(arguments: Callable[P, A]) -> Callable[[Callable[[A], R]], Callable[P, R]]:
    """Let a function of a dataclass of arguments be called with those arguments themselves.

    Its `help()` and its command show them with their types and defaults. In place of arms it takes an experiment file,
    over whose options those of the call stand.
    """

    def decorate(function: Callable[[A], R]) -> Callable[P, R]:
        @wraps(function)
        def command(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = dict(inspect.signature(arguments).bind(*args, **kwargs).arguments)
            return function(arguments_of(arguments, **bound))

        hints, signature = get_type_hints(arguments), inspect.signature(arguments)
        parameters = [each.replace(annotation=hints[name]) for name, each in signature.parameters.items()]
        result = inspect.signature(function).return_annotation
        command.__signature__ = signature.replace(parameters=parameters, return_annotation=result)  # type: ignore[attr-defined]
        command.__annotations__ = get_type_hints(arguments, include_extras=True)
        return command

    return decorate


def arguments_of(kind: Callable[..., A], arms: Sequence[str], **options: Any) -> A:  # noqa: ANN401 - any option
    """Return the arguments of a call; UserError for an experiment file or a preset that cannot be used."""
    if is_experiment(arms):
        return file_arguments(kind, read_experiment(Path(arms[0])), **options)
    if options.get("preset"):
        arms, preset_options = expand(options["preset"], dict(map(split_arm, arms)))
        options = {**_known(kind, preset_options), **options}
    return kind(arms, **options)


def file_arguments(
    kind: Callable[..., A],
    file: ExperimentFile,
    *,
    needs_data: bool = True,
    **options: Any,  # noqa: ANN401 - any option
) -> A:
    """Return what an experiment file says, and over it the options of a call, as arguments of a kind.

    With `needs_data`, UserError for data that do not exist yet.
    """
    lacking = [step.name for step in file.steps.steps if not step.is_done]
    if needs_data and lacking:
        raise UserError(
            f"{file.path}: data.{lacking[0]} does not exist yet: evaluator run {file.path} --only-data makes it"
        )
    arms, file_options = file.arm_texts(), {"data": file.steps, **file.options}
    if preset := {**file_options, **options}.get("preset"):
        of_preset, options_of_preset = expand(preset, file.places)
        arms, file_options = [*of_preset, *arms], {**options_of_preset, **file_options}
    return kind(arms, **{**_known(kind, file_options), **options})


def _known(kind: Callable[..., A], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a kind of arguments has."""
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return {name: value for name, value in options.items() if name in names}
