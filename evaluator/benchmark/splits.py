"""Which items are read: the test items of each language, capped training items, English development items."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from evaluator.benchmark.data_root import trains_on
from evaluator.benchmark.target import DataRoot, Split, Target
from synthgen.dataset.shards import draw_key

BY_IDS, BY_POSITIONS = "ids", "positions"
"""`--draw`: the rows of a size by the hashes of their ids, or by their positions in the dataset."""

LAST, EN_DEV, BY_RECIPE = "last", "en-dev", "recipe"
"""`--select`: the last checkpoint; the best on English development items; either, as the recipe's reference does."""


def draw(total: int, rows: int, seed: int) -> npt.NDArray[np.int64]:
    """Return which `rows` of `total` a seed draws, ascending. Smaller draws of a seed are part of its larger ones.

    >>> set(draw(100, 5, seed=1)) <= set(draw(100, 20, seed=1))
    True
    """
    return np.sort(np.random.default_rng(seed).permutation(total)[:rows])


def draw_by_id(ids: Iterable[str], rows: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the positions of the `rows` ids that a seed draws, ascending, whatever the other ids and their order are.

    So a translation draws the rows that its source draws, less those that it lacks, and then others in their place.

    >>> draw_by_id("abcde", 2, seed=0), draw_by_id("abde", 2, seed=0)
    (array([2, 4]), array([1, 3]))
    """
    keys = np.fromiter((draw_key(seed, row_id) for row_id in ids), np.uint64)
    return np.sort(np.argsort(keys, kind="stable")[:rows])


def evaluation_splits(
    target: Target, root: DataRoot, languages: Sequence[str], split: str, cap: int | None
) -> list[Split]:
    """Return the test items of each language, at most `cap` of them.

    The same positions are drawn in every language of equal size, so parallel sets stay parallel, and for every seed.
    """
    loaded = [target.load(root, language, split) for language in languages]
    items = [target.cap(s, draw(len(s), cap, seed=0).tolist()) if cap and cap < len(s) else s for s in loaded]
    return target.join(items) if target.join else items


def capped(items: Split, cap: int | None, seed: int) -> Split:
    """Return training items, at most `cap` of them, drawn by the seed."""
    return items.take(draw(len(items), cap, seed).tolist()) if cap and cap < len(items) else items


def has_dev_file(target: Target, root: DataRoot) -> bool:
    """Say whether the target has an English development file in this data root that it does not train on."""
    sources = target.sources.get("dev", ())
    has_english = "en" in target.languages and bool(sources) and root.has(sources[0], target.file_code("en"))
    return has_english and trains_on(target, root, "dev", "en") is None
