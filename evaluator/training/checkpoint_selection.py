"""`--select en-dev`: the checkpoint with the best score on English development items, with early stopping.

The items are the target's English development file; targets that have none hold items of their English training set
out of training. Never a target language: that would measure what no zero-shot user has. Only one of many choices, and
a source of irreproducible results (Keung et al. 2020); the default is the last checkpoint.
"""

from __future__ import annotations

from evaluator.benchmark.splits import draw, has_dev_file
from evaluator.benchmark.target import DataRoot, Split, Target


def dev_items(target: Target, root: DataRoot, examples: int) -> Split:
    """Return the English development items, at most `examples`, the same for all arms and seeds."""
    if has_dev_file(target, root):
        items = target.load(root, "en", "dev")
        return items.take(draw(len(items), min(examples, len(items)), seed=0).tolist())
    items = _train(target, root)
    return items.take(_held_out(items, examples))


def training_items(target: Target, root: DataRoot, examples: int) -> Split:
    """Return the English training items less those that `dev_items` holds out of them."""
    items = _train(target, root)
    if has_dev_file(target, root):
        return items
    held_out = set(_held_out(items, examples))
    return items.take([i for i in range(len(items)) if i not in held_out])


def _train(target: Target, root: DataRoot) -> Split:
    if target.train is None:
        raise RuntimeError(f"target {target.name} is not trained")
    return target.train(root)


def _held_out(items: Split, examples: int) -> list[int]:
    positions: list[int] = draw(len(items), min(examples, len(items) // 10), seed=0).tolist()
    return positions
