"""The tags format: one tag a token, tag names in ClassLabel order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.formats.base import ParseError, class_label, listed, string
from synthgen.formats.tags import TaggedSentence, TagsFormat

UPOS = TagsFormat(("tokens", "tags"), ("NOUN", "VERB", "PUNCT"))

tokens = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


def test_features_are_token_strings_and_a_list_of_class_labels() -> None:
    assert UPOS.features() == {
        "tokens": listed(string()),
        "tags": listed(class_label(("NOUN", "VERB", "PUNCT"))),
    }


def test_the_tag_column_is_named_as_in_the_real_set() -> None:
    panx = TagsFormat(("tokens", "ner_tags"), ("O", "B-PER"))
    assert panx.to_row(TaggedSentence(("Anna",), (1,))) == {"tokens": ["Anna"], "ner_tags": [1]}


@given(st.lists(st.tuples(tokens, st.integers(0, 2)), min_size=1))
def test_a_record_survives_its_row(pairs: list[tuple[str, int]]) -> None:
    record = TaggedSentence(tuple(token for token, _ in pairs), tuple(tag for _, tag in pairs))
    row = UPOS.to_row(record)
    assert UPOS.from_row(row) == record
    assert UPOS.check(row) is None
    assert UPOS.cell(row) == "sentence"
    assert UPOS.translatable(row) == {}


def test_a_teachers_tags_become_a_row() -> None:
    row = UPOS.assemble({"tokens": "Dogs bark .", "tags": "NOUN VERB PUNCT"}, "sentence")
    assert row == {"tokens": ["Dogs", "bark", "."], "tags": [0, 1, 2]}
    assert UPOS.sentence(row) == "Dogs bark ."


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"tokens": "Dogs bark", "tags": "NOUN"}, "tokens and tags differ in number"),
        ({"tokens": "Dogs bark", "tags": "NOUN VERBS"}, "unknown tag VERBS"),
        ({"tokens": " ", "tags": ""}, "no tokens"),
    ],
)
def test_a_faulty_reply_is_refused_with_its_reason(texts: dict[str, str], reason: str) -> None:
    with pytest.raises(ParseError, match=f"^{reason}$"):
        UPOS.assemble(texts, "sentence")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"tokens": ["a", " "], "tags": [0, 1]}, "empty token"),
        ({"tokens": ["a", "b"], "tags": [0, 3]}, "tag out of range"),
        ({"tokens": ["a", "b"], "tags": [0, -1]}, "tag out of range"),
    ],
)
def test_a_row_is_checked_with_a_reason(row: dict, reason: str) -> None:
    assert UPOS.check(row) == reason
