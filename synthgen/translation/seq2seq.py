"""Translation models of the hub: OPUS-MT (Marian), NLLB-200 and M2M-100, MADLAD-400, through transformers.

several times as fast on a CPU. How a model is told the target language differs by family: `LANGUAGE_CODES` of its
tokenizer (NLLB `deu_Latn`, M2M `de`), a first token `<2de>` (MADLAD, and the `>>deu<<` of multilingual OPUS-MT), or not
at all (OPUS-MT of one pair, whose name says which).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from synthgen.errors import UserError, missing_package, unknown
from synthgen.packs import ResolvedModel
from synthgen.translation.base import Item, Outcome
from synthgen.translation.documents import Documents

TOKENS_A_BATCH = 4096
LONGEST = 256
"""Source tokens of one piece: translation models see few longer ones in training, whatever their positions allow."""
NLLB = {
    "ar": "arb_Arab", "bg": "bul_Cyrl", "bn": "ben_Beng", "ca": "cat_Latn", "de": "deu_Latn", "el": "ell_Grek",
    "en": "eng_Latn", "es": "spa_Latn", "et": "est_Latn", "eu": "eus_Latn", "fa": "pes_Arab", "fi": "fin_Latn",
    "fr": "fra_Latn", "he": "heb_Hebr", "hi": "hin_Deva", "ht": "hat_Latn", "hu": "hun_Latn", "id": "ind_Latn",
    "it": "ita_Latn", "ja": "jpn_Jpan", "ka": "kat_Geor", "ko": "kor_Hang", "mr": "mar_Deva", "nl": "nld_Latn",
    "pl": "pol_Latn", "pt": "por_Latn", "qu": "quy_Latn", "ro": "ron_Latn", "ru": "rus_Cyrl", "sw": "swh_Latn",
    "ta": "tam_Taml", "te": "tel_Telu", "th": "tha_Thai", "tr": "tur_Latn", "uk": "ukr_Cyrl", "ur": "urd_Arab",
    "vi": "vie_Latn", "wo": "wol_Latn", "yo": "yor_Latn", "zh": "zho_Hans",
}  # fmt: skip
"""FLORES-200 codes of XTREME-R's languages and a few more (NLLB Team 2022, table of languages)."""


class Seq2Seq:
    """A sequence-to-sequence model: batches by tokens, beam 1 unless the model's own settings say otherwise."""

    name = "seq2seq"
    items_at_once = 256
    separator = ""

    def __init__(self, model: ResolvedModel) -> None:
        """Load tokenizer and model; UserError when the folder holds no translation model."""
        try:
            import torch
            from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
        except ImportError:
            raise missing_package("transformers", "train", f"--mt {model.ref}") from None
        self.ref, self.revision, self.licence, self.note = model.ref, model.revision, model.licence, model.note
        try:
            self._model: Any = AutoModelForSeq2SeqLM.from_pretrained(model.path).eval()
            self._tokenizer: Any = AutoTokenizer.from_pretrained(model.path)
        except (ValueError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"--mt {model.ref} is no translation model that transformers can load: {reason}") from None
        if torch.cuda.is_available():
            self._model = self._model.to("cuda")
        self._positions = getattr(self._model.config, "max_position_embeddings", None) or 4 * LONGEST
        self.most = min(LONGEST, self._positions // 2)
        self._name = (
            json.loads((model.path / "config.json").read_text(encoding="utf-8")).get("_name_or_path") or model.ref
        )
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
        for kind, language in (("source", source), ("target", target)):
            known = self._languages()
            if known and language not in known:
                raise unknown(f"{kind} language", language, known, where=self.ref)
        if (pair := _pair(self._name)) and (source, target) != pair:
            raise UserError(f"{self.ref} translates {pair[0]} to {pair[1]}, not {source} to {target}")

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
        prefix, forced = self._direction(source, target)
        for batch in _batches([prefix + text for text in texts], self.length):
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

    def _languages(self) -> list[str]:
        codes = getattr(self._tokenizer, "lang_code_to_id", None) or {}
        return sorted(codes) or ([name for name in NLLB if self._is_nllb()] if self._is_nllb() else [])

    def _is_nllb(self) -> bool:
        return self._tokenizer.convert_tokens_to_ids("eng_Latn") not in (None, self._tokenizer.unk_token_id)

    def _direction(self, source: str, target: str) -> tuple[str, dict[str, int]]:
        """Return what to write before each text, and generation's arguments, for a pair of languages."""
        known = self._tokenizer.convert_tokens_to_ids
        if self._is_nllb():
            self._tokenizer.src_lang = NLLB[source]
            return "", {"forced_bos_token_id": known(NLLB[target])}
        if hasattr(self._tokenizer, "get_lang_id"):
            self._tokenizer.src_lang = source
            return "", {"forced_bos_token_id": self._tokenizer.get_lang_id(target)}
        for token in (f"<2{target}>", f">>{target}<<"):
            if known(token) not in (None, self._tokenizer.unk_token_id):
                return f"{token} ", {}
        return "", {}


def _pair(name: str) -> tuple[str, str] | None:
    """Return the languages that an OPUS-MT model's name says, None for other names.

    >>> _pair("Helsinki-NLP/opus-mt-en-de"), _pair("google/madlad400-3b-mt")
    (('en', 'de'), None)
    """
    match = re.search(r"opus-mt-(?:tc-\w+-)?([a-z]{2})-([a-z]{2})$", name)
    return (match[1], match[2]) if match else None


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
