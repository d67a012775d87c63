"""Exact vocabulary compaction: train only the embedding rows that occur.

A row that never occurs gets a zero gradient, so AdamW's moments stay zero and its only change is the decoupled weight
decay, a product of (1 - learning rate x decay) over the steps. Training the occurring rows alone therefore gives the
same model, without gradient, moments and update traffic for the quarter million others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from evaluator.training.features import IntArray
from synthgen.models.encoder import counts_from_padding, padding_id

IDS_AT_ONCE = 1_000_000
"""Ids read at once, so that memory-mapped data of any size stay on disk."""


@dataclass(frozen=True, slots=True)
class CompactVocabulary:
    """Ids in use, ascending, (used,), the full embedding table on the CPU, (vocabulary, width), and its padding id."""

    rows: IntArray
    table: torch.Tensor
    padding: int | None

    def remap(self, ids: IntArray) -> IntArray:
        """Return token ids as rows of the compact table."""
        return np.searchsorted(self.rows, ids)


def can_compact(model: PreTrainedModel) -> bool:
    """Say whether a model's embedding is a table and nothing more; one that scales or adds to its rows is kept."""
    return type(model.get_input_embeddings()) is nn.Embedding


def compact(model: PreTrainedModel, ids: Sequence[IntArray]) -> CompactVocabulary:
    """Replace the model's embedding table by the rows that occur in `ids`; undo with `restore`.

    The padding id is always kept, and all ids below it where a model derives positions from it, as RoBERTa does.
    """
    embedding, padding = model.get_input_embeddings(), padding_id(model)
    used = np.zeros(embedding.num_embeddings, dtype=bool)
    used[[padding] if embedding.padding_idx is None else [padding, embedding.padding_idx]] = True
    if counts_from_padding(model):
        used[:padding] = True
    for array in ids:
        for first in range(0, len(array), IDS_AT_ONCE):
            used[array[first : first + IDS_AT_ONCE]] = True
    rows, table = np.flatnonzero(used), embedding.weight.detach()
    place = None if embedding.padding_idx is None else int(np.searchsorted(rows, embedding.padding_idx))
    model.set_input_embeddings(_embedding(table[torch.from_numpy(rows)], place))
    return CompactVocabulary(rows, table.cpu(), embedding.padding_idx)


def restore(model: PreTrainedModel, vocabulary: CompactVocabulary, decay: float) -> None:
    """Put the trained rows back into the full table, in place; rows that never occurred are multiplied by `decay`."""
    trained, table = model.get_input_embeddings(), vocabulary.table
    if decay != 1.0:
        table.mul_(decay)
    table[torch.from_numpy(vocabulary.rows)] = trained.weight.detach().cpu()
    model.set_input_embeddings(_embedding(table.to(trained.weight.device), vocabulary.padding))


def _embedding(weight: torch.Tensor, padding: int | None) -> nn.Embedding:
    rows, width = weight.shape
    return nn.Embedding(rows, width, padding_idx=padding, _weight=weight)
