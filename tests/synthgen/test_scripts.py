"""Measures of texts in scripts without spaces, with marks inside words, and of romanised texts; our own sentences."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from synthgen.analysis.artefacts import find_artefacts
from synthgen.analysis.similarity_to_real import diversity, shape_distances
from synthgen.analysis.text_statistics import word_overlap
from synthgen.corpora.translation_pairs import row_key
from synthgen.filters.decontamination.filter import Contamination
from synthgen.filters.labels.agreement import Agreement
from synthgen.filters.labels.annotator import Annotation
from synthgen.filters.rows.language import Language
from synthgen.filters.rows.residue import Residue
from synthgen.formats.base import Row
from synthgen.formats.span import Span, SpanFormat
from synthgen.task.definition import overlap
from synthgen.text.language_id import count_words
from synthgen.text.sentences import sentences
from synthgen.text.words import tokens, word_count, words
from synthgen.translation.quality import copied
from tests.synthgen.conftest import NLI

LETTERS = {
    "zh": "湖水今天特别冷没有人想游泳只那条狗还在岸边跑来去孩子们回家吃饭老师说明早不用上课",
    "ja": "きょうのみずうみはとてもつめたくてだれおよぎませんでしたいぬだけ岸辺走回",
    "th": "วันนี้น้ำในทะเลสาบเย็นมากไม่มีใครอยากว่ายมีแต่สุนัขวิ่งเล่นริมฝั่ง",
    "lo": "ມື້ນີ້ນ້ຳໃນທະເລສາບເຢັນຫຼາຍບໍ່ມີໃຜຢາກລອຍ",
    "km": "ថ្ងៃនេះទឹកនៅក្នុងបឹងត្រជាក់ណាស់គ្មាននរណាចង់ហែលទេ",
    "my": "ဒီနေ့ရေကန်ထဲမှာရေအရမ်းအေးတယ်ဘယ်သူမှမကူးချင်ဘူး",
    "bo": "དེ་རིང་མཚོའི་ནང་ཆུ་ཧ་ཅང་གྲང་མོ་རེད་སུ་ཡང་རྐྱལ་འདོད་མི་འདུག",
}


def letters_of(text: str) -> list[str]:
    return words(text).split()


def invented(language: str, count: int, draw: random.Random) -> str:
    """Return a text of so many of a language's letters."""
    return "".join(draw.choice(letters_of(LETTERS[language])) for _ in range(count))


@pytest.mark.parametrize("language", LETTERS)
def test_two_letters_of_a_script_without_spaces_count_as_a_word(language: str) -> None:
    text = LETTERS[language]
    assert len(letters_of(text)) > 20
    assert word_count(text) == pytest.approx(len(letters_of(text)) / 2, abs=4)
    assert count_words(text) >= 5
    assert sum(any(map(str.isalnum, token)) for token in tokens(text)) == pytest.approx(len(letters_of(text)), abs=4)


def test_marks_stay_with_their_letters() -> None:
    assert letters_of("กินข้าว") == ["กิ", "น", "ข้", "า", "ว"]
    assert tokens("हिन्दी में क्या है?") == ["हिन्दी", "में", "क्या", "है", "?"]
    assert tokens("می‌خواهم") == ["می‌خواهم"]


def test_rare_han_letters_and_half_width_kana_count_like_others() -> None:
    assert count_words("𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷") == count_words("吉" * 10) == 5
    assert word_count("ｶﾀｶﾅ々々") == 3


@pytest.mark.parametrize("language", ["zh", "ja", "th", "my"])
def test_overlap_tells_paired_texts_from_shuffled_ones(language: str) -> None:
    draw = random.Random(language)
    rows = []
    for _ in range(40):
        text = invented(language, 30, draw)
        rows.append({"premise": text, "hypothesis": text[:12] + invented(language, 4, draw)})
    shares = word_overlap(rows, "premise", "hypothesis")
    assert shares["paired"] > 0.5 > 0.3 > shares["shuffled"]
    assert overlap("她在湖里游泳", "她在湖里") == 1.0


def labelled_rows(language: str, giveaway: str, draw: random.Random) -> list[Row]:
    rows = []
    for number in range(240):
        text = invented(language, 12, draw)
        hypothesis = text[:5] + giveaway + text[5:] if number % 3 == 2 and giveaway else text
        rows.append({"premise": invented(language, 20, draw), "hypothesis": hypothesis, "label": number % 3})
    return rows


def test_a_letter_that_gives_a_label_away_is_found() -> None:
    draw = random.Random(0)
    facts = find_artefacts(NLI, labelled_rows("zh", "從未", draw), labelled_rows("zh", "", draw))
    assert {"從", "未"} <= {word["text"] for word in facts["new_give_aways"]}
    assert facts["verdict"].startswith("suspicious")


