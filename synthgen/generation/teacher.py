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


class Teacher:
    """A token classifier loaded from a checkpoint folder; `labels` are its tags in the order of its outputs."""

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

    def texts(self, sentence: str) -> dict[str, str]:
        """Return the sentence's tokens and tags, each joined by spaces; ParseError when its decodings disagree."""
        words = treebank_tokens(sentence)
        tags = self._tags(words)
        if tags != self._tags([*words, *words])[len(words) :]:
            raise ParseError("teacher's decodings disagree")
        return {"tokens": " ".join(words), "tags": " ".join(tags)}

    def _tags(self, words: Sequence[str]) -> list[str]:
        """Return one tag a word, read at its first piece; ParseError when the sentence is too long to be read."""
        import torch

        tokenizer, model = self._loaded
        pieces = tokenizer([list(words)], is_split_into_words=True, return_tensors="pt")
        firsts: dict[int, int] = {}
        for position, word in enumerate(pieces.word_ids(0)):
            if word is not None:
                firsts.setdefault(word, position)
        room = getattr(model.config, "max_position_embeddings", 514) - 2
        if len(firsts) < len(words) or pieces["input_ids"].shape[1] > room:
            raise ParseError("sentence unreadable for the teacher")
        with torch.inference_mode():
            best = model(**pieces.to(model.device)).logits[0].argmax(-1).tolist()
        return [self.labels[best[firsts[index]]] for index in range(len(words))]
