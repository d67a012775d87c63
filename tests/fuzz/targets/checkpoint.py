"""The files of a model folder, each in turn being the input: weights, configuration, index and manifest."""

import json
import struct
from pathlib import Path

import numpy as np

from evaluator.experiment.jobs import Encoder
from evaluator.experiment.throughput import EncoderSize
from synthgen.errors import UserError
from synthgen.models.loading import check_checkpoint
from synthgen.models.packs import resolve

SIZES = {"num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 32, "vocab_size": 152}


def _weights(dtype: str) -> bytes:
    numbers = np.arange(6, dtype="<f2" if dtype in ("F16", "BF16") else "<f4").tobytes()
    entry = {"dtype": dtype, "shape": [2, 3], "data_offsets": [0, len(numbers)]}
    header = json.dumps({"__metadata__": {"format": "pt"}, "encoder.layer.0.weight": entry}).encode()
    return struct.pack("<Q", len(header)) + header + numbers


SEEDS = [
    *map(_weights, ("F32", "F16", "BF16", "I32")),
    json.dumps(
        {"model_type": "xlm-roberta", "_name_or_path": "a/b", "architectures": ["XLMRobertaModel"], **SIZES}
    ).encode(),
    json.dumps(
        {"metadata": {"total_size": 24}, "weight_map": {"encoder.layer.0.weight": "model.safetensors"}}
    ).encode(),
    json.dumps(
        {"kind": "intermediate", "results": {"licence": "MIT"}, "inputs": {}, "files": {"config.json": "0" * 64}}
    ).encode(),
]


def read(data: bytes, folder: Path) -> None:
    refusals = []
    for name in ("model.safetensors", "config.json", "model.safetensors.index.json", "synthgen.json"):
        model = folder / name.replace(".", "-")
        model.mkdir(exist_ok=True)
        (model / "config.json").write_text(json.dumps(SIZES), encoding="utf-8")
        (model / "model.safetensors").write_bytes(SEEDS[0])
        (model / name).write_bytes(data)
        try:
            check_checkpoint(model, "--model")
            Encoder.of(resolve(str(model)))
            EncoderSize.read(model)
        except UserError as error:
            refusals.append(str(error))
    if len(refusals) == 4 or any("\n" in refusal for refusal in refusals):
        raise UserError(max(refusals, key=lambda refusal: refusal.count("\n")))
