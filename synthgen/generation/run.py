"""What a run of `synthgen make` is: its settings, what its slots ask for, its controller and its engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from synthgen import console
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.manifest import scale_counts
from synthgen.engines import DEFAULT_TIMEOUT, Engine, check_engine, open_engine, resolve_model
from synthgen.errors import UserError, refuse
from synthgen.filters.base import FilterContext
from synthgen.filters.config import FilterConfig
from synthgen.filters.labels.llm_judge import JudgeConfig, StartEngine
from synthgen.formats.tags import TagsFormat
from synthgen.generation.controller import Controller
from synthgen.generation.grounding import read_grounding
from synthgen.generation.prompt_chain import PromptChain, parser_version
from synthgen.generation.teacher import Teacher
from synthgen.models.packs import PREFIX, ResolvedModel, resolve
from synthgen.task.definition import Task, find_task

DEFAULT_MODEL = "Qwen/Qwen3-4B-Instruct-2507"


@dataclass(frozen=True)
class Serving:
    """Which engine serves which model, and where; `started` is one that serves already and is used instead."""

    engine: str
    ref: str
    timeout: float = DEFAULT_TIMEOUT
    ray: str | None = None
    started: Engine | None = None

    def __post_init__(self) -> None:
        """Refuse an engine that cannot be started so."""
        if self.started is None:
            check_engine(self.engine, timeout=self.timeout, ray=self.ray)

    @cached_property
    def model(self) -> ResolvedModel:
        """The model, looked for, or fetched, when it is first asked for."""
        return resolve(self.ref) if self.started else resolve_model(self.engine, self.ref, timeout=self.timeout)

    def open(self, seed: int) -> AbstractContextManager[StartEngine]:
        """Return what gives the engine, started by the first who asks and stopped at the end of the `with` block."""
        return lazy_engine(self.started or partial(self._start, seed))

    def _start(self, seed: int) -> Engine:
        """Say which model it is, its licence first of all, and return the engine started."""
        told = f"model {self.model.ref} ({self.model.licence}), engine {self.engine}: starting"
        console.stderr.print(told, highlight=False)
        return open_engine(self.engine, self.model, seed=seed, timeout=self.timeout, ray=self.ray)


@dataclass(frozen=True, slots=True)
class GenerationRun:
    """The settings of one run that determine its rows; another value of any of them is another run."""

    script: PromptChain
    n: int
    serving: Serving
    plan: FilterConfig
    subject: FilterContext

    def __post_init__(self) -> None:
        """Refuse a timeout where no endpoint is asked anything."""
        if self.serving.timeout != DEFAULT_TIMEOUT and self.serving.engine != "endpoint" and not self.plan.has("judge"):
            refuse(f"--engine {self.serving.engine} is no endpoint", timeout=f"{self.serving.timeout:g}")

    @property
    def task(self) -> Task:
        """The task, with the tags of the teacher where there is one."""
        return self.script.task

    @property
    def seed(self) -> int:
        """The seed of attributes and sampling."""
        return self.script.seed

    @property
    def model(self) -> ResolvedModel:
        """The model that writes."""
        return self.serving.model

    def settings(self) -> dict[str, Any]:
        """Return what the ledger compares before it resumes."""
        return {
            "task": self.task.name,
            "n": self.n,
            "model": self.model.ref,
            "revision": self.model.revision,
            "engine": self.serving.engine,
            "seed": self.seed,
            "decoding": "json" if self.script.structured else "plain",
            "prompt_hash": self.task.prompt_hash,
            **self.script.grounding.settings(),
        }

    def with_judge(self, ledger: Ledger, start: StartEngine) -> GenerationRun:
        """Return the run whose judge keeps its replies in `ledger` and may share the engine that `start` gives."""
        judge, shared = self.subject.judging.model, (self.model, start)
        judging = JudgeConfig(judge, self.task.definitions, ledger, shared, self.serving.timeout)
        return replace(self, subject=replace(self.subject, judging=judging))

    def versions(self) -> dict[str, str]:
        """Return what verdicts follow from beside the replies: the versions of the parser and of the filters."""
        return {"parser": parser_version(self.task.format), "filters": self.plan.hash()}


def open_script(
    task: str,
    *,
    seed: int,
    structured: bool,
    shots: Path | None = None,
    passages: Path | None = None,
    teacher: Path | None = None,
) -> PromptChain:
    """Return what the slots of a task ask for, with the real text and the teacher it is given.

    A teacher brings its tag set, which becomes that of the task. Raises UserError where one is missing or of no use.
    """
    found = find_task(task)
    if (teacher is not None) != isinstance(found.format, TagsFormat):
        needs = "needs --teacher CKPT, a token classifier made by evaluator train" if teacher is None else "has no use"
        raise UserError(f"{task} {needs}" + ("" if teacher is None else f" for --teacher {teacher}: it is not tagged"))
    grounding = read_grounding(found, shots=shots, passages=passages, seed=seed)
    if teacher is None or not isinstance(found.format, TagsFormat):
        return PromptChain(found, seed=seed, structured=structured, grounding=grounding)
    tagger = Teacher(teacher)
    found = replace(found, format=TagsFormat(found.format.columns, tagger.labels))
    grounding = replace(grounding, parents=(*grounding.parents, tagger.parent()))
    return PromptChain(found, seed=seed, structured=structured, grounding=grounding, teacher=tagger)


def resolve_n(n: int | str, task: Task) -> int:
    """Return the number of rows that `--n` asks for.

    >>> resolve_n("10x", find_task("mnli"))
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
    """Say whether replies are to be JSON objects, by what was asked for or else by the model; UserError if neither."""
    if decoding not in (None, "plain", "json"):
        raise UserError(f"--decoding '{decoding}' is neither 'plain' nor 'json'")
    # Measured (docs/log.md): the bundled 135M model keeps more rows per second from plain few-shot completion.
    return decoding == "json" or (decoding is None and not model.startswith(PREFIX))


def filter_context(
    task: Task, against: Sequence[Path], verifier: Path | None, judge: str | None, like: Path | None
) -> FilterContext:
    """Return what the filters of a run may know of it and compare its rows with."""
    return FilterContext(
        task.format, task.language, task.prompt_text, tuple(against), verifier, like, JudgeConfig(judge or "")
    )


def default_folder(task: str, n: int | str, seed: int) -> Path:
    """Return where a set goes when no folder is named."""
    return Path("runs") / f"{task}-n{resolve_n(n, find_task(task))}-s{seed}"


def open_controller(run: GenerationRun, ledger: Ledger) -> Controller:
    """Return a controller with nothing kept, and with fresh filters."""
    quotas = scale_counts(run.task.label_counts, run.n)
    filters = run.plan.build(run.subject)
    return Controller(run.task, quotas, seed=run.seed, filters=filters, ledger=ledger, script=run.script)


@contextmanager
def lazy_engine(engine: Engine | StartEngine) -> Iterator[StartEngine]:
    """Yield what gives the engine, started by the first who asks and stopped at the end; a running one runs on."""
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(closing(engine())) if callable(engine) else engine)
