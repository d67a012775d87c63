"""Cards: every disclosure is there, and a folder that was touched after it was written is caught and named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import synthgen
from synthgen.cards import card as datacard
from synthgen.cards.card import card_faults, check, way_out
from synthgen.cards.charts import bars, figures
from synthgen.cards.disclosures import DISCLOSURES, disclose
from synthgen.cards.front_matter import read_front_matter
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import MANIFEST_NAME, file_sha256, read_manifest
from synthgen.errors import UserError
from synthgen.filters.command import filter as run_filters
from synthgen.publishing.publish import publish
from synthgen.publishing.verify import verify
from synthgen.runtime.drafts import draft_name
from tests.synthgen.conftest import edit_manifest, parquet_folder, put_manifest, random_rows


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished set, to be touched."""
    return Path(shutil.copytree(finished, tmp_path / "set"))


def shard(folder: Path) -> Path:
    return next((folder / "data").glob("*.parquet"))


def change_a_cell(folder: Path) -> None:
    table = pq.read_table(shard(folder))
    texts = table.column("hypothesis").to_pylist()
    texts[7] = texts[7] + "!"
    column = table.schema.get_field_index("hypothesis")
    pq.write_table(table.set_column(column, table.schema.field(column), pa.array(texts)), shard(folder))


def delete_a_row(folder: Path) -> None:
    table = pq.read_table(shard(folder))
    pq.write_table(pa.concat_tables([table.slice(0, 7), table.slice(8)]), shard(folder))


def repeat_a_row(folder: Path) -> None:
    table = pq.read_table(shard(folder))
    pq.write_table(pa.concat_tables([table, table.slice(7, 1)]), shard(folder))


def edit_the_card(folder: Path) -> None:
    path = folder / "README.md"
    path.write_text(path.read_text().replace("| kept | 60 |", "| kept | 61 |"))


def edit_the_croissant(folder: Path) -> None:
    path = folder / "croissant.json"
    path.write_text(path.read_text().replace("60 examples", "600 examples"))


def swap_the_rejections(folder: Path) -> None:
    shutil.copy(shard(folder), next((folder / "rejected").glob("*.parquet")))


def test_a_real_set_may_not_carry_another_licence_than_its_source(tmp_path: Path) -> None:
    import_task("mnli", source="sample", out=tmp_path / "real")
    parents = [{**parent, "licence": "CC BY-NC 4.0"} for parent in read_manifest(tmp_path / "real").parents]
    edit_manifest(tmp_path / "real", parents=parents)
    assert any("does not allow the licence CC0-1.0" in fault for fault in verify(tmp_path / "real").faults)


def rename_the_licence(folder: Path) -> None:
    edit_manifest(folder, licence="mit")


def follow(folder: Path, table: pa.Table) -> None:
    """Write another shard the way a careful forger would: its checksum in the manifest is right again."""
    pq.write_table(table, shard(folder))
    name = shard(folder).relative_to(folder).as_posix()
    edit_manifest(folder, files=read_manifest(folder).files | {name: file_sha256(shard(folder))})


def set_labels(folder: Path, labels: dict[int, int | None]) -> None:
    table = pq.read_table(shard(folder))
    values = table.column("label").to_pylist()
    for place, label in labels.items():
        values[place] = label
    column = table.schema.get_field_index("label")
    follow(folder, table.set_column(column, table.schema.field(column), pa.array(values, pa.int64())))


def swap_two_labels(folder: Path) -> None:
    labels = pq.read_table(shard(folder)).column("label").to_pylist()
    other = next(place for place, label in enumerate(labels) if label != labels[7])
    set_labels(folder, {7: labels[other], other: labels[7]})


def number_a_label_seven(folder: Path) -> None:
    set_labels(folder, {7: 7})


def leave_a_label_out(folder: Path) -> None:
    set_labels(folder, {7: None})


def reverse_the_rows(folder: Path) -> None:
    table = pq.read_table(shard(folder))
    follow(folder, table.take(list(range(len(table)))[::-1]))


def add_a_column(folder: Path) -> None:
    table = pq.read_table(shard(folder))
    follow(folder, table.append_column("secret", pa.array(["x"] * len(table))))


def rename_the_classes(folder: Path) -> None:
    table = pq.read_table(shard(folder))
    info = table.schema.metadata[b"huggingface"].replace(b"neutral", b"natural")
    follow(folder, table.replace_schema_metadata({"huggingface": info}))


def raise_the_failures(folder: Path) -> None:
    edit_manifest(folder, failed=5)


def raise_the_attempts(folder: Path) -> None:
    edit_manifest(folder, attempts=read_manifest(folder).attempts | {"timeout": 9})


