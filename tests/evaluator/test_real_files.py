"""The official files read with exactly the counts of their README, and their traps stay harmless."""

from __future__ import annotations

from pathlib import Path

import pytest

import evaluator
from evaluator.benchmark.files.tagged import tagged_split
from evaluator.benchmark.registry import find
from evaluator.benchmark.target import DataRoot, Split, UnlabelledError, codes
from synthgen.corpora.readers.tagged import UPOS, read_sentences
from synthgen.corpora.readers.text import read_lines, read_table
from synthgen.errors import UserError

TATOEBA = dict.fromkeys(
    codes("ar bg bn de el es et fa fi fr he hi id it ja ko mr ru tl tr ur vi zh"), 1000
) | {"ka": 746, "th": 548, "sw": 390, "ta": 307}  # fmt: skip
COUNTS: dict[tuple[str, str], dict[str, int]] = {
    ("xnli", "dev"): dict.fromkeys(["en", "ar", "de", "es", "hi", "sw", "tr", "zh"], 2490),
    ("xnli", "test"): dict.fromkeys(["en", "ar", "de", "es", "hi", "sw", "tr", "zh"], 5010),
    ("panx", "dev"): {
        **dict.fromkeys(["en", "ar", "de", "zh"], 10_000), **dict.fromkeys(["hi", "sw", "ta", "af"], 1000), "yo": 100
    },
    ("udpos", "test"): {
        "en": 5440, "ar": 1680, "es": 3147, "hi": 2684, "zh": 3455,
        "ta": 654, "yo": 318, "tr": 5842, "vi": 800, "af": 425,
    },
    ("udpos", "dev"): {"en": 3974},
    ("xquad", "test"): dict.fromkeys(["en", "ar", "de", "es", "hi", "vi", "zh"], 1190),
    ("mlqa", "dev"): {"en": 1148, "de": 512, "es": 500},
    ("tydiqa", "dev"): {"sw": 2755},
    ("xcopa", "test"): dict.fromkeys(["et", "id", "sw", "ta", "th", "zh"], 500),
    ("xcopa", "dev"): dict.fromkeys(["et", "id", "sw", "ta", "th", "zh"], 100),
    ("tatoeba", "test"): TATOEBA,
    ("lareqa", "test"): dict.fromkeys(["en", "de", "zh"], 1190),
    ("pawsx", "dev"): dict.fromkeys(["en", "de", "es", "zh"], 2000),
    ("pawsx", "test"): {"zh": 2000},
    ("bucc2018", "dev"): {"zh": 8624},
}  # fmt: skip
TRAINING = {"xnli": 8999, "udpos": 21_787, "panx": 20_000, "xquad": 3718, "tydiqa": 3696, "xcopa": 400, "lareqa": 3718}
UNLABELLED = {
    **{("tydiqa", code): rows for code, rows in {"en": 440, "fi": 782, "id": 565, "ko": 276, "sw": 499}.items()},
    ("panx", "sw"): 1000,
}
CELLS = [(*key, code, rows) for key, by_language in COUNTS.items() for code, rows in by_language.items()]


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "split", "code", "rows"), CELLS)
def test_a_file_has_the_rows_of_its_readme(data_root: Path, name: str, split: str, code: str, rows: int) -> None:
    assert len(find(name).load(DataRoot(data_root), code, split)) == rows


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "rows"), TRAINING.items())
def test_a_training_file_has_the_rows_of_its_readme(data_root: Path, name: str, rows: int) -> None:
    read = find(name).train
    assert read is not None
    assert len(read(DataRoot(data_root))) == rows


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "code", "rows"), [(*key, rows) for key, rows in UNLABELLED.items()])
def test_an_unlabelled_file_is_counted_and_refused(data_root: Path, name: str, code: str, rows: int) -> None:
    with pytest.raises(UnlabelledError, match="is not labelled: no (line has a tag|question has an answer)") as raised:
        find(name).load(DataRoot(data_root), code, "test")
    assert raised.value.rows == rows


@pytest.mark.realdata
def test_the_check_lists_unlabelled_files_with_their_rows(data_root: Path) -> None:
    rows = evaluator.data_check(data_root=data_root, targets=["tydiqa"])
    found = {("tydiqa", row["language"]): row["rows"] for row in rows if not row["labelled"]}
    assert found == {key: rows for key, rows in UNLABELLED.items() if key[0] == "tydiqa"}


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "code"), [("pawsx", "en"), ("pawsx", "zh"), ("tydiqa", "en")])
def test_what_is_trained_on_is_never_scored(data_root: Path, tmp_path: Path, name: str, code: str) -> None:
    """The root has no PAWS-X training file but the English dev file, whose translations the other dev files are."""
    with pytest.raises(
        UserError, match=f"{name} (has no dev items for en|{code} dev: its items are also training items)"
    ):
        evaluator.compare(
            ["none=none"], targets=[name], languages=[code], split="dev", data_root=data_root, model=str(tmp_path)
        )


