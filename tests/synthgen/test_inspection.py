"""`synthgen inspect`: measures, page, blind sample and its way back."""

from __future__ import annotations

import csv
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from synthgen.analysis import inspect as inspection
from synthgen.analysis.inspect import COMPARED_CHARACTERS, PAGE_NAME, inspect, nearest, summary_tables
from synthgen.analysis.similarity_to_real import compression_ratio, distance, self_repetition
from synthgen.analysis.text_statistics import self_bleu
from synthgen.cards.summary_tables import SummaryTable, findings
from synthgen.cli.commands import app
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import read_manifest, read_rows
from synthgen.errors import UserError
from synthgen.filters.command import filter as filter_
from synthgen.formats.pair import PairFormat


@pytest.fixture(scope="module")
def sample_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspect") / "mnli"
    import_task("mnli", source="sample", out=folder)
    return folder


def judge(path: Path, answer: dict[str, str]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *([*line[:-1], answer.get(line[0], "")] for line in lines)])


def test_the_page_shows_the_cards_figures_and_escapes_what_rows_say(sample_set: Path) -> None:
    manifest = inspect(sample_set, like=sample_set)
    page = (sample_set / PAGE_NAME).read_text(encoding="utf-8")
    assert "Artefacts: like the real set" in page
    assert (sample_set / "figures" / "funnel.svg").read_text(encoding="utf-8") in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert {"artefacts", "shape", "diversity"} <= set(read_manifest(sample_set).checks)
    assert all(found["distance"] == 0 for found in manifest.checks["shape"]["features"].values())


def test_no_table_calls_a_filter_off_that_ran_or_shows_less_than_nothing(sample_set: Path, tmp_path: Path) -> None:
    filter_(sample_set, out=tmp_path / "clean")
    manifest = inspect(tmp_path / "clean")
    scores = {"accuracy": 0.0, "ci95": [-1e-15, 11.3], "majority": 33.3}
    word = {"label": "neutral", "rows": 9, "share": 0.3}
    words = [word | {"text": "old", "pmi": 0.0}, word | {"text": "some", "pmi": 1.2}]
    artefacts = {"baselines": {"premise-only": scores}, "words": words, "verdict": "none", "rows": 9, "margin": 5.0}
    found = findings(replace(manifest, checks=manifest.checks | {"artefacts": artefacts}))
    rows = {table.title: {row[0]: row[1:] for row in table.rows} for table in found}
    assert rows["Filters"]["format"] == ("runs, without settings",)
    assert rows["Partial-input baselines: accuracy in percent"]["premise-only"][0] == "0.0 (0.0 to 11.3)"
    assert list(rows["Words associated with a label"]) == ["some"]


def test_the_page_shows_rows_of_each_label_and_rejected_ones_with_their_reason(tmp_path: Path) -> None:
    rows = ["A man sleeps in the park.\tA <b>man</b> sleeps.\tentailment"] * 2
    rows.append("A woman sings on the stage.\tNobody sings here tonight.\tcontradiction")
    (tmp_path / "set.tsv").write_text("premise\thypothesis\tlabel\n" + "\n".join(rows) + "\n")
    import_task("mnli", source=str(tmp_path / "set.tsv"), origin="synthetic", out=tmp_path / "set")
    filter_(tmp_path / "set", out=tmp_path / "clean")
    inspect(tmp_path / "clean", like=tmp_path / "set")
    page = (tmp_path / "clean" / PAGE_NAME).read_text(encoding="utf-8")
    rows_of_both, _, rejected = page.partition("Rejected rows")
    assert "hypothesis: A &lt;b&gt;man&lt;/b&gt; sleeps." in rows_of_both
    assert "Rows of the real set" in rows_of_both
    assert "exact duplicate (1)" in rejected


def test_a_blind_sample_has_no_label_and_its_answers_come_back_as_agreement(sample_set: Path, tmp_path: Path) -> None:
    path = tmp_path / "blind.csv"
    inspect(sample_set, sample=6, csv=path)
    text = path.read_text(encoding="utf-8")
    assert text.count("entailment") == 1  # in the header, which says what may be answered
    labels = ("entailment", "neutral", "contradiction")
    truth = {row["id"]: labels[row["label"]] for row in read_rows(sample_set)}
    with path.open(encoding="utf-8", newline="") as file:
        ids = [line[0] for line in csv.reader(file)][1:]
    wrong = {ids[0]: labels[(labels.index(truth[ids[0]]) + 1) % 3]}
    judge(path, {row_id: truth[row_id] for row_id in ids[:5]} | wrong)
    found = inspect(sample_set, judged=path).checks["judged"]
    assert (found["rows"], found["not_judged"], found["agreement"]) == (5, 1, 0.8)
    assert found["ci95"][0] < 0.8 < found["ci95"][1]


