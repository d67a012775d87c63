"""The head of a dataset or a target, by format name."""

from __future__ import annotations

from collections.abc import Callable

from evaluator.heads.base import Head
from evaluator.heads.choice import ChoiceHead
from evaluator.heads.dual import DualHead
from evaluator.heads.pair import PairHead
from evaluator.heads.retrieval import RetrievalHead
from evaluator.heads.span import SpanHead
from evaluator.heads.tags import TagsHead
from evaluator.recipe import Recipe
from synthgen.errors import unknown

HEADS: dict[str, Callable[[tuple[str, ...], Recipe], Head]] = {
    "pair": lambda labels, recipe: PairHead(labels),
    "tags": lambda labels, recipe: TagsHead(labels),
    "choice": lambda labels, recipe: ChoiceHead(labels),
    "span": lambda labels, recipe: SpanHead(labels),
    "dual": lambda labels, recipe: DualHead(),
    "retrieval": lambda labels, recipe: RetrievalHead(recipe),
}


def head_for(name: str, labels: tuple[str, ...], recipe: Recipe) -> Head:
    """Return the head of a format with its labels."""
    if name not in HEADS:
        raise unknown("head", name, HEADS)
    return HEADS[name](labels, recipe)
