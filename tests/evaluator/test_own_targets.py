"""Target files of the user's own, and the three that ship as such files: faults, layouts, metrics, keys."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import evaluator
from evaluator.benchmark.metrics.classification import accuracy, macro_f1
from evaluator.benchmark.own_target import check_target, new_target
from evaluator.benchmark.registry import AVERAGES, find, of_run, select, targets
from evaluator.benchmark.target import DataRoot, Split, UnlabelledError
from evaluator.benchmark.target_check import COLUMNS
from evaluator.benchmark.target_file import reading_hash
from evaluator.cli import commands as evaluator_cli
from evaluator.stats.item_bootstrap import metric_draws
from synthgen.cli import commands as synthgen_cli
from synthgen.errors import UserError
from tests.evaluator.conftest import sentence

GOOD = """title = "Topics"
format = "pair"
languages = "de en sw"
labels = ["sports", "politics", "science"]
metrics = ["accuracy", "macro_f1"]
licence = "CC0-1.0"
citation = "nobody"
is_parallel = true
average = "Ours"
train_source = "our sentences"
origin = "written for this test"
columns = { text_a = "text", label = "topic" }
train_sources = [{ paths = ["topics/train-en.jsonl"] }]
[sources]
test = [{ paths = ["topics/test-{language}.jsonl"] }]
dev = [{ paths = ["topics/dev-{language}.jsonl"] }]
[[hub_files]]
path = "topics/test-{language}.jsonl"
repository = "owner/topics"
split = "test"
"""
CHOICE = [('format = "pair"', 'format = "choice"'), ('["accuracy", "macro_f1"]', '["accuracy"]')]
TEXT = '{ text_a = "text", label = "topic" }'

BROKEN: list[tuple[list[tuple[str, str]], list[str]]] = [
    ([("title =", "titel =")], ["1: unknown key 'titel'; did you mean 'title'?", "1: missing key 'title'"]),
    ([('title = "Topics"', 'title = ""')], ["1: title is ''; expected text that is not empty"]),
    ([('licence = "CC0-1.0"\n', "")], ["1: missing key 'licence'"]),
    (
        [('format = "pair"', 'format = "pairs"')],
        ["2: unknown format 'pairs'; did you mean 'pair'? known: pair, choice"],
    ),
    ([('format = "pair"', 'format = "dual"')], ["2: unknown format 'dual'"]),
    ([("de en sw", "de en swahili")], ["3: language swahili is not a language code; did you mean 'sw'"]),
    ([("de en sw", "deu en sw")], ["3: language deu: expected 'de'"]),
    ([("de en sw", "de en de")], ["3: languages name de twice"]),
    (
        [('"de en sw"', "[]")],
        ["3: languages is []; expected text that is not empty or list of text that is not empty or"],
    ),
    ([('labels = ["sports", "politics", "science"]\n', "")], ["1: missing key 'labels', which the format pair has"]),
    ([('"politics", "science"', '"politics", "sports"')], ["4: labels name sports twice"]),
    ([('["sports", "politics", "science"]', '["sports"]')], ["4: there is one label, sports; expected two at least"]),
    ([('["sports", "politics", "science"]', '"sports"')], ["4: labels is 'sports'; expected list of text"]),
    ([('"macro_f1"', '"makro_f1"')], ["5: unknown metric of the format pair 'makro_f1'; did you mean 'macro_f1'?"]),
    ([('"macro_f1"', '"em"')], ["5: unknown metric of the format pair 'em'; known: accuracy, macro_f1"]),
    ([("is_parallel = true", 'is_parallel = "yes"')], ["8: is_parallel is 'yes'; expected true or false"]),
    ([('average = "Ours"', 'average = "XTREME-R"')], ["9: average 'XTREME-R' is a published one, of fixed targets"]),
    ([(f"columns = {TEXT}\n", "")], ["1: missing key 'columns', which the format pair has"]),
    ([("text_a =", "text_1 =")], ["12: unknown column 'text_1'; did you mean", "12: columns lack 'text_a'"]),
    ([(', label = "topic"', "")], ["12: columns lack 'label'"]),
    ([('label = "topic"', 'label = ["topic"]')], ["12: label is ['topic']; expected the name of one column"]),
    ([("columns =", 'train_labels = ["s", "p"]\ncolumns =')], ["12: 2 train_labels for 3 labels; expected as many"]),
    ([("columns =", 'train_columns = { text_a = "t" }\ncolumns =')], ["12: train_columns lack 'label'"]),
    ([("train-en", "train-{language}")], ["13: path topics/train-{language}.jsonl has {language}; training items"]),
    ([("test-{language}.jsonl", "test.jsonl")], ["15: path topics/test.jsonl has no", "17: hub_files: unknown path"]),
    (
        [("test-{language}", "test-{lang}")],
        ["15: path topics/test-{lang}.jsonl: unknown name '{lang}'", "17: hub_files"],
    ),
    ([("test = [{ paths", "tests = [{ paths")], ["14: sources lack 'test'", "15: unknown split 'tests'; did you mean"]),
    (
        [("test = [{ paths", "test = [{ path")],
        ["15: sources.test: unknown key 'path'", "15: sources.test has no paths", "17"],
    ),
    ([("dev = [{ paths = [", "dev = [{ paths = [3, ")], ["16: sources.dev: paths is [3, 'topics/dev"]),
    ([('repository = "owner/topics"\n', "")], ["17: hub_files: no 'repository', and no 'hub' of the whole file"]),
    ([('split = "test"', 'spilt = "test"')], ["17: hub_files: no 'split'", "20: hub_files: unknown key 'spilt'"]),
    ([('licence = "CC0-1.0"', "licence = CC0-1.0")], ["6: 'licence = CC0-1.0' is not TOML"]),
    ([('title = "Topics"', 'title = "Topics')], ["1: 'title = \"Topics' is not TOML"]),
    ([*CHOICE, (TEXT, '{ question = "q", options = ["a", "b"], label = "topic" }')], ["12: 2 options for 3 labels"]),
    ([*CHOICE, (TEXT, '{ options = "o", label = "topic" }')], ["12: columns have neither 'context' nor 'question'"]),
    (
        [('format = "pair"', 'format = "span"'), (f"columns = {TEXT}\n", "")],
        [
            "4: labels are of the other formats",
            "5: unknown metric of the format span",
            "5: unknown metric of the format",
        ],
    ),
    (
        [
            ('train_sources = [{ paths = ["topics/train-en.jsonl"] }]\n', ""),
            ("[sources]", "[source]"),
            ('path = "topics/test-{language}.jsonl"\n', ""),
        ],
        [
            "1: missing key 'sources'",
            "1: missing key 'train_sources'",
            "13: unknown key 'source'; did you mean 'sources'?",
            "16: hub_files: no 'path'",
        ],
    ),
    (
        [
            ('citation = "nobody"', 'citations = "nobody"'),
            ("de en sw", "de en klingon-xx"),
            ('"macro_f1"', '"accuarcy"'),
            ("text_a =", "text_c ="),
            ("licence = ", "licence = = "),
            ("[sources]", "[source]"),
        ],
        [
            "1: missing key 'citation'",
            "1: missing key 'sources'",
            "3: language klingon-xx is not a language code",
            "5: unknown metric of the format pair 'accuarcy'; did you mean 'accuracy'?",
            "6: 'licence = = \"CC0-1.0\"' is not TOML",
            "7: unknown key 'citations'; did you mean 'citation'?",
            "12: unknown column 'text_c'",
            "12: columns lack 'text_a'",
            "14: unknown key 'source'; did you mean 'sources'?",
            "17: hub_files: unknown path",
        ],
    ),
]
"""Changes to the good file, and what has to be said of them, all in one answer."""


def write(folder: Path, *changes: tuple[str, str], name: str = "topics.toml") -> Path:
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_the_good_file_has_no_fault(tmp_path: Path) -> None:
    assert check_target(write(tmp_path)).faults == ()


@pytest.mark.parametrize("case", range(len(BROKEN)))
def test_a_broken_file_gets_its_faults_with_line_value_and_what_is_allowed(case: int, tmp_path: Path) -> None:
    changes, expected = BROKEN[case]
    path = write(tmp_path, *changes)
    faults = [fault.removeprefix(f"{path}:") for fault in check_target(path).faults]
    assert len(faults) == len(expected), faults
    for fault, said in zip(faults, expected, strict=True):
        assert re.match(r"\d+: ", fault)
        assert said in fault
    with pytest.raises(UserError) as caught:
        find(str(path))
    assert str(caught.value).count(f"{path}:") == len(expected)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format_", COLUMNS)
def test_a_new_file_is_in_order_and_each_entry_is_explained(format_: str, tmp_path: Path) -> None:
    path = new_target(format_, tmp_path / f"my_{format_}.toml")
    assert check_target(path).faults == ()
    assert find(str(path)).head == format_
    assert path.read_text(encoding="utf-8").count("\n#") > 8


SIZES = {"sib200": 205, "belebele": 122, "afrixnli": 17}
"""Adelani et al. 2024; Bandarkar et al. 2024; Adelani et al. 2025 (IrokoBench)."""
ROWS = {
    "sib200": {"train": 701, "dev": 99, "test": 204},
    "belebele": {"test": 900},
    "afrixnli": {"dev": 450, "test": 600},
}


@pytest.mark.parametrize("name", SIZES)
def test_the_shipped_files_have_the_languages_and_rows_of_their_releases_and_count_for_no_average(name: str) -> None:
    import tomllib

    target = find(name)
    assert len(target.languages) == len(set(target.languages)) == SIZES[name]
    assert len({target.file_code(code) for code in target.languages}) == SIZES[name]
    assert tomllib.loads(target.definition)["rows"] == ROWS[name]
    assert not any(name in names for names in AVERAGES.values())
    assert not target.average
    assert target.metrics[0] == "accuracy"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def sib(folder: Path) -> None:
    """Write sentences of our own as SIB-200 releases its: data/annotated/CODE/SPLIT.tsv, three columns, a header."""
    for code, word in (
        ("eng_Latn", "ball"),
        ("swh_Latn", "mpira"),
        ("ace_Arab", "بول"),
        ("twi_Latn", "bɔɔl"),
        ("wol_Latn", "bal"),
    ):
        rows = [f'{7 * i}\t{topic}\t{word} "{i}" {topic}' for i, topic in enumerate(["sports", "health", "travel"])]
        for split in ("train", "dev", "test"):
            put(folder / "sib200" / code / f"{split}.tsv", "index_id\tcategory\ttext\n" + "\n".join(rows) + "\n")


def test_sib200_is_read_as_it_is_released(tmp_path: Path) -> None:
    sib(tmp_path)
    target, root = find("sib200"), DataRoot(tmp_path)
    for code in ("en", "sw", "ace-Arab", "tw"):
        items = target.load(root, code, "test")
        assert (items.ids, items.gold) == (("0", "7", "14"), ("sports", "health", "travel"))
        assert [record.label for record in items.records] == [3, 4, 1]
        assert all(record.text_a and not record.text_b for record in items.records)
    assert target.load(root, "en", "dev").records[1].text_a == 'ball "1" health'
    assert target.train is not None
    assert len(target.train(root)) == 3


def belebele(folder: Path) -> None:
    """Write questions of our own as Belebele releases its, and as its script writes the training set."""
    rows = [
        {
            "link": f"https://example.org/{i // 2}", "question_number": i % 2 + 1, "flores_passage": f"Text {i // 2}.",
            "question": f"Which {i}?", **{f"mc_answer{n}": f"option {n}" for n in (1, 2, 3, 4)},
            "correct_answer_num": str(i % 4 + 1), "dialect": "swh_Latn", "ds": "2023-05-03",
        }
        for i in range(8)
    ]  # fmt: skip
    for code in ("swh_Latn", "wol_Latn"):
        put(folder / f"belebele/{code}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    columns = [
        "",
        "dataset",
        "split",
        "passage_id",
        "question_id",
        "passage",
        "question",
        "answer1",
        "answer2",
        "answer3",
    ]
    cells = [["0", "RACE", "train", "p", "0", 'A "long"\npassage', "Why?", "a", "b", "c", "d", "4"]]
    table = [[*columns, "answer4", "correct_answer_num"], *cells]
    quoted = [
        [f'"{cell.replace(chr(34), chr(34) * 2)}"' if set(cell) & set('"\n') else cell for cell in row] for row in table
    ]
    put(folder / "belebele/belebele_training_set.tsv", "".join("\t".join(row) + "\n" for row in quoted))


def test_belebele_is_read_as_it_is_released(tmp_path: Path) -> None:
    belebele(tmp_path)
    target, root = find("belebele"), DataRoot(tmp_path)
    items = target.load(root, "sw", "test")
    assert items.gold == (0, 1, 2, 3, 0, 1, 2, 3)
    assert items.ids[:3] == ("https://example.org/0/1", "https://example.org/0/2", "https://example.org/1/1")
    assert (items.records[5].context, items.records[5].options[1]) == ("Text 2.", "option 2")
    assert target.train is not None
    (record,) = target.train(root).records
    assert (record.context, record.options, record.label) == ('A "long"\npassage', ("a", "b", "c", "d"), 3)


def afrixnli(folder: Path) -> None:
    """Write pairs of our own as AfriXNLI releases its, and MultiNLI as XTREME has it."""
    rows = [("Ann s'endort", "Elle dort", 0), ('"Oui"', "Non", 2), ("Il pleut", "Peut-être", 1)]
    text = "premise\thypothesis\tlabel\n" + "".join(f"{a}\t{b}\t{label}\n" for a, b, label in rows)
    for code in ("swa", "wol"):
        put(folder / f"afrixnli/{code}/test.tsv", text)
    train = 'Ann sleeps.\tShe rests.\tentailment\nIt rains.\tIt is dry.\tcontradictory\n"Hm"\tno\t-\n'
    put(folder / "xnli/train-en.tsv", train)


def test_afrixnli_is_read_as_it_is_released(tmp_path: Path) -> None:
    afrixnli(tmp_path)
    target, root = find("afrixnli"), DataRoot(tmp_path)
    items = target.load(root, "wo", "test")
    assert items.gold == ("entailment", "contradiction", "neutral")
    assert items.records[1].text_a == '"Oui"'
    assert target.train is not None
    assert target.train(root).gold == ("entailment", "contradiction")


@pytest.mark.slow
def test_the_shipped_files_train_and_score_from_end_to_end(tmp_path: Path, tiny_model: Path) -> None:
    for make in (sib, belebele, afrixnli):
        make(tmp_path / "root")
    evaluator.compare(
        ["none=none"], targets=list(SIZES), languages=["sw", "wo"], seeds=1, model=str(tiny_model), recipe="xtreme",
        data_root=tmp_path / "root", store=tmp_path / "store", out=tmp_path / "report.html",
    )  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {(row["target"], row["language"], row["metric"], row["n"]) for row in rows} == {
        (target, language, metric, n)
        for target, metric, n in [
            ("sib200", "accuracy", 3), ("sib200", "macro_f1", 3), ("belebele", "accuracy", 8),
            ("afrixnli", "accuracy", 3), ("afrixnli", "macro_f1", 3),
        ]
        for language in ("sw", "wo")
    }  # fmt: skip


def split(gold: Sequence[Any]) -> Split:
    return Split("en", tuple(map(str, range(len(gold)))), tuple(gold), tuple(gold), (Path("x"),))


@pytest.mark.parametrize("seed", range(20))
def test_accuracy_and_macro_f1_are_those_of_mteb_and_lm_eval(seed: int) -> None:
    """scikit-learn's definitions, by a confusion matrix; a label that is neither gold nor predicted does not count."""
    draw, labels = Random(seed), find("sib200").labels[: 2 + seed % 6]
    gold = [draw.choice(labels) for _ in range(40)]
    predicted = [g if draw.random() < 0.6 else draw.choice(labels[:-1]) for g in gold]
    matrix = np.zeros((len(labels), len(labels)))
    for g, p in zip(gold, predicted, strict=True):
        matrix[labels.index(g), labels.index(p)] += 1
    recall_base, precision_base = matrix.sum(axis=1), matrix.sum(axis=0)
    f1 = []
    for i in range(len(labels)):
        if recall_base[i] + precision_base[i]:
            recall = matrix[i, i] / recall_base[i] if recall_base[i] else 0.0
            precision = matrix[i, i] / precision_base[i] if precision_base[i] else 0.0
            f1.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    assert accuracy(split(gold), predicted).metrics["accuracy"] == pytest.approx(100 * matrix.trace() / 40, abs=1e-9)
    scored = macro_f1(split(gold), predicted)
    assert scored.metrics["macro_f1"] == pytest.approx(100 * sum(f1) / len(f1), abs=1e-9)
    items = np.array([scored.items["macro_f1"]], dtype=np.float32)
    draws = metric_draws(items, np.ones((40, 1), dtype=np.float32))
    assert draws[0, 0] == pytest.approx(scored.metrics["macro_f1"], abs=1e-4)
    counts = np.random.default_rng(seed).multinomial(40, [1 / 40] * 40).astype(np.float32)
    again = [i for i, times in enumerate(counts) for _ in range(int(times))]
    expected = macro_f1(split([gold[i] for i in again]), [predicted[i] for i in again]).metrics["macro_f1"]
    assert metric_draws(items, counts[:, None])[0, 0] == pytest.approx(expected, abs=1e-4)