def raise_the_acceptance(folder: Path) -> None:
    accepted = dict.fromkeys(("entailment", "neutral", "contradiction"), 0.999)
    edit_manifest(folder, statistics=read_manifest(folder).statistics | {"acceptance": accepted})


def leave_a_statistic_out(folder: Path) -> None:
    given = read_manifest(folder).statistics
    edit_manifest(folder, statistics={name: given[name] for name in given if name != "self_bleu"})


def call_the_licence_banana(folder: Path) -> None:
    text = (folder / MANIFEST_NAME).read_text().replace('"licence": "', '"licence": "banana', 1)
    put_manifest(folder, json.loads(text))
    for name, text in datacard.views(read_manifest(folder)).items():
        (folder / name).write_text(text)


def break_the_card(folder: Path) -> None:
    (folder / "README.md").write_bytes((folder / "README.md").read_bytes() + b"\xe9\n")


def break_the_croissant(folder: Path) -> None:
    (folder / "croissant.json").write_bytes(b"\xff\xfe")


def call_it_real(folder: Path) -> None:
    edit_manifest(folder, origin="real")


def raise_a_count(folder: Path) -> None:
    manifest = read_manifest(folder)
    edit_manifest(folder, rejected={**manifest.rejected, "format": manifest.rejected.get("format", 0) + 1}, asked=None)


def change_a_statistic(folder: Path) -> None:
    statistics = {**read_manifest(folder).statistics, "distinct_share": {"premise": 0.5, "hypothesis": 1.0}}
    edit_manifest(folder, statistics=statistics)


def add_a_file(folder: Path) -> None:
    (folder / "data" / "notes.txt").write_text("mine")


MUTATIONS: list[tuple[Callable[[Path], None], str]] = [
    (change_a_cell, "row mnli-s0-0000007 was changed"),
    (delete_a_row, "row mnli-s0-0000007 was removed"),
    (delete_a_row, "kept is '60', the rows give '59'"),
    (repeat_a_row, "the id mnli-s0-0000007 occurs 2 times"),
    (edit_the_card, "README.md says '| kept | 61 |'; synthgen.json gives '| kept | 60 |'"),
    (edit_the_croissant, 'croissant.json says \'"description": "600 examples",\''),
    (swap_the_rejections, "rejected/rejected-00000.parquet is not the file that was written"),
    (rename_the_licence, "does not allow the licence mit"),
    (raise_a_count, "rejected is "),
    (change_a_statistic, "statistics, distinct_share is "),
    (swap_two_labels, "row mnli-s0-0000007 was changed after it was written"),
    (number_a_label_seven, "data/train-00000-of-00001.parquet, row mnli-s0-0000007: label is 7; allowed: 0 to 2"),
    (leave_a_label_out, "data/train-00000-of-00001.parquet, row mnli-s0-0000007: label is None; allowed: 0 to 2"),
    (reverse_the_rows, "the rows are in another order"),
    (add_a_column, "the column 'secret' is string; a set of this format has no such column"),
    (rename_the_classes, "its columns are described otherwise"),
    (raise_the_failures, "failed is '5', the ledger gives '0'"),
    (raise_the_attempts, "attempts is "),
    (raise_the_acceptance, "statistics, acceptance is "),
    (leave_a_statistic_out, "statistics, self_bleu is 'missing'"),
    (call_the_licence_banana, "the licence 'banana"),
    (break_the_card, "README.md is not UTF-8: "),
    (break_the_croissant, "croissant.json says "),
    (call_it_real, "origin is real, but a model is named"),
    (add_a_file, "data/notes.txt is in the folder but not in synthgen.json"),
]


def test_an_untouched_folder_has_no_fault(finished: Path) -> None:
    assert check(finished) == []
    report = verify(finished)
    assert report.faults == ()
    assert {"kept", "label_counts", "README.md", "croissant.json", "tokens"} <= set(report.recomputed)
    assert {"fingerprints", "asked", "failed", "attempts", "statistics, acceptance"} <= set(report.recomputed)


def test_a_figure_that_nothing_gives_again_is_named(folder: Path) -> None:
    (folder / "ledger.sqlite").unlink()
    shutil.rmtree(folder / "rejected")
    report = verify(folder)
    named = {line.split(":")[0] for line in report.not_recomputed}
    assert report.faults == ()
    assert {"asked", "rejected", "failed", "attempts", "seconds", "tokens", "statistics, acceptance"} <= named
    assert {f"checks, {name}" for name in read_manifest(folder).checks} <= named
    assert not named & set(report.recomputed)


