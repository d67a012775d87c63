"""Labels without their rows: the control that says what of a gain is that of texts, format and updates."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from synthgen.formats.choice import Choice
from synthgen.formats.pair import Pair
from synthgen.formats.span import Span
from synthgen.formats.tags import TaggedSentence


def with_shuffled_labels(records: Sequence[Any], seed: int) -> list[Any]:
    """Return records in the same order, each with the label of another one, as often as before.

    An answer becomes as many characters elsewhere in its paragraph, tags change places within their sentence.
    """
    rng = np.random.default_rng([seed, 0x5AFE])
    order = rng.permutation(len(records))
    return [_with_label(record, records[other], rng) for record, other in zip(records, order.tolist(), strict=True)]


def _with_label(record: Any, other: Any, rng: np.random.Generator) -> Any:  # noqa: ANN401 - a record of any format
    match record:
        case Pair():
            return replace(record, label=other.label)
        case Choice():
            return replace(record, label=other.label % len(record.options))
        case Span() if record.start is not None:
            start = int(rng.integers(0, len(record.context) - len(record.answer) + 1))
            return replace(record, start=start, answer=record.context[start : start + len(record.answer)])
        case TaggedSentence():
            return replace(record, tags=tuple(record.tags[i] for i in rng.permutation(len(record.tags)).tolist()))
        case _:
            return record
