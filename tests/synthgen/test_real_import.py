"""`import_task`: what is kept, what is drawn, what the manifest says, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.corpora.catalogue import SOURCES
from synthgen.corpora.import_corpus import import_task
from synthgen.corpora.sampling import quotas
from synthgen.dataset import MANIFEST_NAME, file_sha256, read_manifest, read_rejected, read_rows
from synthgen.errors import UserError
from synthgen.task.registry import load_task, prompts_folder

CHECKOUT = Path(__file__).resolve().parents[2]
LABELS = ("entailment", "neutral", "contradiction")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """An MNLI-like file of 300 rows, 100 a label, every tenth line unlabelled on top of them."""
    lines = []
    for number in range(300):
        pair = {"sentence1": f"Premise {number}.", "sentence2": f"Hypothesis {number}."}
        lines.append(json.dumps(pair | {"gold_label": LABELS[number % 3]}))
        if number % 10 == 0:
            lines.append(json.dumps(pair | {"gold_label": "-"}))
    path = tmp_path / "multinli_1.0_train.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_all_rows_are_kept_and_unlabelled_ones_counted(corpus: Path, tmp_path: Path) -> None:
    manifest = import_task("mnli", source=corpus, out=tmp_path / "real")
    assert (manifest.asked, manifest.kept, manifest.failed, manifest.n) == (330, 300, 0, 300)
    assert manifest.rejected == {"unlabelled": 30}
    assert manifest.label_counts == dict.fromkeys(LABELS, 100)
    assert (manifest.origin, manifest.language, manifest.task) == ("real", "en", "mnli")
    read = {"file": corpus.name, "sha256": file_sha256(corpus), "split": "train", "corpus": "mnli"}
    assert manifest.parents == ({**read, "role": "source", "licence": manifest.licence},)
    assert read_manifest(tmp_path / "real") == manifest
    rows = list(read_rows(tmp_path / "real"))
    assert list(rows[0]) == ["premise", "hypothesis", "label", "id", "language"]
    assert len({row["id"] for row in rows}) == 300
    assert {rejection.reason for rejection in read_rejected(tmp_path / "real")} == {"unlabelled"}


def test_a_draw_has_exactly_n_rows_in_the_real_sets_proportions(corpus: Path, tmp_path: Path) -> None:
    manifest = import_task("mnli", source=corpus, out=tmp_path / "real", n=200)
    assert manifest.kept == 200
    assert manifest.label_counts == {"entailment": 66, "neutral": 67, "contradiction": 67}
    numbers = [int(row["premise"].split()[1].rstrip(".")) for row in read_rows(tmp_path / "real")]
    assert numbers == sorted(numbers)
    assert manifest.sampling == {"n": 200, "seed": 0}


def test_draws_are_deterministic_differ_by_seed_and_nest(corpus: Path, tmp_path: Path) -> None:
    def drawn(name: str, n: int, seed: int) -> set[str]:
        import_task("mnli", source=corpus, out=tmp_path / name, n=n, seed=seed)
        return {row["id"] for row in read_rows(tmp_path / name)}

    assert drawn("a", 60, 0) == drawn("b", 60, 0)
    assert drawn("a", 60, 0) < drawn("c", 120, 0)
    assert drawn("a", 60, 0) != drawn("d", 60, 1)
    assert file_sha256(tmp_path / "a/data/train-00000-of-00001.parquet") == file_sha256(
        tmp_path / "b/data/train-00000-of-00001.parquet"
    )


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50), min_size=1), st.integers(1, 60))
def test_quotas_never_exceed_what_is_there(available: dict[str, int], n: int) -> None:
    if not sum(available.values()):
        return
    if n > sum(available.values()):
        with pytest.raises(UserError, match=f"allowed: at most {sum(available.values())}$"):
            quotas("no-such-task", available, n)
        return
    wanted = quotas("no-such-task", available, n)
    assert sum(wanted.values()) == n
    assert all(count <= available[cell] for cell, count in wanted.items())


def test_too_large_an_n_names_the_short_cells_and_the_limit(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="contradiction 100 of 101; allowed: at most 300"):
        import_task("mnli", source=corpus, out=tmp_path / "real", n=301)
    assert not (tmp_path / "real").exists()
    for n in (0, -3):
        with pytest.raises(UserError, match=f"--n is {n}; allowed: 1 or more"):
            import_task("mnli", source=corpus, out=tmp_path / "real", n=n)


def test_the_same_import_again_changes_nothing_and_another_is_refused(corpus: Path, tmp_path: Path) -> None:
    first = import_task("mnli", source=corpus, out=tmp_path / "real", n=30)
    written = (tmp_path / "real" / MANIFEST_NAME).stat().st_mtime_ns
    assert import_task("mnli", source=corpus, out=tmp_path / "real", n=30) == first
    assert (tmp_path / "real" / MANIFEST_NAME).stat().st_mtime_ns == written
    with pytest.raises(UserError, match=r"contains another import: sampling is .*'n': 30.* there, .*'n': 31"):
        import_task("mnli", source=corpus, out=tmp_path / "real", n=31)


def test_a_folder_of_other_files_is_never_touched(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not lose")
    with pytest.raises(UserError, match="exists and is not a dataset folder"):
        import_task("mnli", source=corpus, out=tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_failed_import_leaves_nothing_behind(corpus: Path, tmp_path: Path) -> None:
    strange = json.dumps({"sentence1": "P", "sentence2": "H", "gold_label": "maybe"}) + "\n"
    corpus.write_text(corpus.read_text() + strange * 9)
    with pytest.raises(UserError, match=r"unknown labels 'maybe' \(9\)"):
        import_task("mnli", source=corpus, out=tmp_path / "real")
    assert {path.name for path in tmp_path.iterdir()} == {corpus.name}


def test_a_file_without_any_label_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test-sw.tsv"
    path.write_text("Msimbo\nwa\n\nposta\n")
    with pytest.raises(UserError, match=r"no usable row in test-sw\.tsv: \{'unlabelled': 2\}"):
        import_task("panx", source=path, out=tmp_path / "out")


def test_columns_that_are_named_hold_for_the_rows_of_earlier_files_too(tmp_path: Path) -> None:
    (folder := tmp_path / "mnli").mkdir()
    rows = [{"s1": f"Text {i}.", "s2": f"Another {i}.", "gold": "neutral"} for i in range(6)]
    for name, some in (("multinli_1.0_train.jsonl", rows[:4]), ("train_more.jsonl", rows[2:])):
        (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in some))
    columns = ["premise=s1", "hypothesis=s2", "label=gold"]
    manifest = import_task("mnli", source=folder, columns=columns, out=tmp_path / "out")
    assert (manifest.kept, manifest.rejected) == (6, {"repeated in an earlier file": 2})


def test_rows_of_an_earlier_extract_are_dropped_also_when_word_tokenised(tmp_path: Path) -> None:
    raw = {"0": {"text_a": "It's late.", "text_b": "It's early.", "label": "contradiction"}}
    (tmp_path / "train_raw.json").write_text(json.dumps(raw))
    table = "sentence1\tsentence2\tlabel\nIt 's late .\tIt 's early .\tcontradiction\nNew .\tOld .\tneutral\n"
    (tmp_path / "train_words.tsv").write_text(table)
    manifest = import_task("mnli", source=tmp_path, out=tmp_path / "out")
    assert (manifest.kept, manifest.rejected) == (2, {"repeated in an earlier file": 1})
    assert [parent["file"] for parent in manifest.parents] == ["train_raw.json", "train_words.tsv"]


def test_what_our_checks_would_refuse_is_kept_and_reported(tmp_path: Path) -> None:
    line = json.dumps({"premise": "Same.", "hypothesis": "same.", "label": "entailment"})
    (tmp_path / "train.jsonl").write_text(f"{line}\n{line}\n")
    manifest = import_task("snli", source=tmp_path, out=tmp_path / "out")
    assert manifest.kept == 2
    assert manifest.statistics["check"] == {"both texts equal": 2}


def test_repeated_corpus_ids_become_unique(tmp_path: Path) -> None:
    names = "id,context,question,answer0,answer1,answer2,answer3,label"
    lines = [f"{name},C,Q,a,b,c,d,0" for name in ("x", "x-2", "x")]
    (tmp_path / "train.csv").write_text("\n".join([names, *lines]))
    import_task("cosmosqa", source=tmp_path / "train.csv", out=tmp_path / "out")
    assert [row["id"] for row in read_rows(tmp_path / "out")] == ["x", "x-2", "x-3"]


def test_the_shipped_sample_says_what_it_is(tmp_path: Path) -> None:
    manifest = import_task("mnli", source="sample", out=tmp_path / "mnli")
    assert (manifest.origin, manifest.licence, manifest.kept) == ("sample", "CC0-1.0", 60)
    assert manifest.label_counts == dict.fromkeys(LABELS, 20)
    manifest = import_task("udpos", source="sample", n=50, out=tmp_path / "udpos")
    assert (manifest.origin, manifest.licence, manifest.kept) == ("real", "CC BY-SA 4.0", 50)
    with pytest.raises(UserError, match="no sample ships for qqp; tasks with a sample: snli, mnli, udpos"):
        import_task("qqp", source="sample", out=tmp_path / "qqp")


def test_an_unknown_task_gets_its_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown task 'squad'; did you mean 'squad_v"):
        import_task("squad", source="hub", out=tmp_path / "out")


def test_rows_load_with_the_types_of_the_real_sets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    choices = [{"label": letter, "text": letter.lower()} for letter in "ABCDE"]
    question = {"stem": "Where?", "question_concept": "place", "choices": choices}
    (tmp_path / "train.jsonl").write_text(json.dumps({"id": "a", "answerKey": "B", "question": question}))
    (tmp_path / "train-en.tsv").write_text("Anna\tB-PER\nruns\tO\n")
    import_task("commonsenseqa", source=tmp_path / "train.jsonl", out=tmp_path / "csqa")
    import_task("panx", source=tmp_path / "train-en.tsv", out=tmp_path / "panx")

    def load(name: str) -> object:
        shard = str(tmp_path / name / "data" / "train-00000-of-00001.parquet")
        return datasets.Dataset.from_parquet(shard, cache_dir=str(tmp_path / "cache"))

    csqa, panx = load("csqa"), load("panx")
    assert csqa[0]["choices"] == {"label": list("ABCDE"), "text": list("abcde")}
    assert panx.features["ner_tags"].feature.names[:2] == ["O", "B-PER"]
    assert panx[0]["ner_tags"] == [1, 0]


@pytest.mark.parametrize("task", sorted({path.stem for path in prompts_folder().glob("*.md")} & set(SOURCES)))
def test_prompt_files_and_the_source_table_agree(task: str) -> None:
    loaded, source = load_task(task), SOURCES[task][0]
    assert loaded.format.columns == source.format.columns
    assert loaded.format.name == "tags" or loaded.format == source.format
