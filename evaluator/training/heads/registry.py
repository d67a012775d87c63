"""The head of a dataset or a target, by format name."""

from collections.abc import Callable

from evaluator.experiment.recipe import Recipe
from evaluator.training.heads.base import Head
from evaluator.training.heads.choice import ChoiceHead
from evaluator.training.heads.dual import DualHead
from evaluator.training.heads.pair import PairHead
from evaluator.training.heads.retrieval import RetrievalHead
from evaluator.training.heads.span import SpanHead
from evaluator.training.heads.tags import TagsHead
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
