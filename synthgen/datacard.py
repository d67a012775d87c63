"""The card of a dataset folder: Hugging Face front matter, a summary, and every fact with the step it came from.

A card is a view of the manifest and the prompts it names, so it can be made again and compared. A step that was not
done is stated as such.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from synthgen.dataset import Manifest, read_manifest, write_atomically
from synthgen.task import find_task

CARD_NAME = "README.md"
_TEMPLATE = Path(__file__).with_name("card_template.md")
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_TASK_CATEGORIES = {
    "pair": "text-classification",
    "choice": "multiple-choice",
    "span": "question-answering",
    "tags": "token-classification",
}
_CREATORS = {
    "synthetic": "machine-generated",
    "translated": "machine-generated",
    "real": "other",
    "sample": "expert-generated",
}


def card(folder: Path) -> Path:
    """Write the card of a finished folder anew from its manifest and return its path."""
    return write_card(folder, read_manifest(folder))


def write_card(folder: Path, manifest: Manifest) -> Path:
    """Write `README.md` from the manifest and, for a generated set, the task's prompts; return its path."""
    path = folder / CARD_NAME
    write_atomically(path, render_card(manifest))
    return path


def render_card(manifest: Manifest) -> str:
    """Return the text of the card; only a generated set's task has a prompt file to quote."""
    task = find_task(manifest.task) if manifest.origin == "synthetic" else None
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = _table_cell
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(m=manifest, task=task, title=_title(manifest), front=_front_matter(manifest)).rstrip() + "\n"


def _front_matter(manifest: Manifest) -> str:
    """Return the YAML between the dashes; JSON values are YAML, which keeps quoting out of our hands."""
    creators = [_CREATORS[manifest.origin]]
    values: dict[str, Any] = {
        "pretty_name": _title(manifest),
        "language": [manifest.language],
        **_licence_fields(manifest.licence),
        "annotations_creators": creators,
        "language_creators": creators,
        "multilinguality": ["translation" if manifest.origin == "translated" else "monolingual"],
        "size_categories": [next((name for size, name in _SIZES if manifest.n < size), "n>10M")],
        "source_datasets": ["original"],
        "task_categories": [_TASK_CATEGORIES[manifest.format]],
        "tags": ["synthgen", manifest.origin, manifest.task],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}],
    }
    return "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())


def _licence_fields(licence: str) -> dict[str, str]:
    """Return the front matter of a licence: its SPDX-like id, or `other` with its terms as the name."""
    is_id = licence == licence.casefold() and " " not in licence
    return {"license": licence} if is_id else {"license": "other", "license_name": licence}


def _title(manifest: Manifest) -> str:
    return f"{manifest.task}, {manifest.origin}, {manifest.n:,} examples ({manifest.language})"


def _table_cell(value: object) -> str:
    """Return a value as one Markdown table cell: no pipes, no line ends."""
    return str(value).replace("|", "\\|").replace("\n", " ")
