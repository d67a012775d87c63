"""The settings of one `synthgen make` run, its prompt chain, its controller and its engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from synthgen import console
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.manifest import scale_counts
from synthgen.engines import DEFAULT_TIMEOUT, Engine, check_engine, open_engine, resolve_model
from synthgen.engines.arguments import Arguments, of_replies, recorded
from synthgen.engines.batch import BatchEngine
from synthgen.engines.prices import PriceOptions, Prices
from synthgen.errors import UserError, refuse
from synthgen.filters.base import FilterContext, JudgeConfig, StartEngine
from synthgen.filters.config import FilterConfig
from synthgen.formats.tags import TagsFormat
from synthgen.generation.controller import Controller
from synthgen.generation.grounding import read_grounding
from synthgen.generation.prompt_chain import PromptChain, parser_version
from synthgen.generation.teacher import Teacher
from synthgen.models.packs import PREFIX, ResolvedModel, resolve
from synthgen.task.definition import Task, load_task

DEFAULT_MODEL = "Qwen/Qwen3-4B-Instruct-2507"


@dataclass(frozen=True)
class EngineConfig:
    """Which engine serves which model, where, with which arguments; `running` is used instead of a new one."""

    name: str
    ref: str
    timeout: float = DEFAULT_TIMEOUT
    ray: str | None = None
    running: Engine | None = None
    money: PriceOptions = field(default_factory=PriceOptions)
    batch: bool = False
    arguments: Arguments = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.running is None:
            spec = check_engine(self.name, timeout=self.timeout, ray=self.ray, arguments=self.arguments)
            if spec.serves != "address":
                refuse(f"--engine {self.name} has no batches; give --engine endpoint", batch=self.batch)

    @cached_property
    def model(self) -> ResolvedModel:
        """The model, resolved, or fetched, at the first access."""
        if self.running:
            return resolve(self.ref)
        given: dict[str, Any] = {"timeout": self.timeout, "ray": self.ray, "arguments": self.arguments}
        return resolve_model(self.name, self.ref, **given)

    @cached_property
    def recorded(self) -> dict[str, Any]:
        """The engine's arguments as the manifest has them."""
        return recorded(self.arguments)

    @property
    def context_length(self) -> int:
        """The tokens of a prompt and its reply that the engine is told to serve, -1 for all that the model can."""
        length = self.arguments.get("max_model_len", -1)
        return length if isinstance(length, int) else -1

    @property
    def prices(self) -> Prices | None:
        """What the model's tokens cost, None when nothing is said of money."""
        return self.money.prices(self.model.ref, batch=self.batch)

    @contextmanager
    def open(self, seed: int, ledger: Ledger) -> Iterator[StartEngine]:
        """Yield a function that returns the engine: the running one, or one started by its first call and closed here.

        The jobs of batches are kept in `ledger`.

        The model and its licence are printed before the start.
        """

        def start() -> Engine:
            """Return the engine."""
            if self.running is not None:
                return self.running
            line = f"model {self.model.ref} ({self.model.licence}), engine {self.name}: starting"
            console.note(line)
            if self.batch:
                return stack.enter_context(closing(BatchEngine(self.model, ledger, timeout=self.timeout)))
            given: dict[str, Any] = {"timeout": self.timeout, "ray": self.ray, "arguments": self.arguments}
            engine = open_engine(self.name, self.model, seed=seed, **given)
            return stack.enter_context(closing(engine))

        with ExitStack() as stack:
            yield cache(start)


