"""`evaluator plan --assume`: hours and money from row counts, without data, models or a GPU."""

import json
from pathlib import Path
from typing import Any

import pytest

import evaluator
from evaluator.benchmark.registry import load_all
from evaluator.cli.commands import print_plan
from evaluator.sweep.assumed import assumptions
from synthgen.errors import UserError
from synthgen.runtime.typer_command import Arguments
from tests.evaluator.conftest import TINY_RECIPE

NOTHING = {"data_root": "no-such-folder", "seeds": 2}


def test_hours_and_money_need_no_data_no_model_and_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = evaluator.plan(
        ["none=none", "real=mnli:392702"], targets=["xnli", "tatoeba"], assume="h100", price_per_hour=2.0, **NOTHING
    )
    low, high = plan["device_hours_between"]
    assert 0 < low < high
    assert plan["money_between"] == pytest.approx([2 * low, 2 * high], abs=0.02)
    runs = {job["label"]: job["runs"] for job in plan["jobs"]}
    assert runs == {
        "none xnli": 2,
        "none tatoeba": 1,  # the same encoder for every seed
        "real 392,702 intermediate": 2,
        "real 392,702 xnli": 2,
        "real 392,702 tatoeba": 2,
    }
    assert plan["runs"] == 9
    steps = {job["label"]: job["steps"] for job in plan["jobs"]}
    assert steps["real 392,702 intermediate"] == 12_272 * 3, "three epochs of 392,702 rows, 32 a step"
    assert list(tmp_path.iterdir()) == []


def test_a_slower_device_and_a_larger_encoder_take_longer() -> None:
    def hours(device: str, model: str = "FacebookAI/xlm-roberta-base") -> list[float]:
        plan = evaluator.plan(["none=none"], targets=["xquad"], assume=device, model=model, **NOTHING)
        return list(plan["device_hours_between"])

    assert hours("h100")[1] < hours("l4")[1] < hours("t4")[1]
    assert hours("a100")[0] < hours("a100", "FacebookAI/xlm-roberta-large")[0]


@pytest.mark.slow
def test_updates_and_rows_are_those_of_a_real_plan(
    tmp_path: Path, datasets: dict[str, Path], samples: Path, tiny_model: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE)
    common: dict[str, Any] = {"targets": ["udpos"], "languages": ["es"], "sizes": [8, "full"], "seeds": 1}
    common |= {"model": str(tiny_model), "recipe": str(tmp_path / "tiny.toml"), "store": tmp_path / "store"}
    for match in ("epochs", "updates"):
        here = evaluator.plan([f"real={datasets['real']}"], data_root=samples, match=match, **common)
        assumed = evaluator.plan([f"real={datasets['real']}"], assume="l4", match=match, **common)
        steps = [[j["steps"] for j in plan["jobs"] if "udpos" not in j["label"]] for plan in (here, assumed)]
        assert sorted(steps[0]) == sorted(steps[1])


@pytest.mark.parametrize(
    ("arm", "more", "message"),
    [
        ("real=mnli:100", {"assume": "h1000"}, "unknown device 'h1000'.*h100"),
        (
            "real=mnli",
            {},
            "'mnli' is neither a finished dataset folder nor a task with a number of rows, such as real=mnli:100000",
        ),
        ("real=mnlu:100", {}, "unknown task or format 'mnlu'.*'mnli'"),
        ("real=mnli:50%", {}, "neither a finished dataset folder"),
        ("real=mnli:100", {"sizes": [200]}, "arm 'real' has 100 rows; size 200 needs 200"),
    ],
)
def test_what_cannot_be_assumed_is_one_line(arm: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluator.plan([arm], **{"targets": ["udpos"], "assume": "h100", **NOTHING, **more})


def test_every_target_of_the_package_has_assumed_sizes() -> None:
    assert {target.name for target in load_all()} == assumptions()["targets"].keys()


def test_the_plan_is_printed_with_its_range(capsys: pytest.CaptureFixture[str]) -> None:
    plan = evaluator.plan(["none=none"], targets=["udpos"], assume="h100", price_per_hour=2.5, **NOTHING)
    json.dumps(plan)
    print_plan(plan, Arguments({"price_per_hour": 2.5}))
    shown = capsys.readouterr().out
    assert "hours on one h100" in shown
    assert "not measured" in shown
    assert "at 2.5 per hour" in shown