@pytest.mark.parametrize(
    ("answers", "message"),
    [("entailmet", "unknown label 'entailmet' .*did you mean 'entailment'"), ("", "has no judged row")],
)
def test_answers_that_cannot_be_are_named_with_their_place(
    sample_set: Path, tmp_path: Path, answers: str, message: str
) -> None:
    path = tmp_path / "blind.csv"
    inspect(sample_set, sample=2, csv=path)
    with path.open(encoding="utf-8", newline="") as file:
        ids = [line[0] for line in csv.reader(file)][1:]
    judge(path, dict.fromkeys(ids, answers))
    with pytest.raises(UserError, match=message):
        inspect(sample_set, judged=path)


def test_a_set_of_another_task_cannot_stand_beside(sample_set: Path, tmp_path: Path) -> None:
    import_task("udpos", source="sample", n=40, out=tmp_path / "udpos")
    with pytest.raises(UserError, match="is a udpos set"):
        inspect(sample_set, like=tmp_path / "udpos")


def test_the_nearest_pair_comes_first(sample_set: Path) -> None:
    rows = list(read_rows(sample_set))
    from synthgen.dataset import dataset_format

    twin = rows[0] | {"id": "twin", "hypothesis": rows[0]["hypothesis"] + "!"}
    found = nearest(dataset_format(read_manifest(sample_set)), [*rows, twin])
    assert set(found[0]["ids"]) == {rows[0]["id"], "twin"}


def test_long_texts_are_compared_by_their_beginnings_and_short_ones_beside_them_whole() -> None:
    pairs = PairFormat(("premise", "hypothesis"), ("no", "yes"))
    long = "word " * 20_000
    rows = [
        {"id": "a", "premise": long, "hypothesis": "The very same end.", "label": 0},
        {"id": "b", "premise": long + "more", "hypothesis": "The very same end.", "label": 0},
        {"id": "c", "premise": long, "hypothesis": "0123456789", "label": 0},
    ]
    first, *others = nearest(pairs, rows)
    assert (set(first["ids"]), first["similarity"]) == ({"a", "b"}, 100.0)
    assert all(found["similarity"] < 100 for found in others)
    texts = [text for found in (first, *others) for text in found["texts"]]
    assert all(len(text) <= COMPARED_CHARACTERS + len("… | ") for text in texts)
    assert all("… | " in text for text in texts)


def test_pairs_are_compared_once_for_the_page_and_the_terminal(sample_set: Path) -> None:
    inspection._read_once.cache_clear()
    inspect(sample_set)
    summary_tables(sample_set)
    assert inspection._read_once.cache_info().misses == 1


def test_measures_of_sameness_know_the_extremes() -> None:
    assert distance(["a"] * 3, ["b"] * 3) == 1.0
    assert distance([1, 2, 3], [1, 2, 3]) == 0.0
    assert self_repetition([list("abcd"), list("xabcd"), list("efgh")]) == pytest.approx(0.6667)
    assert compression_ratio(["the same text"] * 100) > 10


def test_self_bleu_is_the_mean_sentence_bleu_of_sacrebleu_against_all_other_texts() -> None:
    from sacrebleu.metrics import BLEU

    rng = random.Random(0)
    words = ["a", "b", "c", "d,", "e.", "f's"]
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 12))) for _ in range(30)] + ["a b"] * 2
    bleu = BLEU(effective_order=True)
    scores = [bleu.sentence_score(text, texts[:i] + texts[i + 1 :]).score for i, text in enumerate(texts)]
    assert self_bleu(texts)["value"] == round(sum(scores) / len(scores), 2)


def test_the_terminal_shows_the_tables_of_the_page(sample_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect(sample_set, like=sample_set)
    app(["inspect", str(sample_set), "--like", str(sample_set)], standalone_mode=False)
    told = capsys.readouterr().out
    for sheet in summary_tables(sample_set):
        assert sheet.title in told
        assert all(len(row) == len(sheet.columns) for row in sheet.rows)
    assert "hypothesis-only" in told
    assert "Nearest pairs" in (sample_set / PAGE_NAME).read_text(encoding="utf-8")


def test_nothing_is_cut_off_in_eighty_columns(
    sample_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    app(["inspect", str(sample_set), "--out", str(tmp_path / "page.html")], standalone_mode=False)
    told = capsys.readouterr().out
    assert "\\n" not in told
    assert "…" not in told
    nearest = told.partition("Nearest pairs")[2].split()
    assert sum(row["id"] in nearest for row in read_rows(sample_set)) > 1
    assert re.search(r"Shape, compared with the real set\nnot done: no real set", told)


def test_no_word_of_a_table_is_cut_in_two_in_eighty_columns(
    sample_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = ["inspect", str(sample_set), "--like", str(sample_set), "--out", str(tmp_path / "page.html")]
    app(command, standalone_mode=False)
    shape = capsys.readouterr().out.partition("Shape, compared with the real set")[2].partition("\n\n")[0]
    assert len(shape.splitlines()) > 5
    assert {"entailment", "neutral", "contradiction", "hypothesis", "premise", "between"} <= set(shape.split())


def test_numbers_stand_on_the_right_and_what_was_not_measured_is_a_dash() -> None:
    sheet = SummaryTable("t", ("", "a", "b"), (("x", "1,000", "53.6 (49.1 to 58.0)"), ("y", "–", "+0.1")))
    assert [sheet.is_number(column) for column in range(3)] == [False, True, True]
