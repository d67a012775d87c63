"""Every hyper-parameter, frozen, with where it comes from. A recipe is data: nothing here trains.

`xtreme` follows the reference scripts, which differ by the model's size: `xtreme-large` for encoders as wide as XLM-R
Large, `xtreme-base` for smaller ones. `phang2020` follows the base paper's replication code, whose values are the same
for every size. `small` is ours, for 12-layer encoders of width 384 and small budgets. A file in TOML can give another.
Sources: XT = google-research/xtreme `scripts/`, JI = nyu-mll/jiant `guides/` and `scripts/benchmarks/xtreme/`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from math import isnan
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, unknown

INTERMEDIATE = "intermediate"
LARGE_WIDTH = 1024
"""Hidden size from which an encoder counts as large (XLM-R Large)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One fine-tuning run. Lengths are in sub-words, `warmup` is a share of the steps, `warmup_steps` a number.

    `stride` is the distance between the beginnings of a context's windows (the reference's doc_stride).
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

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        if not self.learning_rate > 0 or self.epochs < 1 or self.examples_per_step < 1 or self.max_length < 8:
            allowed = "learning_rate > 0, epochs >= 1, examples_per_step >= 1, max_length >= 8"
            raise UserError(f"a stage needs {allowed}; got {self}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """The stages of an experiment by name: `intermediate`, each target, and `default` for targets not named.

    `retrieval_depth` is the share of the layers whose output is averaged for retrieval; `tokens_per_batch` bounds
    memory and does not change results beyond rounding.
    """

    name: str
    source: str
    stages: Mapping[str, Stage]
    retrieval_depth: float = 14 / 24
    retrieval_max_length: int = 512
    tokens_per_batch: int = 4096
    selection: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that cannot run."""
        if self.tokens_per_batch < 1 or self.retrieval_max_length < 8 or not 0 <= self.retrieval_depth <= 1:
            allowed = "tokens_per_batch >= 1, retrieval_max_length >= 8, retrieval_depth from 0 to 1"
            raise UserError(f"a recipe needs {allowed}; {self.name} has others")

    def stage(self, name: str) -> Stage:
        """Return the stage of that name; UserError when the recipe has neither it nor a default."""
        found = self.stages.get(name) or self.stages.get("default")
        if found is None:
            raise unknown("stage", name, self.stages, where=f"recipe {self.name}")
        return found

    def retrieval_layer(self, layers: int) -> int:
        """Return the hidden state used for retrieval, counting the embeddings as 0.

        Phang et al. 2020 and XTREME use 14 of 24 (XT run_tatoeba.sh: index 13 of the last 24); others in proportion.
        """
        return round(layers * self.retrieval_depth)


# JI simple-API defaults and the guide's stage-1 example: 1e-5, 3 epochs, warm-up 10 %; batch 4 x 8, length 256 as its
# stage 2. The paper's own stage-1 values were not readable.
_PHANG = Stage(1e-5, epochs=2, max_length=256, warmup=0.1)
_PHANG_QA = replace(_PHANG, examples_per_step=16, max_length=384)
_PHANG_TAGS = replace(_PHANG, epochs=10)

PHANG2020 = Recipe(
    name="phang2020",
    source="nyu-mll/jiant scripts/benchmarks/xtreme/subscripts/{c,d,e}_*.sh, xtreme_runconfig_writer.py; any size",
    stages={
        INTERMEDIATE: replace(_PHANG, epochs=3),
        "xnli": _PHANG,
        "pawsx": replace(_PHANG, epochs=5),
        "udpos": _PHANG_TAGS,
        "panx": _PHANG_TAGS,
        "xquad": _PHANG_QA,
        "mlqa": _PHANG_QA,
        "tydiqa": _PHANG_QA,
        # Targets that the paper did not have: the XTREME-R scripts' shape with the paper's learning rate.
        "xcopa": replace(_PHANG, epochs=5),
        "xcopa-pretrain": replace(_PHANG, epochs=5),
        "lareqa": replace(_PHANG, epochs=3, examples_per_step=16, query_length=96, max_length=256),
        "mewslix": replace(_PHANG, max_length=64),
    },
    # JI simple/runscript.py: every 1,000 steps on 500 English examples, stop after 30 evaluations without improvement.
    selection={"every_steps": 1000, "examples": 500, "patience": 30},
)

# XT scripts/train_*.sh: for xlm-roberta-large, per-GPU batch x accumulation 2 x 16 (QA 4 x 8, LAReQA 4 x 4, Mewsli-X
# 8 x 4). The dual encoders' softmax runs over one GPU's batch there and over the whole step here.
_XTREME_QA = Stage(3e-5, epochs=3, max_length=384, warmup_steps=500, weight_decay=1e-4)

XTREME_LARGE = Recipe(
    name="xtreme-large",
    source="google-research/xtreme scripts/train_*.sh, the branch of xlm-roberta-large",
    stages={
        # The scripts have no intermediate stage; this is the stage of XNLI, the recipe's sentence-pair task.
        INTERMEDIATE: Stage(3e-5, epochs=3),
        "xnli": Stage(3e-5, epochs=5),
        "pawsx": Stage(2e-5, epochs=5),
        "xcopa": Stage(3e-5, epochs=5),
        "xcopa-pretrain": Stage(3e-5, epochs=5),
        "udpos": Stage(2e-5, epochs=10),
        "panx": Stage(2e-5, epochs=10),
        "xquad": _XTREME_QA,
        "mlqa": _XTREME_QA,
        "tydiqa": _XTREME_QA,
        "lareqa": Stage(2e-5, epochs=3, examples_per_step=16, query_length=96, max_length=256),
        "mewslix": Stage(1e-5, epochs=2, max_length=64),
    },
    selection={"every_steps": 1000, "examples": 500, "patience": 30},
)

# The scripts' branch of all other models: train_xnli.sh and train_xcopa.sh at 2e-5, the others alike.
# train_lareqa.sh and train_mewslix.sh know no xlm-roberta-base; Mewsli-X takes those
# of the other base-sized model, mBERT (64 x 4).
_XTREME_BASE = replace(XTREME_LARGE.stages["xnli"], learning_rate=2e-5)

XTREME_BASE = replace(
    XTREME_LARGE,
    name="xtreme-base",
    source="google-research/xtreme scripts/train_*.sh, the branch of models other than xlm-roberta-large",
    stages={
        **XTREME_LARGE.stages,
        INTERMEDIATE: replace(_XTREME_BASE, epochs=3),
        **dict.fromkeys(("xnli", "xcopa", "xcopa-pretrain"), _XTREME_BASE),
        "mewslix": Stage(2e-5, epochs=2, examples_per_step=256, max_length=64),
    },
)

# Ours, measured with pack:multilingual-e5-small on two cores (docs/log.md).
SMALL = Recipe(
    name="small",
    source="measured with pack:multilingual-e5-small on two cores",
    stages={
        INTERMEDIATE: Stage(5e-5, epochs=2, examples_per_step=16, warmup=0.1),
        "default": Stage(5e-5, epochs=2, examples_per_step=16, warmup=0.1),
        "udpos": Stage(3e-4, epochs=3, examples_per_step=16, warmup=0.1),
        "panx": Stage(3e-4, epochs=3, examples_per_step=16, warmup=0.1),
        "xquad": Stage(1e-4, epochs=2, examples_per_step=16, max_length=256, warmup=0.1),
        "mlqa": Stage(1e-4, epochs=2, examples_per_step=16, max_length=256, warmup=0.1),
        "tydiqa": Stage(1e-4, epochs=2, examples_per_step=16, max_length=256, warmup=0.1),
        "lareqa": Stage(5e-5, epochs=2, examples_per_step=16, query_length=48, max_length=128, warmup=0.1),
        "mewslix": Stage(5e-5, epochs=2, examples_per_step=16, max_length=64, warmup=0.1),
    },
    selection={"every_steps": 50, "examples": 500, "patience": 5},
)

RECIPES = {recipe.name: recipe for recipe in (XTREME_LARGE, XTREME_BASE, PHANG2020, SMALL)}
BY_SIZE = "xtreme"
"""The name of two recipes, of which the encoder's width chooses one."""


def load_recipe(ref: str, width: int) -> Recipe:
    """Return a recipe by name, for an encoder of this width.

    A TOML file holds `base = NAME`, values, and a `[stages.NAME]` table each.
    """
    if ref == BY_SIZE or ref in RECIPES:
        return _named(ref, width)
    path = Path(ref)
    if path.suffix != ".toml":
        raise unknown("recipe", ref, [BY_SIZE, *RECIPES, "FILE.toml"])
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the recipe {ref}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{ref} is not TOML: {error}") from None
    return _recipe_from_values(values, width, where=ref)


def _named(name: str, width: int) -> Recipe:
    if name == BY_SIZE:
        return XTREME_LARGE if width >= LARGE_WIDTH else XTREME_BASE
    return RECIPES[name]


def _recipe_from_values(values: dict[str, Any], width: int, *, where: str) -> Recipe:
    name = str(values.pop("base", BY_SIZE))
    if name != BY_SIZE and name not in RECIPES:
        raise unknown("base recipe", name, [BY_SIZE, *RECIPES], where=where)
    base = _named(name, width)
    changed = values.pop("stages", {})
    if not isinstance(changed, dict) or not all(isinstance(changes, dict) for changes in changed.values()):
        raise UserError(f"stages in {where}: expected a table [stages.NAME] for each stage")
    stages = dict(base.stages)
    for name, changes in changed.items():
        _check_values(changes, fields(Stage), f"[stages.{name}] of {where}")
        stages[name] = replace(base.stage(name), **changes)
    settings = [item for item in fields(Recipe) if item.name not in ("stages", "selection")]
    _check_values(values, settings, where, also=("base", "stages"))
    return replace(base, stages=stages, **{"name": Path(where).stem, "source": Path(where).name, **values})


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
        if not isinstance(value, types) or isinstance(value, bool) or (isinstance(value, float) and isnan(value)):
            raise UserError(f"{key} = {value!r} in {where}: expected {expected}")
