"""Which encoders fit which heads: told from config and tokenizer, before weights are read and anything runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator import options
from evaluator.benchmark.registry import load_all
from evaluator.experiment.recipe import LARGE_WIDTH, Recipe, by_encoder, load_recipe
from evaluator.experiment.throughput import EncoderSize
from synthgen.dataset.manifest import dataset_format
from synthgen.errors import UserError, first_line, listed
from synthgen.models.encoder import FAMILIES, Family, family_of, frame, max_length, read_tokenizer
from synthgen.models.packs import ResolvedModel, resolve
from synthgen.text.json_text import read_json_object

ALL = ("pair", "choice", "span", "tags", "dual", "retrieval", "mlm")
LEAST_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Facts:
    """What the config of a checkpoint says about its encoder; `max_length` is None where there is no limit."""

    model_type: str
    family: Family
    size: EncoderSize
    max_length: int | None


def read_facts(model: ResolvedModel, option: str = "--model") -> Facts:
    """Return what a model's config says; UserError, naming `option`, for one that is no encoder."""
    config = read_json_object(model.path / "config.json")
    model_type = str(config.get("model_type"))
    family = family_of(model_type)
    facts = Facts(model_type, family, EncoderSize.read(model.path), max_length(config, family))
    if fault := _config_fault(config, facts):
        raise UserError(f"{option} {model.ref} {fault}; `evaluator models` lists encoders")
    return facts


def _config_fault(config: Mapping[str, Any], facts: Facts) -> str:
    """Return why a model is no encoder that can be trained here; nothing for one that is."""
    kind = f"is of type {facts.model_type}"
    if config.get("is_encoder_decoder"):
        return f"{kind}, an encoder-decoder"
    if config.get("is_decoder"):
        return f"{kind} and is configured as a decoder"
    if facts.max_length is not None and facts.max_length < LEAST_LENGTH:
        return f"has a maximum length of {facts.max_length} tokens"
    if facts.family.name:
        return ""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    if facts.model_type not in CONFIG_MAPPING_NAMES:
        return f"{kind}, which transformers does not support; the code in a checkpoint is never run"
    return "" if facts.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES else f"{kind}, which is not an encoder"


def faults(folder: Path, facts: Facts) -> dict[str, str]:
    """Return why heads do not fit an encoder, by head, from its tokenizer; none for those that fit."""
    try:
        tokenizer = read_tokenizer(folder)
    except UserError as error:
        return dict.fromkeys(ALL, first_line(error))
    if len(tokenizer) > facts.size.vocabulary:
        sizes = f"its tokenizer has {len(tokenizer)} tokens and the model's vocabulary {facts.size.vocabulary}"
        return dict.fromkeys(ALL, f"{sizes}; they do not match")
    reasons = dict[str, str]()
    if not frame(tokenizer, 2).middle:
        reasons |= dict.fromkeys(("pair", "choice", "span"), "its tokenizer has no separator token between two texts")
    if not tokenizer.is_fast:
        reasons["span"] = "its tokenizer gives no offsets; transformers has no fast tokenizer of its class"
    if tokenizer.mask_token_id is None:
        reasons["mlm"] = "its tokenizer has no mask token"
    elif not facts.family.mlm:
        reasons["mlm"] = f"masked language modelling is not supported for models of type {facts.model_type}"
    return reasons


def check_heads(
    model: ResolvedModel, facts: Facts, heads: Mapping[str, Iterable[str]], option: str = "--model"
) -> None:
    """Raise UserError for the first heads that do not fit; `heads` names what needs each."""
    unfit = {head: reason for head, reason in faults(model.path, facts).items() if head in heads}
    for head, reason in unfit.items():
        others = [name for other, each in unfit.items() if other != head and each == reason for name in heads[other]]
        names = listed(dict.fromkeys([*heads[head], *others]))
        raise UserError(f"{option} {model.ref} does not fit {names}: {reason}")


def arm_heads(parts: Iterable[Any], *, has_corpora: bool) -> dict[str, list[str]]:
    """Return the heads that an arm's datasets and corpora are trained with, and what to call them."""
    heads = {dataset_format(part.manifest).name: [f"the dataset {part.folder}"] for part in parts}
    return {**heads, **({"mlm": ["masked language modelling"]} if has_corpora else {})}


def recipe_for(ref: str, facts: Facts) -> Recipe:
    """Return a recipe by name for an encoder, its lengths cut to what that reads; notes say what is amiss."""
    return load_recipe(ref, facts.size.width, facts.family.name).fitted(facts.max_length)


def models(*, check: options.CheckedModel = None) -> list[dict[str, Any]]:
    """List the tested encoder families; --check lists the targets that a model can be trained for, without its weights.

    Example: `evaluator models --check jhu-clsp/mmBERT-base`

    Returns {family, types, examples, recipes, note} of each family, or {target, head, fits, reason} of each target.
    """
    if check is None:
        return [
            {
                "family": family.name,
                "types": list(family.types),
                "examples": list(family.examples),
                "recipes": list(dict.fromkeys(by_encoder(width, family.name).name for width in (1, LARGE_WIDTH))),
                "note": family.note,
            }
            for family in FAMILIES.values()
        ]
    model = resolve(check, weights=False)
    reasons = faults(model.path, read_facts(model, "--check"))
    rows = [(target.name, target.head) for target in load_all()] + [("mlm:CORPUS", "mlm")]
    return [
        {"target": name, "head": head, "fits": head not in reasons, "reason": reasons.get(head, "")}
        for name, head in rows
    ]
