"""`synthgen filter`: any set in, a new folder out, every row accounted for; wrong input is one line."""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.corpora.any_folder import open_set
from synthgen.dataset import read_manifest, read_rejected, read_rows, write_tables
from synthgen.dataset.schemas import faults
from synthgen.errors import UserError
from synthgen.filters.base import FilterContext
from synthgen.filters.command import filter as run_filters
from synthgen.filters.config import read_config
from synthgen.filters.set_pipeline import filter_dataset, workers_for
from synthgen.publishing.verify import verify
from synthgen.runtime.workers import Workers
from tests.synthgen.conftest import parquet_folder, random_rows


def test_a_foreign_folder_becomes_a_verified_set_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    rows = random_rows(60)
    rows += [dict(rows[0]), {**rows[1], "premise": str(rows[1]["premise"]).upper()}, {**rows[2], "premise": None}]
    manifest = run_filters(parquet_folder(tmp_path / "in", rows), out=tmp_path / "out", origin="real")
    assert manifest.asked == 63 == manifest.kept + sum(manifest.rejected.values())
    assert manifest.rejected == {"exact duplicate": 2, "format": 1}
    kept, rejected = list(read_rows(tmp_path / "out")), list(read_rejected(tmp_path / "out"))
    assert len({row["id"] for row in kept} | {item.id for item in rejected}) == 63
    assert {item.evidence for item in rejected if item.stage == "exact"} <= {row["id"] for row in kept}
    assert faults(json.loads((tmp_path / "out" / "synthgen.json").read_text()), "manifest") == []
    assert verify(tmp_path / "out").faults == ()


