"""Clusters: test items that share a premise, a paragraph or a document count as what they are together."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from evaluator.benchmark.registry import find
from evaluator.benchmark.target import DataRoot
from evaluator.reporting.methods import paragraphs
from evaluator.stats.comparison import Comparison, compare_results
from evaluator.stats.results import (
    Cell,
    ResultRow,
    Results,
    parse_row,
    read_results,
    write_item_ids,
    write_item_scores,
    write_results,
)
from synthgen.errors import UserError

from .experiments import make_rows

SHARED = 5
"""Items of a cluster."""


def rows_of_clusters(*, clusters: bool, languages: tuple[str, ...] = ("en", "de", "sw")) -> list[ResultRow]:
    """Return rows whose items are right or wrong by fives, with or without the clusters that say so."""
    rows = make_rows(targets=("xnli",), languages=languages, sizes=(1000,), seeds=3, items=40)
    names = tuple(f"{i // SHARED}" for i in range(40 * SHARED))
    repeated = []
    for row in rows:
        scores = tuple(np.repeat(np.array(row.item_scores), SHARED).tolist())
        ids = tuple(map(str, range(len(scores))))
        repeated.append(
            replace(row, n=len(ids), item_ids=ids, item_scores=scores, item_clusters=names if clusters else None)
        )
    return repeated


def compared(rows: list[ResultRow]) -> Comparison:
    return compare_results(Results(tuple(rows), Path("made up")))


def test_items_that_are_copies_of_each_other_count_once() -> None:
    once = compared(make_rows(targets=("xnli",), languages=("en", "de", "sw"), sizes=(1000,), seeds=3, items=40))
    five_times = compared(rows_of_clusters(clusters=True))
    assert five_times.points[0].estimate.item_se == pytest.approx(once.points[0].estimate.item_se, rel=0.02)
    as_if_independent = compared(rows_of_clusters(clusters=False))
    assert five_times.points[0].estimate.item_se > 2 * as_if_independent.points[0].estimate.item_se


def test_a_report_says_what_is_resampled_together() -> None:
    comparison = compared(rows_of_clusters(clusters=True))
    schema = files("synthgen.dataset.schemas").joinpath("comparison.schema.json").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator(json.loads(schema)).validate(json.loads(json.dumps(comparison.document())))
    assert comparison.document()["clusters"] == {"xnli": {"items": 200, "clusters": 40}}
    assert "clusters:xnli" in comparison.signature
    assert "resampled as one cluster (200 of xnli in 40)" in " ".join(paragraphs(comparison, {}))


def test_clusters_of_one_item_each_change_nothing() -> None:
    rows = make_rows(targets=("xnli", "udpos"), seeds=3, sizes=(1000,))
    alone = [replace(row, item_clusters=row.item_ids) for row in rows]
    assert compared(alone).document() == compared(rows).document()


def test_items_are_joined_across_languages_by_their_ids_whatever_the_clusters_are_called() -> None:
    rows = rows_of_clusters(clusters=True)
    renamed = [
        replace(row, item_clusters=tuple(f"{row.language} {name}" for name in row.item_clusters or ())) for row in rows
    ]
    assert compared(renamed).document() == compared(rows).document()


def test_translations_without_common_ids_are_joined_by_the_name_of_their_cluster() -> None:
    rows = make_rows(targets=("pawsx",), languages=("de", "sw"), sizes=(1000,), seeds=3)
    own = [replace(row, item_ids=tuple(f"{row.language}-{i}" for i in row.item_ids or ())) for row in rows]
    joined = [replace(row, item_clusters=rows[0].item_ids) for row in own]
    parallel, apart, by_name = (compared(each).points[0].estimate.item_se for each in (rows, own, joined))
    assert by_name == parallel != apart


def test_a_store_gives_the_clusters_of_its_rows(tmp_path: Path) -> None:
    rows = rows_of_clusters(clusters=True)
    write_results(
        tmp_path / "results.jsonl", [replace(row, item_ids=None, item_scores=None, item_clusters=None) for row in rows]
    )
    for code in {row.language for row in rows}:
        of_language = [row for row in rows if row.language == code]
        write_item_ids(tmp_path, "xnli", code, of_language[0].item_ids or (), of_language[0].item_clusters or ())
        write_item_scores(
            tmp_path, Cell("xnli", code, "accuracy"), {row.run: np.array(row.item_scores) for row in of_language}
        )
    assert compare_results(read_results(tmp_path)).document() == compared(rows).document()


def test_items_of_one_source_alone_give_no_verdict() -> None:
    rows = [replace(row, item_clusters=("one",) * row.n) for row in rows_of_clusters(clusters=False)]
    pair = compared(rows).headline()[0]
    assert pair.verdict == "unresolved"
    assert "200 items share one source" in str(pair.reason)


@pytest.mark.parametrize("clusters", [["a"], ["a", 1], "ab", {}])
def test_clusters_that_do_not_fit_the_items_are_refused(clusters: object) -> None:
    row = make_rows(items=2)[0].document() | {"item_clusters": clusters}
    row |= {"item_ids": ["1", "2"], "item_scores": [0, 1]}
    with pytest.raises(UserError, match="item_clusters is not a list of texts, one per item id"):
        parse_row(row, where="results.jsonl line 1")


def test_inline_clusters_follow_their_items_where_runs_have_another_order() -> None:
    rows = rows_of_clusters(clusters=True)
    turned = [
        replace(
            row,
            item_ids=tuple(reversed(row.item_ids or ())),
            item_scores=tuple(reversed(row.item_scores or ())),
            item_clusters=tuple(reversed(row.item_clusters or ())) if row.seed else None,
        )
        for row in rows
    ]
    assert compared(turned).points[0].estimate.item_se == pytest.approx(
        compared(rows).points[0].estimate.item_se, rel=0.02
    )


def test_targets_say_what_their_items_share(tmp_path: Path) -> None:
    for name in ("xnli", "pawsx", "xquad"):
        (tmp_path / name).mkdir()
    (tmp_path / "xnli/test-de.tsv").write_text(
        "Es regnet.\tEs ist nass.\nEs regnet.\tEs schneit.\nSie singt.\tEr singt.\n"
    )
    (tmp_path / "xnli/test.labels.txt").write_text("entailment\ncontradiction\nneutral\n")
    header = "id\tsentence1\tsentence2\tlabel\n"
    (tmp_path / "pawsx/test-de.labelled.tsv").write_text(f"{header}3\tA b.\tB a.\t1\n9\tC d.\tD c.\t0\n")
    (tmp_path / "pawsx/test-fr.labelled.tsv").write_text(f"{header}9\tE f.\tF e.\t0\n")
    (tmp_path / "xquad/xquad.de.json").write_text(
        '{"data": [{"title": "", "paragraphs": [{"context": "Ja, nein.", "qas": ['
        '{"id": "a", "question": "?", "answers": [{"text": "Ja", "answer_start": 0}]},'
        '{"id": "b", "question": "!", "answers": [{"text": "nein", "answer_start": 4}]}]}]}]}'
    )
    root = DataRoot(tmp_path)
    xnli, xquad = find("xnli").load(root, "de", "test"), find("xquad").load(root, "de", "test")
    assert xnli.clusters[0] == xnli.clusters[1] != xnli.clusters[2]
    assert len(set(xquad.clusters)) == 1
    assert find("pawsx").load(root, "de", "test").clusters[1] == find("pawsx").load(root, "fr", "test").clusters[0]
    assert xnli.take([2, 0]).clusters == (xnli.clusters[2], xnli.clusters[0])
