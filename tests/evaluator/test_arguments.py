"""Every argument of a command is checked before a model is resolved, data are fetched or anything is trained.

The model named in these tests is nowhere: a command that went on to resolve it would say so instead.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import evaluator
from evaluator.benchmark.registry import find
from evaluator.benchmark.target import DataRoot
from evaluator.experiment.arguments import Arguments, select_languages, select_targets
from evaluator.experiment.call import arguments_of
from evaluator.experiment.definition import define
from evaluator.experiment.graph import build
from evaluator.experiment.jobs import TargetJob
from evaluator.experiment.recipe import PHANG2020
from synthgen.errors import UserError

Place = Callable[[Path], Any]


@pytest.fixture
def arguments(samples: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "targets": ["xnli", "udpos"],
        "languages": ["en", "es"],
        "seeds": 1,
        "model": str(tmp_path / "nowhere"),
        "recipe": "small",
        "data_root": samples,
        "store": tmp_path / "store",
    }


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A folder with a file, a page that is a folder, and stores that are none."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "page.html").mkdir()
    for name, text in {"newer": '{"version": 99, "models": {}}', "torn": "{", "list": "[]"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "store.json").write_text(text, encoding="utf-8")
    (tmp_path / "words.toml").write_text('[stages.xnli]\nepochs = "two"\n', encoding="utf-8")
    (tmp_path / "list.toml").write_text("stages = [1]\n", encoding="utf-8")
    (tmp_path / "nan.toml").write_text("[stages.xnli]\nlearning_rate = nan\n", encoding="utf-8")
    (tmp_path / "none.toml").write_text("tokens_per_batch = 0\n", encoding="utf-8")
    return tmp_path


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"targets": []}, "no target is given; give --targets NAME,… or --targets all"),
    ({"targets": ["xnly"]}, "unknown target 'xnly'; did you mean 'xnli'?"),
    ({"languages": ["en", "xx"]}, "unknown language 'xx' in targets xnli, udpos"),
    ({"languages": ["es", "xnly:en"]}, "unknown target 'xnly' in --languages; did you mean 'xnli'?"),
    ({"languages": ["es", "xnli:xx"]}, "unknown language 'xx' in target"),
    ({"targets": ["xnli", "tatoeba"], "languages": ["en"]}, "target tatoeba has none of the languages en"),
    ({"split": "train"}, "unknown --split 'train'"),
    ({"match": "steps"}, "unknown --match 'steps'"),
    ({"select": "dev"}, "unknown --select 'dev'; did you mean 'en-dev'?"),
    ({"preset": "phang"}, "unknown --preset 'phang'; did you mean 'phang2020'?"),
    ({"seeds": 0}, "--seeds 0; allowed: at least one seed, no seed twice"),
    ({"seeds": "1,1"}, "--seeds 1,1; allowed: at least one seed, no seed twice"),
    ({"seeds": "3-"}, "--seeds 3-; allowed: a number of seeds from 1, such as 5, or a list, such as 0,2-4"),
    ({"seeds": "0-99999999999"}, "--seeds 0-99999999999; allowed: at least one seed, no seed twice, each below 1000"),
    ({"workers": 0}, "--workers 0; allowed: whole numbers from 1"),
    ({"price_per_hour": -1.0}, "--price-per-hour -1; allowed: amounts of money from 0"),
    ({"max_train_examples": 0}, "--max-train-examples 0; allowed: whole numbers from 1"),
    ({"max_eval_examples": -1}, "--max-eval-examples -1; allowed: whole numbers from 1"),
    ({"sizes": ["some"]}, "--sizes some; allowed: 'full', whole numbers from 1"),
    ({"sizes": [0]}, "--sizes 0; allowed: 'full', whole numbers from 1"),
    ({"sizes": [8, 99]}, r"arm 'real' has too few rows for size 99: .*real \(24 rows\); allowed: up to 24"),
    ({"recipe": "extreme"}, "unknown recipe 'extreme'; did you mean 'xtreme'?"),
    ({"ray": "somewhere"}, "--ray somewhere: not an address"),
    ({"ray": "127.0.0.1:9"}, "--ray 127.0.0.1:9: no Ray cluster answers there"),
    ({"store": "nowhere://x"}, "--store nowhere://x: Protocol not known"),
    ({"store": "/proc/store"}, "cannot write to --store /proc/store: No such file"),
]

WRONG_PLACES: list[tuple[str, str, str]] = [
    ("store", "file", "cannot write to --store .*file: Not a directory"),
    ("store", "file/store", "cannot write to --store .*file/store: Not a directory"),
    ("store", "newer", "newer is a store of version 99"),
    ("store", "torn", "torn is not a store: its store.json cannot be read"),
    ("store", "list", "list is not a store: its store.json cannot be read"),
    ("data_root", "absent", "no data root at .*absent: `evaluator data fetch --data-root .*absent"),
    (
        "data_root",
        "page.html",
        r"page.html is not complete: `evaluator data fetch .* --targets xnli.*` .* xnli lacks xnli/test-en\.tsv",
    ),
    ("recipe", "absent.toml", "cannot read the recipe .*absent.toml: No such file"),
    ("recipe", "words.toml", r"epochs = 'two' in \[stages.xnli\] of .*words.toml: expected a whole number"),
    ("recipe", "list.toml", r"stages in .*list.toml: expected a table \[stages.NAME\] for each stage"),
    ("recipe", "nan.toml", r"learning_rate = nan in \[stages.xnli\] of .*nan.toml: expected a number"),
    ("recipe", "none.toml", "a recipe needs tokens_per_batch >= 1"),
]

WRONG_OUTPUT: list[tuple[dict[str, Any], str]] = [
    ({"margin": 0}, "--margin 0: the equivalence margin is in points"),
    ({"margin": float("nan")}, "--margin nan: the equivalence margin is in points"),
    ({"primary": "real"}, "--primary real: expected two arms, such as synthetic:real"),
    ({"primary": ["real:reel"]}, "unknown arm 'reel' in --primary real:reel; did you mean 'real'?"),
    ({"primary": "real:real@500"}, "--primary real:real@500; allowed: two different arms"),
    ({"out": "report"}, r"--out report: the report is a page; give a name that ends in \.html"),
    ({"out": "/proc/report.html"}, "cannot write the report to /proc/report.html: No such file"),
]


@pytest.mark.parametrize("command", [evaluator.compare, evaluator.plan])
@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_value_is_refused_before_the_model_is_resolved(
    arguments: dict[str, Any], datasets: dict[str, Path], command: Callable[..., Any], change: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        command([f"real={datasets['real']}"], **{**arguments, **change})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("name", "place", "message"), WRONG_PLACES)
def test_a_wrong_place_is_refused_before_the_model_is_resolved(
    arguments: dict[str, Any], datasets: dict[str, Path], places: Path, name: str, place: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        evaluator.plan([f"real={datasets['real']}"], **{**arguments, name: str(places / place)})


@pytest.mark.parametrize(("change", "message"), WRONG_OUTPUT)
def test_a_report_that_could_not_be_written_is_refused_before_the_model_is_resolved(
    arguments: dict[str, Any], datasets: dict[str, Path], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        evaluator.compare([f"real={datasets['real']}"], **{**arguments, **change})


@pytest.mark.parametrize("place", ["page.html", "file/page.html"])
def test_a_page_that_is_a_folder_or_below_a_file_is_refused(
    arguments: dict[str, Any], datasets: dict[str, Path], places: Path, place: str
) -> None:
    with pytest.raises(UserError, match="cannot write the report to .*page.html: (it is a folder|Not a directory)"):
        evaluator.compare([f"real={datasets['real']}"], **arguments, out=places / place)


def test_the_preset_of_the_base_paper_sets_its_recipe_selection_and_targets(
    arguments: dict[str, Any], datasets: dict[str, Path]
) -> None:
    plain = {name: value for name, value in arguments.items() if name not in ("recipe", "targets")}
    given = [f"mnli={datasets['real']}"]
    chosen = arguments_of(Arguments, given, **plain, preset="phang2020")
    assert (chosen.recipe, chosen.select, tuple(chosen.targets)) == ("phang2020", "en-dev", ("xtreme9",))
    other = {"recipe": "small", "select": "last", "targets": ["xnli"]}
    named = arguments_of(Arguments, given, **plain, preset="phang2020", **other)
    assert (named.recipe, named.select, named.targets) == ("small", "last", ["xnli"])


IDLE: list[tuple[list[str], dict[str, Any], str]] = [
    (["none=none"], {"sizes": [8]}, "--sizes has no effect: no arm has intermediate data"),
    (["none=none"], {"match": "updates"}, "--match has no effect: no arm has intermediate data"),
    (["none=none"], {"keep_heads": True}, "--keep-heads has no effect: no arm trains on a dataset"),
    (
        ["none=none"],
        {"targets": ["tatoeba"], "select": "en-dev"},
        "--select has no effect: nothing is trained for tatoeba",
    ),
    (
        ["none=none"],
        {"targets": ["tatoeba"], "max_train_examples": 5},
        "--max-train-examples 5 has no effect",
    ),
    (
        ["none=none"],
        {"targets": ["tatoeba"], "keep_weights": True},
        "--keep-weights has no effect: nothing is trained",
    ),
]


@pytest.mark.parametrize(("arms", "change", "message"), IDLE)
def test_an_option_that_would_change_nothing_is_refused(
    arguments: dict[str, Any], arms: list[str], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        evaluator.compare(arms, **{**arguments, "languages": ["es"], **change})


def test_with_every_argument_right_the_model_is_what_is_missing(
    arguments: dict[str, Any], datasets: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no model at .*nowhere"):
        evaluator.compare([f"real={datasets['real']}"], **arguments, out=tmp_path / "out" / "report.html")
    assert not (tmp_path / "out").exists(), "nothing is made before everything is known to be right"
    assert not (tmp_path / "store").exists()


def test_plan_takes_the_arguments_of_compare_and_a_device_that_is_not_here() -> None:
    compared, planned = (inspect.signature(call).parameters for call in (evaluator.compare, evaluator.plan))
    assert [compared[name] for name in planned if name != "assume"] == [*planned.values()][:-1]
    assert set(compared) - set(planned) == {"out", "margin", "primary", "keep_weights", "track"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'target'"):
        evaluator.plan(["none=none"], target="xnli")  # type: ignore[call-arg]


def test_selection_by_the_recipe_is_that_of_xtremes_scripts_and_shares_models_with_the_last(
    arguments: dict[str, Any], datasets: dict[str, Path], tiny_model: Path
) -> None:
    chosen = {**arguments, "model": str(tiny_model), "recipe": "xtreme-base", "targets": ["xnli", "udpos", "tatoeba"]}

    def jobs(select: str) -> dict[str, TargetJob]:
        graph = build(define(Arguments([f"real={datasets['real']}"], **{**chosen, "seeds": 1, "select": select})))
        return {job.target: job for job in graph.jobs if isinstance(job, TargetJob)}

    by_recipe, last = jobs("recipe"), jobs("last")
    assert {name: job.select for name, job in by_recipe.items()} == {
        "xnli": "en-dev", "udpos": "en-dev", "tatoeba": "last",
    }  # fmt: skip
    assert by_recipe["tatoeba"].node.key == last["tatoeba"].node.key
    recipe = by_recipe["xnli"].recipe
    steps = {name: recipe.selection_of(name)["every_steps"] for name in ("xnli", "pawsx", "udpos", "panx", "xquad")}
    assert steps == {"xnli": 100, "pawsx": 200, "udpos": 500, "panx": 1000, "xquad": 1000}
    assert recipe.selection_of("xnli") == {"every_steps": 100, "examples": 0, "patience": 0}
    assert recipe.selection_of("xquad") == {"every_steps": 1000, "examples": 500, "patience": 30}
    assert (recipe.selects("panx"), recipe.selects("xquad")) == (True, False)
    assert PHANG2020.selects("xquad")


def test_all_development_items_choose_where_a_recipe_says_so(samples: Path) -> None:
    dev_items = pytest.importorskip("evaluator.training.checkpoint_selection").dev_items
    root, target = DataRoot(samples), find("xnli")
    assert len(dev_items(target, root, 0)) == len(target.load(root, "en", "dev")) > len(dev_items(target, root, 5)) == 5


def test_a_target_may_have_languages_of_its_own() -> None:
    targets = select_targets(["xnli", "udpos"])
    assert select_languages(targets, ["tr", "es", "xnli:sw", "xnli:en"]) == {
        "xnli": ("en", "sw"),
        "udpos": ("es", "tr"),
    }
    assert len(select_languages(targets, ["xnli:sw"])["udpos"]) == len(targets[1].languages)


def test_a_size_that_is_named_twice_or_is_the_full_one_is_one_run(
    arguments: dict[str, Any], datasets: dict[str, Path], tiny_model: Path
) -> None:
    chosen = {**arguments, "model": str(tiny_model), "sizes": ["full", 24, 8, "8"]}
    graph = build(define(Arguments([f"real={datasets['real']}"], **chosen)))
    cells = [(cell.arm.name, cell.size, cell.seed, cell.target.name, cell.language) for cell in graph.cells]
    assert len(cells) == len(set(cells)) == 2 * 2 * 2


def test_the_data_root_is_the_variables_or_the_folder_data_here(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNTHGEN_DATA", raising=False)
    with pytest.raises(UserError, match="no data root at data: `evaluator data fetch --data-root data` fetches"):
        evaluator.data_check()
    (tmp_path / "data").symlink_to(samples)
    here = evaluator.data_check(targets=["xnli"])
    assert here
    monkeypatch.setenv("SYNTHGEN_DATA", "elsewhere")
    with pytest.raises(UserError, match=r"no data root at elsewhere \(SYNTHGEN_DATA\)"):
        evaluator.data_check()
    assert evaluator.data_check(targets=["xnli"], data_root="data") == here


WRONG_TRAINING: list[tuple[dict[str, Any], str]] = [
    ({"seed": -1}, "--seed -1; allowed: whole numbers from 0"),
    ({"recipe": "extreme"}, "unknown recipe 'extreme'"),
    ({"out": "/proc/checkpoint"}, "cannot write to --out /proc/checkpoint"),
    ({"dataset": "nowhere"}, "no dataset folder at nowhere"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_TRAINING)
def test_train_checks_its_arguments_before_the_model_is_resolved(
    datasets: dict[str, Path], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    right = {"dataset": datasets["real"], "out": tmp_path / "out", "model": str(tmp_path / "nowhere")}
    with pytest.raises(UserError, match=message):
        evaluator.train(**{**right, **change})


def test_train_replaces_nothing_that_it_did_not_write(datasets: dict[str, Path], places: Path) -> None:
    for name in ("file", "newer"):
        with pytest.raises(UserError, match=f"--out .*{name} contains other files; give another folder"):
            evaluator.train(datasets["real"], out=places / name, model=str(places / "nowhere"))


def test_report_checks_where_it_writes_before_it_reads(places: Path) -> None:
    for out, margin, message in (
        ("page.html", 0.5, "it is a folder"),
        ("file/x.html", 0.5, "Not a directory"),
        ("x.html", 0, "--margin 0"),
    ):
        with pytest.raises(UserError, match=message):
            evaluator.report(places / "nowhere", out=places / out, margin=margin)


def test_score_checks_its_arguments_before_it_reads_data(samples: Path, tmp_path: Path) -> None:
    predictions = tmp_path / "predictions"
    with pytest.raises(UserError, match="no prediction file at .*predictions"):
        evaluator.score("xnli", language="en", predictions=predictions, data_root=tmp_path / "nowhere")
    with pytest.raises(UserError, match="unknown language 'xx' in target xnli"):
        evaluator.score("xnli", language="xx", predictions=predictions)
    with pytest.raises(UserError, match="unknown split 'train' in target xnli"):
        evaluator.score("xnli", language="en", predictions=predictions, split="train")


def test_fetch_checks_its_arguments_before_it_asks_the_hub(places: Path) -> None:
    with pytest.raises(UserError, match="unknown language 'xx' in targets xnli"):
        evaluator.data_fetch(data_root=places / "new", targets=["xnli"], languages=["de", "xx"])
    with pytest.raises(UserError, match="cannot write to --data-root .*file: Not a directory"):
        evaluator.data_fetch(data_root=places / "file", targets=["xnli"])
    assert not (places / "new").exists()


def test_a_store_that_knows_the_model_by_another_revision_is_refused_before_anything_is_counted(
    arguments: dict[str, Any], datasets: dict[str, Path], tiny_model: Path, tmp_path: Path
) -> None:
    head = {"version": 2, "models": {str(tiny_model): "another"}}
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text(json.dumps(head), encoding="utf-8")
    with pytest.raises(UserError, match="contains runs of .* at revision another"):
        evaluator.plan([f"real={datasets['real']}"], **{**arguments, "model": str(tiny_model)})


def test_a_wrong_arm_is_said_before_a_data_root_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no dataset folder at .*nowhere"):
        evaluator.plan(
            ["none=none", f"a={tmp_path / 'nowhere'}"], targets=["xnli"], data_root=tmp_path / "none", store=tmp_path
        )
