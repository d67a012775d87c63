"""Encoders by contract: what a task head asks of a checkpoint's tokenizer and model, whatever family they are of.

Special tokens, pair format, segments and offsets are the tokenizer's own; what differs between models stands in
`encoders.toml`. Shared by the evaluator's heads and by the checkpoints that filter rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from synthgen.errors import UserError
from synthgen.formats.answer_windows import MAX_QUESTION_LENGTH, OUTSIDE, Ints, central_tokens, window_spans
from synthgen.models.loading import load_config, load_tokenizer
from synthgen.text.toml_text import read_toml

Tokenizer = Any
Model = Any
"""Of transformers, which ships no types."""
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Family:
    """A family of encoders, as `encoders.toml` describes it; one without a name is not in there."""

    name: str = ""
    types: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    positions: str = ""
    layers: str = "encoder.layer"
    final_norm: str = ""
    mlm: tuple[str, ...] = ()
    note: str = ""


def _families() -> dict[str, Family]:
    tables: dict[str, dict[str, Any]] = read_toml(Path(__file__).with_name("encoders.toml"))
    lists = {
        name: {key: tuple(each) for key, each in table.items() if isinstance(each, list)}
        for name, table in tables.items()
    }
    return {name: Family(**{"name": name, **table, **lists[name]}) for name, table in tables.items()}


FAMILIES = _families()


def family_of(model_type: str) -> Family:
    """Return the family of a `model_type`; a nameless one for a type that no family has.

    >>> family_of("modernbert").name, family_of("electra").name
    ('mmbert', '')
    """
    return next((family for family in FAMILIES.values() if model_type in family.types), Family())


def max_length(config: Mapping[str, Any], family: Family) -> int | None:
    """Return the most tokens that fit a model's positions, None where it has no table of them."""
    most = config.get("max_position_embeddings")
    if type(most) is not int or (family.positions == "relative" and config.get("position_biased_input") is False):
        return None
    padding = config.get("pad_token_id")
    unused = (padding if type(padding) is int else 1) + 1 if family.positions == "after padding" else 0
    return most - unused


# The tokenizer.

VOCABULARIES = ("tokenizer.json", "*.model", "vocab.txt", "vocab.json")
"""Patterns of the files that a tokenizer can be made from; without one, transformers makes one that knows no word."""


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return an encoder's tokenizer; UserError where there is none, or it cannot be read."""
    if not any(path.is_file() for pattern in VOCABULARIES for path in folder.glob(pattern)):
        raise UserError(f"{folder} has no tokenizer: none of {', '.join(VOCABULARIES)}")
    return load_tokenizer(folder)


@dataclass(frozen=True, slots=True)
class Frame:
    """Special tokens around one text, `first text last`, or two, `first text middle text last`.

    `split` tokens of `middle` belong to the first segment; None where the tokenizer has no segments.
    """

    first: tuple[int, ...]
    middle: tuple[int, ...]
    last: tuple[int, ...]
    split: int | None

    def __len__(self) -> int:
        return len(self.first) + len(self.middle) + len(self.last)


def _kept_with_tokenizer(read: Callable[P, T]) -> Callable[P, T]:
    """Remember what a function of a tokenizer returns for as long as that lives: 250,000 pieces take 300 MB."""
    results: WeakKeyDictionary[Tokenizer, dict[object, T]] = WeakKeyDictionary()

    @wraps(read)
    def kept(*args: P.args, **kwargs: P.kwargs) -> T:
        tokenizer, *others = args
        own, key = results.setdefault(tokenizer, {}), (*others, *kwargs.items())
        if key not in own:
            own[key] = read(*args, **kwargs)
        return own[key]

    return kept


@_kept_with_tokenizer
def frame(tokenizer: Tokenizer, texts: int) -> Frame:
    """Return what a tokenizer puts around one text or two; UserError for one that changes the texts themselves."""
    probes = [_plain(tokenizer, text) for text in ("a", "b")[:texts]]
    encoded = tokenizer(*("a", "b")[:texts], return_token_type_ids=True)
    ids, at, edges = list(encoded["input_ids"]), 0, []
    for probe in probes:
        start = next((i for i in range(at, len(ids)) if probe and ids[i : i + len(probe)] == probe), None)
        if start is None:
            raise UserError(f"{tokenizer.name_or_path}: its tokenizer reads a text otherwise beside special tokens")
        at = start + len(probe)
        edges += [start, at]
    middle, second = ids[edges[1] : edges[2]] if texts > 1 else [], second_start(encoded["token_type_ids"])
    split = None if second == len(ids) else min(max(second - edges[1], 0), len(middle))
    return Frame(tuple(ids[: edges[0]]), tuple(middle), tuple(ids[at:]), split)


