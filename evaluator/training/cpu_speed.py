"""Dropout on the CPU at a third of its cost: torch draws a double for every element of a mask, with one thread.

Here four elements share a random word of 64 bits: the same distribution, the rate to 1/65,536, from the same generator.
In bfloat16 the scale that keeps the mean is rounded, as torch rounds it. GPUs keep their kernels, which fuse the draw.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import dropout
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

DrawMask = Callable[[torch.Tensor, float], torch.Tensor]

_VALUES = 1 << 16
_LEAST_WORD = -(1 << 63)


@contextmanager
def cheap_dropout(models: Sequence[PreTrainedModel], *, draw: DrawMask | None = None) -> Iterator[None]:
    """Draw dropout masks on the CPU with `draw`, else `mask`; attention is eager meanwhile, since SDPA drops inside."""
    if any(model.device.type != "cpu" for model in models):
        yield
        return
    before = [model.config._attn_implementation for model in models]
    try:
        for model in models:
            model.set_attn_implementation("eager")
        with _CheapDropout(draw or mask):
            yield
    finally:
        for model, implementation in zip(models, before, strict=True):
            model.set_attn_implementation(implementation)


class _CheapDropout(TorchFunctionMode):
    """Replaces torch's dropout by the product with a mask, wherever it is called."""

    def __init__(self, draw: DrawMask) -> None:
        super().__init__()
        self._draw = draw

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - any function of torch
        return (self._drop if func is dropout else func)(*args, **(kwargs or {}))

    def _drop(self, input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
        return input * self._draw(input, p) if training and p else input


def mask(like: torch.Tensor, rate: float) -> torch.Tensor:
    """Return a mask in the shape of a tensor: 0 with probability `rate`, else the scale that keeps the mean.

    >>> sorted(mask(torch.ones(1000), 0.5).unique().tolist())
    [0.0, 2.0]
    """
    count, dropped = like.numel(), round(rate * _VALUES)
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(_LEAST_WORD, None)
    drawn = words.view(torch.int16)[:count].view(like.shape)
    return drawn.ge(dropped - _VALUES // 2).to(like.dtype).mul_(_VALUES / max(1, _VALUES - dropped))
