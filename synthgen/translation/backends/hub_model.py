"""Base class of the hub's translation models, whichever engine runs them: tokenizer and language tokens.

NLLB and M2M-100 take a language token first in what they write (`deu_Latn`, `__de__`), MADLAD and multilingual OPUS-MT
one before the source (`<2de>`, `>>deu<<`), and an OPUS-MT model of one pair none: its name says which pair it is.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from synthgen.errors import UserError, first_line, unknown
from synthgen.models import loading
from synthgen.models.packs import ResolvedModel
from synthgen.text.json_text import read_json_object
from synthgen.text.languages import NLLB, find_language_code
from synthgen.translation.backends.documents import DocumentBackend

TOKENS_A_BATCH = 4096
LONGEST = 256
"""Source tokens of one piece: translation models see few longer ones in training, whatever their positions allow."""
_FLORES = re.compile("[a-z]{3}_[A-Z][a-z]{3}")
_BEFORE_SOURCE = re.compile(r"<2(\w+)>|>>(\w+)<<")


class HubModel(DocumentBackend):
    """A model with a tokenizer of transformers; an engine adds `translate_texts` and `versions`."""

    most = LONGEST

    def __init__(self, model: ResolvedModel) -> None:
        """Load the tokenizer; UserError when there is none."""
        self.ref, self.revision, self.licence, self.note = model.ref, model.revision, model.licence, model.note
        self.settings: dict[str, str | int | bool] = {"longest_piece_tokens": self.most}
        self._tokenizer: Any = load_tokenizer(model)
        name = str(configuration(model).get("_name_or_path") or model.ref)
        self.languages = LanguageTokens(self._tokenizer, name, model.ref)

    def check(self, source: str, target: str) -> None:
        """Raise UserError with the languages there are when the pair cannot be translated."""
        self.languages.check(source, target)

    def length(self, text: str) -> int:
        """Return the number of source tokens, special ones included."""
        return len(self._tokenizer(text).input_ids)


def load_tokenizer(model: ResolvedModel) -> Any:  # noqa: ANN401 - a class of transformers
    """Return the tokenizer that lies in the model's folder; UserError when there is none."""
    loading.require(f"--mt {model.ref}", torch=False)
    try:
        tokenizer = loading.load_tokenizer(model.path)
    except (ValueError, OSError) as error:
        raise no_model(model, error) from None
    if languages := getattr(tokenizer, "lang_token_to_id", None):
        # M2M-100's class has ids for its language tokens, but transformers 5 counts them as special, and as part of the
        # vocabulary, only where the folder's own configuration lists them.
        new = {"additional_special_tokens": list(languages)}
        tokenizer.add_special_tokens(new, replace_extra_special_tokens=False)
    return tokenizer


def configuration(model: ResolvedModel) -> dict[str, Any]:
    """Return the model's config.json."""
    return read_json_object(model.path / "config.json")


def no_model(model: ResolvedModel, error: Exception) -> UserError:
    """Return the error for a folder that holds no translation model."""
    return UserError(f"--mt {model.ref} is not a translation model that transformers can load: {first_line(error)}")


@dataclass(frozen=True, slots=True)
class Start:
    """The prefix of each source text, and the first token of the translation; empty for none."""

    prefix: str = ""
    first: str = ""


class LanguageTokens:
    """The languages of a model, known from its tokenizer and its name."""

    def __init__(self, tokenizer: Any, name: str, ref: str) -> None:  # noqa: ANN401 - a class of transformers
        """Read them off `tokenizer`; `name` is the model's own name, `ref` what the user called it."""
        self._tokenizer, self._name, self._ref = tokenizer, name, ref

    def check(self, source: str, target: str) -> None:
        """Raise UserError with the languages there are when the pair cannot be translated."""
        if (pair := opus_pair(self._name)) and (source, target) != pair:
            raise UserError(f"{self._ref} translates {pair[0]} to {pair[1]}, not {source} to {target}")
        if self._written_first and source not in self._written_first:
            raise unknown("source language", source, sorted(self._written_first), where=self._ref)
        targets = self._written_first or self._before_source
        if targets and target not in targets:
            raise unknown("target language", target, sorted(targets), where=self._ref)

    def start(self, source: str, target: str) -> Start:
        """Return how to ask for a pair; the tokenizer is set to the source language."""
        if self._written_first:
            token = self._written_first[source]
            self._tokenizer.src_lang = token if _FLORES.fullmatch(token) else source
            return Start(first=self._written_first[target])
        return Start(f"{self._before_source[target]} ") if target in self._before_source else Start()

    @cached_property
    def _written_first(self) -> dict[str, str]:
        """Language -> the token that the translation starts with."""
        if tokens := getattr(self._tokenizer, "lang_code_to_token", None):
            return dict(tokens)
        vocabulary = self._tokenizer.get_vocab()
        known = {language: token for language, token in NLLB.items() if token in vocabulary}
        others = {find_language_code(token): token for token in filter(_FLORES.fullmatch, vocabulary)}
        return {code: token for code, token in others.items() if code} | known if known else {}

    @cached_property
    def _before_source(self) -> dict[str, str]:
        """Language -> the token before the source."""
        matches = filter(None, map(_BEFORE_SOURCE.fullmatch, self._tokenizer.get_vocab()))
        codes = {match[0]: match[1] or match[2] for match in matches}
        return {find_language_code(code) or code: token for token, code in codes.items()}


def opus_pair(name: str) -> tuple[str, str] | None:
    """Return the languages that an OPUS-MT model's name says, None for other names.

    >>> opus_pair("Helsinki-NLP/opus-mt-en-de"), opus_pair("models/opus-mt-tc-big-en-pt-ct2")
    (('en', 'de'), ('en', 'pt'))
    >>> opus_pair("google/madlad400-3b-mt"), opus_pair("Helsinki-NLP/opus-mt-en-ROMANCE")
    (None, None)
    """
    match = re.search(r"opus-mt-(?:tc-\w+-)?([a-z]{2})-([a-z]{2})(?![a-zA-Z])", name)
    return (match[1], match[2]) if match else None
