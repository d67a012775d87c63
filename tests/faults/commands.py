"""The commands that the faults are tried on, each on a small input, as functions of the folder that it may write to."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer

from evaluator.cli import commands as evaluator_commands
from evaluator.stats.results import write_results
from synthgen.cli import commands as synthgen_commands
from synthgen.corpora.import_corpus import import_task
from synthgen.engines.scripted import ScriptedEngine
from synthgen.generation.make import make
from synthgen.runtime.entry import carry_out
from synthgen.translation.command import translate
from tests.data import TINY_DATA_ROOT
from tests.evaluator.conftest import TINY_RECIPE, sentence, write_pairs, write_tiny_model
from tests.evaluator.experiments import make_rows
from tests.synthgen.conftest import model_folder
from tests.synthgen.scripts import mostly
from tests.synthgen.translators import Backwards

LABELS = ("entailment", "neutral", "contradiction")


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what is in its folder before, how it is run there, and which dataset folders it leaves."""

    name: str
    prepare: Callable[[Path], object]
    run: Callable[[Path], None]
    sets: tuple[str, ...] = ()


def commands(inputs: Path) -> list[Command]:
    """Return the commands; what they read is made in `inputs`."""
    inputs.mkdir(parents=True)
    corpus, pairs = _corpus(inputs / "multinli_1.0_train.jsonl"), inputs / "set"
    import_task("mnli", source=corpus, out=pairs)
    model, tiny = model_folder(inputs / "model"), write_tiny_model(inputs / "tiny", layers=1)
    real = write_pairs(inputs / "real", 12)
    recipe = inputs / "tiny.toml"
    recipe.write_text(TINY_RECIPE, encoding="utf-8")
    trained = ["--model", str(tiny), "--recipe", str(recipe)]
    experiment = _experiment(inputs / "experiment.toml", corpus, tiny, recipe)
    few = ["--targets", "xnli", "--languages", "es", "--seeds", "1", "--max-train-examples", "8"]
    few += ["--max-eval-examples", "6", "--data-root", str(TINY_DATA_ROOT)]
    rows = make_rows(arms=("none", "real"), sizes=(1_000,), seeds=2, targets=("xnli",), languages=("en", "de"))

    def copied(folder: Path) -> None:
        shutil.copytree(pairs, folder / "out")

    def results(folder: Path) -> None:
        write_results(folder / "results.jsonl", rows)

    return [
        Command("make", _nothing, partial(_make, model), ("out",)),
        Command("import", _nothing, _synthgen("import", "mnli", "--from", str(corpus), "--out", "out"), ("out",)),
        Command("filter", _nothing, _synthgen("filter", str(pairs), "--out", "out", "--processes", "1"), ("out",)),
        Command("translate", _nothing, partial(_translate, pairs), ("out",)),
        Command("card", copied, _synthgen("card", "out"), ("out",)),
        Command("inspect", copied, _synthgen("inspect", "out"), ("out",)),
        Command("publish", _nothing, _synthgen("publish", str(pairs), "--to", "./out"), ("out",)),
        Command("train", _nothing, _evaluator("train", str(real), "--out", "out", *trained)),
        Command(
            "compare",
            _nothing,
            _evaluator(
                "compare", "none=none", f"real={real}", *few, *trained, "--store", "store", "--out", "out/r.html"
            ),
        ),
        Command("run", _nothing, _evaluator("run", str(experiment)), ("out/real", "out/clean")),
        Command("report", results, _evaluator("report", "results.jsonl", "--out", "out/report.html")),
    ]


def _nothing(_: Path) -> None:
    """Begin with an empty folder."""


def _corpus(path: Path) -> Path:
    lines = []
    for number in range(24):
        texts = {"sentence1": sentence(number), "sentence2": sentence(number + 5)}
        lines.append(json.dumps(texts | {"gold_label": "-" if number % 8 == 7 else LABELS[number % 3]}))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _experiment(path: Path, corpus: Path, model: Path, recipe: Path) -> Path:
    paths = {"from": corpus, "model": model, "recipe": recipe, "data_root": TINY_DATA_ROOT}
    source, *options = (f"{name} = {json.dumps(str(value))}\n" for name, value in paths.items())
    sizes = 'targets = ["xnli"]\nlanguages = ["es"]\nseeds = 1\nmax_train_examples = 8\nmax_eval_examples = 6\n'
    data = f'[data.real]\nimport = "mnli"\n{source}[data.clean]\nfilter = "real"\nprocesses = 1\n'
    arms = '[arms]\nreal = "clean"\n'
    path.write_text(f'folder = "out"\n{"".join(options)}{sizes}{data}{arms}', encoding="utf-8")
    return path


def _synthgen(*arguments: str) -> Callable[[Path], None]:
    return partial(_main, synthgen_commands.app, ["synthgen", *arguments])


def _evaluator(*arguments: str) -> Callable[[Path], None]:
    return partial(_main, evaluator_commands.app, ["evaluator", *arguments])


def _main(app: typer.Typer, arguments: list[str], _: Path) -> None:
    sys.argv = arguments
    carry_out(app)


def _make(model: str, folder: Path) -> None:
    engine = ScriptedEngine(mostly(0.2, "no"), batch_size=4)
    options = {"n": 12, "model": model, "engine": "scripted", "decoding": "plain", "out": folder / "out"}
    carry_out(lambda **_: make("mnli", started_engine=engine, **options))  # type: ignore[arg-type]


def _translate(source: Path, folder: Path) -> None:
    options = {"to": "tlh", "out": folder / "out", "round_trip": 4}
    carry_out(lambda **_: translate(source, backend=Backwards(), **options))  # type: ignore[arg-type]
