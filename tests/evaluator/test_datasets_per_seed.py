"""Arms with a dataset for each seed: seeds then differ by their data too, and a claim is about what makes the data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluator.experiment.arguments import Arguments
from evaluator.experiment.arms import expanded, parse_arm, parse_arms
from evaluator.experiment.definition import define
from evaluator.experiment.file import parse_experiment
from evaluator.experiment.graph import build
from evaluator.experiment.jobs import IntermediateJob
from evaluator.reporting.inputs import arms_of_one_dataset
from evaluator.reporting.sentences import sentence
from evaluator.stats.comparison import compare_results
from evaluator.stats.results import Results
from synthgen.errors import UserError

from .conftest import write_pairs
from .experiments import make_rows


@pytest.fixture
def made(tmp_path: Path) -> str:
    """Three sets of one generator: of 24, 20 and 30 rows."""
    for number, rows in enumerate((24, 20, 30)):
        write_pairs(tmp_path / f"made/s{number}", rows, first=100 * number, origin="synthetic")
    return f"{tmp_path}/made/s{{0..2}}"


@pytest.fixture
def arguments(tiny_model: Path, tiny_recipe: str, samples: Path, tmp_path: Path) -> dict[str, Any]:
    common = {"targets": ["xnli"], "languages": ["en", "es"], "model": str(tiny_model), "recipe": tiny_recipe}
    return {**common, "seeds": 3, "data_root": samples, "store": tmp_path / "store"}


def stages(arms: list[str], arguments: dict[str, Any]) -> dict[tuple[str, int, int], IntermediateJob]:
    graph = build(define(Arguments(arms, **arguments)))
    return {(job.arm, job.rows, job.seed): job for job in graph.jobs if isinstance(job, IntermediateJob)}


def test_the_runs_of_a_seed_draw_from_its_dataset_and_all_have_as_many_rows(
    made: str, arguments: dict[str, Any]
) -> None:
    jobs = stages([f"synthetic={made}"], {**arguments, "sizes": [8, "full"]})
    folders = {(rows, seed): job.parts[0].folder.name for (_, rows, seed), job in jobs.items()}
    assert folders == {(rows, seed): f"s{seed}" for rows in (8, 20) for seed in range(3)}


def test_other_arms_keep_their_keys_and_a_seed_has_that_of_its_dataset_alone(
    made: str, datasets: dict[str, Path], arguments: dict[str, Any]
) -> None:
    real = f"real={datasets['real']}"
    chosen = {**arguments, "sizes": [8]}
    jobs, without = stages([real, f"synthetic={made}"], chosen), stages([real], chosen)
    alone = stages([f"synthetic={made.replace('{0..2}', '1')}"], chosen)
    assert all(jobs[key].node.key == job.node.key for key, job in without.items())
    assert jobs["synthetic", 8, 1].node.key == alone["synthetic", 8, 1].node.key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s={made}+{made2}", "as many in every part"),
        ("s={folder}/s{{0..0}}", "allowed: 2 to 1000 datasets"),
        ("s={folder}/s{{3..1}}", "allowed: 2 to 1000 datasets"),
        ("s={folder}/s{{0..5}}", "s3"),
        ("s=mlm:{folder}/s{{0..2}}.txt", "has no dataset for each seed"),
    ],
)
def test_datasets_that_cannot_be_counted_are_refused(text: str, said: str, made: str, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"made/s{number}.txt").write_text(f"Text {number}.\n", encoding="utf-8")
    filled = text.format(made=made, made2=made.replace("..2", "..1"), folder=tmp_path / "made")
    with pytest.raises(UserError, match=said):
        parse_arm(filled)


def test_a_seed_without_a_dataset_is_refused_before_anything_runs(made: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(
        UserError, match=r"arm 'synthetic' has no dataset for seed 3: it has 3 datasets, for seeds 0 to 2"
    ):
        define(Arguments([f"synthetic={made}"], **{**arguments, "seeds": 4}))


def test_braces_that_a_shell_has_expanded_are_explained(made: str) -> None:
    with pytest.raises(UserError, match=r"in quotes: 'synthetic=DATASET\{0\.\.4\}'"):
        parse_arms([f"synthetic={each}" for each in expanded(made, "")])


def test_an_experiment_file_names_the_datasets_of_a_step(made: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(
        '[data]\nmade = "made"\n[arms]\nsynthetic = "made/s{0..2}"\nother = "nowhere/s{0..1}"\n'.replace(
            '"made"', json.dumps(str(tmp_path / "made"))
        )
    )
    faults = [fault.message for fault in parse_experiment(path, ()).faults]
    assert len(faults) == 1
    assert "nowhere/s0" in faults[0]


def test_a_claim_about_one_generated_dataset_says_so_and_of_several_does_not() -> None:
    rows = [
        replace(row, value=min(100.0, row.value + 30) if row.arm == "synthetic" and row.value else row.value)
        for row in make_rows(targets=("xnli",), sizes=(1000,), with_items=False)
    ]
    arms = {"real": {"origin": "real"}, "synthetic": {"origin": "synthetic"}, "none": {"origin": None}, "odd": 3}
    one = arms_of_one_dataset(arms)
    several = arms_of_one_dataset({**arms, "synthetic": {"origin": "synthetic", "datasets": 5}})
    assert (one, several) == (["synthetic"], [])
    results = Results(tuple(rows), Path("made up"))
    pair = next(p for p in compare_results(results, one_dataset=one).headline() if {p.a, p.b} == {"real", "synthetic"})
    decided = replace(pair, reason=None, p_holm=0.0)
    assert sentence(decided).endswith(" Holds for this dataset only: all seeds of synthetic train on the same data.")
    assert "this dataset" not in sentence(replace(decided, one_dataset=()))
