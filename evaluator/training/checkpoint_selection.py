"""`--select en-dev`: the checkpoint with the best score on English development items, with early stopping.

The items are the target's English development file; targets that have none hold items of their English training set
out of training. Never a target language: that would measure what no zero-shot user has. Only one of many choices, and
a source of irreproducible results (Keung et al. 2020); the default is the last checkpoint.
"""

import numpy as np

from evaluator.benchmark.splits import draw, has_dev_file
from evaluator.benchmark.target import DataRoot, Split, Target

ALL = 10**9


def dev_items(target: Target, root: DataRoot, examples: int) -> Split:
    """Return the English development items, at most `examples` (0: all), the same for all arms and seeds."""
    examples = examples or ALL
    if has_dev_file(target, root):
        items = target.load(root, "en", "dev")
        return items.take(draw(len(items), min(examples, len(items)), seed=0).tolist())
    return _held_out(target, root, examples)[0]


def training_items(target: Target, root: DataRoot, examples: int) -> Split:
    """Return the English training items less those that `dev_items` holds out of them."""
    return _held_out(target, root, 0 if has_dev_file(target, root) else examples or ALL)[1]


def _held_out(target: Target, root: DataRoot, examples: int) -> tuple[Split, Split]:
    """Return the English training items that are held out, a tenth at most, and the others."""
    if target.train is None:
        raise RuntimeError(f"target {target.name} is not trained")
    items = target.train(root)
    positions = draw(len(items), min(examples, len(items) // 10), seed=0)
    return items.take(positions.tolist()), items.take(np.setdiff1d(np.arange(len(items)), positions).tolist())
