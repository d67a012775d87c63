"""Translation models of the hub: OPUS-MT (Marian), NLLB-200 and M2M-100, MADLAD-400, through transformers.

CTranslate2 (see `ct2`) runs the same models several times as fast.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from synthgen.errors import UserError, first_line, missing_package
from synthgen.packs import ResolvedModel
from synthgen.translation.base import Item, Outcome
from synthgen.translation.documents import Documents
from synthgen.translation.machine import Machine
from synthgen.translation.tongues import Tongues

TOKENS_A_BATCH = 4096
LONGEST = 256
"""Source tokens of one piece: translation models see few longer ones in training, whatever their positions allow."""


class Seq2Seq:
    """A sequence-to-sequence model: batches by tokens, beam 1 unless the model's own settings say otherwise."""

    name = "seq2seq"
    items_at_once = 256
    separator = ""

    def __init__(self, model: ResolvedModel, machine: Machine | None = None) -> None:
        """Load tokenizer and model; UserError when the folder holds no translation model."""
        try:
            import torch
            from transformers import AutoModelForSeq2SeqLM
        except ImportError:
            raise missing_package("transformers", "train", f"--mt {model.ref}") from None
        machine = machine or Machine()
        device = machine.choose(torch.cuda.device_count())
        if machine.threads:
            torch.set_num_threads(machine.threads)
        self.ref, self.revision, self.licence, self.note = model.ref, model.revision, model.licence, model.note
        try:
            self._model: Any = AutoModelForSeq2SeqLM.from_pretrained(model.path).eval().to(device)
        except (ValueError, OSError) as error:
            raise _no_model(model, error) from None
        self._tokenizer: Any = load_tokenizer(model)
        self._positions = getattr(self._model.config, "max_position_embeddings", None) or 4 * LONGEST
        self.most = min(LONGEST, self._positions // 2)
        self._tongues = Tongues(self._tokenizer, model_name(model), model.ref)
        self._documents = Documents(self)

    @property
    def versions(self) -> dict[str, str]:
        """Versions of torch and transformers."""
        return {name: version(name) for name in ("torch", "transformers")}

    @property
    def settings(self) -> dict[str, str | int | bool]:
        """What determines the translations."""
        return {"longest_piece_tokens": self.most}

    def check(self, source: str, target: str) -> None:
        """Raise UserError with the languages there are when the pair cannot be translated."""
        self._tongues.check(source, target)

    def length(self, text: str) -> int:
        """Return the number of source tokens, special ones included."""
        return len(self._tokenizer(text).input_ids)

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        """Return one outcome for each item."""
        return self._documents.translate(items, source, target)

    def translate_texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Return one translation for each text, in batches of about 4,096 padded tokens."""
        import torch

        found: list[str] = []
        start = self._tongues.start(source, target)
        first = self._tokenizer.convert_tokens_to_ids(start.first) if start.first else None
        forced = {} if first is None else {"forced_bos_token_id": first}
        for batch in _batches([start.prefix + text for text in texts], self.length):
            inputs = self._tokenizer(batch, return_tensors="pt", padding=True).to(self._model.device)
            room = min(2 * inputs.input_ids.shape[1] + 16, self._positions - 1)
            with torch.inference_mode():
                made = self._model.generate(**inputs, **forced, max_new_tokens=room)
            texts_made = self._tokenizer.batch_decode(made, skip_special_tokens=True)
            # What filled all the room was cut off, also where an end token was forced into the last place.
            lengths = (made[:, 1:] != self._model.config.pad_token_id).sum(1).tolist()
            found += [text if length < room else "" for text, length in zip(texts_made, lengths, strict=True)]
        return found

    def close(self) -> None:
        """Nothing outlives the object."""


def load_tokenizer(model: ResolvedModel) -> Any:  # noqa: ANN401 - a class of transformers
    """Return the tokenizer that lies in the model's folder; UserError when there is none."""
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise missing_package("transformers", "train", f"--mt {model.ref}") from None
    try:
        return AutoTokenizer.from_pretrained(model.path)
    except (ValueError, OSError) as error:
        raise _no_model(model, error) from None


def model_name(model: ResolvedModel) -> str:
    """Return the name that a model's configuration has for it, else what the user called it."""
    config = json.loads((model.path / "config.json").read_text(encoding="utf-8"))
    return str(config.get("_name_or_path") or model.ref)


def _no_model(model: ResolvedModel, error: Exception) -> UserError:
    return UserError(f"--mt {model.ref} is no translation model that transformers can load: {first_line(error)}")


def _batches(texts: Sequence[str], length: Any) -> Iterator[list[str]]:  # noqa: ANN401 - a method
    """Yield runs of texts whose number times the longest's length is at most 4,096; they come longest first."""
    batch: list[str] = []
    longest = 0
    for text in texts:
        longest = max(longest, length(text))
        if batch and longest * (len(batch) + 1) > TOKENS_A_BATCH:
            yield batch
            batch, longest = [], length(text)
        batch.append(text)
    if batch:
        yield batch
