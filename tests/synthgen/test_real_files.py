"""Official file formats, read from small files of our own text: every quirk of the releases, one test each."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from synthgen.corpora.catalogue import ENTRIES, SOURCES, find_sources
from synthgen.corpora.corpus import open_corpus
from synthgen.corpora.import_corpus import import_task
from synthgen.corpora.local_files import find_files
from synthgen.corpora.readers.choices import read_hellaswag_text, read_socialiqa_jsonl, split_begun_sentence
from synthgen.corpora.readers.item import MALFORMED, UNKNOWN_LABEL, UNLABELLED, Item
from synthgen.corpora.readers.record_rows import read_records
from synthgen.corpora.readers.tagged import ccg_labels, read_ccg_tsv, read_tag_file
from synthgen.dataset import read_rejected
from synthgen.errors import UserError

NLI, PARAPHRASE = ENTRIES["mnli"].format, ENTRIES["qqp"].format


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def write_json_lines(path: Path, *values: dict) -> Path:
    return write(path, "".join(json.dumps(value) + "\n" for value in values))


def rows(items: list[Item]) -> list[dict]:
    return [item.row for item in items]


def test_indexed_json_maps_labels_by_name_and_numeral(tmp_path: Path) -> None:
    nli = {"0": {"text_a": "It rains.", "text_b": "It is dry.", "label": "contradiction"}}
    path = write(tmp_path / "a.json", json.dumps(nli))
    assert rows(list(read_records(path, NLI))) == [{"premise": "It rains.", "hypothesis": "It is dry.", "label": 2}]
    qqp = {"0": {"text_a": "Why?", "text_b": "How?", "label": "0"}}
    path = write(tmp_path / "b.json", json.dumps(qqp))
    assert rows(list(read_records(path, PARAPHRASE))) == [{"question1": "Why?", "question2": "How?", "label": 0}]


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ({"premise": "P", "hypothesis": "H", "label": "neutral", "tag": "r1"}, 1),
        ({"premise": "P", "hypothesis": "H", "label": 2}, 2),
        ({"sentence1": "P", "sentence2": "H", "gold_label": "entailment", "annotator_labels": ["neutral"]}, 0),
        ({"sentence1": "P", "sentence2": "H", "gold_label": "contradictory"}, 2),
        ({"uid": "x", "context": "P", "hypothesis": "H", "label": "c", "reason": "r"}, 2),
    ],
)
def test_nli_json_lines_are_read_in_all_their_released_forms(tmp_path: Path, values: dict, label: int) -> None:
    path = write_json_lines(tmp_path / "x.jsonl", values)
    assert list(read_records(path, NLI)) == [Item({"premise": "P", "hypothesis": "H", "label": label})]


@pytest.mark.parametrize("absent", ["-", -1, "-1", "", None])
def test_pairs_without_a_gold_label_are_marked(tmp_path: Path, absent: object) -> None:
    path = write_json_lines(tmp_path / "x.jsonl", {"sentence1": "P", "sentence2": "H", "gold_label": absent})
    assert [item.fault for item in read_records(path, NLI)] == [UNLABELLED]


def test_a_stray_label_is_counted_and_a_class_of_its_own_refused_with_what_to_say(tmp_path: Path) -> None:
    pairs = [{"premise": f"P {n}", "hypothesis": f"H {n}", "label": "neutral"} for n in range(200)]
    path = write_json_lines(tmp_path / "train.jsonl", *pairs, pairs[0] | {"label": "entailmnt"})
    manifest = import_task("mnli", source=path, out=tmp_path / "one")
    assert (manifest.kept, manifest.rejected) == (200, {UNKNOWN_LABEL: 1})
    (rejected,) = read_rejected(tmp_path / "one")
    assert rejected.evidence == "train.jsonl line 201: entailmnt"
    path = write_json_lines(tmp_path / "train.jsonl", *pairs[:9], pairs[0] | {"label": "maybe"})
    with pytest.raises(UserError, match=r"unknown labels 'maybe' \(1\), first in train\.jsonl line 10; .* --labels"):
        import_task("mnli", source=path, out=tmp_path / "two")
    manifest = import_task("mnli", source=path, out=tmp_path / "two", labels=["maybe=-"])
    assert (manifest.kept, manifest.rejected) == (9, {UNLABELLED: 1})


def test_a_file_of_another_format_says_what_it_lacks_and_what_it_has(tmp_path: Path) -> None:
    path = write_json_lines(tmp_path / "x.jsonl", {"premise": "P", "label": "neutral"})
    with pytest.raises(UserError, match=r"x\.jsonl has no hypothesis; it has premise, label"):
        list(read_records(path, NLI))


def test_pair_tables_keep_quotes_and_unicode_separators(tmp_path: Path) -> None:
    text = 'sentence1\tsentence2\tlabel\tgenre\n"Hi \x1d there\u2028\tHe said "hi\u0085"\tneutral\tfiction\n'
    path = write(tmp_path / "train.tsv", text)
    assert list(read_records(path, NLI)) == [
        Item({"premise": '"Hi \x1d there\u2028', "hypothesis": 'He said "hi\u0085"', "label": 1})
    ]


def test_glue_qqp_lines_that_end_early_are_malformed(tmp_path: Path) -> None:
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"
    path = write(tmp_path / "train.tsv", f"{header}\n1\t2\t3\tWhy?\tHow?\t1\n4\t5\t6\tWhy\n")
    assert [item.fault for item in read_records(path, PARAPHRASE)] == [None, MALFORMED]


def test_quoras_own_table_is_quoted_and_may_break_lines(tmp_path: Path) -> None:
    path = tmp_path / "quora_duplicate_questions.tsv"
    with path.open("w", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["id", "qid1", "qid2", "question1", "question2", "is_duplicate"])
        table.writerow(["0", "1", "2", 'What is "it"?', "What\nis\tit?", "1"])
    assert list(read_records(path, PARAPHRASE)) == [
        Item({"question1": 'What is "it"?', "question2": "What\nis\tit?", "label": 1})
    ]


SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Tea",
            "paragraphs": [
                {
                    "context": "Tea is hot. 🫖 Tea is green.",
                    "qas": [
                        {"id": "a", "question": "Hot?", "answers": [{"text": "Tea", "answer_start": 14}]},
                        {"id": "b", "question": "Cold?", "answers": [], "is_impossible": True},
                        {"id": "c", "question": "Red?", "answers": [{"text": "Tea", "answer_start": 1}]},
                    ],
                }
            ],
        }
    ],
}


def test_squad_json_gives_offsets_titles_and_unanswerable_questions(tmp_path: Path) -> None:
    path = write(tmp_path / "train-v2.0.json", json.dumps(SQUAD))
    items = list(read_records(path, ENTRIES["squad_v2"].format))
    assert [item.id for item in items] == ["a", "b", "c"]
    assert items[0].row["answers"] == {"text": ["Tea"], "answer_start": [14]}
    assert items[0].row["title"] == "Tea"
    assert items[1].row["answers"] == {"text": [], "answer_start": []}
    assert [item.fault for item in items] == [None, None, "answer is not at its offset"]


def test_answers_without_positions_are_placed_by_their_question_and_noted(tmp_path: Path) -> None:
    values = [
        {"context": f"Ann met Bo in May{', and so on' * 8}. Cy left in May.", "question": "Did Cy?", "answer": "May"},
        {"context": "Ann met Bo in May.", "question": "When?", "answer": "May"},
        {"context": "One, one, one", "question": "What?", "answer": "one"},
        {"context": "An antique ant", "question": "What?", "answer": "ant"},
        {"context": "Nothing here", "question": "What?", "answer": "ant"},
    ]
    items = list(read_records(write(tmp_path / "s.json", json.dumps(values)), ENTRIES["squad_v1"].format))
    assert [item.row["answers"]["answer_start"] for item in items[:-1]] == [[118], [14], [5], [11]]
    assert [(item.note or "").removeprefix("answer position ") for item in items] == [
        "by question",
        "unique",
        "first of equals",
        "unique",
        "",
    ]
    assert items[-1].fault == "answer not in context"


def test_hellaswag_json_lines_keep_their_split_context_and_string_label(tmp_path: Path) -> None:
    values = {"ind": 4, "ctx_a": "A man sits.", "ctx_b": "he", "ctx": "A man sits. he", "endings": ["a", "b", "c", "d"]}
    path = write_json_lines(tmp_path / "hellaswag_train.jsonl", values | {"label": 3}, values)
    labelled, unlabelled = read_records(path, ENTRIES["hellaswag"].format)
    assert labelled == Item(
        {
            "ctx_a": "A man sits.",
            "ctx_b": "he",
            "ctx": "A man sits. he",
            "endings": ["a", "b", "c", "d"],
            "label": "3",
        },
    )
    assert unlabelled.fault == UNLABELLED


def test_hellaswag_text_splits_off_the_sentence_the_context_breaks_off_in(tmp_path: Path) -> None:
    path = write(tmp_path / "val.txt", "Sitting: A man sits. he\n2\na\nb\nc\nd\n")
    (item,) = read_hellaswag_text(path, ENTRIES["hellaswag"].format)
    assert item.row == {
        "ctx_a": "A man sits.",
        "ctx_b": "he",
        "ctx": "A man sits. he",
        "endings": ["a", "b", "c", "d"],
        "label": "2",
    }
    with pytest.raises(UserError, match=r"has 5 lines; six lines an item"):
        list(read_hellaswag_text(write(tmp_path / "val.txt", "Sitting: A\n2\na\nb\nc\n"), ENTRIES["hellaswag"].format))


@pytest.mark.parametrize("context", ["A man sits.", "[header] How to sit [step] Bend. Then", "no sentence end"])
def test_a_context_without_a_begun_sentence_stays_whole(context: str) -> None:
    assert split_begun_sentence(context) == (context, "")


def test_cosmosqa_reads_quoted_csv_with_cr_line_ends_and_json_lines(tmp_path: Path) -> None:
    names = "id,context,question,answer0,answer1,answer2,answer3,label"
    path = write(tmp_path / "train.csv", f'{names}\r\nx,"One, two\nthree",Why?,a,b,c,"d ""e""",3\r\n')
    (item,) = read_records(path, ENTRIES["cosmosqa"].format)
    assert item.id == "x"
    assert item.row == {
        "context": "One, two\nthree",
        "question": "Why?",
        "answer0": "a",
        "answer1": "b",
        "answer2": "c",
        "answer3": 'd "e"',
        "label": 3,
    }
    unlabelled = write_json_lines(tmp_path / "test.jsonl", {"id": "y", **item.row, "label": None})
    assert [(item.id, item.fault) for item in read_records(unlabelled, ENTRIES["cosmosqa"].format)] == [
        ("y", UNLABELLED)
    ]


