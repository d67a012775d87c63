"""Decontamination: copies, edits and cuts of evaluation items are found, stock sentences are not."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.filters.command import filter as run_filters
from synthgen.filters.config import read_config
from synthgen.filters.decontamination.evaluation_sets import read_evaluation_sets
from synthgen.filters.decontamination.filter import Contamination, ContaminationSettings
from tests.synthgen.conftest import NLI, parquet_folder, random_rows

PREMISE = "The ferry to the northern islands had been cancelled again because of the storm that nobody had expected."
HYPOTHESIS = "The ferry did not run that day."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root in XTREME's layout, written for this test."""
    for folder in ("xnli", "xquad", "udpos", "tatoeba"):
        (tmp_path / "root" / folder).mkdir(parents=True)
    root = tmp_path / "root"
    (root / "xnli" / "test-en.tsv").write_text(f"{PREMISE}\t{HYPOTHESIS}\nIt rained.\tYes, it is true.\n")
    (root / "xnli" / "train-en.tsv").write_text("A training sentence that must never count.\tIt may be repeated.\n")
    passage = " ".join(f"word{number}" for number in range(200))
    question = {"question": "Which word comes after the seventh?", "id": "1"}
    squad = {"data": [{"paragraphs": [{"context": passage, "qas": [question]}]}]}
    (root / "xquad" / "xquad.en.json").write_text(json.dumps(squad))
    (root / "udpos" / "test-zh.tsv").write_text("我们\tPRON\n明天\tNOUN\n去\tVERB\n动物园\tNOUN\n\n")
    (root / "tatoeba" / "tatoeba.deu-eng.deu").write_text(
        "Die Fähre fährt heute wegen des Sturms leider gar nicht mehr.\n"
    )
    return root


def found(root: Path, premise: str, hypothesis: str) -> str:
    verdict = Contamination(NLI, [root]).check("a", {"premise": premise, "hypothesis": hypothesis, "label": 0})
    return verdict.evidence if verdict else ""


def test_every_kind_of_file_is_read_but_training_files(root: Path) -> None:
    sets = {each.name: each.items for each in read_evaluation_sets(root)}
    assert {name: len(items) for name, items in sets.items()} == {
        "tatoeba/tatoeba.deu-eng.deu": 1,
        "udpos/test-zh.tsv": 1,
        "xnli/test-en.tsv": 2,
        "xquad/xquad.en.json": 1,
    }
    assert sets["udpos/test-zh.tsv"] == (("我们 明天 去 动物园",),)


