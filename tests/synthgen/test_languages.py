"""Codes of languages, and the language of a set."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.cards.card import check
from synthgen.cards.front_matter import read_front_matter
from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import Manifest, read_rows
from synthgen.errors import UserError
from synthgen.filters.command import filter as run_filters
from synthgen.publishing.verify import verify
from synthgen.text.language_id import foreign, is_known, row_language
from synthgen.text.languages import LANGUAGES, NLLB, base_language, language_code
from synthgen.text.set_language import language_of_name, set_language

GERMAN = "Das Wasser im kleinen See ist heute besonders kalt."
CHINESE = "湖里的水今天特别冷,没有人想游泳。"
PERSIAN = "آب دریاچه امروز خیلی سرد است و کسی شنا نمی‌کند."


def items(*texts: str) -> list[dict[str, str]]:
    return [{"question": text} for text in texts]


@pytest.mark.parametrize(
    ("said", "code"),
    [("iw", "he"), ("in", "id"), ("jw", "jv"), ("ji", "yi"), ("ger", "de"), ("cmn", "zh"), ("arb", "ar"), ("zsm", "ms"),
     ("ZH_hans", "zh-Hans"), ("zho_Hant", "zh-Hant"), ("pt_BR", "pt-BR"), ("en-latn-us", "en-US"), ("tgl", "tl"),
     ("sh", "sr-Latn"), ("kor_Hang", "ko"), ("quy", "qu"), ("nb", "nb"), ("yue", "yue"), ("ckb", "ckb")],
)  # fmt: skip
def test_codes_of_other_systems_are_one_code(said: str, code: str) -> None:
    assert language_code(said) == code
    assert language_code(code) == code


def test_the_codes_of_our_languages_and_of_flores_are_those_of_the_table() -> None:
    assert [language_code(code) for code in NLLB] == list(NLLB)
    assert [base_language(flores) for flores in NLLB.values()] == list(NLLB)


@pytest.mark.parametrize(
    ("said", "near"),
    [("jp", "'ja' .Japanese."), ("gr", "'el' .Greek."), ("cn", "'zh' .Chinese."), ("german", "'de' .German."),
     ("Swahilli", "'sw' .Swahili."), ("qq", "'qu' .Quechua.")],
)  # fmt: skip
def test_a_code_that_is_no_language_is_refused_with_the_nearest(said: str, near: str) -> None:
    with pytest.raises(UserError, match=f"^--to {said} is not a language code; did you mean {near}[?]"):
        language_code(said, where="--to")


@pytest.mark.parametrize("said", ["", "-", "zh-", "日本", "mul", "und", "zxx", "x-ours", "de,sw", "../de", "e" * 99])
def test_what_is_no_code_at_all_is_refused(said: str) -> None:
    with pytest.raises(UserError, match="is not a language code"):
        language_code(said)


@pytest.mark.parametrize("code", ["zh-Hans", "zh-TW", "pt-BR", "iw", "deu_Latn", "sr-Latn", "nb", "arb_Arab", "fil"])
def test_every_way_to_write_a_language_is_checked(code: str) -> None:
    assert is_known(row_language({"language": code}, "en"))
    assert bool(foreign(GERMAN, code)) == (code != "deu_Latn")


def test_a_foreign_text_is_found_under_every_code_that_the_models_know() -> None:
    assert {code for code in LANGUAGES if not is_known(code)} == {"wo"}


def test_what_the_option_says_holds_and_what_the_texts_read_as_is_counted() -> None:
    language = set_language(items(CHINESE, GERMAN, CHINESE), option="iw")
    assert (language.code, language.said_by, language.identified, language.agree) == ("he", "--language", 3, 0)
    assert language.is_doubtful


def test_what_is_stated_holds_only_where_the_texts_agree() -> None:
    name, corpus = "the file's name", "the corpus"
    assert set_language(items(GERMAN), stated={name: "de", corpus: "en"}).said_by == name
    assert set_language(items(GERMAN), stated={name: "is", corpus: "de"}).said_by == corpus
    assert set_language(items(PERSIAN), stated={name: "", corpus: "en"}).code == "fa"
    assert set_language(items(CHINESE), stated={name: "zho_Hans"}).code == "zh-Hans"


def test_texts_too_short_to_identify_leave_what_is_stated_and_nothing_stated_is_und() -> None:
    assert set_language(items("Tee", "1912"), stated={"the corpus": "en"}).code == "en"
    assert set_language(items("Tee", "1912")).code == "und"
    assert set_language([]).facts() == {"said_by": "nothing", "texts_identified": 0, "texts_that_agree": 0}


def test_short_texts_of_an_item_are_read_together() -> None:
    assert set_language([{"a": "Der Hund", "b": "schläft unter", "c": "dem Tisch"}]).code == "de"


def test_a_set_of_several_languages_has_none() -> None:
    assert set_language(items(CHINESE, GERMAN, PERSIAN)).code == "und"


@pytest.mark.parametrize(
    ("name", "code"),
    [("data-zh-CN.csv", "zh-CN"), ("sr_Latn.tsv", "sr-Latn"), ("test-de.tsv", "de"), ("xnli.zh.dev.json", "zh"),
     ("en-de-translated.tsv", ""), ("snli_1.0_train.txt", ""), ("how-to.json", ""), ("QA.json", ""), ("", "")],
)  # fmt: skip
def test_the_name_of_a_file_states_one_language_or_none(name: str, code: str) -> None:
    assert language_of_name(name) == code


HEBREW = ("המים באגם הקטן קרים היום במיוחד", "אף אחד לא רוצה לשחות באגם היום", "הילדים משחקים בכדור ליד הבית הישן")
"""Three sentences of our own."""


def pairs(path: Path, sentences: tuple[str, ...] = HEBREW) -> Path:
    lines = [{"premise": text, "hypothesis": f"{text} {i}", "label": i % 3} for i, text in enumerate(sentences * 2)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def said_by(manifest: Manifest) -> tuple[str, str]:
    return manifest.language, manifest.checks["set_language"]["said_by"]


def test_a_set_of_another_language_is_imported_and_filtered_as_one(tmp_path: Path) -> None:
    manifest = import_task("mnli", source=pairs(tmp_path / "train.jsonl"), out=tmp_path / "set")
    assert said_by(manifest) == ("he", "identification of its texts")
    assert {row["language"] for row in read_rows(tmp_path / "set")} == {"he"}
    filtered = run_filters(tmp_path / "set", out=tmp_path / "kept")
    assert said_by(filtered) == said_by(manifest)
    assert "language" not in filtered.rejected
    for folder in (tmp_path / "set", tmp_path / "kept"):
        assert check(folder) == []
        assert verify(folder).faults == ()
        assert (
            "The language of the set is he, from identification of its texts (1" in (folder / "README.md").read_text()
        )


@pytest.mark.parametrize(
    ("task", "row"),
    [("squad_v1", {"context": " ".join(HEBREW), "question": HEBREW[0], "answer": "המים"}),
     ("copa", {"premise": HEBREW[0], "choice1": HEBREW[1], "choice2": HEBREW[2], "question": "cause", "label": 0}),
     ("commonsenseqa", {"question": HEBREW[0], "choices": list(HEBREW[0].split()[:5]), "answerKey": "A"}),
     ("panx", {"tokens": HEBREW[0].split(), "ner_tags": ["O"] * len(HEBREW[0].split())})],
)  # fmt: skip
def test_the_language_of_rows_of_every_format_is_identified(task: str, row: dict, tmp_path: Path) -> None:
    (tmp_path / "colleague.json").write_text(json.dumps([row] * 3))
    manifest = import_task(task, source=tmp_path / "colleague.json", out=tmp_path / "set")
    assert said_by(manifest) == ("he", "identification of its texts")


def test_of_a_file_of_ones_own_the_task_says_the_language_and_no_corpus(tmp_path: Path) -> None:
    row = {"premise": "The train to the coast leaves at nine.", "hypothesis": "A train goes to the coast.", "label": 0}
    (tmp_path / "colleague.json").write_text(json.dumps([row]))
    assert said_by(import_task("mnli", source=tmp_path / "colleague.json", out=tmp_path / "own")) == ("en", "the task")
    assert said_by(import_task("snli", source="sample", n=3, out=tmp_path / "snli")) == ("en", "the corpus")


def test_a_stated_language_is_kept_and_what_the_texts_read_as_is_in_the_card(tmp_path: Path) -> None:
    path = pairs(tmp_path / "train.jsonl")
    manifest = import_task("mnli", source=path, out=tmp_path / "set", language="sr_Latn")
    assert said_by(manifest) == ("sr-Latn", "--language")
    card = (tmp_path / "set" / "README.md").read_text()
    assert "The language of the set is sr-Latn, from --language (0 of 12 identified texts agree)." in card
    front = read_front_matter(card, where="README.md")
    assert (front["language"], front["language_bcp47"]) == (["sr"], ["sr-Latn"])
    with pytest.raises(UserError, match="language is sr-Latn there, he in this command"):
        import_task("mnli", source=path, out=tmp_path / "set", language="iw")


def test_a_folder_that_reads_as_another_language_is_no_translation(tmp_path: Path) -> None:
    pairs(tmp_path / "train.jsonl")
    with pytest.raises(
        UserError, match=r"has no multinli.train.sw.tsv or .*, and no files of mnli whose texts are identified as sw"
    ):
        import_task("mnli", source=tmp_path, out=tmp_path / "set", language="sw")
    assert import_task("mnli", source=tmp_path, out=tmp_path / "set", language="heb").language == "he"


@pytest.mark.parametrize(
    ("column", "option", "said"),
    [(None, None, ("he", "identification of its texts")), ("iw", None, ("he", "its rows")),
     ("Hebrew", None, ("he", "identification of its texts")), ("yi", "he", ("he", "--language"))],
)  # fmt: skip
def test_rows_of_somebodys_parquet_files_have_the_language_of_the_set(
    tmp_path: Path, column: str | None, option: str | None, said: tuple[str, str]
) -> None:
    rows = [json.loads(line) for line in pairs(tmp_path / "train.jsonl").read_text().splitlines()]
    rows = [row | {"language": column} for row in rows] if column else rows
    (tmp_path / "in").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in" / "train.parquet")
    manifest = run_filters(tmp_path / "in", out=tmp_path / "out", origin="real", task="mnli", language=option)
    assert said_by(manifest) == said
    assert verify(tmp_path / "out").faults == ()