TOPICS = ("sports", "politics", "science")


def topics(root: Path, rows: int = 24, **changes: str) -> Path:
    """Write a data root with the files of the good target."""
    for language in ("en", "de", "sw"):
        for split_ in ("train", "test", "dev"):
            records = [{"text": sentence(i), "topic": changes.get("topic", TOPICS[i % 3])} for i in range(rows)]
            put(root / f"topics/{split_}-{language}.jsonl", "".join(json.dumps(each) + "\n" for each in records))
    return root


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "a b"}', "line 2 has no label, and 0 more rows have none"),
        ('{"text": "a b", "topic": "sport"}', "unknown label 'sport'; did you mean 'sports'? known: sports"),
        ('{"text": "a b", "topic": 3}', "unknown label '3'"),
        ('{"text": null, "topic": 1}', "no text"),
        ('{"text": ["a"], "topic": 1}', "text is no text"),
        ('{"text": "a b", "topic": {}}', "unknown label"),
        ("[1]", "line 2: not a JSON object"),
        ('{"text": "a', "line 2: not JSON"),
    ],
)
def test_a_row_that_is_none_is_named_by_file_and_line(line: str, said: str, tmp_path: Path) -> None:
    path = topics(tmp_path / "root") / "topics/test-de.jsonl"
    put(path, '{"text": "a b", "topic": "sports"}\n' + line + "\n")
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        find(str(write(tmp_path))).load(DataRoot(tmp_path / "root"), "de", "test")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_without_labels_is_not_scored(tmp_path: Path) -> None:
    root = topics(tmp_path / "root", topic="")
    with pytest.raises(UnlabelledError, match="no row has a label"):
        find(str(write(tmp_path))).load(DataRoot(root), "de", "test")


