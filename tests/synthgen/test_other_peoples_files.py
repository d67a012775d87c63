"""`import` of anybody's files: every kind and packing, columns, labels, hypotheses, splits, and what is refused."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.cards.card import check as card_faults_of
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import read_manifest, read_rejected, read_rows
from synthgen.errors import UserError
from synthgen.generation.grounding import read_grounding
from synthgen.task.registry import load_task

LABELS = ("entailment", "neutral", "contradiction")
ROWS = [
    {
        "premise": f"The ferry number {n} left the harbour before noon.",
        "hypothesis": f"Boat {n} was, as they say, on its way.",
        "label": LABELS[n % 3],
    }
    for n in range(30)
]


def table_text(rows: list[dict], delimiter: str) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def arrow(rows: list[dict], new: Callable[[Any, pa.Schema], Any]) -> bytes:
    table, sink = pa.Table.from_pylist(rows), pa.BufferOutputStream()
    with new(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def parquet(rows: list[dict]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


def zipped(data: bytes, **others: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {"train.any": data, "__MACOSX/._train.any": b"\0", "README.md": b"# A set"}.items():
            archive.writestr(name, content)
        for name, content in others.items():
            archive.writestr(name, content)
    return buffer.getvalue()


KINDS = {
    "json lines": lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    "json lines with blank ones and a byte order mark": lambda rows: (
        b"\xef\xbb\xbf" + "".join(json.dumps(row) + "\r\n \r\n" for row in rows).encode()
    ),
    "json array": lambda rows: json.dumps(rows, indent=1).encode(),
    "json object of a list": lambda rows: json.dumps({"version": 1, "data": rows}).encode(),
    "json object of numbers": lambda rows: json.dumps({str(n): row for n, row in enumerate(rows)}).encode(),
    "json object of columns": lambda rows: json.dumps({key: [row[key] for row in rows] for key in rows[0]}).encode(),
    "json of pandas' split": lambda rows: json.dumps(
        {"columns": list(rows[0]), "index": list(range(len(rows))), "data": [list(row.values()) for row in rows]}
    ).encode(),
    "json of the hub's viewer": lambda rows: json.dumps(
        {"rows": [{"row_idx": 0, "row": row} for row in rows]}
    ).encode(),
    "csv": lambda rows: table_text(rows, ","),
    "csv with semicolons": lambda rows: table_text(rows, ";"),
    "tsv": lambda rows: table_text(rows, "\t"),
    "tsv in UTF-16": lambda rows: table_text(rows, "\t").decode().encode("utf-16"),
    "tsv without a header": lambda rows: table_text(rows, "\t").partition(b"\n")[2],
    "parquet": parquet,
    "arrow file": lambda rows: arrow(rows, pa.ipc.new_file),
    "arrow stream": lambda rows: arrow(rows, pa.ipc.new_stream),
}
PACKINGS = {
    "gz": gzip.compress,
    "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
    "xz": lambda data: lzma.compress(data, preset=0),
    "bz2": bz2.compress,
    "zip": zipped,
}


def imported(path: Path, out: Path, task: str = "mnli", **options: Any) -> list[dict]:
    import_task(task, source=path, out=out, **options)
    return list(read_rows(out))


def pairs_of(rows: list[dict]) -> list[tuple]:
    return [(row["premise"], row["hypothesis"], row["label"]) for row in rows]


EXPECTED = [(row["premise"], row["hypothesis"], LABELS.index(row["label"])) for row in ROWS]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_read_by_its_content_whatever_it_is_called(kind: str, tmp_path: Path) -> None:
    (tmp_path / "colleague.data").write_bytes(KINDS[kind](ROWS))
    assert pairs_of(imported(tmp_path / "colleague.data", tmp_path / "out")) == EXPECTED


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("kind", ["json lines", "csv", "parquet", "arrow file"])
def test_a_packed_file_is_read_as_the_file_in_it(kind: str, packing: str, tmp_path: Path) -> None:
    (tmp_path / "colleague").write_bytes(PACKINGS[packing](KINDS[kind](ROWS)))
    assert pairs_of(imported(tmp_path / "colleague", tmp_path / "out")) == EXPECTED


@pytest.mark.parametrize("packing", ["gz", "zst", "xz", "bz2", "zip"])
def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused(packing: str, tmp_path: Path) -> None:
    line = json.dumps(ROWS[0]).encode() + b"\n"
    (tmp_path / "bomb").write_bytes(PACKINGS[packing](line + b" " * (65 << 20)))
    with pytest.raises(UserError, match="unpacks to more than 64 MB"):
        import_task("mnli", source=tmp_path / "bomb", out=tmp_path / "out")


@pytest.mark.parametrize("packing", ["gz", "zst", "xz", "bz2", "zip"])
def test_a_packed_file_that_is_cut_off_is_refused_in_one_line(packing: str, tmp_path: Path) -> None:
    data = PACKINGS[packing](KINDS["json lines"]([dict(row, noise=hash(str(row))) for row in ROWS * 50]))
    (tmp_path / "cut").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UserError, match=r"cut cannot be unpacked: [^\n]+$"):
        import_task("mnli", source=tmp_path / "cut", out=tmp_path / "out")


def test_columns_and_labels_are_taken_as_they_are_said(tmp_path: Path) -> None:
    names = {"premise": "A", "hypothesis": "B", "label": "verdict"}
    rows = [{names[key]: value for key, value in row.items()} for row in ROWS]
    rows = [
        row | {"verdict": {"entailment": "yes", "neutral": 2.0, "contradiction": "NO"}[row["verdict"]]} for row in rows
    ]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    options = {"columns": ["premise=A", "hypothesis=B", "label=verdict"]}
    options["labels"] = ["yes=entailment", "2=neutral", "no=contradiction"]
    assert pairs_of(imported(tmp_path / "x.json", tmp_path / "out", **options)) == EXPECTED
    (parent,) = read_manifest(tmp_path / "out").parents
    assert parent["columns"] == {"premise": "A", "hypothesis": "B", "label": "verdict"}
    assert parent["labels"] == {"yes": "entailment", "2": "neutral", "no": "contradiction"}


def test_columns_known_by_name_are_said_and_others_proposed_not_taken(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text1": row["premise"], "Text_2": row["hypothesis"], "Gold": row["label"]} for row in ROWS]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    assert pairs_of(imported(tmp_path / "x.json", tmp_path / "out")) == EXPECTED
    assert (
        "columns identified by their names: premise is 'text1', hypothesis is 'Text_2', label is 'Gold'"
        in capfd.readouterr().err
    )
    rows = [{"left": row["premise"], "right": row["hypothesis"], "what": row["label"]} for row in ROWS]
    (tmp_path / "y.json").write_text(json.dumps(rows))
    with pytest.raises(UserError, match="they may be --columns 'premise=left,hypothesis=right,label=what': give that"):
        import_task("mnli", source=tmp_path / "y.json", out=tmp_path / "y")


def test_numbers_for_labels_are_said_and_those_that_count_from_one_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [row | {"label": LABELS.index(row["label"])} for row in ROWS]
    (tmp_path / "x.jsonl").write_bytes(KINDS["json lines"](rows))
    assert pairs_of(imported(tmp_path / "x.jsonl", tmp_path / "out")) == EXPECTED
    assert (
        "labels identified by their numbers: 0 is entailment, 1 is neutral, 2 is contradiction"
        in capfd.readouterr().err
    )
    (tmp_path / "y.csv").write_bytes(table_text([row | {"label": row["label"] + 1} for row in rows], ","))
    with pytest.raises(
        UserError, match=r"unknown labels '3' \(10\), first in y\.csv row 4; .*--labels '1=entailment,2=neu"
    ):
        import_task("mnli", source=tmp_path / "y.csv", out=tmp_path / "y")


def test_the_names_that_datasets_gives_label_numbers_count_before_their_order(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    order = ["contradiction", "entailment", "neutral"]
    features = datasets.Features(
        premise=datasets.Value("string"), hypothesis=datasets.Value("string"), label=datasets.ClassLabel(names=order)
    )
    rows = datasets.Dataset.from_list([row | {"label": order.index(row["label"])} for row in ROWS], features=features)
    splits = datasets.DatasetDict(train=rows, test=rows.select(range(3)))
    splits.save_to_disk(str(tmp_path / "saved"))
    assert pairs_of(imported(tmp_path / "saved", tmp_path / "out")) == EXPECTED
    assert len(imported(tmp_path / "saved", tmp_path / "test", split="test")) == 3
    rows.to_parquet(str(tmp_path / "x.parquet"))
    assert pairs_of(imported(tmp_path / "x.parquet", tmp_path / "parquet")) == EXPECTED


def test_a_folder_gives_its_training_split_and_says_what_is_left_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("set-train.csv", "set-test.csv", "._set-train.csv"):
        (folder / name).write_bytes(table_text(ROWS, ","))
    (folder / "README.md").write_text("# About")
    assert pairs_of(imported(folder, tmp_path / "out")) == EXPECTED
    assert "only the train split is read; left out: set-test.csv" in capfd.readouterr().err
    assert [each["file"] for each in read_manifest(tmp_path / "out").parents] == ["set-train.csv"]
    with pytest.raises(UserError, match=r"has no split 'validation'; it has (train, test|test, train)"):
        import_task("mnli", source=folder, out=tmp_path / "no", split="validation")


def test_a_folder_of_the_hubs_cache_gives_its_main_revision(tmp_path: Path) -> None:
    cache = tmp_path / "datasets--ann--pairs"
    for revision, rows in (("aaa", ROWS[:3]), ("bbb", ROWS)):
        (cache / "blobs").mkdir(parents=True, exist_ok=True)
        (cache / "blobs" / revision).write_bytes(parquet(rows))
        (cache / "snapshots" / revision / "data").mkdir(parents=True)
        (cache / "snapshots" / revision / "data" / "train-0.parquet").symlink_to(cache / "blobs" / revision)
    with pytest.raises(UserError, match="2 revisions and no refs/main"):
        import_task("mnli", source=cache, out=tmp_path / "no")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("bbb")
    assert pairs_of(imported(cache, tmp_path / "out")) == EXPECTED


def test_several_hypotheses_of_a_premise_become_rows_and_joined_columns_take_turns(tmp_path: Path) -> None:
    rows = [{"premise": f"P {n}", "sure": f"s {n}", "plain": f"p {n}", "open": f"o {n}"} for n in range(4)]
    (tmp_path / "wide.csv").write_bytes(table_text(rows, ","))
    kept = imported(tmp_path / "wide.csv", tmp_path / "out", hypotheses=["sure/plain:entailment", "open:neutral"])
    assert [row["hypothesis"] for row in kept] == ["s 0", "o 0", "p 1", "o 1", "s 2", "o 2", "p 3", "o 3"]
    assert [row["label"] for row in kept] == [0, 1] * 4
    assert len({row["id"] for row in kept}) == 8
    with pytest.raises(UserError, match="unknown label 'yes' in --hypotheses"):
        import_task("mnli", source=tmp_path / "wide.csv", out=tmp_path / "no", hypotheses=["sure:yes"])


def test_every_column_and_label_that_cannot_be_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(table_text(ROWS, ","))
    columns, labels = ["premise=premis", "hypothsis=hypothesis", "lable=labl"], ["a=entail", "b=entail", "c=x"]
    with pytest.raises(UserError) as refused:
        import_task("mnli", source=tmp_path / "rows.csv", out=tmp_path / "no", columns=columns, labels=labels)
    assert str(refused.value) == (
        "unknown columns 'hypothsis' ('hypothesis'?), 'lable' ('label'?) in --columns; known: premise, hypothesis, "
        "label, id; unknown labels 'entail' ('entailment'?), 'x' in --labels; known: entailment, neutral, "
        f"contradiction, -; unknown columns 'premis' ('premise'?), 'labl' ('label'?) in {tmp_path / 'rows.csv'}; "
        "known: premise, hypothesis, label"
    )


def test_answers_without_places_are_found_and_those_with_any_shape_of_place_taken(tmp_path: Path) -> None:
    context = "Ann met Bo in May. Cy left in June, and Ann in July."
    question = {"context": context, "question": "When did Cy leave?"}
    answers: list[Any] = [
        {"answer": "June"},
        {"answers": {"text": ["June"], "answer_start": ["30"]}},
        {"answers": [{"text": "June", "answer_start": 30.0}]},
        {"answers": {"text": "June", "answer_start": 30}},
        {"answers": ["June"]},
        {"answers": '{"text": ["June"], "answer_start": [30]}'},
        {"answer": "Ann"},
        {"answer": "August"},
        {"answers": {"text": ["June"], "answer_start": [3]}},
        {"answers": {"text": ["June"], "answer_start": ["?"]}},
        {"answers": None},
        {"answers": {"text": [""], "answer_start": [0]}},
        {"answers": {"text": ["June"], "answer_start": [-1]}},
        {"answers": "{'text': array(['June'], dtype=object), 'answer_start': array([30], dtype=int32)}"},
    ]
    rows = [question | {"answer": None, "answers": None} | answer for answer in answers]
    (tmp_path / "qa.jsonl").write_text("\n".join(map(json.dumps, rows)))
    kept = imported(tmp_path / "qa.jsonl", tmp_path / "out", "squad_v1")
    assert [row["answers"]["answer_start"] for row in kept] == [[30]] * 6 + [[0]] + [[30]] * 2
    manifest = read_manifest(tmp_path / "out")
    assert manifest.rejected == {
        "answer not in context": 1,
        "answer is not at its offset": 1,
        "answer_start is no number": 1,
        "no answer": 1,
        "empty answer": 1,
    }
    assert manifest.statistics["notes"] == {"answer position unique": 3, "answer position first of equals": 1}
    assert [each.evidence for each in read_rejected(tmp_path / "out")][:2] == ["qa.jsonl line 8", "qa.jsonl line 9"]


def test_places_counted_in_bytes_become_places_in_characters(tmp_path: Path) -> None:
    row = {"context": "Ää kam im Mai, Öö im Juni; Ää ging.", "question": "Wann kam Öö?"}
    starts = {"Juni": len("Ää kam im Mai, Öö im ".encode()), "Mai": 10, "Ää": 0}
    rows = [row | {"answers": {"text": [text], "answer_start": [start]}} for text, start in starts.items()]
    (tmp_path / "qa.jsonl").write_text("\n".join(map(json.dumps, rows)))
    kept = imported(tmp_path / "qa.jsonl", tmp_path / "out", "squad_v1", language="de")
    assert [each["answers"]["answer_start"] for each in kept] == [[21], [10], [0]]
    assert read_manifest(tmp_path / "out").statistics["notes"] == {"answer position given in bytes": 1}


def test_yes_and_no_are_no_classes_of_three_unless_they_are_said_to_be(tmp_path: Path) -> None:
    rows = [row | {"label": row["label"] == "entailment"} for row in ROWS]
    (tmp_path / "x.jsonl").write_bytes(KINDS["json lines"](rows))
    with pytest.raises(UserError, match=r"unknown labels 'False' \(20\), 'True' \(10\).*--labels 'False=…,True=…'"):
        import_task("mnli", source=tmp_path / "x.jsonl", out=tmp_path / "out")
    kept = imported(tmp_path / "x.jsonl", tmp_path / "out", labels=["true=entailment", "False=-"])
    assert pairs_of(kept) == [row for row in EXPECTED if row[2] == 0]
    kept = imported(tmp_path / "x.jsonl", tmp_path / "y", labels=["1=entailment", "0=-"], where=["label=True"])
    assert len(kept) == 10


def test_texts_that_stand_in_several_rows_are_proposed_as_texts(tmp_path: Path) -> None:
    rows = [{"Text": ROWS[n // 3]["premise"], "Annahme": row["hypothesis"], "Art": row["label"]}
            for n, row in enumerate(ROWS)]  # fmt: skip
    (tmp_path / "x.csv").write_bytes(table_text(rows, ";"))
    with pytest.raises(UserError, match="--columns 'premise=Text,hypothesis=Annahme,label=Art': give that"):
        import_task("mnli", source=tmp_path / "x.csv", out=tmp_path / "out")


@pytest.mark.parametrize("cells", [str, json.dumps, lambda values: f"[{' '.join(map(repr, values))}]"])
def test_a_table_of_tokens_and_tags_is_read_by_its_columns(cells: Callable[[list], str], tmp_path: Path) -> None:
    tokens, tags = ["Ann", "isn't", "here"], ["B-PER", "O", "O"]
    for name, delimiter in (("x.csv", ","), ("x.tsv", "\t")):
        rows = [{"tokens": cells(tokens), "tags": cells(tags)}, {"tokens": cells(tokens), "tags": cells([1, 0, 0])}]
        (tmp_path / name).write_bytes(table_text(rows, delimiter))
        kept = imported(tmp_path / name, tmp_path / f"{name}-out", "panx", language="en")
        assert [(row["tokens"], row["ner_tags"]) for row in kept] == [(tokens, [1, 0, 0])] * 2


def test_what_is_left_out_of_a_zip_is_said_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        for name in ("train.csv", "test.csv"):
            archive.writestr(name, KINDS["csv"](ROWS))
    assert pairs_of(imported(tmp_path / "y.zip", tmp_path / "out")) == EXPECTED
    assert capfd.readouterr().err.count("only the train split is read; left out: test.csv") == 1


def test_rows_that_cannot_be_used_are_counted_with_reason_file_and_line(tmp_path: Path) -> None:
    bad = [
        ROWS[0] | {"premise": None},
        ROWS[0] | {"premise": 7},
        ROWS[0] | {"premise": "  "},
        ROWS[0] | {"label": None},
        [1],
    ]
    lines = [*map(json.dumps, ROWS), *map(json.dumps, bad), "{", json.dumps(ROWS[0])[:-1] + ', "x": "\\ud83d"}']
    lines[-1] = lines[-1].replace("harbour", "\\ud83d")
    (tmp_path / "x.txt").write_text("\n".join(lines))
    kept = imported(tmp_path / "x.txt", tmp_path / "out")
    assert pairs_of(kept[:-1]) == EXPECTED
    assert "\ufffd" in kept[-1]["premise"]
    assert [(each.reason, each.evidence.partition(":")[0]) for each in read_rejected(tmp_path / "out")] == [
        ("no premise", "x.txt line 31"),
        ("premise is no text", "x.txt line 32"),
        ("empty premise", "x.txt line 33"),
        ("unlabelled", "x.txt line 34"),
        ("not a JSON object", "x.txt line 35"),
        ("not JSON", "x.txt line 36"),
    ]


REFUSED = {
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    "is not UTF-8: .*`iconv -f windows-1252": "premise,hypothesis,label\nCafé au lait.,It is coffee.,neutral\n".encode(
        "latin-1"
    ),
    "is UTF-16 without a byte order mark: .* utf-16le": table_text(ROWS, ",").decode().encode("utf-16-le"),
    "row \\(of row.premise, row.hypothesis, row.label\\)": parquet([{"row": row} for row in ROWS]),
    "is empty": b"  \n",
    "an SQLite database": b"SQLite format 3\0" + bytes(100),
    "a pickle": b"\x80\x04\x95" + bytes(100),
    "is of no kind": bytes(range(256)) * 9,
    "is not JSON": b'[{"premise": "A"}, {"premise": ' + b"[" * 100_000,
    "no usable row": b'{"premise": null, "hypothesis": "B.", "label": 0}\n' * 3,
    "has two columns 'label'": b"premise,hypothesis,label,label\nA b c.,D e f.,neutral,neutral\n",
    "a tar archive": bytes(257) + b"ustar\x0000" + bytes(255),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_file_of_which_nothing_can_be_used_is_refused_in_one_line(why: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(REFUSED[why])
    with pytest.raises(UserError, match=why) as caught:
        import_task("mnli", source=tmp_path / "x.csv", out=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_zip_of_several_files_is_refused_unless_one_is_the_training_split(tmp_path: Path) -> None:
    data = KINDS["csv"](ROWS)
    (tmp_path / "x.zip").write_bytes(zipped(data, **{"test.csv": data}))
    assert pairs_of(imported(tmp_path / "x.zip", tmp_path / "out")) == EXPECTED
    (tmp_path / "y.zip").write_bytes(zipped(data, **{"train-2.csv": data}))
    with pytest.raises(UserError, match="holds 2 files: train.any, train-2.csv"):
        import_task("mnli", source=tmp_path / "y.zip", out=tmp_path / "no")


def test_what_is_said_of_the_rows_is_a_fact_of_manifest_and_card(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(KINDS["csv"](ROWS))
    facts = {"origin": "synthetic", "generator": "Parrot 2B", "licence": "CC BY-SA 4.0", "language": "eng_Latn"}
    facts |= {"source_text": "a zoo", "citation": "Ann et al. 2026"}
    manifest = import_task("mnli", source=tmp_path / "x.csv", out=tmp_path / "out", **facts)
    assert (manifest.origin, manifest.licence, manifest.language) == ("synthetic", "CC BY-SA 4.0", "en")
    assert "--origin synthetic --generator 'Parrot 2B' --licence 'CC BY-SA 4.0'" in manifest.command
    card = (tmp_path / "out" / "README.md").read_text()
    for fact in ("Parrot 2B", "cc-by-sa-4.0", "a zoo", "Ann et al. 2026"):
        assert fact in card
    with pytest.raises(UserError, match="contains another import: .*Parrot 3B"):
        import_task("mnli", source=tmp_path / "x.csv", out=tmp_path / "out", **(facts | {"generator": "Parrot 3B"}))
    with pytest.raises(UserError, match="unknown origin 'synthetc' in --origin; did you mean 'synthetic'"):
        import_task("mnli", source=tmp_path / "x.csv", out=tmp_path / "no", origin="synthetc")


def test_a_set_of_ours_is_not_imported_again(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(KINDS["csv"](ROWS))
    import_task("mnli", source=tmp_path / "x.csv", out=tmp_path / "out")
    with pytest.raises(UserError, match="is a dataset folder of synthgen already"):
        import_task("mnli", source=tmp_path / "out", out=tmp_path / "again")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_cells_with_quotes_tabs_and_line_ends_stay_whole_in_quoted_tables(encoding: str, tmp_path: Path) -> None:
    rows = [row | {"premise": f'She said\t"{n}"\nand left.'} for n, row in enumerate(ROWS)]
    for delimiter in ",;\t":
        name = f"x{ord(delimiter)}"
        (tmp_path / name).write_bytes(table_text(rows, delimiter).decode().encode(encoding))
        assert [row["premise"] for row in imported(tmp_path / name, tmp_path / f"out-{name}")] == [
            row["premise"] for row in rows
        ]


def test_quotes_are_signs_like_others_in_a_table_whose_cells_are_not_quoted(tmp_path: Path) -> None:
    rows = [('"Hi," he said.', 'He said "hi".'), ('"Quiet!"', "She wants silence."), ('5" wide', '"No" is no answer')]
    lines = ["premise\thypothesis\tlabel", *(f"{a}\t{b}\tneutral" for a, b in rows)]
    (tmp_path / "x.tsv").write_text("\n".join(lines))
    kept = imported(tmp_path / "x.tsv", tmp_path / "out")
    assert [(row["premise"], row["hypothesis"]) for row in kept] == rows


def test_passages_are_read_packed_or_with_a_byte_order_mark_and_latin_1_is_refused(tmp_path: Path) -> None:
    task, text = load_task("mnli"), "The ferry left the old harbour.\nRain fell on the café roof.\n"
    for name, data in {"bom.txt": b"\xef\xbb\xbf" + text.encode(), "packed": gzip.compress(text.encode())}.items():
        (tmp_path / name).write_bytes(data)
        grounding = read_grounding(task, shots=None, passages=tmp_path / name, seed=0)
        assert sorted(grounding.passages) == sorted(text.strip().split("\n"))
    (tmp_path / "latin.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.txt is not UTF-8"):
        read_grounding(task, shots=None, passages=tmp_path / "latin.txt", seed=0)


LLM = {
    "wanli": ("mnli", "wanli", {}, 15_001, {"entailment": 5_001, "neutral": 5_000, "contradiction": 5_000}),
    "inli": (
        "mnli",
        "inli",
        {
            "hypotheses": [
                "implied_entailment/explicit_entailment:entailment",
                "neutral:neutral",
                "contradiction:contradiction",
            ]
        },
        24_000,
        dict.fromkeys(LABELS, 8_000),
    ),
    "fewgen": ("mnli", "fewgen", {}, 15_000, dict.fromkeys(LABELS, 5_000)),
    "supergen": ("mnli", "supergen", {}, 6_000, dict.fromkeys(LABELS, 2_000)),
    **{
        f"genx-{code}": ("copa", f"genx/xcopa-{code}.jsonl", {"language": code}, rows, None)
        for code, rows in {"en": 3_769, "sw": 3_724, "zh": 3_757, "id": 3_702}.items()
    },
    **{
        f"ares-{name}": (
            "squad_v1",
            f"ares/{name}_synthetic_queries.zip",
            {
                "columns": ["context=document", "question=synthetic_query", "answer=generated_answer"],
                "where": [
                    f"{what}_Label=Yes" for what in ("Context_Relevance", "Answer_Faithfulness", "Answer_Relevance")
                ],
            },
            rows,
            {"answerable": rows},
        )
        for name, rows in {"nq": 389, "hotpotqa": 840}.items()
    },
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", LLM)
def test_the_sets_of_language_models_import_with_their_counts_and_cards(
    name: str, data_root: Path, tmp_path: Path
) -> None:
    task, path, options, rows, labels = LLM[name]
    facts = {"origin": "synthetic", "generator": "a model", "licence": "CC-BY-4.0"}
    manifest = import_task(task, source=data_root / "llm" / path, out=tmp_path / "out", **facts, **options)
    assert (manifest.origin, manifest.kept, manifest.licence) == ("synthetic", rows, "CC-BY-4.0")
    assert labels is None or manifest.label_counts == labels
    assert manifest.language == options.get("language", "en")
    assert manifest.parents[0]["generator"] == "a model"
    assert card_faults_of(tmp_path / "out") == []
    for row in read_rows(tmp_path / "out") if task == "squad_v1" else ():
        ((text,), (start,)) = row["answers"]["text"], row["answers"]["answer_start"]
        assert row["context"][start : start + len(text)] == text


def test_a_card_of_rows_from_elsewhere_says_only_what_is_known_and_check_finds_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "zoo.csv").write_bytes(KINDS["csv"](ROWS))
    import_task("mnli", source=tmp_path / "zoo.csv", out=tmp_path / "out", origin="synthetic", language="en")
    path = tmp_path / "out" / "README.md"
    card = path.read_text()
    assert card.count("not known: the rows came from zoo.csv") >= 4
    for ours in ("chosen before the text was written", "the ledger of the run", "the prompt asked for", "prompt file"):
        assert ours not in card
    assert card_faults_of(tmp_path / "out") == []
    claim = "Each label is the one that the prompt asked for, chosen before the text was written"
    path.write_text(card.replace("## Sources", f"{claim}.\n\n## Sources"))
    assert card_faults_of(tmp_path / "out") == [f"README.md claims '{claim}', and synthgen.json has no evidence for it"]
