"""The published schemas: valid themselves, and kept by what the commands print and write."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import synthgen
from synthgen.dataset import MANIFEST_NAME, Manifest, read_rejected
from synthgen.dataset.manifest import MANIFEST_HASH
from synthgen.dataset.schemas import faults, load_schema, schema_names
from synthgen.models.packs import PACKS
from tests.synthgen.conftest import make_scripted
from tests.synthgen.scripts import mostly

EVALUATOR_ONLY = {"results", "comparison", "targets", "score"}


@pytest.mark.parametrize("name", schema_names())
def test_every_published_schema_is_a_valid_schema(name: str) -> None:
    Draft202012Validator.check_schema(load_schema(name))


def test_the_manifest_schema_has_exactly_the_keys_of_a_manifest() -> None:
    assert set(load_schema("manifest")["properties"]) == {field.name for field in fields(Manifest)} | {MANIFEST_HASH}


def test_what_make_and_why_give_is_valid(tiny_model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_scripted(tiny_model, out, mostly(0.3, "No."), n=20)
    assert faults(json.loads((out / MANIFEST_NAME).read_text()), "manifest") == []
    rejected = next(read_rejected(out))
    assert faults(synthgen.why(out, rejected.id), "why") == []
    assert synthgen.why(out, rejected.id)["reason"] == rejected.reason


def test_what_tasks_and_packs_print_is_valid() -> None:
    assert faults(synthgen.tasks(), "tasks") == []
    assert faults([pack.facts() for pack in PACKS.values()], "packs") == []


def test_a_fault_names_its_place() -> None:
    assert faults([{"name": "mnli"}], "tasks")[0].startswith("0: ")


def test_every_schema_is_checked_somewhere() -> None:
    mentioned = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    unchecked = [name for name in schema_names() if f'"{name}"' not in mentioned and name not in EVALUATOR_ONLY]
    assert unchecked == []
