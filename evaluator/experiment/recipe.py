"""Every hyper-parameter, frozen. A recipe is a TOML file; those in `recipes/` say where their values come from.

`xtreme` follows the reference scripts, which differ by the model's size: `xtreme-large` for encoders as wide as XLM-R
Large, `xtreme-base` for smaller ones; a family with a recipe of its own has that. `phang2020` follows the base
paper's replication code, `small` is ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import Field, asdict, dataclass, field, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any

from synthgen.console import note
from synthgen.dataset.manifest import Manifest
from synthgen.errors import UserError, shorten, unknown
from synthgen.models.encoder import FAMILIES
from synthgen.text.toml_text import read_toml

INTERMEDIATE = "intermediate"
HARD, SOFT, WEIGHTED = "hard", "soft", "weighted"
"""What a stage trains on: labels, the probabilities in a set's column `label_probs`, or labels by its `weight`."""
LARGE_WIDTH = 1024
"""Hidden size from which an encoder counts as large (XLM-R Large)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One fine-tuning run. Lengths are in sub-words, `warmup` is a share of the steps, `warmup_steps` a number.

    `stride` is the distance between the beginnings of a context's windows (the reference's doc_stride). `targets` are
    hard, soft or weighted; of a soft one the row's own label has the share `own_label` and the probabilities the rest
    (Hinton et al. 2015, section 2); `label_smoothing` is the share that all labels have in equal parts. They are of
    rows with one of several labels, and no part of keys where they are not given.
    """

    learning_rate: float
    epochs: int
    examples_per_step: int = 32
    max_length: int = 128
    query_length: int = 0
    stride: int = 128
    warmup: float = 0.0
    warmup_steps: int = 0
    weight_decay: float = 0.0
    adam_epsilon: float = 1e-8
    max_gradient_norm: float = 1.0
    targets: str = HARD
    own_label: float = 0.5
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.targets not in (HARD, SOFT, WEIGHTED):
            raise unknown("targets", self.targets, (HARD, SOFT, WEIGHTED), where="a stage")
        if not 0 <= self.own_label < 1:
            raise UserError(f"own_label = {self.own_label} in a stage; allowed: from 0 to less than 1")
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"label_smoothing = {self.label_smoothing} in a stage; allowed: from 0 to less than 1")
        if not self.learning_rate > 0 or self.epochs < 1 or self.examples_per_step < 1 or self.max_length < 8:
            allowed = "learning_rate > 0, epochs >= 1, examples_per_step >= 1, max_length >= 8"
            raise UserError(f"a stage needs {allowed}; got {self}")

    @property
    def is_soft(self) -> bool:
        """Whether it trains on more than classes."""
        return self.targets != HARD or self.label_smoothing > 0

    def values(self) -> dict[str, Any]:
        """Return its settings; those of soft targets only where they are not the defaults."""
        absent = {"targets": HARD, "own_label": 0.5, "label_smoothing": 0.0}
        return {name: value for name, value in asdict(self).items() if absent.get(name) != value}


@dataclass(frozen=True, slots=True)
class Recipe:
    """The stages of an experiment by name: `intermediate`, each target, and `default` for targets not named.

    `families` are those of the encoders that it was made for, none for all. `formats` holds what differs from the stage
    `intermediate` where a dataset has that format.
    `retrieval_depth` is the share of the layers whose output is averaged for retrieval; `tokens_per_batch` bounds
    memory and does not change results beyond rounding. `selection` says how a checkpoint is chosen by English items:
    every how many steps, on how many of them (0: all), and after how many scores that are no better training ends (0:
    never); a table in it is of the target of that name.
    """

    name: str
    source: str
    stages: Mapping[str, Stage]
    families: tuple[str, ...] = field(default=(), repr=False)  # no part of keys
    formats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    retrieval_depth: float = 14 / 24
    retrieval_max_length: int = 512
    tokens_per_batch: int = 4096
    selection: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.tokens_per_batch < 1 or self.retrieval_max_length < 8 or not 0 <= self.retrieval_depth <= 1:
            allowed = "tokens_per_batch >= 1, retrieval_max_length >= 8, retrieval_depth from 0 to 1"
            raise UserError(f"a recipe needs {allowed}; {self.name} has other values")

    def stage(self, name: str) -> Stage:
        """Return the stage of that name; UserError when the recipe has neither it nor a default."""
        stage = self.stages.get(name) or self.stages.get("default")
        if stage is None:
            raise unknown("stage", name, self.stages, where=f"recipe {self.name}")
        return stage

    def of_target(self, name: str, format_: str) -> Stage:
        """Return the stage of a target; where the recipe has none for it, and no default, that of its format."""
        return self.stage(name) if {name, "default"} & self.stages.keys() else self.intermediate((format_,))

    def selection_of(self, target: str) -> dict[str, int]:
        """Return how a checkpoint of a target is chosen by its score on English items."""
        common = {key: value for key, value in self.selection.items() if not isinstance(value, Mapping)}
        return {**common, **self.selection.get(target, {})}

    def selects(self, target: str) -> bool:
        """Say whether the recipe's reference chooses a checkpoint of a target: of those it names, or else of all."""
        named = [key for key, value in self.selection.items() if isinstance(value, Mapping)]
        return target in named or not named

    def intermediate(self, formats: Collection[str] = ()) -> Stage:
        """Return the stage that trains on datasets of these formats; those of several have the settings of none."""
        stage = self.stage(INTERMEDIATE)
        return replace(stage, **self.formats.get(next(iter(formats)), {})) if len(formats) == 1 else stage

    def fitted(self, most: int | None) -> Recipe:
        """Return the recipe with its lengths cut to `most` tokens, with a note where that changes something."""
        longest = max(self.retrieval_max_length, *(stage.max_length for stage in self.stages.values()))
        longest = max(longest, *(int(each.get("max_length", 0)) for each in self.formats.values()), 0)
        if most is None or longest <= most:
            return self
        note(f"recipe {self.name}: lengths up to {longest} are cut to {most}, the maximum length of the encoder")
        lengths = "max_length", "query_length"
        cut = {
            name: replace(stage, **{each: min(getattr(stage, each), most) for each in lengths})
            for name, stage in self.stages.items()
        }
        formats = {
            name: {key: min(each, most) if key in lengths else each for key, each in values.items()}
            for name, values in self.formats.items()
        }
        return replace(self, stages=cut, formats=formats, retrieval_max_length=min(self.retrieval_max_length, most))

    def retrieval_layer(self, layers: int) -> int:
        """Return the hidden state used for retrieval, counting the embeddings as 0.

        Phang et al. 2020 and XTREME use 14 of 24 (XT run_tatoeba.sh: index 13 of the last 24); others in proportion.
        """
        return round(layers * self.retrieval_depth)


def check_soft_labels(recipe: Recipe, manifests: Collection[Manifest]) -> None:
    """Raise UserError where a recipe asks for a verifier's probabilities, and none of the sets has them."""
    kinds = {recipe.intermediate((manifest.format,)).targets for manifest in manifests} - {HARD}
    if kinds and not any(manifest.has_soft_labels for manifest in manifests):
        raise UserError(
            f'recipe {recipe.name} has targets = "{kinds.pop()}", and no dataset has label probabilities: synthgen '
            "filter DATASET --verifier CKPT --filters FILE adds them, with [verify] probabilities = true in FILE"
        )


FORMATS = ("pair", "choice", "span", "tags")
"""Formats of datasets that may differ from the stage `intermediate`."""

BY_ENCODER = "xtreme"
"""The name of several recipes, of which the encoder's family and width choose one."""


def load_recipe(ref: str, width: int, family: str = "") -> Recipe:
    """Return a recipe by name, for an encoder of this family and width; a note where it was made for other families.

    A TOML file holds `base = NAME`, values, and a `[stages.NAME]` table each, or all of it in a table `[recipe]` of an
    experiment file; UserError for another.
    """
    recipes = {BY_ENCODER: by_encoder(width, family), **RECIPES}
    if ref in recipes:
        recipe = recipes[ref]
        if family and recipe.families and family not in recipe.families:
            families = ", ".join(recipe.families)
            note(
                f"recipe {recipe.name} is for encoders of the family {families}; this encoder is of the family {family}"
            )
        return recipe
    path = Path(ref)
    if path.suffix != ".toml":
        raise unknown("recipe", ref, [*recipes, "FILE.toml"])
    values = read_toml(path, "the recipe ")
    values = table if isinstance(table := values.get("recipe"), dict) else values
    name = str(values.pop("base", BY_ENCODER))
    if name not in recipes:
        raise unknown("base recipe", name, recipes, where=ref)
    return _recipe(values, recipes[name], where=ref)


def by_encoder(width: int, family: str) -> Recipe:
    """Return the recipe of a family and size, else of its other size, else the reference's of that size."""
    own = [recipe for recipe in RECIPES.values() if family in recipe.families]
    is_large = width >= LARGE_WIDTH
    of_size = [recipe for recipe in own if recipe.name.endswith("-large") == is_large]
    return (of_size or own or [XTREME_LARGE if is_large else XTREME_BASE])[0]


def _recipe(values: dict[str, Any], base: Recipe, *, where: str) -> Recipe:
    """Return the recipe of a file: its values over those of its base; stages that the base lacks must be complete."""
    changed = values.pop("stages", {})
    if not isinstance(changed, dict) or not all(isinstance(changes, dict) for changes in changed.values()):
        raise UserError(f"stages in {where}: expected a table [stages.NAME] for each stage")
    formats = _formats(values.pop("formats", {}), base, changed.get(INTERMEDIATE, {}), where)
    stages = dict(base.stages)
    for name, changes in changed.items():
        _check_values(changes, fields(Stage), f"[stages.{name}] of {where}")
        is_new = not {name, "default"} & base.stages.keys() and {"learning_rate", "epochs"} <= changes.keys()
        try:
            stages[name] = Stage(**changes) if is_new else replace(base.stage(name), **changes)
        except UserError as error:
            raise UserError(f"[stages.{name}] of {where}: {error}") from None
    families = _families(values.pop("families", []), where)
    settings = [item for item in fields(Recipe) if item.name not in ("stages", "families", "formats", "selection")]
    _check_values(values, settings, where, also=("base", "families", "stages", "formats"))
    return replace(
        base,
        stages=stages,
        formats=formats,
        families=families,
        **{"name": Path(where).stem, "source": Path(where).name, **values},
    )


def _families(names: object, where: str) -> tuple[str, ...]:
    """Return the families that a file says it is for."""
    if not isinstance(names, list):
        raise UserError(f"families = {names!r} in {where}: expected a list of {', '.join(FAMILIES)}")
    for name in names:
        if name not in FAMILIES:
            raise unknown("family", str(name), FAMILIES, where=where)
    return tuple(names)


def _formats(changed: object, base: Recipe, stage: Mapping[str, Any], where: str) -> dict[str, Mapping[str, Any]]:
    """Return what formats change; a value that the file gives to the whole stage takes the place of the base's."""
    if not isinstance(changed, dict) or not all(isinstance(changes, dict) for changes in changed.values()):
        raise UserError(f"formats in {where}: expected a table [formats.NAME] for each of {', '.join(FORMATS)}")
    formats = {
        name: {key: value for key, value in changes.items() if key not in stage}
        for name, changes in base.formats.items()
    }
    for name, changes in changed.items():
        if name not in FORMATS:
            raise unknown("format", name, FORMATS, where=where)
        _check_values(changes, fields(Stage), f"[formats.{name}] of {where}")
        formats[name] = {**formats.get(name, {}), **changes}
    return dict(formats)


_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "text"),
}


def _check_values(values: Mapping[str, Any], known: Sequence[Field[Any]], where: str, also: Sequence[str] = ()) -> None:
    """Raise UserError for a key that is not a field, or a value that is not of its type."""
    kinds = {item.name: _KINDS[str(item.type)] for item in known}
    for key, value in values.items():
        if key not in kinds:
            raise unknown("key", key, [*kinds, *also], where=where)
        types, expected = kinds[key]
        if (
            not isinstance(value, types)
            or isinstance(value, bool)
            or (isinstance(value, float) and not isfinite(value))
        ):
            raise UserError(f"{key} = {shorten(repr(value))} in {where}: expected {expected}")


def _built_in(name: str, base: Recipe | None = None) -> Recipe:
    values = read_toml(Path(__file__).with_name("recipes") / f"{name}.toml")
    base = base or Recipe(name, source="", stages={}, selection=values.pop("selection"))
    return _recipe({key: value for key, value in values.items() if key != "base"}, base, where=name)


XTREME_LARGE = _built_in("xtreme-large")
XTREME_BASE = _built_in("xtreme-base", XTREME_LARGE)
PHANG2020, SMALL = _built_in("phang2020"), _built_in("small")
OF_FAMILIES = [
    _built_in(name, XTREME_BASE) for name in ("mdeberta-base", "mmbert-base", "eurobert-base", "eurobert-large")
]
RECIPES = {recipe.name: recipe for recipe in (XTREME_LARGE, XTREME_BASE, PHANG2020, SMALL, *OF_FAMILIES)}