def test_test_files_without_their_label_file_are_counted_as_unlabelled(tmp_path: Path) -> None:
    path = tmp_path / "xnli" / "test-en.tsv"
    path.parent.mkdir()
    path.write_text("a\tb\nc\td\n", encoding="utf-8")
    assert [(row["rows"], row["labelled"]) for row in evaluator.data_check(data_root=tmp_path, targets=["xnli"])] == [
        (2, False)
    ]


def test_one_line_without_a_tag_is_an_error_not_an_unlabelled_file(tmp_path: Path) -> None:
    path = tmp_path / "tags.tsv"
    path.write_text("a\tNOUN\nb\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"tags\.tsv line 2 has no tag; expected token TAB tag"):
        tagged_split(path, "en", UPOS)


@pytest.mark.realdata
def test_copa_placeholder_labels_are_refused(data_root: Path, tmp_path: Path) -> None:
    placeholder = data_root / "xcopa" / "en" / "test.en.placeholder-labels.jsonl"
    copy = tmp_path / "xcopa" / "et" / "test.et.jsonl"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(placeholder.read_bytes())
    with pytest.raises(UnlabelledError, match="every row has the placeholder 0"):
        find("xcopa").load(DataRoot(tmp_path), "et", "test")


@pytest.mark.realdata
def test_xcopa_takes_cause_or_effect_from_the_english_row(data_root: Path) -> None:
    thai = find("xcopa").load(DataRoot(data_root), "th", "test")
    asked = {record.question for record in thai.records}
    assert asked == {"What was the cause?", "What was the effect?"}


@pytest.mark.realdata
def test_parallel_sets_have_the_same_ids_and_labels_in_every_language(data_root: Path) -> None:
    root = DataRoot(data_root)
    for name, languages in (("xnli", "en sw zh"), ("xcopa", "et th zh"), ("xquad", "en hi zh")):
        splits = [find(name).load(root, code, "test") for code in languages.split()]
        assert len({split.ids for split in splits}) == 1
        if name != "xquad":
            assert len({split.gold for split in splits}) == 1


@pytest.mark.realdata
def test_pawsx_placeholder_texts_stay(data_root: Path) -> None:
    german = find("pawsx").load(DataRoot(data_root), "de", "dev")
    assert any("NS" in (record.text_a, record.text_b) for record in german.records)


@pytest.mark.realdata
def test_lareqa_has_the_published_candidates_in_english(data_root: Path) -> None:
    english = find("lareqa").load(DataRoot(data_root), "en", "test")
    assert len(english.pool) == 1180


def test_lines_end_at_newlines_only(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes("one\u2028two\x1dthree\u0085four\r\nfive\n".encode())
    assert list(read_lines(path)) == ["one\u2028two\x1dthree\u0085four", "five"]


def test_quotes_are_characters(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text('"a\tb"\tc\n', encoding="utf-8")
    assert read_table(path, 3) == [['"a', 'b"', "c"]]


def test_a_row_with_another_number_of_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("a\tb\tc\na\tb\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"rows\.tsv line 2 has 2 columns; expected 3"):
        read_table(path, 3)


def test_sentences_may_hold_separator_characters_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "tags.tsv"
    path.write_bytes('"\tPUNCT\na\u2028b\tNOUN\n\nc\tX\n'.encode())
    sentences = [(sentence.tokens, sentence.tags) for sentence in read_sentences(path)]
    assert sentences == [(('"', "a\u2028b"), ("PUNCT", "NOUN")), (("c",), ("X",))]


def test_a_prefix_of_wikiann_is_stripped(tmp_path: Path) -> None:
    path = tmp_path / "panx" / "test-de.tsv"
    path.parent.mkdir()
    path.write_text("de:Berlin\tB-LOC\nde:de:x\tO\n", encoding="utf-8")
    split: Split = find("panx").load(DataRoot(tmp_path), "de", "test")
    assert split.records[0].tokens == ("Berlin", "de:x")


def test_an_unknown_label_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "xnli" / "dev-en.tsv"
    path.parent.mkdir()
    path.write_text("a\tb\tmaybe\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"unknown label 'maybe' in .*dev-en\.tsv line 1; known: entailment, neutral"):
        find("xnli").load(DataRoot(tmp_path), "en", "dev")


def test_misaligned_label_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "xnli"
    folder.mkdir()
    (folder / "test-en.tsv").write_text("a\tb\nc\td\n", encoding="utf-8")
    (folder / "test.labels.txt").write_text("neutral\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"test-en\.tsv has 2 rows and .*test\.labels\.txt 1"):
        find("xnli").load(DataRoot(tmp_path), "en", "test")