def test_commonsenseqa_orders_choices_by_letter_and_marks_its_unlabelled_test(tmp_path: Path) -> None:
    choices = [{"label": letter, "text": f"text {letter}"} for letter in "BACDE"]
    question = {"stem": "Where?", "question_concept": "place", "choices": choices}
    path = write_json_lines(
        tmp_path / "train_rand_split.jsonl",
        {"id": "a", "answerKey": "B", "question": question},
        {"id": "b", "question": {"stem": "Where?", "choices": choices}},
    )
    labelled, unlabelled = read_records(path, ENTRIES["commonsenseqa"].format)
    assert labelled.id == "a"
    assert labelled.row == {
        "question": "Where?",
        "question_concept": "place",
        "choices": {"label": list("ABCDE"), "text": [f"text {letter}" for letter in "ABCDE"]},
        "answerKey": "B",
    }
    assert unlabelled.fault == UNLABELLED


def test_socialiqa_reads_labels_beside_the_file_or_the_answers_text(tmp_path: Path) -> None:
    item = {"context": "Ann left.", "question": "Why?", "answerA": "a", "answerB": "b", "answerC": "c"}
    path = write_json_lines(tmp_path / "train.jsonl", item)
    write(tmp_path / "train-labels.lst", "2\n")
    expected = [item | {"label": "2"}]
    assert rows(list(read_socialiqa_jsonl(path, ENTRIES["socialiqa"].format))) == expected
    other = {"context": "Ann left.", "question": "Why?", "options": ["a", "b", "c"], "answer": "b"}
    path = write_json_lines(tmp_path / "dev.jsonl", other, other | {"answer": "d"})
    labelled, unlabelled = read_socialiqa_jsonl(path, ENTRIES["socialiqa"].format)
    assert labelled.row == expected[0]
    assert unlabelled.fault == UNLABELLED


