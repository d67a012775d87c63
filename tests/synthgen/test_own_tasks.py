"""Task files of the user's own: skeletons, faults, and everything that follows after `make`."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

import synthgen
from evaluator.experiment.arms import parse_arms
from synthgen.cards.card import check
from synthgen.corpora.any_folder import open_set
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import read_manifest, read_rows
from synthgen.engines import Request
from synthgen.errors import UserError
from synthgen.formats import FORMATS
from synthgen.task.own_task import check_task, new_task
from synthgen.task.registry import load_task
from tests.synthgen.conftest import make_scripted, parquet_folder
from tests.synthgen.translators import Backwards

GOOD = """+++
title = "A task"
format = "pair"
columns = ["question", "reply", "label"]
language = "en"
real_size = 4
licence = "mit"
source = "nobody"
stem = "question"
[label_counts]
answers = 2
avoids = 2
[per_stem]
answers = 1
avoids = 1
[definitions]
answers = "it answers"
avoids = "it does not"
[conditions]
min_words = { question = 2 }
max_words = { reply = 20 }
[attributes]
topic = ["a train", "a lamp"]
[steps.question]
max_tokens = 20
[steps.reply]
temperature = 0.5
[[shots.answers]]
question = "When does it leave?"
reply = "It leaves at noon."
[[shots.avoids]]
question = "When does it leave?"
reply = "It is a red train."
+++
## question
{% for shot in shots %}{{ shot.question }}
{% endfor %}{{ topic }}:
## reply
{{ question }} {{ definition }}:
"""

CHOICE = [
    ('format = "pair"', 'format = "choice"'),
    ('columns = ["question", "reply", "label"]', 'columns = ["context", "question", "answer0", "answer1", "label"]'),
]

BROKEN: list[tuple[list[tuple[str, str]], list[str]]] = [
    ([("title =", "titel =")], ["1: missing key 'title'", "2: unknown key 'titel'; did you mean 'title'?"]),
    ([('title = "A task"', 'title = " "')], ["2: title is ' '; expected text that is not empty"]),
    ([('format = "pair"', 'format = "pairs"')], ["3: unknown format 'pairs'; did you mean 'pair'?"]),
    ([('language = "en"', 'language = "english"')], ["5: language english is not a language code; did you mean 'en'"]),
    ([('language = "en"', 'language = "deu"')], ["5: language is 'deu'; expected 'de'"]),
    ([("real_size = 4", "real_size = 5")], ["10: label counts sum to 4, real_size is 5"]),
    ([("real_size = 4", 'real_size = "4"')], ["6: real_size is '4'; expected int from 1"]),
    ([('"reply", "label"]', '"reply"]')], ["4: columns are question, reply; expected two texts and 'label'"]),
    ([('stem = "question"', 'stem = "reply"')], ["9: stem 'reply' is not the first step: question, reply"]),
    ([('stem = "question"\n', "")], ["12: per_stem without stem"]),
    ([("avoids = 1\n", "")], ["13: per_stem lacks avoids"]),
    ([("avoids = 1", "avoid = 1")], ["13: per_stem lacks avoids", "15: unknown label 'avoid'; did you mean 'avoids'?"]),
    ([('answers = "it answers"', 'anwsers = "it"')], ["17: unknown label 'anwsers'; did you mean 'answers'?"]),
    ([("min_words =", "least_words =")], ["20: unknown condition 'least_words'; did you mean 'max_words'?"]),
    ([("{ question = 2 }", "{ questions = 2 }")], ["20: condition min_words: unknown text 'questions'; did you mean"]),
    ([("{ reply = 20 }", "{ reply = 0 }")], ["21: condition max_words is {'reply': 0}; expected table of int from 1"]),
    (
        [("min_words = { question = 2 }", "min_words = { reply = 30 }")],
        ["20: condition min_words: reply from 30, but 20 at most", *["reply too short"] * 2],
    ),
    ([("max_words = {", "max_option_ratio = 2\nmax_words = {")], ["21: condition max_option_ratio: only the format"]),
    ([('topic = ["a train", "a lamp"]', "topic = []")], ["23: attribute topic is []; expected list of text, or table"]),
    ([("topic = [", 'label = ["x"]\ntopic = [')], ["23: attribute label has the name of a variable"]),
    ([("max_tokens = 20", "max_token = 20")], ["25: step 'question': unknown key 'max_token'; did you mean"]),
    ([("max_tokens = 20", "max_tokens = 2.5")], ["25: step 'question': max_tokens is 2.5; expected int from 1"]),
    ([("temperature = 0.5", 'labels = ["answer"]')], ["27: step 'reply': unknown label 'answer'; did you mean"]),
    ([("## reply", "## replies")], ["26: step 'reply' has no section", "38: section 'replies' has no [steps.replies]"]),
    ([("{{ topic }}", "{{ topics }}")], ["35: step 'question': unknown variable 'topics'; did you mean 'topic'?"]),
    ([("{{ topic }}", "{{ topic")], ["35: template of 'question': "]),
    ([("shot.question", "shot.questoin")], ["35: template of 'question' for answers, avoids: 'dict object' has no"]),
    ([("## reply\n", "## reply\n{{ 1 / 0 }}")], ["38: template of 'reply' for answers, avoids: ZeroDivisionError"]),
    ([("{{ question }} {{ definition }}:\n", "")], ["38: section 'reply' is empty"]),
    (
        [("[steps.reply]", "[steps.replay]"), ("## reply", "## replay")],
        ["21: condition max_words: unknown text 'reply'", "24: no step gives 'reply' to answers, avoids"],
    ),
    (
        [('reply = "It leaves at noon."', 'repley = "It."')],
        ["28: example 1 of answers: unknown text 'repley'; did you mean 'reply'?", "28: example 1 of answers: no text"],
    ),
    (
        [('reply = "It leaves at noon."', 'reply = "When does it leave?"')],
        ["28: example 1 of answers: both texts equal"],
    ),
    ([("avoids = 2", "avoids = 2 3")], ["12: 'avoids = 2 3' is not TOML"]),
    ([('title = "A task"', 'title = "A task')], ["2: 'title = \"A task' is not TOML"]),
    ([("avoids = 2", "avoids = 2\navoids = 3")], ["13: 'avoids = 3' is not TOML"]),
    ([("+++\n## question", "+++\nHello\n## question")], ["35: text before the first section"]),
    (
        [("## reply", "## question")],
        ["26: step 'reply' has no section", "38: section 'question' stands on line 35 already"],
    ),
    (
        [*CHOICE, ("[[shots.answers]]", "[[shots.any]]")],
        [
            *(f"24: no step gives '{name}'" for name in ("context", "answer", "distractor1")),
            *(f"28: example 1 of any: no text '{name}'" for name in ("context", "answer", "distractor1")),
            *(f"31: example 1 of avoids: no text '{name}'" for name in ("context", "answer", "distractor1")),
        ],
    ),
    ([("+++\ntitle", "title")], ["1: no header; a task file starts with a line +++"]),
    (
        [
            ("title =", "titel ="),
            ('language = "en"', 'language = "jp"'),
            ("max_words", "most_words"),
            ("max_tokens = 20", "max_tokens = 0"),
            ('reply = "It is a red train."', 'reply = ""'),
            ("shot.question", "shot.text"),
            ("{{ definition }}", "{{ definiton }}"),
        ],
        [
            "1: missing key 'title'",
            "2: unknown key 'titel'",
            "5: language jp is not a language code; did you mean 'ja'",
            "21: unknown condition 'most_words'; did you mean 'm",
            "25: step 'question': max_tokens is 0",
            "31: example 1 of avoids: ",
            "35: template of 'question' for answers, avoids",
            "38: step 'reply': unknown variable 'definiton'; did you mean 'definition'?",
        ],
    ),
    (
        [
            ('format = "pair"', "format = pair"),
            ("avoids = 1", "avoids = one"),
            ("temperature = 0.5", "temperature = -1"),
            ("## question", "## query"),
        ],
        [
            "3: 'format = pair' is not TOML",
            "15: 'avoids = one' is not TOML",
            "24: step 'question' has no section",
            "27: step 'reply': temperature is -1; expected float",
            "35: section 'query' has no [steps.query]",
        ],
    ),
]
"""Changes to the good file, and what has to be said of them, all in one answer."""


def faults_of(folder: Path, changes: list[tuple[str, str]]) -> tuple[str, ...]:
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "mine.md"
    path.write_text(text, encoding="utf-8")
    return tuple(fault.removeprefix(f"{path}:") for fault in check_task(path).faults)


def test_the_good_file_has_no_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path, []) == ()


@pytest.mark.parametrize("case", range(len(BROKEN)))
def test_a_broken_file_gets_its_faults_with_line_value_and_what_is_allowed(case: int, tmp_path: Path) -> None:
    changes, expected = BROKEN[case]
    faults = faults_of(tmp_path, changes)
    assert len(faults) == len(expected), faults
    for fault, said in zip(faults, expected, strict=True):
        assert re.match(r"\d+: ", fault)
        assert said in fault


@pytest.mark.parametrize("format_", FORMATS)
def test_a_new_file_is_in_order_and_each_entry_is_explained(format_: str, tmp_path: Path) -> None:
    path = new_task(format_, tmp_path / f"my_{format_}.md")
    assert check_task(path).faults == ()
    assert load_task(str(path)).format.name == format_
    lines = path.read_text(encoding="utf-8").split("\n")
    assert sum(line.startswith("#") and not line.startswith("##") for line in lines) > 10


def test_a_new_file_that_finds_no_room_is_not_left_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*mine\.md"):
        new_task("pair", tmp_path / "mine.md")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    assert new_task("pair", tmp_path / "mine.md").is_file()
    with pytest.raises(UserError, match="File exists"):
        new_task("pair", tmp_path / "mine.md")


def write(folder: Path, name: str = "mine.md", text: str = GOOD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.md", "no task file at .*nowhere.md$"),
        ("folder.md", "no task file at .*folder.md, which is a folder"),
        ("mnli.md", "there is a task 'mnli' already; give the file another name"),
        ("my task.md", "the file's name is the task's; allowed: letters"),
        ("latin.md", "the task file .*latin.md is not UTF-8: .*; convert it"),
    ],
)
def test_a_file_that_can_be_no_task_is_refused_in_one_line_by_every_command(
    name: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.md").mkdir()
    for each in ("mnli.md", "my task.md"):
        write(tmp_path, each)
    (tmp_path / "latin.md").write_bytes(GOOD.replace("lamp", "l\u00e4mp").encode("latin-1"))
    ref, out = str(tmp_path / name), tmp_path / "out"
    for call in (
        lambda: synthgen.make(ref, n=2, out=out, engine="scripted", model=str(tmp_path)),
        lambda: synthgen.import_task(ref, source=tmp_path / "folder.md", out=out),
        lambda: synthgen.filter(tmp_path / "folder.md", out=out, origin="real", task=ref),
    ):
        with pytest.raises(UserError, match=said):
            call()


def test_a_file_of_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert check_task(path).faults == ()


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from synthgen.cli.commands import main; main()"
    python = [sys.executable, "-c", code, *words]
    return subprocess.run(python, capture_output=True, text=True, check=False, env=os.environ | environment)


@pytest.mark.slow
def test_new_and_check_are_options_of_tasks(tmp_path: Path) -> None:
    path = str(tmp_path / "mine.md")
    assert path in command("tasks", "--new", "pair", path).stdout
    assert "has no faults" in command("tasks", "--check", path).stdout
    again = command("tasks", "--new", "pair", path)
    assert again.returncode == 2
    assert "File exists" in " ".join(again.stderr.split())
    write(tmp_path, text=GOOD.replace("title", "titel", 1))
    done = command("tasks", "--check", path, "--json")
    assert done.returncode == 2
    assert [fault.partition(": ")[2][:11] for fault in json.loads(done.stdout)["faults"]] == [
        "missing key",
        "unknown key",
    ]
    for words in (("--new", "pear", path), ("--new", "pair"), (path,)):
        assert command("tasks", *words).returncode == 2


def test_tasks_of_another_package_come_after_the_nine_and_their_package_is_not_imported(tmp_path: Path) -> None:
    write(tmp_path / "their_tasks", "zebra.md")
    (tmp_path / "their_tasks" / "__init__.py").write_text("raise SystemExit(9)\n")
    info = tmp_path / "their_tasks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-tasks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[synthgen.tasks]\ntheirs = their_tasks\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    names = [task["name"] for task in json.loads(command("tasks", "--json", PYTHONPATH=path).stdout)]
    assert names == [*(task["name"] for task in synthgen.tasks()), "zebra"]
    (info / "entry_points.txt").write_text("[synthgen.tasks]\ntheirs = no_such_tasks\n")
    done = command("tasks", PYTHONPATH=path)
    assert done.returncode == 2
    said = "entry point theirs = no_such_tasks of their-tasks (group synthgen.tasks): there is no such package"
    assert said in " ".join(done.stderr.split())


def test_a_folder_of_tasks_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = command("tasks", SYNTHGEN_TASKS=str(tmp_path / "gone"))
    assert done.returncode == 2
    assert "SYNTHGEN_TASKS names" in done.stderr


def reply(request: Request) -> str:
    draw = Random(repr((request.nonce, request.tag[1])))
    names = ["river", "museum", "garden", "council", "winter", "doctor", "bridge", "station", "lawyer"]
    return " ".join(f"{draw.choice(names)}{draw.randrange(99)}" for _ in range(8)) + "?"


@pytest.fixture(scope="module")
def without_its_file(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set of an own task, whose file is gone."""
    folder = tmp_path_factory.mktemp("own")
    path = write(folder)
    make_scripted(tiny_model, folder / "set", reply, task=str(path), n=20)
    path.unlink()
    return folder / "set"


