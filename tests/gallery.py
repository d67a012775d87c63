"""The gallery of published cards: `python -m tests.gallery [DIR NAME]` writes `data_cards/README.md`.

With a finished set and a name it first takes the set's card, manifest and pictures into `data_cards/NAME/`, without
its rows. Everything there is a view of its manifest: it is made again here, and `tests/test_gallery.py` compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

from synthgen.cards.card import views
from synthgen.dataset import MANIFEST_NAME, Manifest, read_manifest
from synthgen.publishing.secrets import leaks, secret_patterns
from synthgen.publishing.verify import verify

CHECKOUT = Path(__file__).resolve().parents[1]

CARDS = CHECKOUT / "data_cards"
_HEAD = """# Cards of sets made by this software

Each folder holds the card, the manifest, the Croissant file and the pictures of a real run on this project's small
machine; the rows are not in the repository. `synthgen card DIR --verify` recomputes all of it where the rows are.

| set | task | origin | language | rows | asked | model | licence |
| --- | --- | --- | --- | --: | --: | --- | --- |
"""


def card_folders() -> list[Path]:
    """Return the folders of published cards by name."""
    return sorted(path.parent for path in CARDS.glob(f"*/{MANIFEST_NAME}"))


def gallery() -> str:
    """Return the text of the gallery: a table, then a picture of each set."""
    sets = [(folder.name, read_manifest(folder)) for folder in card_folders()]
    rows = [f"| [{name}]({name}/README.md) | {_facts(manifest)} |" for name, manifest in sets]
    pictures = [f"## {name}\n\n![{name}: from asked to kept]({name}/figures/funnel.svg)\n" for name, _ in sets]
    return _HEAD + "\n".join(rows) + "\n\n" + "\n".join(pictures)


def _facts(m: Manifest) -> str:
    model = f"`{m.model['ref']}`" if m.model else "none"
    return " | ".join([m.task, m.origin, m.language, f"{m.kept:,}", f"{m.asked:,}", model, m.licence.replace("|", "/")])


def take(folder: Path, name: str) -> None:
    """Copy a verified set's views into the gallery; exits with what is wrong with it."""
    faults = [*verify(folder).faults, *leaks(folder, [MANIFEST_NAME, *views(read_manifest(folder))], secret_patterns())]
    if faults:
        sys.exit("; ".join(faults))
    for file in (MANIFEST_NAME, *views(read_manifest(folder))):
        target = CARDS / name / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((folder / file).read_bytes())


if __name__ == "__main__":
    if len(sys.argv) == 3:
        take(Path(sys.argv[1]), sys.argv[2])
    for folder in card_folders():
        for name, text in views(read_manifest(folder)).items():
            (folder / name).write_text(text, encoding="utf-8")
    (CARDS / "README.md").write_text(gallery(), encoding="utf-8")