def second_start(segments: Sequence[int]) -> int:
    """Return where the second segment begins, the length where there is none.

    >>> second_start([0, 0, 0, 1, 1]), second_start([0, 0])
    (3, 2)
    """
    return next((place for place, segment in enumerate(segments) if segment), len(segments))


def pair_ids(
    first: Sequence[str], second: Sequence[str], tokenizer: Tokenizer, max_length: int
) -> tuple[list[list[int]], list[int]]:
    """Return the token ids of text pairs, the longer text cut first, and where each second segment begins.

    That is the length for a tokenizer without segments. Where no pair has a second text, each is encoded as one text.
    """
    options = {"truncation": "longest_first", "max_length": max_length, "return_token_type_ids": True}
    encoded = tokenizer(list(first), *([list(second)] if any(second) else []), **options)
    return encoded["input_ids"], [second_start(segments) for segments in encoded["token_type_ids"]]


def word_ids(words: Sequence[str], tokenizer: Tokenizer) -> list[list[int]]:
    """Return each word's sub-word ids as in running text, with the space before it where the tokenizer marks that.

    A word that has none is one unknown token, so that counts line up.
    """
    if not words:
        return []
    space = " " if _marks_spaces(tokenizer) else ""
    unknown = [tokenizer.unk_token_id, tokenizer.mask_token_id, tokenizer.pad_token_id, 0]
    nothing = [next(each for each in unknown if each is not None)]
    encoded = tokenizer([space + word for word in words], add_special_tokens=False)["input_ids"]
    return [ids or nothing for ids in encoded]


@_kept_with_tokenizer
def _marks_spaces(tokenizer: Tokenizer) -> bool:
    """Say whether a word after a space is another token than the same word at the beginning of a text."""
    after_space = _plain(tokenizer, " b")
    return after_space != _plain(tokenizer, "b") and _plain(tokenizer, "a b") == _plain(tokenizer, "a") + after_space