def test_a_ledger_that_was_removed_is_a_fault_where_the_set_was_made_and_named_in_a_published_one(folder: Path) -> None:
    (folder / "ledger.sqlite").unlink()
    assert verify(folder).faults == ("ledger.sqlite is missing: the set was written from it",)
    shutil.rmtree(folder / "rejected")
    report = verify(folder)
    assert report.faults == ()
    assert any(line.startswith("ledger.sqlite: ") for line in report.not_recomputed)


@pytest.mark.parametrize(("mutate", "named"), MUTATIONS, ids=lambda value: getattr(value, "__name__", "named"))
def test_verification_names_what_was_touched(folder: Path, mutate: Callable[[Path], None], named: str) -> None:
    mutate(folder)
    faults = verify(folder).faults
    assert any(named in fault for fault in faults), faults


def test_every_disclosure_has_an_answer_or_a_reason(finished: Path) -> None:
    answers = disclose(read_manifest(finished))
    assert len(answers) == len(DISCLOSURES) == 15
    for answer in answers.values():
        assert len(answer.summary) > 20, answer
        assert all(name and value for name, value in answer.facts), answer


@pytest.mark.parametrize("title", [title for title, _ in DISCLOSURES.values()])
def test_a_card_without_a_disclosure_is_refused(folder: Path, title: str) -> None:
    path = folder / "README.md"
    path.write_text(path.read_text().replace(f". {title}\n", ". Something else\n"))
    assert check(folder) == [f"README.md: the section '{title}' is missing"]


@pytest.mark.parametrize(
    ("key", "value"), [("rejected", None), ("statistics", []), ("files", "x"), ("columns", 3), ("parents", {})]
)
def test_a_manifest_with_a_value_of_another_type_is_refused_in_one_line(folder: Path, key: str, value: object) -> None:
    put_manifest(folder, json.loads((folder / MANIFEST_NAME).read_text()) | {key: value})
    with pytest.raises(UserError, match=f"is not a dataset manifest: {key} is .*; allowed: a ") as caught:
        verify(folder)
    assert "\n" not in str(caught.value)


NO_TOKENS: dict[str, Any] = {"statistics": {"xlmr_tokens": {"premise": {}}}}


@pytest.mark.parametrize(
    ("changed", "reads"),
    [
        ({"checks": {"artefacts": "x"}}, verify),
        (NO_TOKENS, verify),
        (NO_TOKENS, synthgen.inspect),
        (NO_TOKENS, synthgen.card),
    ],
)
def test_a_manifest_that_no_card_can_show_is_refused_in_one_line(
    folder: Path, changed: dict[str, Any], reads: Callable[[Path], object]
) -> None:
    put_manifest(folder, json.loads((folder / MANIFEST_NAME).read_text()) | changed)
    with pytest.raises(UserError, match="has a value that no card can show"):
        reads(folder)


