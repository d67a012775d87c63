"""What translation models of the hub have in common, whichever engine runs them: tokenizer, languages, documents."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from synthgen.errors import UserError, first_line
from synthgen.models import loading
from synthgen.models.packs import ResolvedModel
from synthgen.translation.backends.base import Item, Outcome
from synthgen.translation.backends.documents import Documents
from synthgen.translation.backends.language_codes import LanguageTokens

TOKENS_A_BATCH = 4096
LONGEST = 256
"""Source tokens of one piece: translation models see few longer ones in training, whatever their positions allow."""


class HubModel(ABC):
    """A model with a tokenizer of transformers; an engine adds `translate_texts`."""

    items_at_once = 256
    separator = ""
    most = LONGEST

    def __init__(self, model: ResolvedModel) -> None:
        """Load the tokenizer; UserError when there is none."""
        self.ref, self.revision, self.licence, self.note = model.ref, model.revision, model.licence, model.note
        self._tokenizer: Any = load_tokenizer(model)
        self._tongues = LanguageTokens(self._tokenizer, model_name(model), model.ref)
        self._documents = Documents(self)

    def check(self, source: str, target: str) -> None:
        """Raise UserError with the languages there are when the pair cannot be translated."""
        self._tongues.check(source, target)

    def length(self, text: str) -> int:
        """Return the number of source tokens, special ones included."""
        return len(self._tokenizer(text).input_ids)

    def translate(self, items: Sequence[Item], source: str, target: str) -> list[Outcome]:
        """Return one outcome for each item."""
        return self._documents.translate(items, source, target)

    def spent(self) -> tuple[int, int]:
        """Return zeros: nothing is paid by the token."""
        return 0, 0

    @abstractmethod
    def translate_texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Return one translation for each text, an empty one where it was cut off; they come longest first."""


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


def model_name(model: ResolvedModel) -> str:
    """Return the name that a model's configuration has for it, else what the user called it."""
    return str(configuration(model).get("_name_or_path") or model.ref)


def configuration(model: ResolvedModel) -> dict[str, Any]:
    """Return the model's config.json."""
    return dict(json.loads((model.path / "config.json").read_text(encoding="utf-8")))


def no_model(model: ResolvedModel, error: Exception) -> UserError:
    """Return the error for a folder that holds no translation model."""
    return UserError(f"--mt {model.ref} is no translation model that transformers can load: {first_line(error)}")
