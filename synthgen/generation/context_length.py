"""Whether a task's prompts fit into a model's context, checked before the first request."""

from __future__ import annotations

import json
from pathlib import Path

from synthgen.engines.vllm import MAX_MODEL_LEN
from synthgen.errors import UserError
from synthgen.generation.prompt_chain import PromptChain


def check_context_length(chain: PromptChain, model: Path) -> None:
    """Raise UserError when a prompt and its reply cannot fit, earlier texts taken at their longest.

    A model folder without `tokenizer.json` (a server's model) is not checked: the server refuses in its own words.
    """
    tokenizer_file, config_file = model / "tokenizer.json", model / "config.json"
    if not tokenizer_file.is_file() or not config_file.is_file():
        return
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    config = json.loads(config_file.read_text(encoding="utf-8"))
    limit = min(MAX_MODEL_LEN, config.get("max_position_embeddings", MAX_MODEL_LEN))
    for cell in chain.task.label_counts:
        for step, request in chain.trial_requests(cell, lambda step: "word " * (step.max_tokens // len(step.fields))):
            needed = len(tokenizer.encode(request.prompt).ids) + step.max_tokens
            if needed > limit:
                raise UserError(
                    f"the prompt of step '{step.name}' and its reply can take {needed} tokens, the model reads "
                    f"{limit}: use a model with a longer context, or shorter --shots or --passages"
                )
