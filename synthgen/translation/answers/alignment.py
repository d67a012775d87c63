"""Word alignment from a multilingual encoder's embeddings: tokens that are each other's nearest, as SimAlign does.

Jalili Sabet, Dufter, Yvon and Schütze, Findings of EMNLP 2020 ("Argmax"; layer 8 of a 12-layer encoder).
"""

from collections.abc import Sequence
from typing import Any

from synthgen import console
from synthgen.errors import IncompleteError, UserError
from synthgen.models.device import batch_size, read_in_parts, to_device
from synthgen.models.loading import load_model, load_tokenizer, require
from synthgen.models.packs import resolve

LAYER = 8
DEFAULT_ALIGNER, NO_ALIGNER = "pack:multilingual-e5-small", "none"
Span = tuple[int, int]


class Aligner:
    """Finds the words of a translation that belong to a span of its source."""

    def __init__(self, ref: str, *, layer: int = LAYER) -> None:
        """Load an encoder by reference; UserError without torch and transformers."""
        require("word alignment (--aligner)")
        self.ref, model = ref, resolve(ref)
        self.revision = model.revision
        self._tokenizer = load_tokenizer(model.path)
        self._encoder = to_device(load_model("AutoModel", model.path))
        self._layer = min(layer, self._encoder.config.num_hidden_layers)

    def align(self, pairs: Sequence[tuple[str, Span, str]]) -> list[list[Span]]:
        """Return, for each (source, stretch, translation), the places in the translation that belong to the stretch."""
        places: list[list[Span]] = []
        size = batch_size(self._encoder) // 2
        for first in range(0, len(pairs), size):
            batch = pairs[first : first + size]
            sources, stretches, targets = zip(*batch, strict=True)
            vectors, others = (read_in_parts(self._embed, texts) for texts in (sources, targets))
            places += map(mutual, vectors, stretches, others)
        return places

    def _embed(self, texts: Sequence[str]) -> list[tuple[Any, list[Span]]]:
        """Return each text's unit vectors, (tokens, width), with the tokens' offsets; special tokens left out."""
        import torch

        batch = self._tokenizer(
            list(texts), return_offsets_mapping=True, padding=True, truncation=True, max_length=510, return_tensors="pt"
        )
        offsets = batch.pop("offset_mapping").tolist()
        with torch.inference_mode():
            states = self._encoder(**batch.to(self._encoder.device), output_hidden_states=True).hidden_states
            hidden = states[self._layer].cpu()
        unit = torch.nn.functional.normalize(hidden, dim=-1)
        tokens = [[i for i, (start, end) in enumerate(each) if end > start] for each in offsets]
        return [(unit[row, ids], [tuple(offsets[row][i]) for i in ids]) for row, ids in enumerate(tokens)]


def default_aligner() -> Aligner | None:
    """Return the aligner that is used where none is named; None, and said, where it cannot be had."""
    try:
        return Aligner(DEFAULT_ALIGNER)
    except (UserError, IncompleteError) as error:
        consequence = "without word alignment fewer answers are found again"
        console.note(
            f"{consequence}: {error}; --aligner REF names another encoder, --aligner {NO_ALIGNER} does without"
        )
        return None


def mutual(source: tuple[Any, list[Span]], stretch: Span, target: tuple[Any, list[Span]]) -> list[Span]:
    """Return the offsets of target tokens that are nearest to a token of the stretch, which is nearest to them."""
    (vectors, places), (others, targets) = source, target
    if not places or not targets:
        return []
    similarity = vectors @ others.T
    forward, back = similarity.argmax(1).tolist(), similarity.argmax(0).tolist()
    inside = [i for i, (start, end) in enumerate(places) if start < stretch[1] and end > stretch[0]]
    return [targets[forward[i]] for i in inside if back[forward[i]] == i]
