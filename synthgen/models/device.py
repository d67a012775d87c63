"""Models that read rows, where there is a GPU on it, and in batches that its memory holds."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from synthgen import console


class Sliceable(Protocol):
    """A sequence or an array: it has a length and can be sliced."""

    def __len__(self) -> int:
        """Return the number of items."""

    def __getitem__(self, places: slice, /) -> Any:  # noqa: ANN401 - its own type
        """Return some of the items."""


Items = TypeVar("Items", bound=Sliceable)
Result = TypeVar("Result")
BATCH, BATCH_ON_GPU = 32, 256
"""Texts that are read together."""


def to_device(model: Any) -> Any:  # noqa: ANN401 - a module of torch
    """Return a model that reads, on the GPU where there is one with room for it, else on the CPU."""
    import torch

    if not torch.cuda.is_available():
        return model.eval()
    try:
        return model.eval().to("cuda")
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        console.note("the GPU has no room for a model that reads rows; it runs on the CPU")
        return model.eval().to("cpu")


def batch_size(model: Any) -> int:  # noqa: ANN401 - the same
    """Return how many texts a model reads together."""
    return BATCH if model.device.type == "cpu" else BATCH_ON_GPU


def read_in_parts(read: Callable[[Items], Iterable[Result]], items: Items) -> list[Result]:
    """Return what `read` gives for items, one each; it gets halves of them where all do not fit in memory.

    torch.OutOfMemoryError when a single one does not.
    """
    import torch

    try:
        return list(read(items))
    except torch.OutOfMemoryError:
        if len(items) == 1:
            raise
    torch.cuda.empty_cache()  # not while the error holds what did not fit
    middle = len(items) // 2
    return [*read_in_parts(read, items[:middle]), *read_in_parts(read, items[middle:])]
