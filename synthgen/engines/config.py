"""How a model is asked, as every command that asks one says it, and the one way to an engine that serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from synthgen import console
from synthgen.dataset.ledger import Ledger
from synthgen.engines import (
    DEFAULT_TIMEOUT,
    Engine,
    check_engine,
    engine_of,
    engine_specs,
    open_engine,
    resolve_model,
    takes_arguments,
)
from synthgen.engines.arguments import Arguments, manifest_arguments, read_arguments, reply_arguments
from synthgen.engines.batch import BatchEngine
from synthgen.engines.prices import PriceOptions, Prices
from synthgen.errors import UserError, refuse
from synthgen.models.packs import ResolvedModel, resolve

StartEngine = Callable[[], Engine]


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How requests are sent to whatever model a command asks, and what they may cost.

    `thinking` lets the model think before it replies, `batch` asks a server by batches, `arguments` are those of an
    engine that takes some.
    """

    timeout: float = DEFAULT_TIMEOUT
    thinking: bool = False
    money: PriceOptions = field(default_factory=PriceOptions)
    batch: bool = False
    arguments: Arguments = field(default_factory=dict)

    def refuse(self, reason: str) -> None:
        """Raise UserError for the first option that is given, where no model is asked."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        changed = {name: value for name, value in values.items() if value != getattr(RequestOptions(), name)}
        money = changed.pop("money", PriceOptions())
        prices = {"price_in": money.price_in, "prices": money.table}
        engine_args = changed.pop("arguments", None)
        refuse(reason, **{**changed, "engine_args": engine_args, **prices})

    def reply_settings(self) -> dict[str, Any]:
        """Return what replies follow from, as manifests and ledgers have it; nothing for what is the default."""
        settings: dict[str, Any] = {}
        if arguments := reply_arguments(manifest_arguments(self.arguments)):
            settings["engine_args"] = arguments
        if self.thinking:
            settings["thinking"] = True
        return settings


def read_options(
    *,
    timeout: float = DEFAULT_TIMEOUT,
    thinking: str = "off",
    price_in: float | None = None,
    price_out: float | None = None,
    prices: Path | None = None,
    max_cost: float | None = None,
    batch: bool = False,
    engine_args: str | None = None,
) -> RequestOptions:
    """Return the options of a command line; UserError for values that are none, or do not go together."""
    if thinking not in ("on", "off"):
        raise UserError(f"--thinking '{thinking}' is neither 'on' nor 'off'")
    if timeout <= 0:
        raise UserError(f"--timeout {timeout:g} is not a waiting time; give seconds above 0")
    money = PriceOptions(price_in, price_out, prices, max_cost)
    return RequestOptions(timeout, thinking == "on", money, batch, read_arguments(engine_args))


@dataclass(frozen=True)
class EngineConfig:
    """Which engine serves which model, and where; `running` is used instead of a new one."""

    name: str
    ref: str
    options: RequestOptions = field(default_factory=RequestOptions)
    ray: str | None = None
    running: Engine | None = None

    def __post_init__(self) -> None:
        if self.running is None:
            spec = check_engine(self.name, **self._engine_options)
            if spec.serves != "address":
                refuse(
                    f"{self.ref} is served by the engine {self.name}; only a server at an address has a batch API",
                    batch=self.options.batch,
                )

    @classmethod
    def of(cls, ref: str, options: RequestOptions) -> EngineConfig:
        """Return the engine that a reference alone names, as a judge's or a translator's does."""
        return cls(engine_of(ref), ref, options)

    @classmethod
    def beside(cls, ref: str, options: RequestOptions) -> EngineConfig:
        """Return the engine of a model beside a run's generator, which the options are for: at once, by address."""
        arguments = options.arguments if takes_arguments(engine_of(ref)) else {}
        return cls.of(ref, replace(options, batch=False, arguments=arguments))

    @property
    def _engine_options(self) -> dict[str, Any]:
        """What the registry of engines is asked with."""
        return {"timeout": self.options.timeout, "ray": self.ray, "arguments": self.options.arguments}

    @cached_property
    def model(self) -> ResolvedModel:
        """The model, resolved, or fetched, at the first access."""
        if self.running:
            return resolve(self.ref)
        return resolve_model(self.name, self.ref, **self._engine_options)

    @cached_property
    def manifest_arguments(self) -> dict[str, Any]:
        """The engine's arguments as the manifest has them."""
        return manifest_arguments(self.options.arguments)

    @property
    def context_length(self) -> int:
        """The tokens of a prompt and its reply that the engine is told to serve, -1 for all that the model can."""
        length = self.options.arguments.get("max_model_len", -1)
        return length if isinstance(length, int) else -1

    @property
    def prices(self) -> Prices | None:
        """What the model's tokens cost, None when nothing is said of money."""
        return self.options.money.prices(self.model.ref, batch=self.options.batch)

    @property
    def has_address(self) -> bool:
        """Whether a server is asked, which may be somebody's who wants money for it."""
        return engine_specs()[self.name].serves == "address"

    def start(self, seed: int, ledger: Ledger, rows: int | None = None) -> Engine:
        """Return a started engine, for `rows` rows where that is known; the jobs of batches are kept in `ledger`."""
        if self.options.batch:
            return BatchEngine(self.model, ledger, timeout=self.options.timeout)
        return open_engine(self.name, self.model, seed=seed, rows=rows, **self._engine_options)

    @contextmanager
    def open(self, seed: int, ledger: Ledger, rows: int) -> Iterator[StartEngine]:
        """Yield a function that returns the engine: the running one, or one that its first call starts for `rows` rows.

        It is closed here. The model and its licence are printed before the start.
        """

        def start() -> Engine:
            """Return the engine."""
            if self.running is not None:
                return self.running
            line = f"model {self.model.ref} ({self.model.licence}), engine {self.name}: starting"
            console.note(line)
            with console.progress(is_kept=False) as bar:
                bar.add_task(f"engine {self.name}: starting", total=None, note="")
                bar.refresh()
                return stack.enter_context(closing(self.start(seed, ledger, rows)))

        with ExitStack() as stack:
            yield cache(start)
