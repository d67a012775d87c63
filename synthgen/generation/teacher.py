"""A teacher tags what the engine wrote: a plain token-classification checkpoint, for tasks no engine can label.

A sentence is kept when two decodings agree on every tag: the sentence alone, and the sentence repeated, read at its
second copy. The model is deterministic (no dropout), so what differs is position and context; a tag that moves with
them is one the teacher is not sure of. Checkpoints are made by `evaluator train DATASET --out CKPT`.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

from synthgen.errors import UserError
from synthgen.formats.base import ParseError
from synthgen.models.device import batch_size, read_in_parts, to_device
from synthgen.models.encoder import family_of, frame, max_length, padded_inputs, word_ids
from synthgen.models.loading import check_checkpoint, load_config, load_model, load_tokenizer, require, weights_sha256
from synthgen.text.words import treebank_tokens


class Teacher:
    """A token classifier loaded from a checkpoint folder; `labels` are its tags in the order of its outputs."""

    rows_at_once = 64
    """How many sentences are worth waiting for: together they take less."""

    def __init__(self, folder: Path) -> None:
        """Read the configuration, not yet the weights; UserError when it is no token classifier's."""
        check_checkpoint(folder, "--teacher")
        require("--teacher")
        config: Any = load_config(folder)
        if not any("TokenClassification" in name for name in config.architectures or ()):
            kinds = ", ".join(config.architectures or ["none"])
            raise UserError(f"--teacher {folder} is not a token classifier but {kinds}; make one with evaluator train")
        self._folder = folder
        self.labels: tuple[str, ...] = tuple(config.id2label[index] for index in range(config.num_labels))
        self.name = folder.name
        self.revision = weights_sha256(folder)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """The tokenizer and the model, loaded when the first sentence is to be tagged."""
        return load_tokenizer(self._folder), to_device(load_model("AutoModelForTokenClassification", self._folder))

    def parent(self) -> dict[str, Any]:
        """Return the teacher's entry in a manifest; what its training set allows is not known from a checkpoint."""
        return {"role": "teacher", "file": self.name, "sha256": self.revision, "licence": "unknown"}

    def read(self, sentences: Sequence[str]) -> list[dict[str, str] | ParseError]:
        """Return each sentence's tokens and tags, both joined by spaces; why not where its decodings disagree."""
        words = [treebank_tokens(sentence) for sentence in sentences]
        tagged = self._tags([*words, *([*each, *each] for each in words)])
        alone, repeated = tagged[: len(words)], tagged[len(words) :]
        return [_agreed(*each) for each in zip(words, alone, repeated, strict=True)]

    def _tags(self, texts: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return one tag a word for each text, read at its first piece; none for a text too long to be read."""
        tokenizer, model = self._loaded
        around, pieces = frame(tokenizer, 1), [word_ids(words, tokenizer) for words in texts]
        ids = [[*around.first, *chain.from_iterable(each), *around.last] for each in pieces]
        room = max_length(model.config.to_dict(), family_of(model.config.model_type))
        tags: list[list[str]] = [[] for _ in texts]
        readable = [number for number, each in enumerate(ids) if room is None or len(each) <= room]
        readable.sort(key=lambda number: len(ids[number]))
        size = batch_size(model)
        for start in range(0, len(readable), size):
            chosen = readable[start : start + size]
            best = read_in_parts(self._best, [ids[number] for number in chosen])
            for number, labels in zip(chosen, best, strict=True):
                firsts = accumulate(map(len, pieces[number][:-1]), initial=len(around.first))
                tags[number] = [self.labels[labels[place]] for place in firsts]
        return tags

    def _best(self, ids: Sequence[Sequence[int]]) -> list[list[int]]:
        """Return the likeliest label of each piece of some texts."""
        import torch

        _, model = self._loaded
        with torch.inference_mode():
            inputs = padded_inputs(model, ids, [len(each) for each in ids])
            labels: list[list[int]] = model(**inputs).logits.argmax(-1).tolist()
        return labels


def _agreed(words: Sequence[str], alone: Sequence[str], repeated: Sequence[str]) -> dict[str, str] | ParseError:
    """Return what two decodings of a sentence agree on."""
    if len(alone) < len(words) or len(repeated) < 2 * len(words):
        return ParseError("sentence unreadable for the teacher")
    if list(alone) != list(repeated[len(words) :]):
        return ParseError("teacher's decodings disagree")
    return {"tokens": " ".join(words), "tags": " ".join(alone)}
