"""The settings of one `synthgen make` run, its prompt chain, its controller and its engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synthgen.dataset.ledger import Ledger
from synthgen.dataset.manifest import scale_counts
from synthgen.engines import DEFAULT_TIMEOUT
from synthgen.engines.arguments import reply_arguments
from synthgen.engines.budget import Budget
from synthgen.engines.config import EngineConfig, StartEngine
from synthgen.errors import UserError, refuse, shorten
from synthgen.filters.base import FilterContext, Generator
from synthgen.filters.config import FilterConfig
from synthgen.formats.tags import TagsFormat
from synthgen.generation.controller import Controller
from synthgen.generation.grounding import read_grounding
from synthgen.generation.prompt_chain import PromptChain, parser_version
from synthgen.generation.teacher import Teacher
from synthgen.models.packs import PREFIX, ResolvedModel
from synthgen.task.definition import Task
from synthgen.task.registry import load_task
from synthgen.text.json_text import LARGEST_INTEGER
from synthgen.text.languages import language_code

DEFAULT_MODEL = "Qwen/Qwen3-4B-Instruct-2507"


@dataclass(frozen=True, slots=True)
class GenerationRun:
    """The settings of one run that determine its rows; another value of any of them is another run."""

    chain: PromptChain
    n: int
    engine: EngineConfig
    config: FilterConfig
    context: FilterContext

    def __post_init__(self) -> None:
        timeout = self.engine.options.timeout
        if timeout != DEFAULT_TIMEOUT and self.engine.name != "endpoint" and not self.config.has("judge"):
            refuse(f"--engine {self.engine.name} is not an endpoint", timeout=f"{timeout:g}")
        if any(getattr(settings, "probabilities", False) for _, settings in self.config.stages):
            raise UserError("[verify] probabilities = true is for synthgen filter, which adds them to rows")

    @property
    def task(self) -> Task:
        """The task, with the tags of the teacher where there is one."""
        return self.chain.task

    @property
    def model(self) -> ResolvedModel:
        """The generator."""
        return self.engine.model

    def settings(self) -> dict[str, Any]:
        """Return what the ledger compares before it resumes."""
        settings: dict[str, Any] = {
            "task": self.task.name,
            "n": self.n,
            "model": self.model.ref,
            "revision": self.model.revision,
            "engine": self.engine.name + ", batch" * self.engine.options.batch,
            "seed": self.chain.seed,
            "decoding": self.chain.decoding,
            "prompt_hash": self.task.prompt_hash,
        }
        if self.task.asked_language:
            settings["language"] = self.task.asked_language
        if arguments := reply_arguments(self.engine.manifest_arguments):
            settings["engine_args"] = arguments
        return settings | {parent["role"]: parent["sha256"] for parent in self.chain.grounding.parents}

    def with_judge(self, ledger: Ledger, start: StartEngine, budget: Budget) -> GenerationRun:
        """Return the run with an LLM judge that keeps its replies in `ledger` and may share the engine of `start`.

        Not where that makes jobs of its requests: a judge is asked about some rows at a time. What it costs counts in
        the run's `budget`.
        """
        generator = Generator(self.model, None if self.engine.options.batch else start, budget)
        judge = replace(self.context.judge, definitions=self.task.definitions, replies=ledger, generator=generator)
        return replace(self, context=replace(self.context, judge=judge))

    def versions(self) -> dict[str, str]:
        """Return the versions of the parser and of the filters: with the replies, verdicts follow from them."""
        return {"parser": parser_version(self.task.format), "filters": self.config.hash()}


def open_chain(
    task: str,
    seed: int,
    structured: bool,
    *,
    shots: Path | None = None,
    passages: Path | None = None,
    teacher: Path | None = None,
    thinking: bool = False,
    language: str | None = None,
) -> PromptChain:
    """Return the prompt chain of a task, in another language than its file's if asked, with the real text and teacher.

    A teacher brings its tag set, which becomes that of the task. Raises UserError where one is missing or of no use.
    """
    definition = written_in(load_task(task), language)
    if (teacher is not None) != isinstance(definition.format, TagsFormat):
        if teacher is None:
            raise UserError(f"{definition.name} needs --teacher CKPT, a token classifier trained with evaluator train")
        raise UserError(f"{definition.name} takes no --teacher {teacher}: its rows have no tags")
    if not definition.steps:
        raise UserError(f"{definition.name} has no [steps] to generate rows with; synthgen import reads rows for it")
    grounding = read_grounding(definition, shots=shots, passages=passages, seed=seed)
    tagger = None
    if teacher is not None:
        tagger = Teacher(teacher)
        columns = definition.format.columns
        definition = replace(definition, format=TagsFormat((columns[0], columns[1]), tagger.labels))
        grounding = replace(grounding, parents=(*grounding.parents, tagger.parent()))
    return PromptChain(definition, seed, structured, grounding, tagger, thinking)


def written_in(task: Task, language: str | None) -> Task:
    """Return a task as `--language` asks for it; UserError for what is no language."""
    return task.in_language(language_code(language)) if language is not None else task


def resolve_n(n: int | str, task: Task) -> int:
    """Return the number of rows that `--n` means for a task.

    >>> resolve_n("10x", load_task("mnli"))
    3927020
    """
    check_n(n)
    if n == "10x":
        return 10 * task.real_size
    return task.real_size if n == "real" else int(n)


def check_n(n: int | str) -> None:
    """Raise UserError for what no task can have as `--n`."""
    if n in ("real", "10x"):
        return
    try:
        number = int(n)
    except ValueError:
        raise UserError(f"--n '{n}' is not a number; give a whole number, 'real' or '10x'") from None
    if number < 1:
        raise UserError(f"--n {number} is less than 1; give a whole number, 'real' or '10x'")
    if number > LARGEST_INTEGER:
        raise UserError(f"--n {shorten(str(number))} has more than 64 bits; give a whole number, 'real' or '10x'")


def is_structured(decoding: str | None, model: str = "") -> bool:
    """Say whether replies are JSON objects, by `--decoding` or else by the model; UserError for another decoding."""
    if decoding not in (None, "plain", "json"):
        raise UserError(f"--decoding '{decoding}' is neither 'plain' nor 'json'")
    # Measured (docs/archive/log.md): the bundled 135M model keeps more rows per second from plain few-shot completion.
    return decoding == "json" or (decoding is None and not model.startswith(PREFIX))


def default_folder(task: str, n: int | str, seed: int, language: str | None = None) -> Path:
    """Return the folder of a set when `--out` names none."""
    definition = written_in(load_task(task), language)
    name = "-".join(filter(None, [definition.name, definition.asked_language]))
    return Path("runs") / f"{name}-n{resolve_n(n, definition)}-s{seed}"


def open_controller(run: GenerationRun, ledger: Ledger) -> Controller:
    """Return a controller with nothing kept, and with fresh filters."""
    quotas = scale_counts(run.task.label_counts, run.n)
    filters = run.config.build(run.context)
    return Controller(run.chain, quotas, filters=filters, ledger=ledger, model=run.model)