@dataclass(frozen=True, slots=True)
class GenerationRun:
    """The settings of one run that determine its rows; another value of any of them is another run."""

    chain: PromptChain
    n: int
    engine: EngineConfig
    config: FilterConfig
    context: FilterContext

    def __post_init__(self) -> None:
        if self.engine.timeout != DEFAULT_TIMEOUT and self.engine.name != "endpoint" and not self.config.has("judge"):
            refuse(f"--engine {self.engine.name} is no endpoint", timeout=f"{self.engine.timeout:g}")

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
        return {
            "task": self.task.name,
            "n": self.n,
            "model": self.model.ref,
            "revision": self.model.revision,
            "engine": self.engine.name + ", batch" * self.engine.batch,
            "seed": self.chain.seed,
            "decoding": self.chain.decoding,
            "prompt_hash": self.task.prompt_hash,
            **({"engine_args": arguments} if (arguments := of_replies(self.engine.recorded)) else {}),
            **{parent["role"]: parent["sha256"] for parent in self.chain.grounding.parents},
        }

    def with_judge(self, ledger: Ledger, start: StartEngine) -> GenerationRun:
        """Return the run with an LLM judge that keeps its replies in `ledger` and may share the engine of `start`.

        Not where that makes jobs of its requests: a judge is asked about some rows at a time.
        """
        model, shared = self.context.judge.model, None if self.engine.batch else (self.model, start)
        judge = JudgeConfig(model, self.task.definitions, ledger, shared, self.engine.timeout, self.engine.arguments)
        return replace(self, context=replace(self.context, judge=judge))

    def versions(self) -> dict[str, str]:
        """Return the versions of the parser and of the filters: with the replies, verdicts follow from them."""
        return {"parser": parser_version(self.task.format), "filters": self.config.hash()}


def open_chain(
    task: str,
    seed: int,
    structured: bool,
    shots: Path | None = None,
    passages: Path | None = None,
    teacher: Path | None = None,
    thinking: bool = False,
) -> PromptChain:
    """Return the prompt chain of a task with the real text and the teacher named.

    A teacher brings its tag set, which becomes that of the task. Raises UserError where one is missing or of no use.
    """
    definition = load_task(task)
    if (teacher is not None) != isinstance(definition.format, TagsFormat):
        needs = "needs --teacher CKPT, a token classifier made by evaluator train" if teacher is None else "has no use"
        raise UserError(f"{task} {needs}" + ("" if teacher is None else f" for --teacher {teacher}: it is not tagged"))
    grounding = read_grounding(definition, shots=shots, passages=passages, seed=seed)
    tagger = None
    if teacher is not None:
        tagger = Teacher(teacher)
        columns = definition.format.columns
        definition = replace(definition, format=TagsFormat((columns[0], columns[1]), tagger.labels))
        grounding = replace(grounding, parents=(*grounding.parents, tagger.parent()))
    return PromptChain(definition, seed, structured, grounding, tagger, thinking)


def resolve_n(n: int | str, task: Task) -> int:
    """Return the number of rows that `--n` means for a task.

    >>> resolve_n("10x", load_task("mnli"))
    3927020
    """
    if n in ("real", "10x"):
        return task.real_size * (10 if n == "10x" else 1)
    try:
        number = int(n)
    except ValueError:
        raise UserError(f"--n '{n}' is not a number; give a whole number, 'real' or '10x'") from None
    if number < 1:
        raise UserError(f"--n {number} is less than 1; give a whole number, 'real' or '10x'")
    return number


def is_structured(decoding: str | None, model: str) -> bool:
    """Say whether replies are JSON objects, by `--decoding` or else by the model; UserError for another decoding."""
    if decoding not in (None, "plain", "json"):
        raise UserError(f"--decoding '{decoding}' is neither 'plain' nor 'json'")
    # Measured (docs/archive/log.md): the bundled 135M model keeps more rows per second from plain few-shot completion.
    return decoding == "json" or (decoding is None and not model.startswith(PREFIX))


def is_thinking(thinking: str, *, structured: bool) -> bool:
    """Say whether the model thinks before it replies; UserError for what is neither on nor off, or of no use."""
    if thinking not in ("on", "off"):
        raise UserError(f"--thinking '{thinking}' is neither 'on' nor 'off'")
    if not structured:
        refuse("--decoding plain completes a text, without a chat", thinking=thinking == "on" and thinking)
    return thinking == "on"


def default_folder(task: str, n: int | str, seed: int) -> Path:
    """Return the folder of a set when `--out` names none."""
    return Path("runs") / f"{task}-n{resolve_n(n, load_task(task))}-s{seed}"


def open_controller(run: GenerationRun, ledger: Ledger) -> Controller:
    """Return a controller with nothing kept, and with fresh filters."""
    quotas = scale_counts(run.task.label_counts, run.n)
    return Controller(run.chain, quotas, filters=run.config.build(run.context), ledger=ledger)