def test_a_manifest_that_is_not_utf_8_is_refused_in_one_line(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_bytes(b"\xff{}")
    with pytest.raises(UserError, match=r"synthgen\.json is not UTF-8: invalid start byte \(0xff\) at byte 0"):
        verify(folder)


def test_a_front_matter_that_says_something_else_than_the_manifest_is_an_error(folder: Path) -> None:
    path = folder / "README.md"
    path.write_text(path.read_text().replace('language: ["en"]', 'language: ["fr"]'))
    assert check(folder) == ['README.md: language is ["fr"]; synthgen.json gives ["en"]']


def test_an_empty_field_is_an_error(finished: Path) -> None:
    text = (finished / "README.md").read_text()
    assert card_faults(re.sub(r"\| kept \| \d+ \|", "| kept |  |", text), disclosed=["Funnel"]) == [
        "README.md: a field in 'Funnel' is empty: | kept |  |"
    ]


def test_a_front_matter_without_a_licence_is_an_error(finished: Path) -> None:
    lines = [line for line in (finished / "README.md").read_text().split("\n") if not line.startswith("license")]
    assert "README.md: the front matter has no 'license'" in card_faults("\n".join(lines), disclosed=[])


def test_a_card_refuses_a_licence_that_its_generator_forbids(folder: Path) -> None:
    manifest = read_manifest(folder)
    model = {**(manifest.model or {}), "ref": "facebook/nllb", "licence": "cc-by-nc-4.0"}
    changed = replace(manifest, model=model, licence="apache-2.0")
    with pytest.raises(
        UserError, match=r"model facebook/nllb \(cc-by-nc-4\.0\) does not allow the licence apache-2\.0"
    ):
        datacard.write_card(folder, changed)


def test_the_front_matter_is_what_the_hub_library_and_datasets_read(
    finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    datasets = pytest.importorskip("datasets")
    card = hub.DatasetCard.load(str(finished / "README.md"))
    values = read_front_matter((finished / "README.md").read_text(), where="README.md")
    assert card.data.to_dict()["task_ids"] == ["natural-language-inference"]
    loaded = datasets.load_dataset(str(finished), split="train", cache_dir=str(tmp_path / "cache"))
    assert datasets.Features._from_yaml_list(values["dataset_info"]["features"]) == loaded.features
    assert loaded.num_rows == read_manifest(finished).kept
    assert "dataset card" not in caplog.text, "a part of the card that datasets ignores"


def test_folders_of_one_name_are_loaded_each_with_its_own_rows(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    for place, count in (("a", 20), ("b", 7)):
        source = parquet_folder(tmp_path / place / "in", random_rows(count))
        run_filters(source, out=tmp_path / place / "set", origin="real")
        loaded = datasets.load_dataset(str(tmp_path / place / "set"), split="train", cache_dir=str(tmp_path / "cache"))
        assert loaded.num_rows == count


def test_the_croissant_file_is_valid_and_reads_the_rows(finished: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(str(finished / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    first = next(iter(dataset.records("train")))
    assert first["train/id"].decode() == "mnli-s0-0000000"


@pytest.mark.parametrize("task", ["mnli"])
def test_a_real_set_passes_too(task: str, tmp_path: Path) -> None:
    import_task(task, source="sample", out=tmp_path / "real")
    assert check(tmp_path / "real") == []
    assert verify(tmp_path / "real").faults == ()


def test_every_figure_is_a_picture_that_says_its_numbers_in_words(finished: Path) -> None:
    manifest = read_manifest(finished)
    for name, svg in figures(manifest).items():
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img", name
        assert (finished / "figures" / f"{name}.svg").read_text() == svg
    assert f"kept {manifest.kept}" in ElementTree.fromstring(figures(manifest)["funnel"]).get("aria-label", "")


def test_a_label_in_a_figure_never_becomes_markup() -> None:
    svg = bars("t", [("<script>alert(1)</script>&\"'", 3, "k")])
    assert not ElementTree.fromstring(svg).findall(".//{*}script")


# One of each format, and the two shapes of multiple choice.
REAL_FILES = {
    "mnli": "mnli/train_9k.json",
    "squad_v1": "squad/squad_sample.json",
    "hellaswag": "hellaswag/val_1-3000.txt",
    "commonsenseqa": "commonsenseqa/dev_rand_split_1-600.jsonl",
    "udpos": "udpos/dev-en.tsv",
}


@pytest.mark.realdata
@pytest.mark.parametrize("task", REAL_FILES)
def test_the_cards_of_real_files_pass_check_verification_hub_datasets_and_croissant(
    task: str, data_root: Path, tmp_path: Path
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    datasets = pytest.importorskip("datasets")
    mlcroissant = pytest.importorskip("mlcroissant")
    folder = tmp_path / task
    manifest = import_task(task, source=data_root / REAL_FILES[task], out=folder, n=40)
    assert check(folder) == []
    assert verify(folder).faults == ()
    assert hub.DatasetCard.load(str(folder / "README.md")).data.to_dict()["language"] == [manifest.language]
    loaded = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    front = read_front_matter((folder / "README.md").read_text(), where="README.md")
    assert datasets.Features._from_yaml_list(front["dataset_info"]["features"]) == loaded.features
    described = mlcroissant.Dataset(str(folder / "croissant.json"))
    assert not described.metadata.ctx.issues.errors
    assert len(list(described.records("train"))) == 40


def test_what_a_killed_command_was_writing_is_no_fault_and_the_next_card_removes_it(folder: Path) -> None:
    ended = re.sub(r"-\d+-\d+\.", "-4194305-1.", draft_name("README.md"))
    drafts = [ended, ".croissant.json.4194305", f"figures/{ended}", "figures/.funnel.svg.4194305"]
    for name in drafts:
        (folder / name).write_text("half")
    assert verify(folder).is_true
    datacard.card(folder)
    assert not [name for name in drafts if (folder / name).exists()]


def test_a_card_of_an_earlier_version_is_mended_by_the_command_that_is_named(folder: Path, tmp_path: Path) -> None:
    path, digest = folder / "README.md", read_manifest(folder).content_hash
    path.write_text(path.read_text().replace(f"content {digest}", "the rows"))
    faults = check(folder)
    (advice,) = way_out(folder, faults)
    assert advice == f"synthgen card {folder} writes the card and its files anew"
    with pytest.raises(UserError, match=f"not published: .*; {advice}$"):
        publish(folder, to=str(tmp_path / "public"))
    assert way_out(folder, ["data/train-00000-of-00001.parquet is missing"]) == []
    datacard.card(folder)
    assert publish(folder, to=str(tmp_path / "public")).status == "published"
