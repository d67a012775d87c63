"""Held-out items are read from whatever holds them: texts that are missing or broken cost no more than themselves."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluator.benchmark.targets.tatoeba import ISO_639_3
from synthgen.errors import UserError
from synthgen.filters.decontamination.evaluation_files import read_items
from synthgen.filters.decontamination.evaluation_sets import read_evaluation_sets
from synthgen.filters.dedup.similarity import compared_texts, texts_apart
from synthgen.formats.base import Format
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.span import SpanFormat
from synthgen.formats.tags import TagsFormat
from synthgen.text.languages import TWO_LETTERS
from tests.synthgen.conftest import NLI, dataset_folder

SENTENCE, QUESTION = "The ferry sailed at noon.", "When did the ferry sail?"
COSMOS = ChoiceFormat(("context", "question", "answer0", "answer1", "label"), ("0", "1"))
SWAG = ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), ("0", "1"))
LETTERS = ChoiceFormat(("question", "choices", "answerKey"), ("A", "B"))
SPAN = SpanFormat(("answerable",))
TAGS = TagsFormat(("tokens", "tags"), ("NOUN", "VERB"))
ANSWER = {"text": ["noon"], "answer_start": [20]}
CHOICES = {"label": ["A", "B"], "text": ["at noon", None]}

ODD_FILES = {
    "5": (),
    "null": (),
    f'"{SENTENCE}"': ((SENTENCE,),),
    f'["{SENTENCE}", 5, null]': ((SENTENCE,),),
    f'{{"data": [{{"x": "{SENTENCE}"}}, 5]}}': ((SENTENCE,),),
    f'{{"data": ["{SENTENCE}"]}}': ((SENTENCE,),),
    f'{{"data": [{{"paragraphs": [{{"context": "{SENTENCE}", "qas": [{{"question": null}}]}}]}}]}}': ((SENTENCE,),),
    f'{{"data": [{{"paragraphs": [{{"context": "{SENTENCE}"}}, null]}}]}}': ((SENTENCE,),),
    f'{{"premise": ["{SENTENCE}", "{QUESTION}"], "label": [0, 1]}}': ((SENTENCE,), (QUESTION,)),
    f'{{"premise": "{SENTENCE}", "hypothesis": "{QUESTION}"}}': ((SENTENCE, QUESTION),),
    f'{{"version": 2, "dev": [{{"a": "{SENTENCE}"}}, {{"a": "{QUESTION}"}}]}}': ((SENTENCE,), (QUESTION,)),
    f'{{"rows": [{{"row_idx": 0, "row": {{"a": "{SENTENCE}", "b": ["{QUESTION}"]}}}}]}}': ((SENTENCE, QUESTION),),
    f'[["{SENTENCE}", "{QUESTION}"], ["{SENTENCE}"]]': ((SENTENCE, QUESTION), (SENTENCE,)),
    f'{{"q1": {{"a": "{SENTENCE}"}}, "q2": {{"a": "{QUESTION}"}}}}': ((SENTENCE,), (QUESTION,)),
    r'{"a": "half of a \ud83d face"}': (("half of a \N{REPLACEMENT CHARACTER} face",),),
}

ROWS = [{"premise": f"Ferry {number} sailed.", "hypothesis": f"It was number {number}."} for number in range(20)]
PAIRS = tuple(tuple(row.values()) for row in ROWS)
SINGLES = tuple((first,) for first, _ in PAIRS)
SINGLE_ROWS = [{"premise": first} for first, _ in PAIRS]
OPTIONS = [{"label": "A", "text": "at noon, said he"}, {"label": "B", "text": "not at all"}]
ASKED = {"id": "q1", "question": {"stem": QUESTION, "choices": OPTIONS}}
ONE = ((QUESTION, "at noon, said he", "not at all"),)
SQUAD_ARTICLE = {"title": "On ferries", "paragraphs": [{"context": SENTENCE, "qas": [{"question": QUESTION}]}]}
ROWS_IN_OBJECTS: list[tuple[object, tuple[tuple[str, ...], ...]]] = [
    ({"version": "this is version one", "data": ROWS}, PAIRS),
    ({"version": "this is version one", "data": SINGLE_ROWS[:3]}, SINGLES[:3]),
    ({"data": {"rows": ROWS}, "Description": "All the ferries.", "lang": "en"}, PAIRS),
    ({"version": "this is version one", "data": {str(number): row for number, row in enumerate(ROWS)}}, PAIRS),
    ({"version": "this is version one", "premise": [SENTENCE], "hypothesis": [QUESTION]}, ((SENTENCE, QUESTION),)),
    ({"data": [SQUAD_ARTICLE], "version": "1.1"}, ((SENTENCE, QUESTION),)),
    ({"story": SENTENCE, "questions": ROWS[:2]}, ((SENTENCE, *PAIRS[0]), (SENTENCE, *PAIRS[1]))),
    ({"story": SENTENCE, "questions": SINGLE_ROWS}, tuple((SENTENCE, *texts) for texts in SINGLES)),
    ([{"id": "a", "part": {"text": SENTENCE, "qas": [{"q": QUESTION, "a": ["noon"]}]}}], ((SENTENCE, QUESTION),)),
    ({"question": QUESTION, "choices": OPTIONS}, ONE),
    ([{"question": QUESTION, "choices": OPTIONS}], ONE),
    ({"version": "this is version one", "data": [ASKED]}, ONE),
    ({"premise": SENTENCE, "choices": {"text": ["at noon, said he", "no"]}}, ((SENTENCE, "at noon, said he"),)),
    (
        {"context": SENTENCE, "question": QUESTION, "answers": [{"text": "at noon, said he", "answer_start": 3}]},
        ((SENTENCE, QUESTION, "at noon, said he"),),
    ),
    ({"text": SENTENCE, "spans": [{"start": number} for number in range(40)]}, ((SENTENCE,),)),
    ({"title": "The ferries", "text": SENTENCE}, (("The ferries", SENTENCE),)),
]


@pytest.mark.parametrize(("content", "items"), ROWS_IN_OBJECTS)
def test_rows_are_found_in_an_object_and_parts_of_one_row_are_not_taken_for_rows(
    tmp_path: Path, content: object, items: tuple[tuple[str, ...], ...]
) -> None:
    (tmp_path / "test.json").write_text(json.dumps(content))
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [items]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "count"),
    [
        *((f"xquad/xquad.{code}.json", 1_190) for code in ("ar", "de", "en", "es", "hi", "vi", "zh")),
        *((f"lareqa/xquad-r/{code}.json", 1_190) for code in ("de", "en", "zh")),
        *(
            (f"tydiqa/dev/tydiqa.goldp.{code}.dev.json", count)
            for code, count in {"en": 440, "fi": 782, "id": 565, "ko": 276, "sw": 499}.items()
        ),
        ("mlqa/dev/dev-context-en-question-en.json", 1_148),
        ("squad/squad_sample.json", 3_718),
    ],
)
def test_every_question_of_a_real_file_is_an_item_with_its_passage(data_root: Path, name: str, count: int) -> None:
    items = list(read_items(data_root / name))
    assert len(items) == count
    assert {len(texts) for texts in items} <= ({2, 3} if name.startswith("squad") else {2})


@pytest.mark.parametrize(("text", "items"), ODD_FILES.items())
def test_the_texts_of_odd_files_are_read_whatever_is_around_them(
    tmp_path: Path, text: str, items: tuple[tuple[str, ...], ...]
) -> None:
    (tmp_path / "test.json").write_text(text)
    if items:
        assert [each.items for each in read_evaluation_sets(tmp_path)] == [items]
    else:
        with pytest.raises(UserError, match="no evaluation items"):
            read_evaluation_sets(tmp_path)


@pytest.mark.parametrize(
    "article",
    [
        {"paragraphs": None, "text": SENTENCE},
        {"paragraphs": 5, "text": SENTENCE},
        {"paragraphs": [{"context": SENTENCE, "qas": None}]},
        {"paragraphs": [{"context": SENTENCE, "qas": [None]}]},
    ],
)
def test_a_file_with_names_of_squads_for_other_things_is_read_like_any(tmp_path: Path, article: dict[str, Any]) -> None:
    (tmp_path / "test.json").write_text(json.dumps(article))
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [((SENTENCE,),)]


def test_a_line_of_conllu_that_ends_early_stops_nothing(tmp_path: Path) -> None:
    words = [f"{number}\t{word}" for number, word in enumerate(SENTENCE.split(" "), start=1)]
    (tmp_path / "test.conllu").write_text("\n".join([*words, "", ""]))
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [((SENTENCE,),)]


@pytest.mark.parametrize("text", ["{", "[" * 200_000, '{"a": "\x00"}', "9" * 5_000])
def test_a_file_that_is_not_json_is_one_line_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "test.json").write_text(text)
    with pytest.raises(UserError, match=r"cannot read .*test.json"):
        read_evaluation_sets(tmp_path)


def test_json_lines_may_be_called_json(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in ROWS]
    (tmp_path / "test.json").write_text("\n".join([*lines, ""]))
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [PAIRS]
    (tmp_path / "test.json").write_text("\n".join([*lines, "{"]))
    with pytest.raises(UserError, match=r"cannot read .*test.json: Extra data"):
        read_evaluation_sets(tmp_path)


@pytest.mark.parametrize(
    "type_",
    [
        *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()),
        *(pa.dictionary(pa.int32(), pa.string()), pa.list_(pa.binary()), pa.struct({"a": pa.binary()})),
    ],
    ids=str,
)
def test_texts_are_read_from_parquet_columns_of_every_type_of_text(tmp_path: Path, type_: pa.DataType) -> None:
    value = [SENTENCE] if pa.types.is_list(type_) else {"a": SENTENCE} if pa.types.is_struct(type_) else SENTENCE
    column = pa.array([value]).dictionary_encode() if pa.types.is_dictionary(type_) else pa.array([value], type_)
    pq.write_table(pa.table({"text": column}), tmp_path / "test.parquet")
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [((SENTENCE,),)]


def test_bytes_that_are_not_all_utf_8_are_text_and_pictures_are_not(tmp_path: Path) -> None:
    values = [b"The caf\xe9 opens at noon.", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR of a picture", bytes(range(160, 200))]
    pq.write_table(pa.table({"text": pa.array(values, pa.binary())}), tmp_path / "test.parquet")
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [
        (("The caf\N{REPLACEMENT CHARACTER} opens at noon.",),)
    ]


def test_items_are_read_from_parquet_files_but_those_to_train_on(tmp_path: Path) -> None:
    for name in ("test-00000-of-00001", "train-00000-of-00001"):
        table = pa.Table.from_pylist(
            [{"premise": SENTENCE, "hypothesis": f"{name} sailed.", "label": 1, "pixels": b"x"}]
        )
        pq.write_table(table, tmp_path / f"{name}.parquet")
    (found,) = read_evaluation_sets(tmp_path)
    assert (found.name, found.items) == (
        "test-00000-of-00001.parquet",
        ((SENTENCE, "test-00000-of-00001 sailed."),),
    )
    (tmp_path / "dev.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"cannot read .*dev.parquet"):
        read_evaluation_sets(tmp_path)


@pytest.mark.parametrize(
    ("format_", "row", "apart"),
    [
        (NLI, {"premise": SENTENCE, "hypothesis": None, "label": None}, (SENTENCE,)),
        (COSMOS, {"context": SENTENCE, "question": None, "answer0": "at noon", "answer1": None}, (SENTENCE, "at noon")),
        (SWAG, {"ctx_a": SENTENCE, "ctx_b": "It", "ctx": None, "endings": None, "label": "0"}, (SENTENCE, "It")),
        (LETTERS, {"question": QUESTION, "choices": CHOICES, "answerKey": "A"}, (QUESTION, "at noon")),
        (LETTERS, {"question": QUESTION, "choices": None, "answerKey": None}, (QUESTION,)),
        (SPAN, {"title": None, "context": SENTENCE, "question": QUESTION, "answers": ANSWER}, (SENTENCE, QUESTION)),
        (SPAN, {"context": SENTENCE, "question": None, "answers": None}, (SENTENCE,)),
        (TAGS, {"tokens": ["Ferries", None, "sail"], "tags": [0, 1, 1]}, ("Ferries sail",)),
    ],
)
def test_a_held_out_dataset_may_lack_texts(
    tmp_path: Path, format_: Format, row: dict[str, object], apart: tuple[str, ...]
) -> None:
    empty = dict.fromkeys(row)
    folder = dataset_folder(tmp_path / "dev", [{"id": "a", **row}, {"id": "b", **empty}], format_)
    (found,) = read_evaluation_sets(folder)
    assert found.apart == (apart,)
    assert len(found.items) == 1
    with pytest.raises(UserError, match=r"empty has no evaluation items: its files contain no texts of test"):
        read_evaluation_sets(dataset_folder(tmp_path / "empty", [{"id": "b", **empty}], format_))


@pytest.mark.parametrize(
    ("format_", "row"),
    [
        (NLI, {"premise": SENTENCE, "hypothesis": QUESTION, "label": 0}),
        (COSMOS, {"context": SENTENCE, "question": QUESTION, "answer0": "at noon", "answer1": "late", "label": 0}),
        (SPAN, {"id": "a", "title": "", "context": SENTENCE, "question": QUESTION, "answers": ANSWER}),
        (TAGS, {"tokens": ["Ferries", "sail"], "tags": [0, 1]}),
    ],
)
def test_the_items_of_a_held_out_dataset_have_the_texts_that_its_rows_are_compared_by(
    tmp_path: Path, format_: Format, row: dict[str, object]
) -> None:
    (found,) = read_evaluation_sets(dataset_folder(tmp_path / "dev", [{"id": "a", **row}], format_))
    assert (found.items, found.apart) == ((compared_texts(format_, row),), (texts_apart(format_, row),))


def test_files_count_by_their_own_names_and_the_folders_below_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ud" / "nli").mkdir(parents=True)
    root = tmp_path / "ud" / "nli"
    for name in ("constraints-test.tsv", "pretrained_eval.TSV", "test-de.tsv"):
        (root / name).write_text(f"{name} sails today.\t{SENTENCE}\n")
    for name in ("train.tsv", "nli.train.en.tsv", "trainset.tsv", "mnli_training_9k.tsv", "README.txt", "notes.md"):
        (root / name).write_text(f"{SENTENCE}\n")
    by_folder = read_evaluation_sets(root)
    assert [each.name for each in by_folder] == ["constraints-test.tsv", "pretrained_eval.TSV", "test-de.tsv"]
    assert by_folder[0].items == (("constraints-test.tsv sails today.", SENTENCE),)
    (tmp_path / "udpos").mkdir()
    (tmp_path / "udpos" / "test-xx.tsv").write_text("Ferries\tNOUN\nsail\tVERB\n")
    monkeypatch.chdir(tmp_path / "udpos")
    assert [each.items for each in read_evaluation_sets(Path("test-xx.tsv"))] == [(("Ferries sail",),)]
    assert [each.items for each in read_evaluation_sets(Path())] == [(("Ferries sail",),)]


def test_only_names_that_begin_with_a_word_for_papers_are_left_out(tmp_path: Path) -> None:
    read = ["cc-byways.tsv", "driving-license-test.jsonl", "my-readme.txt", "test-genres.jsonl"]
    papers = ["CC-BY-SA4.0.txt", "LICENSE.txt", "LICENCE_2.txt", "PROVENANCE.tsv", "README.txt", "readme-de.txt"]
    for name in (*read, *papers, "test.genres.txt", "test.labels.txt"):
        (tmp_path / name).write_text(json.dumps(SENTENCE))
    assert [each.name for each in read_evaluation_sets(tmp_path)] == read


def test_folders_of_training_data_are_left_out_below_the_root_alone(tmp_path: Path) -> None:
    root = tmp_path / "train"
    for name in ("train", "Training", "train_set", "nli/train-data", "nli/trains", "constraints", "test"):
        (root / name).mkdir(parents=True)
        (root / name / "part-0.tsv").write_text(SENTENCE)
    dataset_folder(root / "nli" / "training", [{"id": "a", "premise": SENTENCE, "hypothesis": QUESTION, "label": 0}])
    names = ["constraints/part-0.tsv", "nli/trains/part-0.tsv", "test/part-0.tsv"]
    assert [each.name for each in read_evaluation_sets(root)] == names
    assert [each.name for each in read_evaluation_sets(root / "train")] == ["part-0.tsv"]
    assert [each.name for each in read_evaluation_sets(root / "train" / "part-0.tsv")] == ["part-0.tsv"]


def test_links_are_followed_and_never_in_circles(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "test.tsv").write_text(SENTENCE)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "root")
    assert [each.name for each in read_evaluation_sets(tmp_path / "root")] == ["linked/test.tsv"]


def test_a_dataset_folder_inside_a_data_root_is_read_as_one(tmp_path: Path) -> None:
    rows = [{"id": str(number), "premise": SENTENCE, "hypothesis": QUESTION, "label": 0} for number in range(3)]
    dataset_folder(tmp_path / "root" / "dev", rows)
    (tmp_path / "root" / "dev" / "rejected").mkdir()
    pq.write_table(pa.table({"a": ["A row that was dropped."]}), tmp_path / "root" / "dev" / "rejected" / "r.parquet")
    (found,) = read_evaluation_sets(tmp_path / "root")
    assert (found.name, found.items) == ("dev", ((SENTENCE, QUESTION),))
    (tmp_path / "root" / "dev" / "synthgen.json").unlink()
    with pytest.raises(UserError, match="no evaluation items"):
        read_evaluation_sets(tmp_path / "root")


def test_packed_files_are_read_as_those_in_them(tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps({"a": SENTENCE}).encode())
    (tmp_path / "dev.jsonl.gz").write_bytes(packed)
    (tmp_path / "train.jsonl.gz").write_bytes(packed)
    (found,) = read_evaluation_sets(tmp_path)
    assert (found.name, found.items) == ("dev.jsonl.gz", ((SENTENCE,),))
    for broken in (packed[:-9], b"\x1f\x8b" + bytes(9), b"no gzip"):
        (tmp_path / "dev.jsonl.gz").write_bytes(broken)
        with pytest.raises(UserError, match=r"dev\.jsonl\.gz(:| cannot be unpacked: )"):
            read_evaluation_sets(tmp_path)


def test_a_cell_of_a_table_may_hold_line_ends_of_any_kind(tmp_path: Path) -> None:
    text = "The ferry\u2028sailed\u001d at noon\nor later."
    (tmp_path / "test.csv").write_text(f'\ufeffa,b\n"{text}",{QUESTION}\n', encoding="utf-8")
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [((text, QUESTION),)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", ["", "premise|hypothesis|label"])
def test_a_table_may_have_any_delimiter_and_line_end_and_no_header(
    tmp_path: Path, delimiter: str, end: str, header: str
) -> None:
    rows = [f'"Well, it {number}; sailed."|Yes it did.|1' for number in range(3)]
    lines = [*([header] if header else []), *rows, ""]
    (tmp_path / "test.csv").write_bytes(end.join(lines).replace("|", delimiter).encode())
    items = tuple((f"Well, it {number}; sailed.", "Yes it did.") for number in range(3))
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [items]


@pytest.mark.parametrize("name", ["test.tsv", "test.txt", "test.jsonl", "test.json", "ud/test.tsv"])
def test_lines_may_end_as_on_old_macs(tmp_path: Path, name: str) -> None:
    line = {"test.tsv": "{}", "test.txt": "{}", "ud/test.tsv": "{}\tNOUN\r"}.get(name, '{{"a": "{}"}}')
    (tmp_path / "ud").mkdir()
    (tmp_path / name).write_bytes("\r".join(line.format(text) for text in (SENTENCE, QUESTION)).encode())
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [((SENTENCE,), (QUESTION,))]


def test_a_cell_of_a_table_may_be_very_long(tmp_path: Path) -> None:
    text, limit = "The ferry sailed. " * 10_000, csv.field_size_limit()
    (tmp_path / "test.csv").write_text(f"{text},{QUESTION}\n")
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [((text, QUESTION),)]
    assert csv.field_size_limit() == limit


def test_a_list_of_very_many_texts_is_no_item(tmp_path: Path) -> None:
    texts = {str(number): f"Ferry {number} sailed." for number in range(40)}
    (tmp_path / "test.json").write_text(json.dumps(texts))
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [tuple((text,) for text in texts.values())]


def test_columns_without_texts_are_not_looked_at(tmp_path: Path) -> None:
    far = pa.array([2**62], pa.timestamp("us"))
    pq.write_table(pa.table({"a": [SENTENCE], "when": far}), tmp_path / "test.parquet")
    assert [each.items for each in read_evaluation_sets(tmp_path)] == [((SENTENCE,),)]


def test_every_language_of_tatoeba_is_known_by_the_code_of_its_files() -> None:
    assert {TWO_LETTERS.get(code) for code in ISO_639_3.values()} == set(ISO_639_3)
    assert all(TWO_LETTERS[code] == language for language, code in ISO_639_3.items())


def test_a_path_that_no_file_can_have_is_one_line() -> None:
    with pytest.raises(UserError, match="--against xxx.*: File name too long"):
        read_evaluation_sets(Path("x" * 5_000))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_or_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "test.tsv").write_text(SENTENCE)
    for path in (tmp_path / "closed" / "test.tsv", tmp_path / "closed"):
        path.chmod(0)
        with pytest.raises(UserError, match=r"cannot read .*closed"):
            read_evaluation_sets(tmp_path)
        path.chmod(0o700)


def test_rows_that_a_parquet_file_repeats_are_one_item_of_each_batch(tmp_path: Path) -> None:
    texts = ["The cook left the room."] * 900 + ["The waiter came in again."] * 90
    pq.write_table(pa.table({"text": texts, "nested": [[text] for text in texts]}), tmp_path / "nested.parquet")
    pq.write_table(pa.table({"text": texts}), tmp_path / "flat.parquet")
    assert list(read_items(tmp_path / "flat.parquet")) == [(texts[0],), (texts[-1],)]
    assert list(read_items(tmp_path / "nested.parquet")) == [(text, text) for text in texts]
