"""Contract of every translator: whole items in order, and facts that a manifest can hold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from synthgen.engines import Request
from synthgen.engines.scripted import ScriptedEngine
from synthgen.errors import UserError
from synthgen.models.packs import ResolvedModel
from synthgen.translation.backends.base import Backend, TranslationFailure
from synthgen.translation.backends.llm import LlmTranslator
from synthgen.translation.backends.registry import backend_specs, open_backend
from tests.synthgen import translators
from tests.synthgen.tiny_translators import save_opus

ITEMS = [
    ("The cat sat on the mat.", "A cat sat."),
    ("It rains.",),
    ("Ann runs. Bob, too, runs every day.", "Fast.", ""),
]


def reply(request: Request) -> str:
    texts = json.loads(request.prompt.split("\n\n")[1])
    return json.dumps({name: translators.backwards(text) for name, text in texts.items()})


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder for the backends that load one."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return save_opus(tmp_path_factory.mktemp("opus"))


def with_a_script(_: pytest.FixtureRequest) -> Backend:
    return LlmTranslator(ResolvedModel(Path(), "script", "1", "mit"), lambda: ScriptedEngine(reply))


def with_a_folder(prefix: str) -> Callable[[pytest.FixtureRequest], Backend]:
    def opened(request: pytest.FixtureRequest) -> Backend:
        pytest.importorskip("ctranslate2" if prefix == "ct2:" else "torch")
        return open_backend(f"{prefix}{request.getfixturevalue('opus')}")

    return opened


MODELS = {"llm": with_a_script, "ctranslate2": with_a_folder("ct2:"), "seq2seq": with_a_folder("")}
"""Of the backends without an example: one with a model that the tests have."""
SPECS = backend_specs() | {"backwards": translators.BACKEND}


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.model if spec.example.startswith("pack:") else ())
        for name, spec in SPECS.items()
    ]
)
def translator(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Backend, str, str]]:
    """Every backend of the registry, opened, with two languages that it knows."""
    spec = SPECS[request.param]
    assert spec.example or request.param in MODELS, "a backend needs an example that the contract can open"
    if not spec.example:
        monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path))
        backend = MODELS[request.param](request)
    elif spec is translators.BACKEND:
        backend = translators.Backwards()
    else:
        try:
            backend = open_backend(spec.example)
        except UserError as error:
            if "needs the program" not in str(error):
                raise
            pytest.skip(str(error))
    with closing(backend):
        yield backend, *spec.languages


def test_every_item_has_one_outcome_with_as_many_texts_in_its_place(translator: tuple[Backend, str, str]) -> None:
    backend, source, target = translator
    backend.check(source, target)
    together = backend.translate(ITEMS, source, target)
    assert len(together) == len(ITEMS)
    for item, outcome in zip(ITEMS, together, strict=True):
        assert isinstance(outcome, TranslationFailure) or len(outcome) == len(item)
    assert backend.translate([], source, target) == []
    assert all(count >= 0 for count in backend.spent())
    assert backend.spent() == (0, 0)


def test_what_the_manifest_says_of_a_translator_is_json(translator: tuple[Backend, str, str]) -> None:
    backend, *_ = translator
    assert all((backend.name, backend.ref, backend.revision, backend.licence))
    assert backend.items_at_once >= 1
    assert json.loads(json.dumps(backend.settings)) == backend.settings
    assert all(isinstance(version, str) for version in backend.versions.values())


@pytest.mark.parametrize("ref", ["llm:", "ct2:", "http://127.0.0.1:9/v1", "pack:smollm2-135m-instruct", "./nowhere"])
def test_a_reference_that_names_no_translator_is_one_line(ref: str) -> None:
    with pytest.raises(UserError) as error:
        open_backend(ref)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_file_in_the_folder_is_all_that_a_new_backend_takes(tmp_path: Path) -> None:
    source = Path(translators.__file__).read_text(encoding="utf-8")
    (tmp_path / "mirrored.py").write_text(source.replace('"backwards"', '"mirrored"'), encoding="utf-8")
    script = f"""
import pytest
from synthgen.translation import backends
from synthgen.translation.backends.registry import open_backend
backends.__path__.append({str(tmp_path)!r})
assert open_backend("mirrored").name == "mirrored"
raise SystemExit(pytest.main([{__file__!r}, "-q", "-n", "0", "-k", "mirrored", "-p", "no:cacheprovider"]))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout
