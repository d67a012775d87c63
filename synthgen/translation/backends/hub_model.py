"""Base class of the hub's translation models, whichever engine runs them: tokenizer and language tokens."""

from __future__ import annotations

import json
from typing import Any

from synthgen.errors import UserError, first_line
from synthgen.models import loading
from synthgen.models.packs import ResolvedModel
from synthgen.translation.backends.documents import DocumentBackend
from synthgen.translation.backends.language_codes import LanguageTokens

TOKENS_A_BATCH = 4096
LONGEST = 256
"""Source tokens of one piece: translation models see few longer ones in training, whatever their positions allow."""


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
    return dict(json.loads((model.path / "config.json").read_text(encoding="utf-8")))


def no_model(model: ResolvedModel, error: Exception) -> UserError:
    """Return the error for a folder that holds no translation model."""
    return UserError(f"--mt {model.ref} is no translation model that transformers can load: {first_line(error)}")
