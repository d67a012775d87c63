"""The rows that ship: read as released files are, balanced, apart from each other, small, each with its licence."""

from __future__ import annotations

import io
import re
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import pytest

import evaluator
from evaluator.benchmark.data_root import default_root
from evaluator.benchmark.registry import find
from synthgen import import_task
from synthgen.dataset.samples import SAMPLES
from synthgen.dataset.shards import read_rows
from synthgen.errors import UserError

README = (SAMPLES / "README.md").read_text(encoding="utf-8")
TEST_ITEMS = {("udpos", code): 1000 for code in ("de", "en", "es", "hi", "tr", "zh")}
TEST_ITEMS |= {("tatoeba", code): 1000 for code in ("de", "es", "hi", "tr", "zh")} | {("tatoeba", "sw"): 390}


def test_the_shipped_data_root_has_at_least_two_hundred_test_items_a_language() -> None:
    rows = evaluator.data_check(data_root="sample", targets=["udpos", "tatoeba"])
    assert {(row["target"], row["language"]): row["rows"] for row in rows if row["split"] == "test"} == TEST_ITEMS
    assert all(row["labelled"] for row in rows)
    assert [(row["split"], row["rows"]) for row in rows if row["split"] != "test"] == [("train", 1558), ("dev", 519)]


def test_no_training_sentence_is_among_the_shipped_test_sentences() -> None:
    target, root = find("udpos"), default_root("sample")
    assert target.train
    trained = {record.tokens for record in target.train(root).records if len(record.tokens) > 4}
    for language in ("en", "de", "es"):
        assert not trained & {record.tokens for record in target.load(root, language, "test").records}


@pytest.mark.parametrize(("corpus", "rows"), [("snli", 8999), ("wanli", 9000)])
def test_the_shipped_pairs_import_whole_and_balanced(corpus: str, rows: int, tmp_path: Path) -> None:
    manifest = import_task("snli", source=SAMPLES / corpus, out=tmp_path / corpus)
    assert (manifest.kept, manifest.rejected) == (rows, {})
    assert all(abs(count - rows / 3) < 30 for count in manifest.label_counts.values())
    pairs = Counter((row["premise"], row["hypothesis"]) for row in read_rows(tmp_path / corpus))
    assert sum(count - 1 for count in pairs.values()) <= 1


def test_rows_of_a_released_set_keep_its_licence_and_its_card_names_it(tmp_path: Path) -> None:
    manifest = import_task("snli", source="sample", n=90, out=tmp_path / "snli")
    assert (manifest.origin, manifest.licence, manifest.kept) == ("real", "CC BY-SA 4.0", 90)
    card = (tmp_path / "snli" / "README.md").read_text(encoding="utf-8")
    assert 'license: "cc-by-sa-4.0"' in card
    assert "Bowman, Angeli, Potts and Manning, EMNLP 2015" in card


def test_every_shipped_file_is_named_with_a_free_licence_whose_text_or_address_stands_beside_it() -> None:
    files = {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*") if path.is_file()}
    rows = [line.split(" | ") for line in README.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row[0])]
    for file in files - {"README.md"}:
        if file.startswith("licences/") or file.endswith((".py", ".pyc")):
            continue
        folder = file.partition("/")[0]
        assert any(name.partition("/")[0] == folder for name in named), file
    for row in rows:
        licence = row[-1].rstrip(" |")
        text = SAMPLES / "licences" / f"{licence.replace(' ', '-')}.txt"
        assert text.is_file() or "https://creativecommons.org/" in licence or licence == "CC0-1.0", licence
        assert "NC" not in licence
    assert not {"xnli", "anli", "qqp", "genx"} & {file.partition("/")[0] for file in files}


def test_the_shipped_rows_take_less_than_six_megabytes_packed() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(SAMPLES, "samples")
    assert packed.tell() < 6e6


def test_a_target_without_shipped_rows_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"xnli lacks xnli/test-de\.tsv"):
        evaluator.plan(["none=none"], targets=["xnli"], languages=["de"], data_root="sample", seeds=1)


@pytest.mark.parametrize(
    ("targets", "advice"),
    [
        (["udpos", "tatoeba"], "use the existing files with --languages de,en,es,hi,sw,tr,zh; udpos lacks"),
        (["udpos"], "use the existing files with --languages de,en,es,hi,tr,zh; udpos lacks"),
        (["udpos", "xnli"], "leave xnli out of --targets; xnli lacks"),
        (["xnli"], "give other --languages or --data-root; xnli lacks"),
    ],
)
def test_a_data_root_without_all_languages_is_refused_with_those_that_it_has(targets: list[str], advice: str) -> None:
    with pytest.raises(UserError, match=re.escape(advice)):
        evaluator.plan(["none=none"], targets=targets, data_root="sample", seeds=1)


def test_languages_that_only_some_targets_have_are_named_with_their_target(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "root")
    (tmp_path / "root/udpos/test-de.tsv").unlink()
    with pytest.raises(UserError, match="--languages udpos:en,udpos:zh,tatoeba:de,tatoeba:zh; udpos lacks"):
        evaluator.plan(
            ["none=none"], targets=["udpos", "tatoeba"], languages=["en", "de", "zh"], data_root=tmp_path / "root"
        )