def test_files_of_kinds_that_are_not_read_are_named_on_the_terminal_and_in_the_manifest(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("xnli/test.feather", "xquad/xquad.zip", "xnli/train.zip", "README.md", "ud.tar.gz"):
        (root / name).write_bytes(b"-")
    rows = parquet_folder(tmp_path / "in", random_rows(9))
    manifest = run_filters(rows, out=tmp_path / "out", origin="real", against=[root])
    assert manifest.checks["contamination"]["not_read"] == ["ud.tar.gz", "xnli/test.feather", "xquad/xquad.zip"]
    assert "--against: 5 items read of " in (said := capsys.readouterr().err)
    assert "xquad/xquad.en.json" in said
    assert "not read, so their items are not searched for: ud.tar.gz, xnli/test.feather, xquad/xquad.zip" in said


@pytest.mark.parametrize("name", ["test-de.tsv", "test.csv", "test.json", "test.jsonl"])
def test_a_git_lfs_pointer_is_no_evaluation_file(name: str, root: Path) -> None:
    (root / name).write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 7\n")
    with pytest.raises(UserError, match=rf"{name} is a Git LFS pointer.*git lfs pull"):
        read_evaluation_sets(root)


@pytest.mark.parametrize(
    ("premise", "hypothesis", "where"),
    [
        (PREMISE, HYPOTHESIS, "xnli/test-en.tsv"),
        (PREMISE.upper().replace(".", "!"), "Nothing was running.", "xnli/test-en.tsv"),
        (PREMISE.replace("storm", "gale"), "Nothing was running.", "xnli/test-en.tsv"),
        (" ".join(PREMISE.split()[:12]), "Nothing was running.", "xnli/test-en.tsv"),
        ("He read: " + " ".join(f"word{number}" for number in range(80, 95)), "He read.", "xquad/xquad.en.json"),
        ("Die Fähre fährt heute wegen des Sturms leider gar nicht.", "Es stürmt.", "tatoeba/tatoeba.deu-eng.deu"),
        ("The ferry is white.", HYPOTHESIS, ""),
        ("The sun shone.", "The man said that yes, it is true.", ""),
        ("A training sentence that must never count.", "It may be repeated.", ""),
    ],
)
def test_a_repeated_item_is_found_and_a_stock_sentence_is_not(
    root: Path, premise: str, hypothesis: str, where: str
) -> None:
    evidence = found(root, premise, hypothesis)
    assert evidence.startswith(where) if where else evidence == ""


def test_the_report_names_sets_and_revisions_and_holds_no_test_text(root: Path, tmp_path: Path) -> None:
    rows = [*random_rows(20), {"premise": PREMISE, "hypothesis": "It was calm.", "label": 2}]
    manifest = run_filters(parquet_folder(tmp_path / "in", rows), out=tmp_path / "out", origin="real", against=[root])
    assert manifest.rejected == {"contamination": 1}
    assert "contamination.json" in manifest.files
    assert manifest.checks["contamination"]["sets_hit"] == {"xnli/test-en.tsv": 1}
    text = (tmp_path / "out" / "contamination.json").read_text()
    report = {each["name"]: each for each in json.loads(text)["sets"]}
    assert report["xnli/test-en.tsv"]["rows_removed"] == 1
    assert len(report["xnli/test-en.tsv"]["revision"]) == 64
    assert "ferry" not in text
    assert str(tmp_path) not in text


@pytest.mark.model
def test_a_translation_is_found_by_an_encoder_when_one_is_named_and_another_sentence_is_not(tmp_path: Path) -> None:
    german = {
        "Die Fähre zu den nördlichen Inseln fiel wegen des Sturms aus.\tDas Schiff fuhr an diesem Tag nicht.": 1,
        "Der Bäcker öffnet seinen Laden jeden Morgen um fünf Uhr.\tDas Brot ist am Nachmittag ausverkauft.": 0,
        "Die Regierung senkte im Mai die Steuern auf Benzin.\tAutofahrer zahlen weniger.": 0,
    }
    (tmp_path / "test-de.tsv").write_text("\n".join(german) + "\n", encoding="utf-8")
    settings = ContaminationSettings(encoder="pack:multilingual-e5-small")
    judge = Contamination(NLI, [tmp_path / "test-de.tsv"], settings)
    ferry = {"premise": "The ferry to the northern islands was cancelled because of the storm.", "label": 0}
    rows = [
        ("a", ferry | {"hypothesis": "The ship did not sail on that day."}),
        (
            "b",
            {"premise": "My sister plays the violin in a large orchestra.", "hypothesis": "She is tall.", "label": 1},
        ),
    ]
    first, second = judge.check_batch(rows)
    assert first is not None
    assert "the same meaning, cosine" in first.evidence
    assert second is None
    facts = judge.metadata()
    assert facts["rows_removed_by_meaning"] == 1
    assert facts["encoder"] == "pack:multilingual-e5-small"
    assert Contamination(NLI, [tmp_path / "test-de.tsv"]).check(*rows[0]) is None


def test_what_cannot_be_read_is_one_line(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--against .*nowhere: no such file"):
        read_evaluation_sets(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no evaluation items"):
        read_evaluation_sets(root / "xnli" / "train-en.tsv")
    (root / "xquad" / "dev.json").write_text("{")
    with pytest.raises(UserError, match=r"cannot read .*dev.json"):
        read_evaluation_sets(root)
    (root / "xquad" / "dev.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match=r"cannot read .*dev.json"):
        read_evaluation_sets(root)
    (tmp_path / "f.toml").write_text("[contamination]")
    with pytest.raises(UserError, match=r"\[contamination\] of .* needs --against"):
        read_config(tmp_path / "f.toml")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("margin = 0.9", "margin = 0.9 is not above 0.05 and at most 0.8"),
        ("own_margin = 0.01", "own_margin = 0.01 is not above 0.05 and at most 0.8"),
        ('own_margin = "a"', "own_margin = 'a' in"),
        ("similarity = 0.5", "unknown key 'similarity'"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(root: Path, tmp_path: Path, setting: str, said: str) -> None:
    (tmp_path / "f.toml").write_text(f"[contamination]\n{setting}\n")
    with pytest.raises(UserError) as caught:
        read_config(tmp_path / "f.toml")
    assert said in str(caught.value)
    assert "f.toml" in str(caught.value)


def test_rows_are_asked_about_by_language_without_its_region_and_those_of_a_word_or_two_are_not(root: Path) -> None:
    asked: dict[str, list[tuple[str, ...]]] = {}

    class Deaf:
        def nearest(self, rows: list[tuple[str, ...]], language: str, *_: object) -> list[None]:
            asked.setdefault(language, []).extend(rows)
            return [None] * len(rows)

    texts = [
        ("A new bridge was built.", "Men built it."),
        ("Good night.", "Sleep well."),
        ("今天早上我们去看大海。", "他们去了。"),
    ]
    languages = ("", "", "zh-Hant")
    rows = [
        (str(number), {"premise": one, "hypothesis": two, "label": 0, "language": language})
        for number, ((one, two), language) in enumerate(zip(texts, languages, strict=True))
    ]
    filter_ = Contamination(NLI, [root], ContaminationSettings(encoder="any"), "en_GB", neighbours=Deaf())
    assert filter_.check_batch(rows) == [None] * 3
    assert asked == {"en": texts[:1], "zh": texts[2:]}


def evidence(folder: Path, items: list[tuple[str, ...]], premise: str, hypothesis: str = "It is calm here.") -> str:
    folder.mkdir(exist_ok=True)
    (folder / "test.tsv").write_text("".join("\t".join(item) + "\n" for item in items), encoding="utf-8")
    return found(folder, premise, hypothesis)


def test_a_copied_passage_is_found_wherever_its_title_stands(tmp_path: Path) -> None:
    title = "cancelled again because"
    assert "100% of the trigrams of 18 words" in evidence(tmp_path / "a", [(title, PREMISE)], PREMISE)
    assert "100% of the trigrams of 18 words" in evidence(tmp_path / "b", [(PREMISE, title)], PREMISE)


def test_a_copied_premise_is_found_however_many_items_have_it(tmp_path: Path) -> None:
    items = [(PREMISE, f"This is claim {number} of it.") for number in range(300)]
    assert "100% of the trigrams" in evidence(tmp_path / "a", items, PREMISE)


def test_items_that_share_more_with_a_row_do_not_hide_the_one_that_it_holds_whole(tmp_path: Path) -> None:
    row = [f"r{number}" for number in range(40)]
    decoys = [
        (" ".join([f"d{decoy}a{i}" for i in range(15)] + row[:7] + [f"d{decoy}b{i}" for i in range(15)] + row[30:38]),)
        for decoy in range(12)
    ]
    item = (" ".join(row[14:26]), "Something that differs from it all.")
    assert "100% of the trigrams" in evidence(tmp_path / "a", [*decoys, item], " ".join(row))
    assert "100% of the trigrams" in evidence(tmp_path / "a", [item, *decoys], " ".join(row))


WORDS = st.sampled_from(("the", "old", "man", "saw", "a", "dog", "by", "night"))
SENTENCES = st.lists(WORDS, min_size=3, max_size=14).map(" ".join)
PAIRS = st.tuples(SENTENCES, SENTENCES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(PAIRS, min_size=9, max_size=30), PAIRS, st.randoms())
def test_what_is_found_does_not_depend_on_the_order_of_the_items(
    tmp_path: Path, items: list[tuple[str, str]], row: tuple[str, str], draw: random.Random
) -> None:
    first = evidence(tmp_path / "a", items, *row)
    draw.shuffle(items)
    assert evidence(tmp_path / "a", items, *row) == first