def _plain(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a context after its question, as the tokenizer writes pairs, as `ids`.

    `places` (tokens, 3): for every token its [start, end) characters in the context, and whether this window gives it
    the most context on both sides; -100 outside the context, which is the tokens of `inside`. The second segment begins
    at `second`, the length where there is none.
    """

    ids: list[int]
    places: Ints
    inside: slice
    second: int


def windows(question: str, context: str, tokenizer: Tokenizer, *, max_length: int, stride: int) -> Iterator[Window]:
    """Yield the windows of a context, each begins `stride` tokens after the one before."""
    around = frame(tokenizer, 2)
    longest = max(1, min(MAX_QUESTION_LENGTH, max_length - len(around) - 1))
    query = tokenizer(question.strip(), add_special_tokens=False, truncation=True, max_length=longest)
    read = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)
    prefix = [*around.first, *query["input_ids"], *around.middle]
    room = max(1, max_length - len(prefix) - len(around.last))
    ids = read["input_ids"]
    # Tokenizers may count the white space before a token into it.
    offsets = [(end - len(context[start:end].lstrip()), end) for start, end in read["offset_mapping"]]
    spans = window_spans(len(ids), room, min(stride, room))
    for (first, last), central in zip(spans, central_tokens(spans), strict=True):
        tokens = [*prefix, *ids[first:last], *around.last]
        places = np.full((len(tokens), 3), OUTSIDE, dtype=np.int64)
        inside = slice(len(prefix), len(prefix) + last - first)
        places[inside, :2] = np.array(offsets[first:last], dtype=np.int64).reshape(-1, 2)
        places[inside, 2] = central
        second = len(tokens) if around.split is None else len(prefix) - len(around.middle) + around.split
        yield Window(tokens, places, inside, second)


# The model.

AUTO = {
    "pair": "AutoModelForSequenceClassification",
    "choice": "AutoModelForMultipleChoice",
    "span": "AutoModelForQuestionAnswering",
    "tags": "AutoModelForTokenClassification",
    "dual": "AutoModel",
    "retrieval": "AutoModel",
    "mlm": "AutoModelForMaskedLM",
}
"""transformers' class of each head."""

STAND_INS: dict[str, tuple[str, dict[str, Any]]] = {
    "choice": ("pair", {"num_labels": 1}),
    "span": ("tags", {"num_labels": 2}),
}
"""The same layers under another name, for families that have no class for choices or spans."""


def auto_class(head: str, config: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401 - transformers ships no types
    """Return the Auto class that gives a config's model a head, and what it changes in the config."""
    import transformers

    chosen, changes = getattr(transformers, AUTO[head]), dict[str, Any]()
    if head in STAND_INS and type(config) not in chosen._model_mapping:
        other, changes = STAND_INS[head]
        chosen = getattr(transformers, AUTO[other])
    return chosen, changes


def head_class(head: str, folder: Path) -> str:
    """Return the name of the Auto class that loads a checkpoint with a head; UserError for one with another head."""
    config = load_config(folder)
    chosen, changes = auto_class(head, config)
    if changes and config.num_labels != changes["num_labels"]:
        raise UserError(f"{folder} was not trained for {head}: it has {config.num_labels} labels")
    return str(chosen.__name__)


def padding_id(model: Model) -> int:
    """Return the id that fills up a batch: the config's, 0 where it has none (it is masked)."""
    padding = getattr(model.config, "pad_token_id", None)
    return padding if isinstance(padding, int) and 0 <= padding < model.config.vocab_size else 0


def counts_from_padding(model: Model) -> bool:
    """Say whether a model derives positions from the padding id, as RoBERTa does: it must then keep its place."""
    return any(hasattr(module, "create_position_ids_from_input_ids") for module in model.modules())


def takes_segments(model: Model) -> bool:
    """Say whether a model has more than one kind of segment."""
    return int(getattr(model.config, "type_vocab_size", 0) or 0) > 1


def padded_inputs(model: Model, sequences: Sequence[Sequence[int]], seconds: Sequence[int]) -> dict[str, Any]:
    """Return sequences of ids as the tensors that a model reads; `seconds` is where their second segments begin."""
    import torch

    places = np.arange(max(map(len, sequences)))
    mask = (places < np.array([len(each) for each in sequences])[:, None]).astype(np.int64)
    ids = np.full(mask.shape, padding_id(model), dtype=np.int64)
    ids[mask == 1] = np.concatenate(sequences)
    arrays = {"input_ids": ids, "attention_mask": mask}
    if takes_segments(model):
        arrays["token_type_ids"] = mask * (places >= np.array(seconds)[:, None])
    return {name: torch.from_numpy(array).to(model.device) for name, array in arrays.items()}


def choice_scores(model: Model, inputs: Mapping[str, Any], options: int) -> Any:  # noqa: ANN401 - a tensor
    """Return a score per option, (questions, options), from inputs of (questions x options, tokens)."""
    import transformers

    if type(model.config) in transformers.AutoModelForMultipleChoice._model_mapping:
        return model(**{name: each.view(-1, options, each.shape[-1]) for name, each in inputs.items()}).logits
    return model(**inputs).logits.view(-1, options)


def span_logits(model: Model, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the logits of an answer's first and last token, (texts, tokens) each."""
    output = model(**inputs)
    if "start_logits" in output:
        return output.start_logits, output.end_logits
    return output.logits[..., 0], output.logits[..., 1]


def cut(model: Model, layers: int) -> None:
    """Keep a bare model's first layers, so that its last state is that hidden state of the whole one.

    A model of no known family keeps its layers and gives all its states.
    """
    from torch import nn

    family = family_of(model.config.model_type)
    parent, _, name = family.layers.rpartition(".")
    holder = model.get_submodule(parent) if _has(model, family.layers) else None
    if holder is None or not isinstance(getattr(holder, name), nn.ModuleList):
        model.config.output_hidden_states = True
        return
    if layers < len(getattr(holder, name)) and family.final_norm:
        setattr(model, family.final_norm, nn.Identity())
    setattr(holder, name, getattr(holder, name)[:layers])


def _has(model: Model, path: str) -> bool:
    try:
        model.get_submodule(path)
    except AttributeError:
        return False
    return True


def vocabulary_logits(model: Model, states: Any) -> Any:  # noqa: ANN401 - tensors
    """Return the logits of masked language modelling for token states."""
    for name in family_of(model.config.model_type).mlm:
        states = getattr(model, name)(states)
    return states