@pytest.mark.parametrize("layout", ["data/{}-00000-of-00001.parquet", "default/{}/0000.parquet", "{}.parquet"])
def test_of_a_hub_copy_the_training_split_is_filtered_and_the_others_are_named(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = random_rows(60)
    for place, split in enumerate(("test", "train", "validation")):
        part = parquet_folder(tmp_path / split, rows[place * 20 : place * 20 + 20]) / "part.parquet"
        path = tmp_path / "copy" / layout.format(split)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.rename(path)
    manifest = run_filters(tmp_path / "copy", out=tmp_path / "out", origin="real")
    assert {row["premise"] for row in read_rows(tmp_path / "out")} == {row["premise"] for row in rows[20:40]}
    assert manifest.parents[0]["files"] == [layout.format("train")]
    left_out = ", ".join(layout.format(split) for split in ("test", "validation"))
    assert f"only the train split is read; left out: {left_out}" in capsys.readouterr().err


def test_the_same_call_again_returns_the_finished_folder_and_another_is_refused(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "in", random_rows(20))
    first = run_filters(source, out=tmp_path / "out", origin="real")
    assert run_filters(source, out=tmp_path / "out", origin="real") == read_manifest(tmp_path / "out") == first
    (tmp_path / "f.toml").write_text("[exact]")
    with pytest.raises(UserError, match="contains another set"):
        run_filters(source, out=tmp_path / "out", origin="real", filters=tmp_path / "f.toml")


def test_the_result_does_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    rows = random_rows(60)
    rows += [{**row, "premise": f"{row['premise']} indeed"} for row in rows[::2]] + rows[:10]
    source = parquet_folder(tmp_path / "in", rows)
    (tmp_path / "f.toml").write_text("[shape]\n[language]\n[exact]\n[near]\n")
    opened = open_set(source, origin="real")
    config, context = read_config(tmp_path / "f.toml"), FilterContext(opened.format)

    def filtered(processes: int) -> tuple[dict[str, str], dict[str, int], dict[str, Any]]:
        filters = config.build(context)
        with Workers(processes) as workers:
            dataset = filter_dataset(opened, filters, (), workers)
            files = write_tables(tmp_path / f"{processes}", dataset.kept(Counter()), opened.schema, workers)
        return files, dataset.reasons(), config.checks(context, filters)

    one, two = filtered(1), filtered(2)
    assert one == two
    assert one[1] == {"near duplicate": 30, "exact duplicate": 10}
    assert one[2]["language"]["rows_judged"] == len(rows)
    assert workers_for(opened, 2).processes == 1
    with pytest.raises(UserError, match="processes = 0 is less than 1"):
        run_filters(source, out=tmp_path / "0", origin="real", processes=0)


def test_our_own_folder_keeps_its_history(tmp_path: Path) -> None:
    run_filters(parquet_folder(tmp_path / "in", random_rows(20)), out=tmp_path / "a", origin="synthetic")
    second = run_filters(tmp_path / "a", out=tmp_path / "b")
    assert second.kept == 20
    assert second.origin == "synthetic"
    assert [parent["name"] for parent in second.parents] == ["in", "a"]


def test_label_names_are_read_as_indices(tmp_path: Path) -> None:
    rows = [{**row, "label": ("entailment", "neutral", "contradiction")[i % 3]} for i, row in enumerate(random_rows(9))]
    manifest = run_filters(parquet_folder(tmp_path / "in", rows), out=tmp_path / "out", origin="real")
    assert Counter(row["label"] for row in read_rows(tmp_path / "out")) == {0: 3, 1: 3, 2: 3}
    assert manifest.label_counts == {"entailment": 3, "neutral": 3, "contradiction": 3}


def test_rows_without_an_id_or_a_language_are_given_theirs(tmp_path: Path) -> None:
    rows = [{**row, "id": None if i % 3 else f"own-{i}", "language": None} for i, row in enumerate(random_rows(9))]
    manifest = run_filters(parquet_folder(tmp_path / "in", rows), out=tmp_path / "out", origin="real")
    assert manifest.kept == 9
    kept = list(read_rows(tmp_path / "out"))
    assert [row["id"] for row in kept][:4] == ["own-0", "in-000000001", "in-000000002", "own-3"]
    assert {row["language"] for row in kept} == {"en"}


def test_edits_are_counted_apart_from_filters(tmp_path: Path) -> None:
    rows = random_rows(10)
    rows[3]["premise"] = str(rows[3]["premise"]).replace(" ", "\x07  ")
    (tmp_path / "f.toml").write_text('edits = ["clean"]\n[exact]\n')
    manifest = run_filters(
        parquet_folder(tmp_path / "in", rows), out=tmp_path / "out", origin="real", filters=tmp_path / "f.toml"
    )
    assert manifest.rejected == {}
    assert manifest.checks["edits"] == {"clean": 1}
    assert "\x07" not in "".join(row["premise"] for row in read_rows(tmp_path / "out"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[nere]", "unknown filter 'nere' in .*f.toml; did you mean 'near'"),
        ("[exact]\nfast = true", r"'fast' in \[exact\] of .*f.toml: this filter has no settings"),
        ('[exact]\nedits = ["clean"]', "this filter has no settings; edits must come before the first table"),
        ("[language]\ndoubt_below = nan", r"doubt_below = nan in \[language\] of .* is not a number"),
        ("[language]\ndoubt_below = 7", "doubt_below = 7.0 is not above 0 and at most 1"),
        ("[language]\nconfirm_below = 0", "confirm_below = 0.0 is not above 0"),
        ("[language]\nmin_words = 0", "min_words = 0 is less than 1"),
        (f"[near]\njaccard = {'9' * 5_000}", "f.toml is not TOML"),
        (f"edits = {'[' * 5_000}", "f.toml is not TOML"),
        ("near = 1", "'near' in .* is 1; a filter is a table"),
        ('edits = ["cleen"]', "unknown edit 'cleen' in .*; did you mean 'clean'"),
        ("edits = 3", "edits in .* is 3; allowed: a list"),
        ("[near", "f.toml is not TOML"),
    ],
)
def test_a_configuration_with_unknown_keys_is_refused_before_anything_starts(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "f.toml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_config(tmp_path / "f.toml")


def test_bad_folders_are_one_clear_line_and_leave_nothing_behind(tmp_path: Path) -> None:
    def refused(name: str, message: str, origin: str | None = "real") -> None:
        with pytest.raises(UserError, match=message):
            run_filters(tmp_path / name, out=tmp_path / "out", origin=origin)
        assert not (tmp_path / "out").exists()
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

    rows = random_rows(5)
    refused("nowhere", "no dataset folder at")
    (tmp_path / "void").mkdir()
    refused("void", "no synthgen.json and no parquet files")
    parquet_folder(tmp_path / "columns", [{"text": "a", "score": 1}])
    refused("columns", "has the columns text, score, which fit no task")
    parquet_folder(tmp_path / "types", [{**row, "label": 0.5} for row in rows])
    refused("types", "column 'label' is double, expected int64")
    parquet_folder(tmp_path / "plain", rows)
    refused("plain", "say where its rows come from: give --origin", None)
    refused("plain", "unknown origin 'reel'; did you mean 'real'", "reel")
    parquet_folder(tmp_path / "empty", rows)
    pq.write_table(pq.read_table(tmp_path / "empty" / "part.parquet").slice(0, 0), tmp_path / "empty" / "part.parquet")
    refused("empty", "has no rows")
    parquet_folder(tmp_path / "hopeless", [{**row, "premise": None} for row in rows])
    refused("hopeless", r"no row of .* passes the filters: format \(5\)|column 'premise' is null")
    parquet_folder(tmp_path / "twice", [{**row, "id": f"row-{i % 3}"} for i, row in enumerate(rows)])
    refused("twice", "rows 0 and 3 of twice have the same id 'row-0'; ids must be unique: make them unique, or leave")
    broken = parquet_folder(tmp_path / "corrupt", random_rows(500)) / "part.parquet"
    data = bytearray(broken.read_bytes())
    data[40:400] = bytes(360)
    broken.write_bytes(data)
    refused("corrupt", "cannot read .*part.parquet")
    broken.write_bytes(b"PAR1 not really")
    refused("corrupt", "cannot read .*part.parquet")


def test_label_indices_mean_what_the_file_says_they_do(tmp_path: Path) -> None:
    def labels_of(name: str, order: list[str], column: list[Any]) -> list[int]:
        info = {"info": {"features": {"label": {"names": order, "_type": "ClassLabel"}}}}
        rows = [{**row, "label": label} for row, label in zip(random_rows(6), column, strict=True)]
        table = pa.Table.from_pylist(rows)
        folder = tmp_path / name
        folder.mkdir()
        pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), folder / "part.parquet")
        run_filters(folder, out=tmp_path / f"{name}-out", origin="real")
        return [row["label"] for row in read_rows(tmp_path / f"{name}-out")]

    ours = ["entailment", "neutral", "contradiction"]
    assert labels_of("same", ours, [0, 1, 2, 0, 1, -1]) == [0, 1, 2, 0, 1]
    assert labels_of("reversed", ours[::-1], [0, 1, 2, 0, -1, None]) == [2, 1, 0, 2]
    with pytest.raises(UserError, match="has the label names no, yes, maybe; expected: entailment, neutral, contr"):
        labels_of("others", ["no", "yes", "maybe"], [0] * 6)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_label_names_may_be_stored_in_any_way(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.Table.from_pylist(random_rows(3))
    names = pa.array(["entailment", "neutral", "contradiction"]).cast(kind)
    (tmp_path / "in").mkdir()
    pq.write_table(table.set_column(2, "label", names), tmp_path / "in" / "part.parquet")
    run_filters(tmp_path / "in", out=tmp_path / "out", origin="real")
    assert [row["label"] for row in read_rows(tmp_path / "out")] == [0, 1, 2]


def test_numbers_of_labels_may_be_texts(tmp_path: Path) -> None:
    rows = [
        {**row, "label": label} for row, label in zip(random_rows(5), ["0", "2", "neutral", "3", "yes"], strict=True)
    ]
    manifest = run_filters(parquet_folder(tmp_path / "in", rows), out=tmp_path / "out", origin="real", task="mnli")
    assert [row["label"] for row in read_rows(tmp_path / "out")] == [0, 2, 1]
    assert manifest.rejected == {"format": 2}


def test_labels_that_do_not_fit_the_guessed_task_are_refused_by_name(tmp_path: Path) -> None:
    capitals = [{**row, "label": "ENTAILMENT"} for row in random_rows(6)]
    parquet_folder(tmp_path / "capitals", capitals)
    with pytest.raises(
        UserError, match=r"'ENTAILMENT' in .*part.parquet; known: entailment, .*anli_plus is a guess from the columns"
    ):
        run_filters(tmp_path / "capitals", out=tmp_path / "out", origin="real")
    with pytest.raises(UserError, match="unknown label 'ENTAILMENT'"):
        run_filters(tmp_path / "capitals", out=tmp_path / "out", origin="real", task="mnli")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("task", "said"), [(None, "task anli_plus, by its columns, which mnli, snli, anli have too;"), ("mnli", "")]
)
def test_a_guessed_task_that_is_not_the_only_one_with_these_columns_is_said(
    task: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = parquet_folder(tmp_path / "in", [{**row, "label": i % 3} for i, row in enumerate(random_rows(6))])
    run_filters(folder, out=tmp_path / "out", origin="real", task=task)
    said_all = " ".join(capsys.readouterr().err.split())
    assert said in said_all
    assert ("by its columns" in said_all) == bool(said)


def test_the_task_may_be_stated_where_columns_fit_several_or_another(tmp_path: Path) -> None:
    rows = [{**row, "label": number % 3} for number, row in enumerate(random_rows(9))]
    parquet_folder(tmp_path / "nli", [{"sentence1": r["premise"], "sentence2": r["hypothesis"], **r} for r in rows])
    columns = {"premise": "sentence1", "hypothesis": "sentence2", "label": "label"}
    parquet_folder(tmp_path / "snli", [{columns[name]: value for name, value in row.items()} for row in rows])
    with pytest.raises(
        UserError,
        match=r"unknown label '2' in .*; known: 0, 1 \(task pawsx is a guess from the columns; --task states it",
    ):
        run_filters(tmp_path / "snli", out=tmp_path / "out", origin="real")
    for name in ("nli", "snli"):
        manifest = run_filters(tmp_path / name, out=tmp_path / f"{name}-out", origin="real", task="snli")
        assert (manifest.task, manifest.kept) == ("snli", 9)
        kept = [{column: row[column] for column in columns} for row in read_rows(tmp_path / f"{name}-out")]
        assert kept == [{column: row[column] for column in columns} for row in rows]
    with pytest.raises(UserError, match="unknown task 'snly'; did you mean 'snli'"):
        run_filters(tmp_path / "snli", out=tmp_path / "out", origin="real", task="snly")
    with pytest.raises(UserError, match="which fit no task .squad_v2: id, title"):
        run_filters(tmp_path / "snli", out=tmp_path / "out", origin="real", task="squad_v2")
    with pytest.raises(
        UserError, match=r"--task mnli has no effect: by its synthgen.json, the rows of .* are of task snli"
    ):
        run_filters(tmp_path / "snli-out", out=tmp_path / "out", task="mnli")


def test_texts_that_are_no_utf8_and_columns_of_one_name_are_one_line(tmp_path: Path) -> None:
    rows = pa.Table.from_pylist(random_rows(3))
    broken = pa.StringArray.from_buffers(3, pa.array([0, 1, 2, 3], pa.int32()).buffers()[1], pa.py_buffer(b"a\xffc"))
    for name, table, message in (
        ("bytes", rows.set_column(0, "premise", broken), "part.parquet from row 0 on: .*UTF8"),
        ("twice", rows.append_column("label", rows["label"]), "has two columns 'label'"),
    ):
        (tmp_path / name).mkdir()
        pq.write_table(table, tmp_path / name / "part.parquet")
        with pytest.raises(UserError, match=message):
            run_filters(tmp_path / name, out=tmp_path / "out", origin="real")


SPAN = {"id": "a", "title": "T", "context": "Tea is hot.", "question": "What is hot?"}
CHOICE = {"question": "What is hot?", "question_concept": "hot", "answerKey": "A"}
LETTERS = ["A", "B", "C", "D", "E"]
HOLES = {
    "answers.text": SPAN | {"answers": {"text": None, "answer_start": None}},
    "answers.answer_start.0": SPAN | {"answers": {"text": ["Tea"], "answer_start": [None]}},
    "choices.text": CHOICE | {"choices": {"label": LETTERS, "text": None}},
    "choices.label": CHOICE | {"choices": {"label": None, "text": ["tea", "ice", "sea", "sky", "air"]}},
}


@pytest.mark.parametrize(("path", "row"), HOLES.items())
def test_a_row_with_a_null_anywhere_is_rejected_by_its_path(tmp_path: Path, path: str, row: dict[str, object]) -> None:
    whole = {
        "answers": {"text": ["Tea"], "answer_start": [0]},
        "choices": {"label": LETTERS, "text": ["tea", "ice", "sea", "sky", "air"]},
    }
    good = row | {"id": "b"} | {name: value for name, value in whole.items() if name in row}
    run_filters(parquet_folder(tmp_path / "in", [row | {"id": "a"}, good]), out=tmp_path / "out", origin="real")
    assert [(item.id, item.evidence) for item in read_rejected(tmp_path / "out")] == [("a", f"no {path}")]


def test_a_finished_folder_is_not_taken_for_one_that_was_compared_with_other_files(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "in", random_rows(20))
    for place, number in (("a", 0), ("b", 1)):
        held_out = tmp_path / place / "test" / "dev.jsonl"
        held_out.parent.mkdir(parents=True)
        held_out.write_text(json.dumps(random_rows(20)[number]))
    first = run_filters(source, out=tmp_path / "out", origin="real", against=[tmp_path / "a" / "test"])
    assert first.rejected == {"contamination": 1}
    with pytest.raises(UserError, match="contains another set"):
        run_filters(source, out=tmp_path / "out", origin="real", against=[tmp_path / "b" / "test"])
    (tmp_path / "a" / "test" / "dev.jsonl").write_text(json.dumps(random_rows(20)[2]))
    with pytest.raises(UserError, match="contains another set"):
        run_filters(source, out=tmp_path / "out", origin="real", against=[tmp_path / "a" / "test"])


def test_a_finished_folder_that_lacks_a_file_is_not_taken_as_done(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "in", random_rows(20))
    made = run_filters(source, out=tmp_path / "out", origin="real")
    (tmp_path / "out" / next(iter(made.files))).unlink()
    with pytest.raises(UserError, match=r"out/data/train-.* is missing; remove .*out to filter again"):
        run_filters(source, out=tmp_path / "out", origin="real")


def test_what_an_earlier_filtering_found_is_not_said_of_the_rows_that_are_left(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text('edits = ["clean"]\n[exact]\n[personal]')
    source = parquet_folder(tmp_path / "in", random_rows(20))
    run_filters(source, out=tmp_path / "a", origin="real", filters=tmp_path / "f.toml")
    checks = run_filters(tmp_path / "a", out=tmp_path / "b").checks
    assert not {"edits", "personal_data"} & set(checks)
    (before,) = checks["filtered_before"]
    assert {"edits", "personal_data", "filters"} <= set(before)
    third = run_filters(tmp_path / "b", out=tmp_path / "c").checks
    assert len(third["filtered_before"]) == 2
    assert "filtering before this one, 2" in (tmp_path / "c" / "README.md").read_text(encoding="utf-8")
    assert verify(tmp_path / "c").faults == ()


def test_an_output_inside_a_folder_of_files_is_refused(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "in", random_rows(20))
    with pytest.raises(UserError, match=r"clean is inside .*in, whose files are all read as rows"):
        run_filters(source, out=source / "clean", origin="real")


def test_rebalancing_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    run_filters(parquet_folder(tmp_path / "in", random_rows(300, seed=1)), out=tmp_path / "real", origin="real")
    (tmp_path / "f.toml").write_text("[rebalance]")
    source = give_away(tmp_path / "one", "indeed")
    rows = pq.read_table(source / "part.parquet").to_pylist()
    parquet_folder(tmp_path / "other", random.Random(3).sample(rows, len(rows)))
    kept = []
    for name in ("one", "other"):
        options = {"filters": tmp_path / "f.toml", "like": tmp_path / "real"}
        run_filters(tmp_path / name, out=tmp_path / f"{name}-out", origin="synthetic", **options)
        kept.append({(row["premise"], row["hypothesis"]) for row in read_rows(tmp_path / f"{name}-out")})
    assert kept[0] == kept[1]
    assert len(kept[0]) < 300


def test_drafts_of_killed_runs_are_removed_and_those_of_running_ones_stay(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    drafts = [tmp_path / f".out.{platform.node()}-{process}.draft" for process in (dead.pid, os.getppid())]
    for draft in drafts:
        (draft / "data").mkdir(parents=True)
    run_filters(parquet_folder(tmp_path / "in", random_rows(9)), out=tmp_path / "out", origin="real")
    assert [draft.exists() for draft in drafts] == [False, True]


def test_outputs_that_cannot_be_are_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = parquet_folder(tmp_path / "in", random_rows(9))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for out, message in (
        (Path(), "cannot be replaced"),
        (Path("x" * 300), "File name too long"),
        (Path("/proc"), "exists"),
    ):
        with pytest.raises(UserError, match=message):
            run_filters(source, out=out, origin="real")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    run_filters(source, out=tmp_path / "link", origin="real")
    assert verify(tmp_path / "target").faults == ()


def test_a_shard_without_rows_is_written_for_no_rows_alone(tmp_path: Path) -> None:
    opened = open_set(parquet_folder(tmp_path / "in", random_rows(20)), origin="real")
    dataset = filter_dataset(opened, (), ())
    assert [table.num_rows for table in dataset.kept(Counter(), rows=1)] == [1] * 20
    files = write_tables(tmp_path / "out", dataset.kept(Counter(), rows=1), opened.schema)
    assert [name for name in files if name.startswith("data/")] == [
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
    ]
    dataset.stays[:] = False
    assert [table.num_rows for table in dataset.kept(Counter())] == [0]


def give_away(path: Path, word: str) -> Path:
    rows = random_rows(300)
    for row in rows:
        row["hypothesis"] = f"{row['hypothesis']} {word if row['label'] == 2 else ''}".strip()
    return parquet_folder(path, rows)


def test_what_is_kept_is_compared_with_a_real_set_and_a_give_away_is_said_aloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_filters(parquet_folder(tmp_path / "in", random_rows(300, seed=1)), out=tmp_path / "real", origin="real")
    alone = run_filters(give_away(tmp_path / "set", "indeed"), out=tmp_path / "a", origin="synthetic").checks
    assert alone["shape"].startswith("not done: no real set was given")
    assert alone["artefacts"]["verdict"] == "no real set for comparison"
    assert "ARTEFACTS" not in capsys.readouterr().err
    beside = run_filters(tmp_path / "set", out=tmp_path / "b", origin="synthetic", like=tmp_path / "real").checks
    assert beside["artefacts"]["verdict"].startswith("suspicious: hypothesis-only; the words 'indeed'")
    assert beside["artefacts"]["new_give_aways"][0]["real_rows"] == 0
    assert set(beside["diversity"]["real"]) < set(beside["diversity"])
    assert beside["shape"]["features"]["label"]["distance"] == 0
    said = capsys.readouterr().err
    assert "ARTEFACTS: hypothesis-only alone predicts" in said
    assert "rows with 'indeed' are contradiction" in " ".join(said.split())
    assert "Artefacts: suspicious: hypothesis-only" in (tmp_path / "b" / "README.md").read_text(encoding="utf-8")
    assert verify(tmp_path / "b").faults == ()


def test_rebalancing_drops_what_gives_labels_away_and_nothing_from_a_set_like_the_real_one(tmp_path: Path) -> None:
    run_filters(parquet_folder(tmp_path / "in", random_rows(300, seed=1)), out=tmp_path / "real", origin="real")
    (tmp_path / "f.toml").write_text("[rebalance]\nmargin = 6.0")
    options = {"filters": tmp_path / "f.toml", "like": tmp_path / "real"}
    made = run_filters(give_away(tmp_path / "set", "indeed"), out=tmp_path / "a", origin="synthetic", **options)
    assert made.rejected["label given away"] > 40
    aimed = made.checks["rebalance"]["gain at most"]["hypothesis-only"]
    found = made.checks["artefacts"]["baselines"]["hypothesis-only"]
    assert found["accuracy"] - found["majority"] <= aimed + 3
    given = [item for item in read_rejected(tmp_path / "a") if item.stage == "rebalance"]
    word = [item for item in given if item.evidence.startswith("'indeed' gives 'contradiction' in 100%")]
    assert all("indeed" in str(item.row["hypothesis"]) for item in word)
    assert len(word) == 100
    assert made.checks["artefacts"]["new_give_aways"] == []
    assert "rebalance" not in run_filters(tmp_path / "real", out=tmp_path / "b", **options).rejected
    with pytest.raises(UserError, match=r"\[rebalance\] of .* needs --like"):
        run_filters(tmp_path / "set", out=tmp_path / "c", origin="synthetic", filters=tmp_path / "f.toml")


@pytest.mark.parametrize("margin", ["-0.1", "100.0"])
def test_a_margin_that_no_set_could_be_rebalanced_to_is_refused(tmp_path: Path, margin: str) -> None:
    run_filters(parquet_folder(tmp_path / "in", random_rows(30)), out=tmp_path / "real", origin="real")
    (tmp_path / "f.toml").write_text(f"[rebalance]\nmargin = {margin}")
    with pytest.raises(UserError, match=f"margin = {margin}.* is not at least 0 and below 100"):
        run_filters(
            tmp_path / "in", out=tmp_path / "a", origin="real", filters=tmp_path / "f.toml", like=tmp_path / "real"
        )


def test_foreign_passages_need_no_titles(tmp_path: Path) -> None:
    contexts = [f"On {day} {name} sailed to Bergen." for day in ("Monday", "Friday") for name in ("Ada", "Bo", "Cy")]
    answers = {"text": ["Bergen"]}
    rows = [
        {
            "context": each,
            "question": "Where did the small boat sail to on that day?",
            "answers": {**answers, "answer_start": [each.index("Bergen")]},
        }
        for each in contexts
    ]
    parquet_folder(tmp_path / "qa", rows)
    manifest = run_filters(tmp_path / "qa", out=tmp_path / "out", origin="real", task="squad_v1", language="en")
    assert manifest.asked == len(rows)
    assert {row["title"] for row in read_rows(tmp_path / "out")} == {""}