def test_lengths_and_repetition_of_texts_without_spaces_are_those_of_their_letters() -> None:
    draw = random.Random(1)
    rows = labelled_rows("th", "", draw)
    short, long = ([{**row, "hypothesis": row["hypothesis"][:cut]} for row in rows] for cut in (6, 12))
    distances = shape_distances(NLI, short, long)["features"]
    assert distances["words of hypothesis"]["distance"] > 0.9
    assert distances["words of premise"]["distance"] < 0.2
    fresh = diversity(NLI, long)
    assert fresh["self_repetition"] < 0.1
    assert diversity(NLI, [*long, *long])["self_repetition"] == 1.0


def test_a_name_of_thirteen_letters_is_no_contamination_and_a_copied_sentence_is(tmp_path: Path) -> None:
    name, rest = "中央气象台北方湖泊观测总站", "昨天傍晚发布了今年冬天的第一份冰层厚度报告并且提醒大家不要靠近岸边"
    folder = tmp_path / "root" / "xnli"
    folder.mkdir(parents=True)
    (folder / "test-zh.tsv").write_text(f"{name}{rest}\t报告提到了冰层。\n")
    judge = Contamination(NLI, [tmp_path / "root"])
    row = {
        "premise": f"我哥哥在{name}当过三年厨师后来去了南边开饭馆生意一直不错",
        "hypothesis": "他会做饭。",
        "label": 0,
    }
    assert judge.check("a", row) is None
    copy = {"premise": f"新闻里说,{name}{rest[:26]}", "hypothesis": "他会做饭。", "label": 0}
    assert judge.check("b", copy) is not None


def test_a_prompt_that_comes_back_is_found_in_a_script_without_spaces() -> None:
    judge = Residue(NLI, "请写一句与下面的前提相矛盾的假设,不要解释你的理由。")
    leaked = {"premise": "天气很冷。", "hypothesis": "请写一句与下面的前提相矛盾的假设,今天很热。"}
    plain = {"premise": "天气很冷。", "hypothesis": "请写一句话给我,今天很热。"}
    assert (judge.check("a", leaked) is None, judge.check("b", plain) is None) == (False, True)


def test_part_of_an_answer_without_spaces_agrees_in_part() -> None:
    squad = SpanFormat(("answerable",))
    row = squad.to_row(Span("他住在北方的湖边小镇上。", "他住在哪里?", "北方的湖边小镇", 3))
    agreement = Agreement(squad, min_f1=0.8)
    assert agreement.add(row, Annotation("北方的湖边小镇上", {})) is None
    assert agreement.add(row, Annotation("河边", {})) is not None


def test_words_that_differ_in_a_mark_alone_are_two() -> None:
    rows = [{"premise": "वह दिन में आया", "hypothesis": text, "label": 0} for text in ("वह दीन है", "वह दिन है")]
    assert row_key(rows[0], NLI) != row_key(rows[1], NLI)


@pytest.mark.parametrize(
    ("text", "count"),
    [("湖水很冷。没有人游泳。", 2), ("هل الماء بارد؟ نعم، جدا.", 2), ("کیا پانی ٹھنڈا ہے؟ ہاں۔ بہت۔", 3),
     ("पानी ठंडा है। कोई नहीं तैरता॥", 2), ("ရေအေးတယ်။ဘယ်သူမှမကူးဘူး။", 2), ("ទឹកត្រជាក់។គ្មាននរណាហែលទេ។", 2)],
)  # fmt: skip
def test_sentences_end_in_every_script(text: str, count: int) -> None:
    assert len(sentences(text)) == count


def test_untranslated_text_is_counted_as_copied_in_every_script() -> None:
    for text in (LETTERS["zh"], LETTERS["th"], "पानी बहुत ठंडा है और कोई नहीं तैरता", "الماء بارد جدا ولا أحد يسبح"):
        assert copied({"a": text}, {"a": text}) == 1.0
    assert copied({"a": LETTERS["zh"]}, {"a": LETTERS["ja"]}) < 0.2


@pytest.mark.parametrize(
    ("text", "language", "dropped"),
    [("Wo bahut der tak ghar nahi aaya aur hum sab pareshan the", "hi", False),
     ("She did not come home until late and we were all worried", "hi", True),
     ("Sie kam lange nicht nach Hause und wir machten uns Sorgen", "ar", True),
     ("Hakuja nyumbani hadi usiku na sisi sote tulikuwa na wasiwasi", "zh", True),
     ("Wo bahut der tak ghar nahi aaya aur hum sab pareshan the", "en", True)],
)  # fmt: skip
def test_a_romanised_text_is_not_taken_for_another_language(text: str, language: str, dropped: bool) -> None:
    row = {"premise": text, "hypothesis": "1, 2, 3.", "label": 0}
    assert (Language(NLI, language).check("1", row) is not None) == dropped
