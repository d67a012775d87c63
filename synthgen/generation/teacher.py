"""A teacher tags what the engine wrote: a plain token-classification checkpoint, for tasks no engine can label.

A sentence is kept when two decodings agree on every tag: the sentence alone, and the sentence repeated, read at its
second copy. The model is deterministic (no dropout), so what differs is position and context; a tag that moves with
them is one the teacher is not sure of. Checkpoints are made by `evaluator train DATASET --out CKPT`.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from synthgen.errors import UserError
from synthgen.formats.base import ParseError
from synthgen.models.loading import (
    check_checkpoint,
    load_config,
    load_model,
    load_tokenizer,
    placed,
    require,
    weights_sha256,
)
from synthgen.text.words import treebank_tokens

BATCH, BATCH_ON_GPU = 32, 256


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
            raise UserError(f"--teacher {folder} is no token classifier but {kinds}; make one with evaluator train")
        self._folder = folder
        self.labels: tuple[str, ...] = tuple(config.id2label[index] for index in range(config.num_labels))
        self.name = folder.name
        self.revision = weights_sha256(folder)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """The tokenizer and the model, loaded when the first sentence is to be tagged."""
        return load_tokenizer(self._folder), placed(load_model("AutoModelForTokenClassification", self._folder))

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
        pieces = [tokenizer(list(words), is_split_into_words=True) for words in texts]
        firsts = [_first_pieces(each.word_ids()) for each in pieces]
        room = getattr(model.config, "max_position_embeddings", 514) - 2
        tags: list[list[str]] = [[] for _ in texts]
        readable = [
            number
            for number, each in enumerate(pieces)
            if len(firsts[number]) == len(texts[number]) and len(each["input_ids"]) <= room
        ]
        readable.sort(key=lambda number: len(pieces[number]["input_ids"]))
        size = BATCH if model.device.type == "cpu" else BATCH_ON_GPU
        for start in range(0, len(readable), size):
            chosen = readable[start : start + size]
            best = self._best([pieces[number] for number in chosen])
            for number, labels in zip(chosen, best, strict=True):
                tags[number] = [self.labels[labels[place]] for place in firsts[number]]
        return tags

    def _best(self, pieces: Sequence[Any]) -> list[list[int]]:
        """Return the likeliest label of each piece of some texts."""
        import torch

        tokenizer, model = self._loaded
        batch = tokenizer.pad(list(pieces), return_tensors="pt").to(model.device)
        with torch.inference_mode():
            labels: list[list[int]] = model(**batch).logits.argmax(-1).tolist()
        return labels


def _first_pieces(words: Sequence[int | None]) -> list[int]:
    """Return the place of the first piece of each word, where a text's pieces are of these words."""
    places: dict[int, int] = {}
    for place, word in enumerate(words):
        if word is not None:
            places.setdefault(word, place)
    return list(places.values())


def _agreed(words: Sequence[str], alone: Sequence[str], repeated: Sequence[str]) -> dict[str, str] | ParseError:
    """Return what two decodings of a sentence agree on."""
    if len(alone) < len(words) or len(repeated) < 2 * len(words):
        return ParseError("sentence unreadable for the teacher")
    if list(alone) != list(repeated[len(words) :]):
        return ParseError("teacher's decodings disagree")
    return {"tokens": " ".join(words), "tags": " ".join(alone)}
