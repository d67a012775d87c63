"""Codes of languages, and the language of a set."""

import pytest

from synthgen.errors import UserError
from synthgen.text.language_id import foreign, known_languages, row_language
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
    with pytest.raises(UserError, match=f"^--to {said} is no language; did you mean {near}[?]"):
        language_code(said, where="--to")


@pytest.mark.parametrize("said", ["", "-", "zh-", "日本", "mul", "und", "zxx", "x-ours", "de,sw", "../de", "e" * 99])
def test_what_is_no_code_at_all_is_refused(said: str) -> None:
    with pytest.raises(UserError, match="is no language"):
        language_code(said)


@pytest.mark.parametrize("code", ["zh-Hans", "zh-TW", "pt-BR", "iw", "deu_Latn", "sr-Latn", "nb", "arb_Arab", "fil"])
def test_every_way_to_write_a_language_is_checked(code: str) -> None:
    assert row_language({"language": code}, "en") in known_languages()
    assert bool(foreign(GERMAN, code)) == (code != "deu_Latn")


def test_a_foreign_text_is_found_under_every_code_that_the_models_know() -> None:
    assert {code for code in LANGUAGES if base_language(code) not in known_languages()} == {"wo"}


def test_what_the_option_says_holds_and_what_the_texts_read_as_is_counted() -> None:
    language = set_language(items(CHINESE, GERMAN, CHINESE), option="iw")
    assert (language.code, language.said_by, language.identified, language.agree) == ("he", "--language", 3, 0)
    assert language.is_doubtful


def test_a_name_or_a_corpus_holds_only_where_the_texts_agree() -> None:
    assert set_language(items(GERMAN), file="de", corpus="en").said_by == "the file's name"
    assert set_language(items(GERMAN), file="is", corpus="de").said_by == "the corpus"
    assert set_language(items(PERSIAN), file="", corpus="en").code == "fa"
    assert set_language(items(CHINESE), file="zh-Hans").code == "zh-Hans"


def test_texts_too_short_to_identify_leave_what_is_said_and_nothing_said_is_und() -> None:
    assert set_language(items("Tee", "1912"), corpus="en").code == "en"
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
