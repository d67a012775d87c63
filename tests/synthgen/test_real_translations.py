"""Translations that others have made: rows in the layout of XNLI's and XTREME's releases, a hub on the loopback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synthgen.cards import card as datacard
from synthgen.corpora.catalogue import ENTRIES
from synthgen.corpora.import_corpus import import_task
from synthgen.corpora.translations import TRANSLATIONS
from synthgen.dataset import read_rejected, read_rows
from synthgen.dataset.schemas import faults
from synthgen.errors import IncompleteError, UserError
from synthgen.formats.base import class_label, integer, string
from synthgen.publishing.verify import verify
from tests import hub as loopback
from tests.hub import Hub, parquet

hub = loopback.hub
LABELS = ("entailment", "neutral", "contradiction")
ENGLISH = ("premise", "hypothesis")
PAIRS = [
    ('He said "no".', "He refused.", 'Er sagte "nein".', "Er lehnte ab.", "entailment"),
    ("It is\x1dlate.", "It is noon.", "Es ist\u2028spät.", "Es ist Mittag.", "contradictory"),
    ("Ann runs.", "Ann is fast.", "Ann läuft.", "Ann ist schnell.", "neutral"),
]


def write_pairs(folder: Path, rows: list[tuple[str, ...]] = PAIRS) -> Path:
    """Write XTREME's table: five cells a line, no header, no quoting."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "en-de-translated.tsv"
    path.write_bytes("".join("\t".join(row) + "\n" for row in rows).encode())
    return path