def test_copa_reads_superglue_lines_and_refuses_placeholder_labels(tmp_path: Path) -> None:
    values = {"premise": "P", "choice1": "a", "choice2": "b", "question": "cause", "label": 1, "idx": 7}
    path = write(tmp_path / "val.jsonl", json.dumps(values) + "\r\n")
    assert rows(list(read_records(path, ENTRIES["copa"].format))) == [
        {"premise": "P", "choice1": "a", "choice2": "b", "question": "cause", "label": 1}
    ]
    with pytest.raises(UserError, match="placeholder labels"):
        list(read_records(write_json_lines(tmp_path / "test.placeholder-labels.jsonl", values), ENTRIES["copa"].format))


def test_token_lines_give_sentences_with_quotes_and_marks_untagged_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "train-en.tsv", 'en:"\tO\nen:Berlin\tB-LOC\n\n\nen:Anna\nen:runs\n\nx\ty\tz\n')
    items = list(read_tag_file(path, ENTRIES["panx"].format))
    assert items[0] == Item({"tokens": ['"', "Berlin"], "ner_tags": [0, 5]})
    assert [item.fault for item in items] == [None, UNLABELLED, MALFORMED]


def test_an_unknown_tag_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown tag 'NUON' in .*train-en\.tsv; did you mean 'NOUN'"):
        list(read_tag_file(write(tmp_path / "train-en.tsv", "dog\tNUON\n"), ENTRIES["udpos"].format))


