"""The arguments of `compare` and `plan`, and the experiment they describe: all checked before anything runs."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path

from evaluator import options
from evaluator.benchmark.data_root import default_root, languages_there, missing_files, trained_on
from evaluator.benchmark.registry import check_languages
from evaluator.benchmark.registry import select as targets_by_name
from evaluator.benchmark.splits import BY_IDS, BY_POSITIONS, BY_RECIPE, EN_DEV, LAST
from evaluator.benchmark.target import DataRoot, Target
from evaluator.experiment.arms import FULL, Arm, check_names, split_arm
from evaluator.experiment.recipe import LARGE_WIDTH, load_recipe
from evaluator.experiment.steps import DataSteps
from evaluator.reporting.report import check_margin, check_page
from evaluator.stats.pairwise import parse_primary
from evaluator.stats.score_table import some_of
from evaluator.store import check_store
from evaluator.tracking.backend import check_tracker
from synthgen.dataset.samples import SAMPLES
from synthgen.errors import UserError, refuse, shorten, unknown
from synthgen.runtime.numbers import from_1
from synthgen.runtime.ray_cluster import LOCAL, check_address
from synthgen.text.digits import whole_number

DEFAULTS = {"recipe": "xtreme", "select": "last"}
MOST_SEEDS, MOST_LACKING = 1_000, 3
CHOICES = {
    "match": ("epochs", "updates"),
    "draw": (BY_IDS, BY_POSITIONS),
    "select": (LAST, EN_DEV, BY_RECIPE),
    "split": ("test", "dev"),
}


@dataclass(frozen=True)
class Arguments:
    """What `compare` and `plan` both take; `data` is how an experiment file made its data, for the record."""

    arms: options.Arms
    _: KW_ONLY
    targets: options.TargetNames = ()
    languages: options.Languages = ()
    split: options.SplitName = "test"
    sizes: options.Sizes = ("full",)
    seeds: options.Seeds = 5
    match: options.Match = "epochs"
    draw: options.Draw = BY_IDS
    model: options.Model = options.DEFAULT_MODEL
    recipe: options.Recipe = ""
    select: options.Select = ""
    keep_heads: options.KeepHeads = False
    preset: options.Preset = None
    data_root: options.DataRoot = None
    store: options.StoreFolder = "runs/store"
    max_train_examples: options.TrainCap = None
    max_eval_examples: options.EvalCap = None
    ray: options.Ray = None
    workers: options.Workers = None
    price_per_hour: options.PricePerHour = None
    data: DataSteps | None = None

    def __post_init__(self) -> None:
        """Take what is usual where nothing is given."""
        for name, value in DEFAULTS.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    def checks(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield a check of each value that needs no data, with the value's name; it raises UserError."""
        for name, allowed in CHOICES.items():
            yield name, partial(_check_choice, name, getattr(self, name), allowed)
        yield "arms", partial(check_names, self.arms)
        yield "seeds", partial(parse_seeds, self.seeds)
        for name in ("max_train_examples", "max_eval_examples", "workers"):
            yield name, partial(_check_number, name, getattr(self, name))
        yield from (("sizes", partial(_check_size, size, self.arms)) for size in self.sizes)
        yield "targets", partial(select_targets, self.targets)
        yield "select", lambda: _check_selection(self)
        yield "price_per_hour", partial(_check_price, self.price_per_hour)
        yield "languages", lambda: select_languages(select_targets(self.targets), self.languages)
        yield "recipe", partial(load_recipe, self.recipe, LARGE_WIDTH)  # at any width, before the encoder is fetched
        yield "store", partial(check_store, self.store)
        if self.ray is not None or (self.workers or 1) > 1:
            yield "ray", partial(check_address, self.ray or LOCAL)

    def data_checks(self, planned: Sequence[Path] = ()) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield a check of each value against the official files, once the others are right.

        Files in `planned` folders need not exist yet.
        """
        yield "data_root", lambda: check_files(self, planned)


@dataclass(frozen=True, kw_only=True)
class PlanArguments(Arguments):
    """The arguments of `plan`."""

    assume: options.Assume = None


@dataclass(frozen=True, kw_only=True)
class CompareArguments(Arguments):
    """The arguments of `compare`: also what is kept and reported."""

    out: options.Page = "runs/compare/report.html"
    margin: options.Margin = 0.5
    primary: options.Primary = ()
    keep_weights: options.KeepWeights = False
    track: options.Track = None

    def checks(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield also checks of where the report goes, of its margin, and that there are weights to keep."""
        yield "margin", partial(check_margin, self.margin)
        yield from (("primary", partial(_check_primary, text, self.arms)) for text in self.primary)
        yield "out", partial(check_page, self.out)
        yield "track", partial(check_tracker, self.track)
        yield from super().checks()
        yield "keep_weights", lambda: _check_weights(self)


def _check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise unknown(f"--{name}", value, allowed)


def _check_number(name: str, number: int | None) -> None:
    if number is not None:
        from_1(number, f"--{name.replace('_', '-')}")


def _check_size(size: str | int, arms: Sequence[str]) -> None:
    parse_size(size)
    arm, names = str(size).rpartition("/")[0], [name for name, _ in map(split_arm, arms)]
    if arm and arm not in names:
        raise unknown("arm", arm, names, where=f"--sizes {size}")


def _check_price(price: float | None) -> None:
    if price is not None and not 0 <= price < 1e9:
        raise UserError(f"--price-per-hour {price:g}; allowed: amounts of money from 0")


