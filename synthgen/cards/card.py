"""The card of a dataset folder and its Croissant file, both views of the manifest that can be rendered again.

`card` writes them anew, `check` lists what a card fails to disclose; `publishing.verify` recomputes every number.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from jinja2 import StrictUndefined, Template, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from synthgen.cards.charts import figures
from synthgen.cards.croissant import CROISSANT_NAME, render_croissant
from synthgen.cards.disclosures import NOT_DONE, claims, disclose, lead
from synthgen.cards.front_matter import REQUIRED, front_matter, read_front_matter, title
from synthgen.dataset.folder import sweep_set
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.dataset.licences import licence_faults
from synthgen.dataset.manifest import Manifest, read_intact_manifest, read_manifest
from synthgen.dataset.schemas import faults
from synthgen.errors import UserError, shorten
from synthgen.runtime.files import write_atomically
from synthgen.text.escape import block, code, markdown

CARD_NAME = "README.md"
_TEMPLATE = Path(__file__).with_name("card_template.md")
_SECTION = re.compile(r"^## \d+\. ([^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def card(folder: Path) -> Path:
    """Write the card of a finished folder again from its manifest and return its path."""
    return write_card(folder, read_intact_manifest(folder))


def write_card(folder: Path, manifest: Manifest) -> Path:
    """Write `README.md` and `croissant.json` from the manifest; return the card's path.

    Raises UserError when a part of the set forbids the licence the manifest claims.
    """
    if objections := licence_faults(manifest.licence, manifest.model, manifest.parents):
        raise UserError("; ".join(objections))
    sweep_set(folder)
    for name, text in views(manifest).items():
        path = folder / name
        if path.parent != folder and path.parent.is_symlink():
            path.parent.unlink()  # nothing is written to where a link leads
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, text)
    return folder / CARD_NAME


def views(manifest: Manifest) -> dict[str, str]:
    """Return every file of the folder that is a view of the manifest, by name; UserError for values of wrong types."""
    with shown_values():
        drawn = {f"figures/{name}.svg": svg for name, svg in figures(manifest).items()}
        return {CARD_NAME: render_card(manifest), CROISSANT_NAME: render_croissant(manifest, title(manifest)), **drawn}


@contextmanager
def shown_values() -> Iterator[None]:
    """Turn what is raised where a manifest has values of wrong types, or lacks some, into a UserError."""
    try:
        yield
    except (AttributeError, KeyError, IndexError, TypeError, UndefinedError) as error:
        raise UserError(f"{MANIFEST_NAME} has a value that no card can show: {type(error).__name__}, {error}") from None


def render_card(manifest: Manifest) -> str:
    """Return the text of the card."""
    views = {"title": title(manifest), "front": front_matter(manifest), "figures": list(figures(manifest))}
    return _template().render(m=manifest, lead=lead(manifest), answers=disclose(manifest), **views).rstrip() + "\n"


@cache
def _template() -> Template:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"text": markdown, "code": code, "block": block}
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def check(folder: Path) -> list[str]:
    """Return what the card of a folder fails to disclose, one line each; empty when every disclosure is there."""
    lines: list[str] = []
    manifest = read_manifest(folder, faults=lines)
    lines += [f"{MANIFEST_NAME}: {fault}" for fault in faults(json.loads(manifest.to_json()), "manifest")]
    lines += licence_faults(manifest.licence, manifest.model, manifest.parents)
    missing = [name for name in (CROISSANT_NAME, CARD_NAME) if not (folder / name).is_file()]
    lines += [f"{name} is missing; synthgen card {folder.name} writes it" for name in missing]
    if CARD_NAME in missing:
        return lines
    try:
        text = (folder / CARD_NAME).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return [*lines, f"{CARD_NAME} is not UTF-8: {error.reason} at byte {error.start}"]
    lines += card_faults(text, disclosed=[answer.title for answer in disclose(manifest).values()])
    expected = views(manifest)[CARD_NAME]
    return lines + front_faults(text, expected) + claim_faults(text, expected)


def claim_faults(text: str, expected: str) -> list[str]:
    """Return which of the sentences that cards say a card has although its manifest does not give it."""
    claimed, right = (" ".join(each.split()) for each in (text, expected))
    unfounded = (claim for claim in claims() if claim in claimed and claim not in right)
    return [f"{CARD_NAME} claims '{claim}', and {MANIFEST_NAME} has no evidence for it" for claim in unfounded]


def way_out(folder: Path, faults: Sequence[str]) -> list[str]:
    """Return the command that mends faults of files that `card` writes; nothing where there are none."""
    is_written = any(fault.startswith((CARD_NAME, CROISSANT_NAME, "figures/")) for fault in faults)
    return [f"synthgen card {folder} writes the card and its files anew"] if is_written else []


def front_faults(text: str, expected: str) -> list[str]:
    """Return where the front matter of a card says something else than that of the expected card."""
    try:
        values, right = (read_front_matter(each, where=CARD_NAME) for each in (text, expected))
    except UserError:
        return []  # which `card_faults` has said
    lines = []
    for key in (each for each in right if each in values and values[each] != right[each]):
        value, other = (shorten(json.dumps(each[key], ensure_ascii=False)) for each in (values, right))
        lines.append(f"{CARD_NAME}: {key} is {value}; {MANIFEST_NAME} gives {other}")
    added = sorted(values.keys() - right)
    return lines + [f"{CARD_NAME}: the front matter has '{key}', which {MANIFEST_NAME} does not give" for key in added]


def card_faults(text: str, *, disclosed: list[str]) -> list[str]:
    """Return the faults of a card's text: front matter without a value, a disclosure that is missing, an empty cell."""
    try:
        front = read_front_matter(text, where=CARD_NAME)
    except UserError as error:
        return [str(error)]
    lines = [f"{CARD_NAME}: the front matter has no '{key}'" for key in REQUIRED if not front.get(key)]
    sections = dict(_SECTION.findall(text))
    for name in disclosed:
        body = sections.get(name, "").strip()
        if name not in sections:
            lines.append(f"{CARD_NAME}: the section '{name}' is missing")
        elif not body or body == NOT_DONE.strip():
            lines.append(f"{CARD_NAME}: the section '{name}' is empty; say 'not done: reason'")
        rows = (line for line in body.split("\n") if line.startswith("| ") and not set(line) <= set("| -"))
        empty = [row for row in rows if re.search(r"\|\s*(None|nan|undefined)?\s*\|$", row)]
        lines += [f"{CARD_NAME}: a field in '{name}' is empty: {row}" for row in empty]
    return lines
