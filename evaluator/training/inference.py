"""Inference: the predictions of one model for several sets of records in one length-sorted pass."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch
from transformers import PreTrainedModel

from evaluator.experiment.throughput import TOKENS_ON_GPU
from evaluator.training.batching import inference_batches
from evaluator.training.features import EncodedRecords, Features, IntArray, merge
from evaluator.training.heads.base import Head, Output, Remap, collate
from synthgen.models.device import read_in_parts
from synthgen.models.encoder import padding_id


@torch.inference_mode()
def run(
    model: PreTrainedModel,
    head: Head,
    features: Features,
    tokens_per_batch: int,
    remap: Remap | None = None,
    *,
    bfloat16: bool = False,
) -> list[Output]:
    """Return the head's outputs in the order of the features; `remap` is that of a compacted model."""
    model.eval()
    outputs: dict[int, Output] = {}

    def read(indices: IntArray) -> list[Output]:
        return head.outputs(model, collate(features, indices, padding_id(model), model.device, remap))

    if model.device.type == "cuda":
        tokens_per_batch = max(tokens_per_batch, TOKENS_ON_GPU)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
        for indices in inference_batches(features.lengths, tokens_per_batch, features.group):
            outputs |= zip(indices.tolist(), read_in_parts(read, indices), strict=True)
    return [outputs[index] for index in range(len(features))]


def predict(
    model: PreTrainedModel, head: Head, sets: Sequence[EncodedRecords], tokens_per_batch: int, *, bfloat16: bool = False
) -> list[list[Any]]:
    """Return one list of predictions per set of records, all computed in one pass sorted by length."""
    merged = merge([features for _, features in sets])
    outputs = iter(run(model, head, merged, tokens_per_batch, bfloat16=bfloat16))
    return [head.decode(records, features, list(islice(outputs, len(features)))) for records, features in sets]
