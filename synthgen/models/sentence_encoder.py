"""Sentence embeddings: mean-pooled states of an encoder, L2-normalised.

Any encoder that transformers loads will do; the prefix is what E5 models expect before texts that are compared with
their like (Wang et al. 2024, 2402.05672).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from synthgen.models.checkpoint_files import check_weights
from synthgen.models.device import batch_size, read_in_parts, to_device
from synthgen.models.loading import load_model, load_tokenizer, require
from synthgen.models.packs import ResolvedModel, resolve
from synthgen.runtime.provenance import public_name

VERSION = 1
"""Raise it when the same model gives other vectors: cached ones are computed again, filters by meaning check again."""
PACK = "pack:multilingual-e5-small"
PREFIX = "query: "
_MAX_LENGTH, _BLOCK = 256, 1024

Vectors = npt.NDArray[np.float32]


class SentenceEncoder:
    """An encoder by reference: `pack:NAME`, a folder, or a hub id."""

    def __init__(self, ref: str, prefix: str) -> None:
        """Load the model; UserError when there is none or a package is missing, IncompleteError without a network."""
        model = find_encoder(ref)
        require(f"the sentence encoder {ref}")
        import torch

        names = {"encoder": public_name(model.ref), "revision": model.revision, "licence": model.licence}
        self.facts = names | {"prefix": prefix}
        self._torch, self._prefix = torch, prefix
        self._tokenizer = load_tokenizer(model.path)
        self._model = to_device(load_model("AutoModel", model.path))

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors (texts, width); equal texts are read once, texts of like length together."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        size = batch_size(self._model)
        batches = (distinct[at : at + size] for at in range(0, len(distinct), size))
        vectors = np.stack([vector for batch in batches for vector in read_in_parts(self._batch, batch)])
        place = {text: number for number, text in enumerate(distinct)}
        return np.asarray(vectors[[place[text] for text in texts]])

    def _batch(self, texts: Sequence[str]) -> Vectors:
        options = {"padding": True, "truncation": True, "max_length": _MAX_LENGTH, "return_tensors": "pt"}
        inputs = self._tokenizer([self._prefix + text for text in texts], **options).to(self._model.device)
        with self._torch.inference_mode():
            states = self._model(**inputs).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1)
            means = (states * mask).sum(1) / mask.sum(1)
            return np.asarray(self._torch.nn.functional.normalize(means, dim=1).float().cpu().numpy())


def find_encoder(ref: str) -> ResolvedModel:
    """Return an encoder's folder, before anything heavy is imported; UserError when it is no checkpoint."""
    model = resolve(ref)
    check_weights(model.path)
    return model


def alike_before(fields: Sequence[Vectors], similarity: float) -> Iterator[tuple[int, int, float]]:
    """Yield (first, second, similarity) of rows alike in all their fields, first < second, by second.

    `fields` holds one array (rows, width) for each text of a row; a pair is as similar as its least similar texts.
    """
    total = len(fields[0])
    for at in range(0, total, _BLOCK):
        end = min(at + _BLOCK, total)
        scores = np.minimum.reduce([vectors[at:end] @ vectors[:end].T for vectors in fields])
        seconds, firsts = np.nonzero(scores >= similarity)
        for second, first in zip(seconds.tolist(), firsts.tolist(), strict=True):
            if first < at + second:
                yield first, at + second, float(scores[second, first])