def test_everything_after_make_works_where_the_file_of_the_task_is_gone(without_its_file: Path, tmp_path: Path) -> None:
    manifest = read_manifest(without_its_file)
    assert (manifest.task, manifest.kept, manifest.label_counts) == ("mine", 20, {"answers": 10, "avoids": 10})
    clean = synthgen.filter(without_its_file, out=tmp_path / "clean")
    (translated,) = synthgen.translate(without_its_file, to="tlh", out=tmp_path / "tlh", backend=Backwards())
    for folder in (without_its_file, tmp_path / "clean", tmp_path / "tlh"):
        synthgen.inspect(folder)
        synthgen.card(folder)
        assert check(folder) == []
        assert synthgen.verify(folder).faults == ()
        assert open_set(folder).definitions == {"answers": "it answers", "avoids": "it does not"}
    assert synthgen.publish(tmp_path / "clean", to=tmp_path / "public", dry_run=True)
    assert synthgen.why(without_its_file, next(iter(read_rows(without_its_file)))["id"])["verdict"] == "kept"
    assert (clean.task, translated.task, clean.definitions) == ("mine", "mine", manifest.definitions)
    arms = parse_arms(["none=none", f"a={without_its_file}:4+{tmp_path / 'clean'}:4"])
    assert [part.manifest.task for part in arms[1].parts] == ["mine", "mine"]