def test_conllu_skips_ranges_and_empty_nodes(tmp_path: Path) -> None:
    lines = [
        "# text = zum Haus",
        "1-2\tzum",
        "1\tzu\tzu\tADP",
        "2\tdem\tder\tDET",
        "2.1\tx\tx\tX",
        "3\tHaus\tHaus\tNOUN",
    ]
    path = write(tmp_path / "de_x-ud-test.conllu", "\n".join(line + "\t_" * 6 for line in lines) + "\n\n")
    (item,) = read_tag_file(path, ENTRIES["udpos"].format)
    assert item.row["tokens"] == ["zu", "dem", "Haus"]
    assert [ENTRIES["udpos"].format.labels[tag] for tag in item.row["pos_tags"]] == ["ADP", "DET", "NOUN"]


def test_a_line_of_conllu_that_ends_early_makes_its_sentence_malformed(tmp_path: Path) -> None:
    path = write(tmp_path / "de_x-ud-test.conllu", "1\tdem\tder\tDET" + "\t_" * 6 + "\n2\tHaus\n\n")
    (item,) = read_tag_file(path, ENTRIES["udpos"].format)
    assert item.fault == MALFORMED


def test_ccg_takes_its_tag_order_from_the_table_beside_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "ccg.train.tsv", "Dogs bark .\tN S\\NP .\ntoo few\tN\n")
    assert ccg_labels([path]) == (".", "N", "S\\NP")
    write(tmp_path / "tags_to_id.json", json.dumps({"N": "0", ".": "1", "S\\NP": "2", "NP/N": "3"}))
    assert ccg_labels([path]) == ("N", ".", "S\\NP", "NP/N")
    format_ = type(ENTRIES["ccg"].format)(("tokens", "tags"), ccg_labels([path]))
    items = list(read_ccg_tsv(path, format_))
    assert items[0].row == {"tokens": ["Dogs", "bark", "."], "tags": [0, 2, 1]}
    assert items[1].fault == MALFORMED


