"""The interface of a translation backend: items in, the same items in another language out, or the reason why not.

An item is all the texts of one row, in the order of its format. It is handed over whole, so that what its texts have in
common can stay in common: a premise and a hypothesis translated apart lose part of their lexical overlap, and models
trained on them learn from the loss (Artetxe, Labaka and Agirre, EMNLP 2020).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from synthgen.dataset.ledger import Ledger
from synthgen.engines.budget import Budget
from synthgen.engines.config import RequestOptions
from synthgen.errors import UserError, refuse, unknown
from synthgen.models.packs import ResolvedModel
from synthgen.runtime.workers import usable_cores
from synthgen.text.languages import base_language, script_of

Item = tuple[str, ...]
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text and the stretch of its translation, as character offsets [start, end)."""

    source: tuple[int, int]
    target: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated text; `pieces` say which part came from which, in order."""

    text: str
    pieces: tuple[Piece, ...]


def whole(source: str, target: str) -> Translation:
    """Return a translation in one piece."""
    return Translation(target, (Piece((0, len(source)), (0, len(target))),))


@dataclass(frozen=True, slots=True)
class TranslationFailure:
    """Why an item has no translation: `failed` when nothing came back, else a rejection."""

    reason: str
    evidence: str = ""
    failed: bool = False


Outcome = tuple[Translation, ...] | TranslationFailure


@runtime_checkable
class Backend(Protocol):
    """A translator of whole items.

    `name` is the kind of backend, `ref` the model as the command line names it, `revision` identifies the weights; the
    licence of the translations derives from `licence`; `note` is what else a reader must know, empty for nothing.
    `items_at_once` is how many items one call takes, and what a crash may cost. `budget` is what its replies have cost
    and may cost, without prices where they are free.
    """

    name: str
    ref: str
    revision: str
    licence: str
    note: str
    items_at_once: int
    budget: Budget

    @property
    def versions(self) -> dict[str, str]:
        """Package versions that determine the translations."""

    @property
    def settings(self) -> dict[str, str | int | bool]:
        """Settings that determine the translations; two runs are the same only with the same ones."""

    def check(self, source: str, target: str) -> None:
        """Raise UserError with the languages there are when the pair cannot be translated."""

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        """Return one outcome for each item, in order."""

    def use(self, ledger: Ledger) -> None:
        """Keep in a run's ledger what has been paid for and is no row of it yet."""

    def spent(self) -> tuple[int, int]:
        """Return the prompt and output tokens of the replies since the last call; zeros where none are counted.

        What `use` keeps of these replies may go: their rows are stored in the same transaction.
        """

    def close(self) -> None:
        """Free processes and memory."""


@dataclass(frozen=True, slots=True)
class ComputeConfig:
    """Device, threads (0 is every core) and number type of a model: one of CTranslate2's or the checkpoint's own.

    `options` are those of requests to an engine that serves one.
    """

    device: str = "auto"
    threads: int = 0
    compute: str = "default"
    options: RequestOptions = field(default_factory=RequestOptions)

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise unknown("--device", self.device, DEVICES)
        if self.threads < 0:
            raise UserError(f"--threads is {self.threads}; allowed: 0 (every core) or more")

    def refuse(self, reason: str, *names: str) -> None:
        """Raise UserError for the first of these settings that is not its default."""
        changed = {name for name in names if getattr(self, name) != getattr(ComputeConfig(), name)}
        refuse(reason, **{name: getattr(self, name) for name in names if name in changed})

    @property
    def cores(self) -> int:
        """Number of threads to use."""
        return self.threads or usable_cores()

    def choose(self, gpus: int) -> str:
        """Return cpu or cuda; UserError for cuda where there is none."""
        if self.device == "cuda" and not gpus:
            raise UserError("--device cuda: this machine has no CUDA device; give --device cpu")
        return "cuda" if gpus and self.device != "cpu" else "cpu"


def model_codes(check: Callable[[str, str], None], source: str, target: str) -> tuple[str, str]:
    """Return the codes that the check of a backend takes: as they are, or without a region or a script implied.

    UserError with the languages there are when it takes neither: traditional Chinese is not translated as simplified.
    """
    try:
        check(source, target)
    except UserError:
        plain = _without_implied(source), _without_implied(target)
        check(*plain)
        return plain
    return source, target


def check_pair(pairs: Collection[tuple[str, str]], source: str, target: str, *, where: str) -> None:
    """Raise UserError for two languages that are none of the pairs; a source that is not known may be any."""
    if not any(target == b and source in ("", a) for a, b in pairs):
        pair = f"{source}-{target}" if source else f"any-{target}"
        raise unknown("language pair", pair, [f"{a}-{b}" for a, b in pairs], where=where)


def _without_implied(code: str) -> str:
    base = base_language(code)
    return base if script_of(base) == script_of(code) else code


@dataclass(frozen=True, slots=True)
class BackendSpec:
    """A backend's declaration, the value of `BACKEND` in its module: which `--mt REF` opens it, and how.

    `open` takes what follows `prefix` in a reference; a prefix without a colon is all of it. `load` takes the model
    of a reference without a prefix and returns None for a folder of another kind; smaller `place` is asked first.
    `pairs` gives the pairs of languages where they are known without a model. The contract tests open `example`, empty
    where they must make a model, and translate between `languages`.
    """

    prefix: str = ""
    open: Callable[[str, ComputeConfig], Backend] | None = None
    load: Callable[[ResolvedModel, ComputeConfig], Backend | None] | None = None
    place: int = 0
    pairs: Callable[[], Collection[tuple[str, str]]] | None = None
    example: str = ""
    languages: tuple[str, str] = ("en", "de")

    def takes(self, ref: str) -> bool:
        """Say whether a reference names this backend by its prefix."""
        return ref == self.prefix or (self.prefix.endswith(":") and ref.startswith(self.prefix))