def test_real_rows_of_an_own_task_come_in_by_their_columns_and_carry_its_definitions(tmp_path: Path) -> None:
    task = str(write(tmp_path))
    rows = [{"q": f"When is it {i}?", "r": f"At {i} it rains.", "gold": "yes" if i % 2 else "no"} for i in range(12)]
    (tmp_path / "theirs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    given = {"columns": ["question=q", "reply=r", "label=gold"], "labels": ["yes=answers", "no=avoids"]}
    source, out = tmp_path / "theirs.jsonl", tmp_path / "real"
    manifest = import_task(task, source=source, out=out, n=8, licence="CC0-1.0", **given)
    assert (manifest.task, manifest.label_counts) == ("mine", {"answers": 4, "avoids": 4})
    assert "import mine.md --from" in manifest.command
    assert str(tmp_path) not in (out / "synthgen.json").read_text(encoding="utf-8")
    Path(task).unlink()
    assert synthgen.verify(out).faults == ()
    assert open_set(out).definitions["avoids"] == "it does not"
    assert synthgen.filter(out, out=tmp_path / "clean").definitions == manifest.definitions


def test_somebodys_parquet_is_filtered_as_rows_of_an_own_task(tmp_path: Path) -> None:
    rows = [{"question": f"When is it {i}?", "reply": f"At {i} it rains in town.", "label": i % 2} for i in range(12)]
    folder = parquet_folder(tmp_path / "theirs", rows)
    task = str(write(tmp_path))
    manifest = synthgen.filter(folder, out=tmp_path / "clean", origin="synthetic", task=task, language="en")
    assert (manifest.task, manifest.definitions["answers"]) == ("mine", "it answers")
    with pytest.raises(UserError, match="fit no task"):
        synthgen.filter(folder, out=tmp_path / "other", origin="synthetic", language="en")


def test_tagged_rows_of_an_own_task_need_its_tag_set(tmp_path: Path) -> None:
    path = new_task("tags", tmp_path / "names.md")
    (tmp_path / "theirs.tsv").write_text("Ann\tB-PER\nsleeps\tO\n\nRome\tB-LOC\nburns\tO\n", encoding="utf-8")
    manifest = import_task(str(path), source=tmp_path / "theirs.tsv", out=tmp_path / "real", language="en")
    assert (manifest.kept, manifest.columns) == (2, ("tokens", "ner_tags"))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("tags = [", "# tags = ["), encoding="utf-8")
    with pytest.raises(UserError, match="the file of names names no tags; add the tag set"):
        import_task(str(path), source=tmp_path / "theirs.tsv", out=tmp_path / "again", language="en")


def test_an_own_task_without_steps_is_for_import_alone(tmp_path: Path) -> None:
    text = GOOD.partition("[steps.question]")[0].replace('stem = "question"\n', "").partition("[per_stem]")[0] + "+++\n"
    path = write(tmp_path, text=text)
    assert check_task(path).faults == ()
    with pytest.raises(UserError, match=r"mine has no \[steps\] to generate rows with"):
        synthgen.make(str(path), n=2, out=tmp_path / "out", model=str(tmp_path))