def test_a_folder_gives_the_files_of_its_best_split(tmp_path: Path) -> None:
    for name in ("train_b.tsv", "train_a.json", "dev.jsonl", "multinli_1.0_train.jsonl", "multinli_1.0_train.tsv"):
        write(tmp_path / "mnli" / name, "")
    names = [file.name for file in find_files(find_sources("mnli"), tmp_path)]
    assert names == ["train_a.json", "multinli_1.0_train.jsonl", "train_b.tsv"]
    assert names == [file.name for file in find_files(find_sources("mnli"), tmp_path / "mnli")]


def test_anli_rounds_are_found_in_their_folders(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path / f"anli_v1.0/R{number}/train.jsonl", "")
        write(tmp_path / f"anli_v1.0/R{number}/test.jsonl", "")
    assert [file.name for file in find_files(find_sources("anli"), tmp_path)] == [
        f"R{number}/train.jsonl" for number in (1, 2, 3)
    ]


DOGS = (("Dogs", "NOUN"), ("bark", "VERB"))


@pytest.mark.parametrize("blank", ["", " ", "\t", " \t "])
def test_a_line_of_white_space_ends_a_sentence(tmp_path: Path, blank: str) -> None:
    words = [f"{number}\t{word}\t_\t{tag}" + "\t_" * 6 for number, (word, tag) in enumerate(DOGS, start=1)]
    conllu = write(tmp_path / "a-ud-train.conllu", "\n".join([*words, blank, *words, blank, ""]))
    pairs = [f"{word}\t{tag}" for word, tag in DOGS]
    table = write(tmp_path / "train-en.tsv", "\r\n".join([*pairs, blank, *pairs, blank]))
    for path in (conllu, table):
        items = list(read_tag_file(path, ENTRIES["udpos"].format))
        assert [item.row["tokens"] for item in items] == [["Dogs", "bark"]] * 2
        assert not any(item.fault for item in items)


def test_a_corpus_is_found_from_any_folder_above_its_files(tmp_path: Path) -> None:
    write(tmp_path / "data" / "tydiqa" / "train" / "tydiqa.goldp.en.train.json", "{}")
    for place in ("data", "data/tydiqa", "data/tydiqa/train"):
        (found,) = find_files(find_sources("tydiqa"), tmp_path / place)
        assert (found.split, found.name) == ("train", "tydiqa.goldp.en.train.json")


def test_squad_versions_do_not_mix(tmp_path: Path) -> None:
    for name in ("train-v1.1.json", "train-v2.0.json", "dev-v1.1.json"):
        write(tmp_path / "squad" / name, "")
    for task, version in (("squad_v1", "1.1"), ("squad_v2", "2.0")):
        assert [file.name for file in find_files(find_sources(task), tmp_path)] == [f"train-v{version}.json"]


def test_a_pooled_task_needs_all_its_corpora(tmp_path: Path) -> None:
    path = write(tmp_path / "snli" / "train.jsonl", "")
    with pytest.raises(UserError, match=r"has no files of mnli: .*anli: "):
        find_files(find_sources("anli_plus"), tmp_path)
    with pytest.raises(UserError, match="is one file, and the task pools snli, mnli, anli"):
        find_files(find_sources("anli_plus"), path)


def test_bad_paths_say_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file or folder at"):
        find_files(find_sources("qqp"), tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"a\.txt is empty"):
        open_corpus("qqp", write(tmp_path / "a.txt", ""))
    with pytest.raises(UserError, match=r"train-v1\.1\.json from rajpurkar"):
        find_files(find_sources("squad_v1"), tmp_path)


def test_the_table_has_the_nine_tasks_and_the_extra_sources() -> None:
    nine = ["anli_plus", "mnli", "qqp", "squad_v2", "squad_v1", "hellaswag", "ccg", "cosmosqa", "commonsenseqa"]
    assert set(SOURCES) == {*nine, "snli", "anli", "socialiqa", "copa", "pawsx", "tydiqa", "udpos", "panx"}
    for task, sources in SOURCES.items():
        assert len({source.format for source in sources}) == 1, task
        assert all(source.licence and source.citation and source.official for source in sources)
        assert all(source.hub or source is ENTRIES["ccg"] for source in sources)
