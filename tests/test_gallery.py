"""The published cards are what their manifests say, and the gallery shows all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synthgen.cards.card import card_faults, views
from synthgen.cards.disclosures import disclose
from synthgen.dataset import read_manifest
from synthgen.dataset.licences import forbidden, parts_of
from synthgen.dataset.schemas import faults
from tests.gallery import CARDS, card_folders, gallery


@pytest.mark.parametrize("folder", card_folders(), ids=lambda folder: folder.name)
def test_a_published_card_is_the_view_of_its_manifest(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert faults(json.loads(manifest.to_json()), "manifest") == []
    assert forbidden(manifest.licence, parts_of(manifest.model, manifest.parents)) == []
    for name, text in views(manifest).items():
        assert (folder / name).read_text(encoding="utf-8") == text, f"python -m tests.gallery: {folder.name}/{name}"
    assert card_faults(views(manifest)["README.md"], disclosed=[a.title for a in disclose(manifest).values()]) == []


def test_the_gallery_is_that_of_the_folders() -> None:
    assert (CARDS / "README.md").read_text(encoding="utf-8") == gallery(), "run python -m tests.gallery"
