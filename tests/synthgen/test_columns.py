"""What is worked out for whole columns is what would be worked out row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.dataset import fingerprint, fingerprint_table
from synthgen.filters.base import FilterContext
from synthgen.filters.config import read_config
from synthgen.filters.dedup.exact import digest
from synthgen.filters.dedup.minhash import array_row_keys, row_keys
from synthgen.filters.dedup.similarity import ranks
from synthgen.filters.pipeline import check_table, first_drops
from synthgen.filters.rows.format import WellFormed
from synthgen.text.arrow import changed, joined, sizes
from synthgen.text.hashes import equal_text_hashes, value_hashes
from tests.synthgen.conftest import NLI

TRICKY = (
    "It  rains.",
    " it RAINS. ",
    "\x1fit\trains.\n",
    "Straße",
    "STRASSE",
    "ﬁn",
    "fin",
    "",
    " ",
    "\u3000",
    '"\\',
    "…",
)
texts = st.one_of(st.sampled_from(TRICKY), st.text(max_size=40), st.text("aB ", max_size=20))
columns = st.lists(texts, min_size=1, max_size=12)


@given(columns)
@settings(deadline=None, max_examples=100)
def test_texts_have_one_hash_when_they_are_equal_after_normalisation(found: list[str]) -> None:
    hashes = [tuple(pair) for pair in equal_text_hashes(pa.array(found, pa.string())).T.tolist()]
    by_digest = [digest([text]) for text in found]
    assert [hashes.index(each) for each in hashes] == [by_digest.index(each) for each in by_digest]


@given(st.lists(st.one_of(st.none(), texts), min_size=1, max_size=12))
@settings(deadline=None, max_examples=50)
def test_values_have_one_hash_when_they_are_equal_and_null_has_its_own(found: list[str | None]) -> None:
    lengths = [None if each is None else len(each) for each in found]
    for values in (pa.array(found, pa.string()), pa.array(lengths, pa.int64())):
        hashes, plain = value_hashes(pa.chunked_array([values])).tolist(), values.to_pylist()
        assert [hashes.index(each) for each in hashes] == [plain.index(each) for each in plain]


def test_a_hash_does_not_depend_on_the_texts_beside_it_or_on_where_a_column_is_cut() -> None:
    found = pa.array(["a", "twelve bytes", "", "Größe und mehr als sechzehn", "a"], pa.string())
    table = pa.table({"id": [str(i) for i in range(5)], "text": found, "tags": [[1], [1, 2], [], None, [1]]})
    whole = ranks(table).tolist()
    assert [ranks(table.slice(i, 1))[0] for i in range(5)] == whole
    assert whole[0] == whole[4]
    assert len(set(whole)) == 4
    assert equal_text_hashes(found.slice(1, 3)).tolist() == equal_text_hashes(found)[:, 1:4].tolist()


@given(columns, columns)
@settings(deadline=None, max_examples=50)
def test_the_keys_of_arrays_are_those_of_lists(one: list[str], two: list[str]) -> None:
    both = [list(each) for each in zip(*zip(one, two, strict=False), strict=True)]
    arrays = [pa.array(each, pa.string()) for each in both]
    assert np.array_equal(array_row_keys(arrays), row_keys(both))
    assert np.array_equal(array_row_keys(arrays[:1]), row_keys(both[:1]))


rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": texts,
            "premise": st.one_of(st.none(), texts),
            "hypothesis": texts,
            "label": st.one_of(st.none(), st.integers(-1, 3)),
            "language": st.sampled_from(["en", "de"]),
        }
    ),
    min_size=1,
    max_size=12,
)
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "premise", "hypothesis", "language")] + [("label", pa.int64())]
)


@given(rows)
@settings(deadline=None, max_examples=100)
def test_a_table_has_the_fingerprints_of_its_rows(found: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(found, schema=SCHEMA)
    assert fingerprint_table(table)["fingerprint"].to_pylist() == [fingerprint(row) for row in table.to_pylist()]
    tagged = table.append_column("tokens", pa.array([[row["id"], '"'] for row in found]))
    assert fingerprint_table(tagged)["fingerprint"].to_pylist() == [fingerprint(row) for row in tagged.to_pylist()]


@given(rows)
@settings(deadline=None, max_examples=100)
def test_a_table_is_judged_as_its_rows_are(found: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(found, schema=SCHEMA)
    numbered = [(row["id"], row) for row in table.to_pylist()]
    filters = [WellFormed(NLI), *read_config().build(FilterContext(NLI))[1:4]]
    for some in (filters[:1], filters):
        objected, counts = check_table(some, table)
        assert sum(counts[-1].values()) in (
            0,
            table.num_rows - sum(name != "language" for name, _ in objected.values()),
        )
        assert all(not filter_.counts for filter_ in some)
        assert objected == first_drops(some, numbered)
        for filter_ in some:
            filter_.counts.clear()


def test_texts_are_changed_where_asked_and_joined() -> None:
    found = pa.array(["a", "Bé", "", "d"], pa.string()).slice(1)
    assert changed(found, pa.array([True, False, True]), str.upper).to_pylist() == ["BÉ", "", "D"]
    assert joined(found, "-") == "Bé--d".encode()
    assert sizes(found).tolist() == [3, 0, 1]
