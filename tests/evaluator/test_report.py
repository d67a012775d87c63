"""The report: its files and its words."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evaluator.reporting import sentences, training
from evaluator.reporting.html import embedded_json
from evaluator.reporting.report import report, terminal_summary
from evaluator.stats.comparison import Comparison
from evaluator.stats.pairwise import PairwiseResult
from evaluator.stats.results import ResultRow
from evaluator.stats.scaling import ExchangeRate
from evaluator.stats.significance import Estimate
from synthgen.errors import UserError

from . import experiments

experiment_rows, results_file = experiments.experiment_rows, experiments.results_file
Rows = Callable[..., list[ResultRow]]
Maker = Callable[..., Path]
NASTY = "<img src=x onerror=alert(1)>\"'&|</script>"


def text_of(comparison: Comparison) -> str:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115 - the record is what counts
    console.print(terminal_summary(comparison))
    return console.export_text()


def test_a_report_is_four_files(results_file: Maker, tmp_path: Path) -> None:
    comparison = report(results_file(seeds=3), out=tmp_path / "out" / "report.html")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"report.html", "comparison.json", "results.md", "results_card.md", "tables.json"}
    assert json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8")) == comparison.document()


def test_the_results_card_has_the_signature_the_verdicts_and_a_line_for_every_arm(
    results_file: Maker, tmp_path: Path
) -> None:
    source = results_file(seeds=3)
    facts = {
        "origin": "synthetic",
        "tasks": ["mnli"],
        "kept": 1000,
        "model": "owner/model",
        "dataset_card": "../x/README.md",
    }
    source.with_name("arms.json").write_text(json.dumps({"synthetic": facts}))
    comparison = report(source, out=tmp_path / "out" / "report.html")
    card = (tmp_path / "out" / "results_card.md").read_text(encoding="utf-8")
    assert f"signature: {json.dumps(comparison.signature)}" in card
    assert "1,000 rows of mnli, written by a language model by `owner/model`, [card](<../../x/README.md>)" in card
    assert (tmp_path / "out" / "results.md").read_text(encoding="utf-8") in card
    assert all(f"- **{arm}**" in card for arm in comparison.arms)


def test_scores_in_english_alone_make_a_page_without_a_verdict(results_file: Maker, tmp_path: Path) -> None:
    comparison = report(results_file(seeds=2, languages=("en",)), out=tmp_path / "report.html")
    assert (tmp_path / "report.html").is_file()
    assert not [pair for pair in comparison.headline() if pair.known]


def test_the_same_results_give_the_same_page(results_file: Maker, tmp_path: Path) -> None:
    source = results_file(seeds=2)
    pages = []
    for name in ("first", "second"):
        report(source, out=tmp_path / name / "report.html")
        pages.append((tmp_path / name / "report.html").read_bytes())
    assert pages[0] == pages[1]


@pytest.mark.parametrize("margin", [0, -1, 101])
def test_a_margin_that_makes_no_sense_is_refused(results_file: Maker, tmp_path: Path, margin: float) -> None:
    with pytest.raises(UserError, match=f"--margin {margin}: the equivalence margin is in points"):
        report(results_file(seeds=1), out=tmp_path / "report.html", margin=margin)


def test_the_page_the_terminal_and_the_markdown_say_the_same(results_file: Maker, tmp_path: Path) -> None:
    comparison = report(results_file(), out=tmp_path / "report.html")
    sentence = sentences.sentence(sentences.lead_pairs(comparison)[0])
    assert sentence in html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert sentence.replace("\\", "") in (tmp_path / "results.md").read_text(encoding="utf-8").replace("\\", "")
    assert sentence in " ".join(text_of(comparison).split())


def test_an_unresolved_pair_says_what_could_have_been_seen(results_file: Maker, tmp_path: Path) -> None:
    comparison = report(results_file(seeds=3), out=tmp_path / "report.html")
    unresolved = next(pair for pair in comparison.headline() if pair.verdict == "unresolved")
    power = f"minimum detectable effect {unresolved.estimate.mde80:.2f} points at 80 % power"
    assert power in sentences.sentence(unresolved)


@pytest.mark.parametrize(
    ("value", "se", "expected"),
    [
        (
            1.8,
            0.6,
            "4 seeds per arm are needed to detect a difference of 1.80 points, 6 if the true difference is only",
        ),
        (1.8, 1.2, "points, more than 100 if the true difference is only 1.00 points; with these test items no number"),
        (
            0.9,
            0.6,
            "19 seeds per arm are needed to detect a difference of 1.00 points; with these test items no number",
        ),
    ],
)
def test_the_seeds_needed_are_given_for_the_difference_observed_and_for_a_cautious_one(
    value: float, se: float, expected: str
) -> None:
    seen = Estimate(value, se, 3.0, 3, item_se=0.4 if se > 1 else 0.3, seed_df=2.0)
    pair = PairwiseResult("made", "real", "full", 100, 100, 100, 100, "all", seen, 1.0)
    assert expected in sentences.sentence(pair)


@pytest.mark.parametrize("name", ["results.jsonl", "comparison.json", "results.md", "report", "."])
def test_a_report_never_takes_the_place_of_another_file(results_file: Maker, name: str) -> None:
    source = results_file(seeds=2, sizes=(1_000,), items=8)
    before = source.read_bytes()
    with pytest.raises(UserError, match=r"ends in \.html"):
        report(source, out=source.parent / name)
    assert source.read_bytes() == before


def test_a_report_that_cannot_be_written_says_where(results_file: Maker, tmp_path: Path) -> None:
    source = results_file(seeds=2, sizes=(1_000,), items=8)
    (tmp_path / "page.html").mkdir()
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "page.html", tmp_path / "file" / "page.html"):
        with pytest.raises(UserError, match=r"cannot write the report to .*page\.html"):
            report(source, out=out)


def test_one_seed_shows_its_difference_and_why_there_is_no_verdict(results_file: Maker, tmp_path: Path) -> None:
    comparison = report(results_file(seeds=1), out=tmp_path / "report.html")
    pair = sentences.lead_pairs(comparison)[0]
    value = sentences.signed(pair.estimate.value)
    assert sentences.sentence(pair) == (
        f"synthetic − real at full size (16,000 examples): {value} points, without an interval or a verdict; "
        "one seed: the variance between seeds is unknown."
    )
    assert sentences.headline(pair) == "No verdict on synthetic and real at full size (16,000 examples)."


def test_a_wide_margin_makes_arms_equivalent_in_words(results_file: Maker, tmp_path: Path) -> None:
    comparison = report(results_file(), out=tmp_path / "report.html", margin=60)
    assert all(pair.within_margin for pair in comparison.headline())
    words = {pair.verdict: sentences.sentence(pair) for pair in comparison.headline()}
    assert words.keys() == {"a within margin", "b within margin", "equivalent"}
    assert "are equivalent at 1,000 examples, within ±60 points (" in words["equivalent"]
    assert "by less than the margin of 60 points (" in words["a within margin"]


class Tags(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_nothing_that_comes_from_data_becomes_markup(
    results_file: Maker, experiment_rows: Rows, tmp_path: Path
) -> None:
    rows = [replace(row, arm=NASTY) if row.arm == "synthetic" else row for row in experiment_rows(seeds=2)]
    source = results_file(rows)
    card = {"origin": NASTY, "model": NASTY, "kept": 1, "rejected": {NASTY: 2}, "dataset_card": "javascript:alert(1)"}
    source.with_name("arms.json").write_text(json.dumps({NASTY: card}), encoding="utf-8")
    source.with_name("plan.json").write_text(json.dumps({"planned": {NASTY: NASTY}}), encoding="utf-8")
    report(source, out=tmp_path / "report.html", note=NASTY)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert not [
        tag for tag, attributes in tags.seen if tag == "img" or any(name.startswith("on") for name in attributes)
    ]
    assert not [attributes for _, attributes in tags.seen if "javascript:" in str(attributes.get("href"))]
    assert page.count("</script>") == 2
    assert "<img" not in (tmp_path / "results.md").read_text(encoding="utf-8").replace("\\<", "")


def test_the_page_names_no_address_to_load_from(results_file: Maker, tmp_path: Path) -> None:
    report(results_file(seeds=2), out=tmp_path / "report.html")
    tags = Tags()
    tags.feed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert not [attributes for _, attributes in tags.seen if attributes.get("src")]
    assert all(str(a.get("href", "#")).startswith("#") for tag, a in tags.seen if tag in ("a", "link", "use", "image"))


def test_embedded_json_reads_back(results_file: Maker, tmp_path: Path) -> None:
    comparison = report(results_file(seeds=2), out=tmp_path / "report.html")
    assert json.loads(embedded_json(comparison.document())) == comparison.document()


def test_the_funnel_and_the_cost_are_shown_when_they_are_known(results_file: Maker, tmp_path: Path) -> None:
    source = results_file(seeds=2)
    experiments.write_side_files(source, dataset_card="../s/README.md")
    report(source, out=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "60 kept of 100 (60.0 %); 10 failed" in page
    assert 'href="../s/README.md"' in page
    assert re.search(r"runs</th><td>5</td><td>6</td>", page)


def test_links_to_data_cards_lead_from_wherever_the_page_is(results_file: Maker, tmp_path: Path) -> None:
    source = results_file(seeds=2, sizes=(1_000,), items=8)
    links = ["../s/README.md", "https://example.org/card", "/etc/passwd", "file:///etc/passwd"]
    card = {"dataset_card": links, "data": {"s": {"median_tokens": {"premise": 18}}}}
    source.with_name("arms.json").write_text(json.dumps({"synthetic": card}), encoding="utf-8")
    report(source, out=tmp_path / "pages" / "one" / "report.html")
    page = (tmp_path / "pages" / "one" / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'href="([^#"]+)"', page) == ["../../../s/README.md", "https://example.org/card"]
    assert "<dt>median tokens</dt><dd>premise: 18</dd>" in page


def rate(equals: float | None, low: float | None, high: float | None) -> ExchangeRate:
    return ExchangeRate("synthetic", "real", 4_000, equals, low, high, (250.0, 64_000.0))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            rate(8_000, 6_000, 11_000),
            "8,000 synthetic examples equal 4,000 real examples (95 % CI 6,000 to 11,000).",
        ),
        (
            rate(8_000, 6_000, None),
            "8,000 synthetic examples equal 4,000 real examples (95 % CI 6,000 to more than 64,000).",
        ),
        (
            rate(250, None, 900),
            "250 synthetic examples or fewer equal 4,000 real examples (95 % CI fewer than 250 to 900).",
        ),
        (
            rate(8_000, None, None),
            "It is not known how many synthetic examples equal 4,000 real examples: "
            "every number from 250 to 64,000, and beyond, is compatible with the data.",
        ),
        (
            rate(None, None, None),
            "It is not known how many synthetic examples equal 4,000 real examples: "
            "every number from 250 to 64,000, and beyond, is compatible with the data.",
        ),
        (
            rate(None, 9_000, None),
            "The curve of synthetic stays below the score of 4,000 real examples up to 64,000 examples "
            "(95 % CI of the number needed: 9,000 to more than 64,000).",
        ),
        (
            rate(None, 64_000, None),
            "synthetic does not reach the score of 4,000 real examples with up to 64,000 examples "
            "(95 % CI of the number needed: more than 64,000).",
        ),
    ],
)
def test_an_exchange_rate_claims_no_more_than_was_measured(found: ExchangeRate, sentence: str) -> None:
    assert sentences.exchange_sentence(found) == sentence


@pytest.mark.parametrize("value", [None, "many", -3, 2.5, [1], {"a": 1}, True])
def test_side_files_with_other_things_than_counts_still_make_a_page(
    results_file: Maker, tmp_path: Path, value: object
) -> None:
    source = results_file(seeds=2, sizes=(1_000,), items=8)
    card = {"origin": value, "kept": value, "rejected": value, "failed": value, "tasks": value, "dataset_card": value}
    source.with_name("arms.json").write_text(json.dumps({"real": card, "none": value}), encoding="utf-8")
    source.with_name("plan.json").write_text(json.dumps({"planned": value, "real": value}), encoding="utf-8")
    report(source, out=tmp_path / "report.html")
    assert "The data of each arm" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_results_of_another_estimand_than_planned_are_a_problem(results_file: Maker, tmp_path: Path) -> None:
    source = results_file(seeds=3)
    planned = report(source, out=tmp_path / "report.html").estimand["hash"]
    source.with_name("plan.json").write_text(json.dumps({"estimand_hash": planned}), encoding="utf-8")
    assert report(source, out=tmp_path / "report.html").problems == ()
    source.with_name("plan.json").write_text(json.dumps({"estimand_hash": "abc"}), encoding="utf-8")
    found = report(source, out=tmp_path / "report.html").problems[0]
    assert found.message.startswith(f"the plan has estimand abc, these results have {planned}")


def test_two_arms_without_sizes_still_make_a_report(results_file: Maker, experiment_rows: Rows, tmp_path: Path) -> None:
    rows = [row for row in experiment_rows(sizes=(1_000,)) if row.arm != "synthetic"]
    rows = [replace(row, size=0, arm_n=0) if row.arm == "real" else row for row in rows]
    comparison = report(results_file(rows), out=tmp_path / "report.html")
    assert "with no size recorded" in sentences.sentence(comparison.headline()[0])
    assert '<svg class="chart" viewBox' in (tmp_path / "report.html").read_text(encoding="utf-8")  # the transfer gap


def test_a_broken_side_file_is_named(results_file: Maker, tmp_path: Path) -> None:
    source = results_file(seeds=1)
    source.with_name("arms.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"arms\.json: not JSON .*line 1"):
        report(source, out=tmp_path / "report.html")


RECORD = {
    "encoders": {"": {"ref": "owner/encoder", "revision": "abc"}},
    "seeds": [0, 1, 2],
    "select": "last",
    "match": "epochs",
    "max_eval_examples": 400,
    "recipe": {"name": "small", "source": "a page", "stages": {"xnli": {"learning_rate": 2e-5, "epochs": 5}}},
    "environment": {"versions": {"torch": "2.9"}},
}


def test_a_report_says_how_models_were_trained_and_signs_it(results_file: Maker, tmp_path: Path) -> None:
    source = results_file(seeds=2, sizes=(1_000,), items=8)
    signatures = [report(source, out=tmp_path / "report.html").signature]
    assert "Not recorded: there is no experiment.json" in (tmp_path / "report.html").read_text(encoding="utf-8")
    other = {**RECORD, "recipe": {"name": "small", "stages": {"xnli": {"learning_rate": 1e-5}}}}
    for record in (RECORD, {**RECORD, "environment": {}}, other):
        source.with_name("experiment.json").write_text(json.dumps(record), encoding="utf-8")
        signatures.append(report(source, out=tmp_path / "report.html").signature)
    assert [signatures.index(signature) for signature in signatures] == [0, 1, 1, 3]
    source.with_name("experiment.json").write_text(json.dumps(RECORD), encoding="utf-8")
    report(source, out=tmp_path / "report.html")
    page = html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "encoder owner/encoder, recipe “small”, 3 seeds, at most 400 test items per language" in page
    assert "Quick look: " in page
    assert "xnli: learning rate 2e-05, 5 epochs" in page
    assert "xnli: learning rate 2e-05" in (tmp_path / "results_card.md").read_text(encoding="utf-8").replace("\\", "")


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda v: st.dictionaries(
    st.sampled_from(["recipe", "stages", "xnli", "warmup", "seeds", "encoders", "", "ref", "max_eval_examples"]), v
) | st.lists(v, max_size=2)))  # fmt: skip
def test_a_record_of_any_shape_is_read_without_a_fault(value: object) -> None:
    record = value if isinstance(value, dict) else {"recipe": value}
    assert training.training_paragraph(record)
    assert isinstance(training.setup_line(record), str)
    training.stage_rows(record)


@pytest.mark.parametrize(
    "entry", [[], {"16000": 3}, {"16000": {"runs": -1, "epochs": "8"}}, {"16000": {"tokens": 1e999}}]
)
def test_counts_of_training_that_are_none_leave_the_table_out(
    results_file: Maker, tmp_path: Path, entry: object
) -> None:
    source = results_file()
    source.with_name("arms.json").write_text(json.dumps({"real": {"training": entry}}), encoding="utf-8")
    assert report(source, out=tmp_path / "report.html").training == ()


def test_what_is_unknown_of_a_training_stays_blank(results_file: Maker, tmp_path: Path) -> None:
    source = results_file()
    known = {"16000": {"runs": 3, "updates": 1500, "tokens": 2.5e6}}
    source.with_name("arms.json").write_text(json.dumps({"real": {"training": known}}), encoding="utf-8")
    counts = report(source, out=tmp_path / "report.html").training
    assert len(counts) == 6, "both trained arms at three sizes"
    assert [c for c in counts if c["runs"]] == [
        {"arm": "real", "size": 16000, "runs": 3, "epochs": None, "updates": 1500, "tokens": 2.5e6}
    ]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<td class="t">real</td><td>16000</td><td>3</td><td></td><td>1,500</td><td>2,500,000</td>' in page