def compare(tmp_path: Path, model: Path, file: Path, **options: Any) -> list[dict[str, Any]]:
    evaluator.compare(
        ["none=none"], targets=[str(file)], seeds=1, model=str(model), recipe="small", data_root=tmp_path / "root",
        store=tmp_path / "store", out=tmp_path / "report.html", **options,
    )  # fmt: skip
    return [json.loads(line) for line in (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def nodes(tmp_path: Path) -> Counter[str]:
    return Counter(path.parent.name for path in (tmp_path / "store").glob("*/*") if path.is_dir())


@pytest.mark.slow
def test_an_own_target_is_trained_scored_and_reported_and_a_changed_file_gets_no_stale_results(
    tmp_path: Path, tiny_model: Path
) -> None:
    topics(tmp_path / "root")
    rows = compare(tmp_path, tiny_model, write(tmp_path))
    assert {(row["language"], row["metric"]) for row in rows} == {
        (code, metric) for code in ("de", "en", "sw") for metric in ("accuracy", "macro_f1")
    }
    comparison = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert [each["benchmark"] for each in comparison["aggregates"]] == ["Ours", "Ours"]
    first = nodes(tmp_path)
    assert first["target"] == 1
    write(tmp_path, ('title = "Topics"', 'title = "Themes" # a comment'), ('"macro_f1"', '"accuracy"'))
    path = write(tmp_path, ('title = "Topics"', 'title = "Themes"'), ('["accuracy", "macro_f1"]', '["accuracy"]'))
    rows = compare(tmp_path, tiny_model, path)
    assert {row["metric"] for row in rows} == {"accuracy"}
    assert nodes(tmp_path)["target"] == 1
    swapped = write(tmp_path, ('"sports", "politics"', '"politics", "sports"'))
    compare(tmp_path, tiny_model, swapped)
    assert nodes(tmp_path)["target"] == 2
    swapped.unlink()
    evaluator.report(tmp_path / "store", out=tmp_path / "again.html")
    again = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert [each["benchmark"] for each in again["aggregates"]] == ["Ours", "Ours"]


def test_a_run_carries_the_definition_of_its_target_to_where_the_file_is_not(tmp_path: Path) -> None:
    path = write(tmp_path)
    target = find(str(path))
    name, definition = pickle.loads(pickle.dumps((target.name, target.definition)))
    path.unlink()
    assert of_run(name, definition).labels == TOPICS
    assert reading_hash(definition) != reading_hash(definition.replace('"text"', '"body"'))
    assert reading_hash(definition) == reading_hash(definition.replace("nobody", "somebody"))


def test_predictions_for_an_own_target_are_scored(tmp_path: Path) -> None:
    topics(tmp_path / "root", rows=6)
    predictions = put(tmp_path / "p.txt", "sports\npolitics\nscience\nsports\nsports\nsports\n")
    file = str(write(tmp_path))
    found = evaluator.score(file, language="sw", predictions=predictions, data_root=tmp_path / "root")
    assert found["metrics"]["accuracy"] == pytest.approx(100 * 4 / 6)
    assert found["gold"] == ["topics/test-sw.jsonl"]


def test_the_data_root_is_checked_for_an_own_target(tmp_path: Path) -> None:
    topics(tmp_path / "root", rows=6)
    checked = evaluator.data_check(data_root=tmp_path / "root", targets=[str(write(tmp_path))])
    assert [(row["language"], row["split"], row["rows"]) for row in checked[:3]] == [
        ("en", "train", 6), ("de", "test", 6), ("en", "test", 6)
    ]  # fmt: skip


def test_two_targets_of_one_name_and_names_that_are_taken_are_refused(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b", ("nobody", "somebody"))
    with pytest.raises(UserError, match="--targets has two different targets 'topics'"):
        select([str(first), str(second)])
    assert [target.name for target in select([str(first), "xnli", str(first)])] == ["xnli", "topics"]
    for name in ("xnli.toml", "all.toml"):
        with pytest.raises(UserError, match="there is a target .* already; give the file another name"):
            find(str(write(tmp_path, name=name)))
    for ref, said in ((str(tmp_path / "no.toml"), "no target file at"), (str(tmp_path) + "/", "which is a folder")):
        with pytest.raises(UserError, match=said):
            find(ref)


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    python = [sys.executable, "-c", "from evaluator.cli.commands import main; main()", *words]
    return subprocess.run(python, capture_output=True, text=True, check=False, env=os.environ | environment)


def test_targets_of_a_folder_and_of_another_package_come_after_those_of_this_one(tmp_path: Path) -> None:
    write(tmp_path / "folder", name="abba.toml")
    write(tmp_path / "their_targets", name="zebra.toml")
    (tmp_path / "their_targets" / "__init__.py").write_text("raise SystemExit(9)\n")
    put(tmp_path / "theirs-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    put(tmp_path / "theirs-1.0.dist-info/entry_points.txt", "[evaluator.targets]\ntheirs = their_targets\n")
    places = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = command("targets", "--json", SYNTHGEN_TARGETS=str(tmp_path / "folder"), **places)
    names = [target["name"] for target in json.loads(done.stdout)]
    assert names == [*(target["name"] for target in targets()), "abba", "zebra"]


def test_new_and_check_are_options_of_targets(tmp_path: Path) -> None:
    path = str(tmp_path / "mine.toml")
    assert path in command("targets", "--new", "choice", path).stdout
    assert "has no faults" in command("targets", "--check", path).stdout
    broken = write(tmp_path, ("title", "titel"))
    done = command("targets", "--check", str(broken), "--json")
    assert (done.returncode, len(json.loads(done.stdout)["faults"])) == (2, 2)


def test_new_without_a_file_names_the_formats() -> None:
    for word in ("pair", "mine.toml"):
        with pytest.raises(UserError, match=r"--new FORMAT FILE; the formats: .*pair"):
            evaluator_cli.targets(new=word)
        with pytest.raises(UserError, match=r"--new FORMAT FILE; the formats: .*pair"):
            synthgen_cli.tasks(new=word)
