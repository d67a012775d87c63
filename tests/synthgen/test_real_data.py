"""The real files: every one of them imports with the row count its README gives. No text of theirs is in here."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthgen.corpora.catalogue import find_sources
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import read_rows
from synthgen.errors import UserError

pytestmark = pytest.mark.realdata

FILES = [
    ("mnli", "mnli/train_20k_tokenized.tsv", 20_000),
    ("mnli", "mnli/train_9k.json", 8_999),
    ("mnli", "mnli/dev_matched_1-5000.jsonl", 5_000),
    ("snli", "snli/train_9k.json", 8_999),
    ("snli", "snli/dev.jsonl", 9_842),
    ("anli", "anli/test_r1_r2.jsonl", 2_000),
    ("qqp", "qqp/train_9k.json", 8_999),
    ("squad_v1", "squad/squad_sample.json", 3_718),
    ("squad_v2", "squad/squad_sample.json", 3_718),
    ("commonsenseqa", "commonsenseqa/train_rand_split.jsonl", 9_741),
    ("commonsenseqa", "commonsenseqa/dev_rand_split_1-600.jsonl", 600),
    ("cosmosqa", "cosmosqa/valid_1-2200.csv", 2_200),
    ("hellaswag", "hellaswag/val_1-3000.txt", 3_000),
    ("socialiqa", "socialiqa/dev_1-1200.jsonl", 1_200),
    ("copa", "xcopa/en/train.en.jsonl", 400),
    ("copa", "xcopa/en/val.en.jsonl", 100),
    ("udpos", "udpos/train-en.tsv", 21_787),
    ("udpos", "udpos/dev-en.tsv", 3_974),
    *(
        ("udpos", f"udpos/test-{language}.tsv", count)
        for language, count in {
            **{"en": 5_440, "ar": 1_680, "es": 3_147, "hi": 2_684, "zh": 3_455},
            **{"ta": 654, "yo": 318, "tr": 5_842, "vi": 800, "af": 425},
        }.items()
    ),
    *(
        ("udpos", f"ud/UD_{treebank}-ud-test.conllu", count)
        for treebank, count in {
            **{"English-EWT/en_ewt": 2_077, "English-PUD/en_pud": 1_000, "German-PUD/de_pud": 1_000},
            **{"Chinese-PUD/zh_pud": 1_000, "Tamil-TTB/ta_ttb": 120, "Yoruba-YTB/yo_ytb": 317},
        }.items()
    ),
    ("panx", "panx/train-en.tsv", 20_000),
    *(
        ("panx", f"panx/dev-{language}.tsv", count)
        for language, count in {
            **{"en": 10_000, "ar": 10_000, "de": 10_000, "zh": 10_000},
            **{"hi": 1_000, "sw": 1_000, "ta": 1_000, "af": 1_000, "yo": 100},
        }.items()
    ),
]
ROOT = {
    "anli_plus": 8_999 + 28_547 + 2_000,
    "mnli": 28_547,
    "qqp": 8_999,
    "squad_v1": 3_718,
    "squad_v2": 3_718,
    "hellaswag": 3_000,
    "cosmosqa": 2_200,
    "commonsenseqa": 9_741,
    "snli": 8_999,
    "anli": 2_000,
    "socialiqa": 1_200,
    "copa": 400,
    "udpos": 21_787,
    "panx": 20_000,
}
"""Rows of each task's best split when the whole data root is given; MNLI's two extracts share 452 pairs."""


@pytest.mark.parametrize(("task", "name", "count"), FILES)
def test_a_file_imports_with_the_count_its_readme_gives(
    data_root: Path, tmp_path: Path, task: str, name: str, count: int
) -> None:
    manifest = import_task(task, source=data_root / name, out=tmp_path / "out")
    assert (manifest.asked, manifest.kept, manifest.rejected, manifest.failed) == (count, count, {}, 0)
    assert manifest.origin == "real"
    format_ = find_sources(task)[0].format
    rows = list(read_rows(tmp_path / "out"))
    assert len({row["id"] for row in rows}) == count
    assert {row["language"] for row in rows} == {manifest.language}
    assert all(set(format_.features()) <= set(row) for row in rows)


@pytest.mark.parametrize("task", sorted(ROOT))
def test_the_data_root_gives_each_tasks_training_rows(data_root: Path, tmp_path: Path, task: str) -> None:
    manifest = import_task(task, source=data_root, out=tmp_path / "out")
    assert manifest.kept == ROOT[task]
    assert manifest.asked == manifest.kept + sum(manifest.rejected.values())
    assert manifest.rejected == ({"repeated in an earlier file": 452} if task in ("mnli", "anli_plus") else {})


@pytest.mark.parametrize(
    ("task", "name", "language"),
    [("udpos", "udpos/test-zh.tsv", "zh"), ("udpos", "ud/UD_Yoruba-YTB/yo_ytb-ud-test.conllu", "yo"),
     ("panx", "panx/dev-sw.tsv", "sw")],
)  # fmt: skip
def test_the_language_is_that_of_the_file_name(
    data_root: Path, tmp_path: Path, task: str, name: str, language: str
) -> None:
    assert import_task(task, source=data_root / name, out=tmp_path / "out").language == language


def test_two_hundred_mnli_rows_have_the_real_proportions(data_root: Path, tmp_path: Path) -> None:
    manifest = import_task("mnli", source=data_root, out=tmp_path / "out", n=200)
    assert manifest.label_counts == {"entailment": 66, "neutral": 67, "contradiction": 67}


def test_qqp_labels_are_those_of_the_readme(data_root: Path, tmp_path: Path) -> None:
    manifest = import_task("qqp", source=data_root, out=tmp_path / "out")
    assert manifest.label_counts == {"not_duplicate": 5_747, "duplicate": 3_252}


def test_every_squad_answer_lies_at_its_offset_and_guesses_are_counted(data_root: Path, tmp_path: Path) -> None:
    manifest = import_task("squad_v1", source=data_root, out=tmp_path / "out")
    for row in read_rows(tmp_path / "out"):
        (text,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert row["context"][start : start + len(text)] == text
    assert manifest.statistics["notes"] == {
        "answer position unique": 3_329,
        "answer position by question": 326,
        "answer position first of equals": 63,
    }


def test_hellaswag_contexts_are_put_together_again(data_root: Path, tmp_path: Path) -> None:
    import_task("hellaswag", source=data_root, out=tmp_path / "out")
    rows = list(read_rows(tmp_path / "out"))
    assert all("".join(row["ctx"].split()) == "".join((row["ctx_a"] + row["ctx_b"]).split()) for row in rows)
    assert sum(bool(row["ctx_b"]) for row in rows) > len(rows) // 4


def test_annotated_xquad_answers_stay_where_they_are(data_root: Path, tmp_path: Path) -> None:
    for language in ("en", "ar", "de", "es", "hi", "vi", "zh"):
        manifest = import_task("squad_v1", source=data_root / f"xquad/xquad.{language}.json", out=tmp_path / language)
        assert (manifest.kept, manifest.rejected, manifest.language) == (1_190, {}, language)


def test_files_without_gold_labels_are_refused(data_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'unlabelled': 1000"):
        import_task("panx", source=data_root / "panx/test-sw.tsv", out=tmp_path / "panx")
    placeholders = data_root / "xcopa/en/test.en.placeholder-labels.jsonl"
    with pytest.raises(UserError, match="placeholder labels"):
        import_task("copa", source=placeholders, out=tmp_path / "copa")
