"""The JSON schema of a structured reply: one flat object of texts, which every engine's grammar compiler accepts."""

from typing import Any


def text_object(*names: str) -> dict[str, Any]:
    """Return the schema of an object that carries exactly these texts, none empty.

    >>> text_object("question")["required"]
    ['question']
    """
    return {
        "type": "object",
        "properties": {name: {"type": "string", "minLength": 1} for name in names},
        "required": list(names),
        "additionalProperties": False,
    }