def _check_primary(text: str, arms: Sequence[str]) -> None:
    a, b, _ = parse_primary(text)
    known = [name for name, _ in map(split_arm, arms)]
    for arm in (a, b):
        if arm not in known:
            raise unknown("arm", arm, known, where=f"--primary {text}")
    if a == b:
        raise UserError(f"--primary {text}; allowed: two different arms")


def _check_weights(arguments: CompareArguments) -> None:
    if not any(target.train for target in select_targets(arguments.targets)):
        refuse(f"nothing is trained for {', '.join(arguments.targets)}", keep_weights=arguments.keep_weights)


def _check_selection(arguments: Arguments) -> None:
    ranked = [target.name for target in select_targets(arguments.targets) if target.train and target.rank]
    if arguments.select == EN_DEV and ranked:
        names = ", ".join(ranked)
        raise UserError(
            f"--select en-dev: {names} are retrieval targets, which have no English development items; give another "
            "--select"
        )


def check_files(arguments: Arguments, planned: Sequence[Path] = ()) -> DataRoot:
    """Return the data root; UserError where it lacks official files, or would train on what is scored."""
    root, targets = default_root(arguments.data_root, planned), select_targets(arguments.targets)
    languages, split = select_languages(targets, arguments.languages), arguments.split
    if lacking := [line for t in targets for line in missing_files(t, root, languages[t.name], split)]:
        place = "data" if root.path == SAMPLES else str(root.path)
        places = f"--data-root {shlex.quote(place)} --targets {shlex.quote(','.join(arguments.targets))}"
        raise UserError(
            f"the data root {root.path} is not complete: `evaluator data fetch {places}` fetches the files that are on "
            f"the hub, or {_what_is_there(targets, root, languages, split)}; {'; '.join(lacking[:MOST_LACKING])}"
            + (f"; `evaluator data check {places}` lists all missing files" if len(lacking) > MOST_LACKING else "")
        )
    if leaks := [line for t in targets for line in trained_on(t, root, languages[t.name], split)]:
        raise UserError(f"{some_of(leaks)}; give another --split, or restrict --targets or --languages")
    return root


def _what_is_there(
    targets: Sequence[Target], root: DataRoot, languages: Mapping[str, Sequence[str]], split: str
) -> str:
    """Return how to restrict a comparison to the languages and targets that a data root has all files of."""
    available = {
        t.name: [code for code in languages[t.name] if not missing_files(t, root, [code], split)] for t in targets
    }
    if absent := [name for name, codes in available.items() if not codes]:
        others = len(absent) < len(available)
        return f"leave {', '.join(absent)} out of --targets" if others else "give other --languages or --data-root"
    return f"use the existing files with --languages {languages_there(languages, available)}"


def select_targets(names: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets by name; UserError for none."""
    if not names:
        raise UserError("no target is given; give --targets NAME,… or --targets all")
    return targets_by_name(names)


def select_languages(targets: Sequence[Target], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the languages to score of each target, in its own order; all for no name.

    `TARGET:CODE` names a language of one target, which then has those alone; the others have the plain codes.
    """
    own: dict[str, list[str]] = {}
    for name in names:
        target_name, _, code = name.rpartition(":")
        own.setdefault(target_name, []).append(code)
    common = own.pop("", [])
    known_targets = [target.name for target in targets]
    for name in own:
        if name not in known_targets:
            raise unknown("target", name, known_targets, where="--languages")
    check_languages(common, targets)
    languages = {}
    for target in targets:
        wanted = own.get(target.name, common)
        check_languages(wanted if target.name in own else [], [target])
        languages[target.name] = tuple(code for code in target.languages if not wanted or code in wanted)
        if not languages[target.name]:
            known = ", ".join(target.languages)
            raise UserError(f"target {target.name} has none of the languages {', '.join(wanted)}; known: {known}")
    return languages


def parse_size(text: str | int, arms: Sequence[Arm] | None = None) -> int:
    """Return a size: a number of rows, FULL for `full`, of `ARM/N` a part of an arm's rows."""
    arm, slash, digits = str(text).rpartition("/")
    if text == "full":
        return FULL
    if not (number := whole_number(digits)) or (slash and not arm):
        allowed = "'full', whole numbers from 1, and fractions of an arm: real/4"
        raise UserError(f"--sizes {shorten(str(text))}; allowed: {allowed}")
    if not slash or arms is None:
        return number
    rows = {each.name: each.rows for each in arms}
    if arm not in rows:
        raise unknown("arm", arm, rows, where=f"--sizes {text}")
    return max(1, rows[arm] // number)


def parse_seeds(text: str | int) -> tuple[int, ...]:
    """Return the seeds of a count, or of a list of numbers and ranges; UserError for anything else.

    >>> parse_seeds(3), parse_seeds("0,2-4")
    ((0, 1, 2), (0, 2, 3, 4))
    """
    parts = [part.strip().partition("-") for part in str(text).split(",")]
    shown = shorten(str(text))
    spans = [(_seed(low, shown), _seed(high if dash else low, shown)) for low, dash, high in parts]
    if len(parts) == 1 and not parts[0][1]:
        spans = [(0, spans[0][0] - 1)]
    seeds = [seed for low, high in spans for seed in range(low, min(high, MOST_SEEDS) + 1)]
    if not seeds or len(set(seeds)) < len(seeds) or max(seeds) >= MOST_SEEDS:
        raise UserError(f"--seeds {shown}; allowed: at least one seed, no seed twice, each below {MOST_SEEDS}")
    return tuple(sorted(seeds))


def _seed(digits: str, shown: str) -> int:
    if (number := whole_number(digits)) is None:
        raise UserError(f"--seeds {shown}; allowed: a number of seeds from 1, such as 5, or a list, such as 0,2-4")
    return number