def english_set(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    """Import English MNLI rows and return their folder."""
    path = folder / "multinli_1.0_train.jsonl"
    values = [dict(zip(("sentence1", "sentence2", "gold_label"), row, strict=True)) for row in rows]
    path.write_text("\n".join(map(json.dumps, values)))
    import_task("mnli", source=path, out=folder / "mnli-en")
    return folder / "mnli-en"


def squad(questions: list[dict]) -> dict:
    return {"version": "1.1", "data": [{"title": "T", "paragraphs": [{"context": "Tee ist heiß.", "qas": questions}]}]}


def question(name: str, text: str, start: int | None) -> dict:
    place = {} if start is None else {"answer_start": start}
    return {"id": name, "question": "Was ist heiß?", "answers": [{"text": text, **place}]}


def test_xtremes_pairs_are_translated_rows_with_their_language_and_who_translated(tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "XNLI" / "translate-train")
    manifest = import_task("mnli", source=path, out=tmp_path / "out")
    assert (manifest.task, manifest.origin, manifest.language, manifest.kept) == ("mnli", "translated", "de", 3)
    assert manifest.label_counts == dict.fromkeys(LABELS, 1)
    rows = list(read_rows(tmp_path / "out"))
    assert [row["premise"] for row in rows] == [pair[2] for pair in PAIRS]
    assert [row["label"] for row in rows] == [0, 2, 1]
    assert [row["translated_from"] for row in rows] == [f"xnli-xtreme-de-train-000000{i}" for i in range(3)]
    assert {row["language"] for row in rows} == {"de"}
    assert "Google for XTREME" in manifest.checks["translation"]["by"]
    assert [parent["role"] for parent in manifest.parents] == ["translation", "translated"]
    assert ENTRIES["mnli"].licence in manifest.licence
    assert "licence not stated" in manifest.licence


def test_the_folder_of_a_translation_is_a_whole_dataset_folder(tmp_path: Path) -> None:
    import_task("mnli", source=write_pairs(tmp_path), out=tmp_path / "out")
    assert faults(json.loads((tmp_path / "out" / "synthgen.json").read_text()), "manifest") == []
    assert datacard.check(tmp_path / "out") == []
    assert verify(tmp_path / "out").faults == ()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "The rows were translated by Google for XTREME" in card
    assert "was identified" not in card


def test_rows_that_are_no_pair_or_have_no_label_are_counted(tmp_path: Path) -> None:
    good = ("a b", "b a", "a c", "c a", "1")
    rows = [good, ("a", "b", "c", "1"), ("a", "b", "c", "d", "NS"), ("a", "b", "c", "d", "2"), ("a", "b", "", "d", "0")]
    manifest = import_task("pawsx", source=write_pairs(tmp_path, rows), out=tmp_path / "out")
    assert (manifest.asked, manifest.kept, manifest.label_counts) == (5, 1, {"1": 1})
    assert manifest.rejected == {"malformed line": 1, "unknown label": 2, "empty sentence1": 1}
    assert '"line": "a\\tb\\tc\\td\\tNS"' in json.dumps([each.row for each in read_rejected(tmp_path / "out")])


def test_a_table_of_another_task_is_not_taken_for_this_one(tmp_path: Path) -> None:
    path = write_pairs(tmp_path, [("a", "b", "c", "d", "0"), ("a", "b", "c", "d", "1")])
    with pytest.raises(UserError, match=r"no usable row in en-de-translated.tsv: \{'unknown label': 2\}"):
        import_task("mnli", source=path, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("task", "name"),
    [("squad_v1", "squad.translate.train.en-de.json"), ("tydiqa", "tydiqa.translate.train.en-de.json")],
)
def test_translated_questions_keep_their_ids_and_misplaced_answers_are_counted(
    tmp_path: Path, task: str, name: str
) -> None:
    asked = [question("q1", "Tee", 0), question("q2", "Tea", 0), question("q3", "heiß", 3), question("q4", "Tee", None)]
    (tmp_path / name).write_text(json.dumps(squad(asked)))
    manifest = import_task(task, source=tmp_path / name, out=tmp_path / "out")
    assert (manifest.origin, manifest.language, manifest.kept) == ("translated", "de", 2)
    assert manifest.rejected == {"answer is not at its offset": 2}
    assert manifest.statistics["notes"] == {"answer position unique": 1}
    assert [(row["id"], row["translated_from"]) for row in read_rows(tmp_path / "out")] == [("q1", "q1"), ("q4", "q4")]


def test_translations_of_an_english_sets_rows_get_their_ids(tmp_path: Path) -> None:
    rows = [("Ann runs .", "Ann is fast .", "neutral"), ("Bob sat.", "Bob stood.", "contradiction")]
    english = english_set(tmp_path, [*rows, ('He said "no".', "He refused.", "neutral")])
    ids = {row["premise"]: row["id"] for row in read_rows(english)}
    manifest = import_task("mnli", source=write_pairs(tmp_path / "x"), out=tmp_path / "de", pair_with=english)
    (row,) = read_rows(tmp_path / "de")
    assert (row["premise"], row["id"]) == ("Ann läuft.", ids["Ann runs ."])
    found = manifest.checks["translation"]
    assert (found["translated"], found["of"], found["pairing"]) == (1, 3, "ids are those of mnli-en")
    assert verify(tmp_path / "de").faults == ()


def test_an_english_row_is_taken_once_however_often_it_was_translated(tmp_path: Path) -> None:
    english = english_set(tmp_path, [("Ann runs.", "Ann is fast.", "neutral")] * 2)
    path = write_pairs(tmp_path / "x", [PAIRS[2]] * 3)
    import_task("mnli", source=path, out=tmp_path / "de", pair_with=english)
    assert [row["id"] for row in read_rows(tmp_path / "de")] == [row["id"] for row in read_rows(english)]


def test_a_pairing_that_cannot_be_is_refused(tmp_path: Path) -> None:
    english = english_set(tmp_path, [("Never.", "Translated.", "neutral")])
    path = write_pairs(tmp_path / "x")
    with pytest.raises(UserError, match=r"en-de-translated.tsv has no translation of a row of mnli-en"):
        import_task("mnli", source=path, out=tmp_path / "out", pair_with=english)
    with pytest.raises(UserError, match="is a set of mnli in 'en'; expected pawsx in 'en'"):
        import_task("pawsx", source=path, out=tmp_path / "out", pair_with=english)
    with pytest.raises(UserError, match="--pair-with is for published translations"):
        import_task("mnli", source="sample", out=tmp_path / "out", pair_with=english)


def test_rows_that_others_wrote_are_paired_by_their_own_ids(tmp_path: Path) -> None:
    english = english_set(tmp_path, [("Ann runs.", "Ann is fast.", "neutral"), ("Bo sat.", "Bo sat.", "entailment")])
    first, second = (row["id"] for row in read_rows(english))
    lines = [
        {"number": second, "premise": "Bo alikaa kitini.", "hypothesis": "Bo alikaa.", "label": "entailment"},
        {"number": "elsewhere", "premise": "Mvua inanyesha.", "hypothesis": "Kuna jua.", "label": "contradiction"},
        {"number": first, "premise": "Anna anakimbia.", "hypothesis": "Anna ana kasi.", "label": "neutral"},
    ]
    path = tmp_path / "native.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    told = {"origin": "synthetic", "language": "sw", "pair_with": english}
    made = import_task("mnli", source=path, out=tmp_path / "sw", columns=["id=number"], **told)
    assert [row["id"] for row in read_rows(tmp_path / "sw")] == [second, first]
    assert (made.origin, made.language, made.asked) == ("synthetic", "sw", 2)
    assert made.parents[-1]["role"] == "paired"
    with pytest.raises(UserError, match="no row with an id of mnli-en; --columns id=NAME names the column of ids"):
        import_task("mnli", source=path, out=tmp_path / "none", **told)


XNLI_MT = "premise\thypo\tlabel\n"


def write_xnli_mt(folder: Path, english: str, german: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "multinli.train.en.tsv").write_text(XNLI_MT + english)
    (folder / "multinli.train.de.tsv").write_text(XNLI_MT + german)
    return folder / "multinli.train.de.tsv"


def test_a_language_is_found_in_the_folder_of_the_release(tmp_path: Path) -> None:
    write_xnli_mt(tmp_path / "XNLI-MT-1.0" / "multinli", "A .\tB .\tneutral\n", "C .\tD .\tneutral\n")
    import_task("mnli", source=tmp_path, out=tmp_path / "de", language="de")
    (row,) = read_rows(tmp_path / "de")
    assert (row["premise"], row["translated_from"]) == ("C .", "xnli-train-0000000")
    with pytest.raises(UserError, match=r"has no multinli.train.sw.tsv or en-sw-translated.tsv"):
        import_task("mnli", source=tmp_path, out=tmp_path / "sw", language="sw")


def test_english_rows_of_the_same_lines_pair_a_release_without_ids(tmp_path: Path) -> None:
    lines = ("A .\tB .\tneutral\nAnn runs .\tAnn is fast .\tneutral\n", "C\tD\tneutral\nAnn läuft\tschnell\tneutral\n")
    path = write_xnli_mt(tmp_path / "mt", *lines)
    english = english_set(tmp_path, [("Ann runs.", "Ann is fast.", "neutral")])
    import_task("mnli", source=path, out=tmp_path / "de", pair_with=english)
    assert [row["premise"] for row in read_rows(tmp_path / "de")] == ["Ann läuft"]


@pytest.mark.parametrize(
    ("german", "message"),
    [("C\tD\tentailment\n", "row 0 has another label"), ("C\tD\tneutral\n" * 2, "differ in number, from row 1 on")],
)
def test_english_rows_that_are_not_aligned_are_refused(tmp_path: Path, german: str, message: str) -> None:
    path = write_xnli_mt(tmp_path / "mt", "A .\tB .\tneutral\n", german)
    english = english_set(tmp_path, [("A.", "B.", "neutral")])
    with pytest.raises(UserError, match=message):
        import_task("mnli", source=path, out=tmp_path / "de", pair_with=english)


def test_an_import_of_the_english_set_leaves_its_translations_beside_it_alone(tmp_path: Path) -> None:
    write_xnli_mt(tmp_path / "multinli", "A .\tB .\tneutral\n", "C .\tD .\tneutral\n")
    manifest = import_task("mnli", source=tmp_path / "multinli", out=tmp_path / "en")
    assert (manifest.origin, manifest.language, manifest.kept) == ("real", "en", 1)


def put_xnli(hub: Hub, language: str, rows: list[tuple[str, str, int]]) -> None:
    values = [dict(zip((*ENGLISH, "label"), row, strict=True)) for row in rows]
    features = {"premise": string(), "hypothesis": string(), "label": class_label(LABELS)}
    files = hub.repos.setdefault("facebook/xnli", {})
    files[f"{language}/train-00000-of-00001.parquet"] = parquet(values, features)
    files[f"{language}/test-00000-of-00001.parquet"] = b"not asked for"


def test_the_hubs_translation_is_fetched_by_language(hub: Hub, tmp_path: Path) -> None:
    put_xnli(hub, "de", [("Tee .", "Heiß .", 0), ("Ann .", "Bob .", 2)])
    put_xnli(hub, "sw", [])
    manifest = import_task("mnli", source="hub", out=tmp_path / "de", language="de")
    assert (manifest.origin, manifest.language, manifest.kept) == ("translated", "de", 2)
    assert manifest.parents[0]["hub"] == "facebook/xnli"
    assert manifest.parents[0]["revision"] == hub.commit("facebook/xnli")
    assert "cc-by-nc-4.0" in manifest.licence
    assert [row["id"] for row in read_rows(tmp_path / "de")] == ["xnli-train-0000000", "xnli-train-0000001"]
    assert not [request for request in hub.requests if "/sw/" in request or "test" in request]
    assert verify(tmp_path / "de").faults == ()


def test_the_hubs_translation_is_paired_through_its_english_rows(hub: Hub, tmp_path: Path) -> None:
    put_xnli(hub, "de", [("Tee .", "Heiß .", 0), ("Ann läuft .", "Schnell .", 1)])
    put_xnli(hub, "en", [("Tea .", "Hot .", 0), ("Ann runs .", "Ann is fast .", 1)])
    english = english_set(tmp_path, [("Ann runs.", "Ann is fast.", "neutral")])
    import_task("mnli", source="hub", out=tmp_path / "de", language="de", pair_with=english)
    (row,) = read_rows(tmp_path / "de")
    assert row["premise"] == "Ann läuft ."
    assert row["translated_from"] == next(read_rows(english))["id"]


@pytest.mark.parametrize(
    ("task", "language", "message"),
    [
        ("mnli", "fi", "unknown --language 'fi'.*known: ar, bg, de"),
        ("mnli", "xx", "--language xx is not a language code"),
        ("mnli", "en", "leave the option out to import mnli itself"),
        ("qqp", "de", "no published translation of qqp is known, only of .*synthgen translate makes one"),
        ("pawsx", "de", "the hub has no translation of pawsx; give --from PATH"),
    ],
)
def test_a_language_that_is_not_there_is_refused(tmp_path: Path, task: str, language: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        import_task(task, source="hub", out=tmp_path / "out", language=language)


def test_a_language_that_is_not_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--language sw: by its name, en-de-translated.tsv is a translation into de"):
        import_task("mnli", source=write_pairs(tmp_path), out=tmp_path / "out", language="sw")
    with pytest.raises(UserError, match="--language is for published translations; 'sample' is not one"):
        import_task("mnli", source="sample", out=tmp_path / "out", language="de")


def test_no_hub_says_which_file_would_do(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match=r"facebook/xnli .* or give --from PATH with multinli.train.de.tsv"):
        import_task("mnli", source="hub", out=tmp_path / "out", language="de")


def test_english_paws_and_tydiqa_come_from_their_own_repositories(hub: Hub, tmp_path: Path) -> None:
    pair = {"id": 1, "sentence1": "a b", "sentence2": "b a", "label": 1}
    row = {"id": "english-1", "title": "T", "context": "Tea.", "question": "?"}
    row |= {"answers": {"text": ["Tea"], "answer_start": [0]}}
    paws = (ENTRIES["pawsx"], [pair], {"id": integer(), **ENTRIES["pawsx"].format.features()}, "en")
    tydiqa = (ENTRIES["tydiqa"], [row, row | {"id": "thai-1"}], ENTRIES["tydiqa"].format.features(), "secondary_task")
    for source, rows, features, config in (paws, tydiqa):
        hub.repos[source.hub[0].repo] = {f"{config}/train-00000-of-00001.parquet": parquet(rows, features)}
        import_task(source.name, source="hub", out=tmp_path / source.name)
    assert [row["id"] for row in read_rows(tmp_path / "pawsx")] == ["1"]
    assert [row["id"] for row in read_rows(tmp_path / "tydiqa")] == ["english-1"]


def test_paws_is_read_with_and_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text('id\tsentence1\tsentence2\tlabel\n1\ta "b\tb a\t0\n')
    (tmp_path / "train-en.tsv").write_text('a "b\tb a\t0\n')
    for name in ("train.tsv", "train-en.tsv"):
        import_task("pawsx", source=tmp_path / name, out=tmp_path / name[:-4])
        (row,) = read_rows(tmp_path / name[:-4])
        assert (row["sentence1"], row["label"]) == ('a "b', 0)


def test_every_translation_is_of_a_task_that_imports() -> None:
    assert {each.source.name for each in TRANSLATIONS} == {"mnli", "pawsx", "squad_v1", "tydiqa"}
    assert all(each.language_of(Path(each.files.format(language="de")).name) == "de" for each in TRANSLATIONS)
