"""Names, labels and texts from outside in cards and pages: shown as they are, never markup, links or scripts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from evaluator.reporting.report import report
from synthgen.cards.card import views
from synthgen.cards.front_matter import read_front_matter
from synthgen.dataset import Manifest
from synthgen.text.escape import block, code, markdown, spreadsheet_cell
from tests.evaluator import experiments
from tests.payloads import FORMULA, HEADING, HOSTILE, HTML, MARKDOWN

experiment_rows, results_file = experiments.experiment_rows, experiments.results_file
RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
MARKUP = {"link_open", "html_inline", "html_block", "em_open", "strong_open", "s_open", "heading_open", "hr", "fence"}


def tokens(text: str) -> Counter[str]:
    """Count what a renderer makes of a text, besides plain text."""
    parsed = [inner for token in RENDERER.parse(text) for inner in [token, *(token.children or ())]]
    return Counter(token.type for token in parsed if token.type in MARKUP | {"image", "tr_open", "td_open"})


def shown(text: str) -> str:
    return re.sub("<[^>]*>", "", RENDERER.render(text)).strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_in_markdown_is_text_wherever_it_stands(text: str) -> None:
    for place in (markdown(text), f"- {markdown(text)}", f"# {markdown(text)}", code(text), f"- {code(text)}"):
        found = tokens(place)
        assert not set(found) & (MARKUP - {"heading_open"}), place
        assert found["heading_open"] == place.startswith("# ")
        assert "http://x.example" not in re.findall(r"(?<![\w`])https?://\S+", markdown(text))
    row = f"| a | b |\n| - | - |\n| {markdown(text)} | {code(text)} |\n"
    assert tokens(row) == {"tr_open": 2, "td_open": 2}
    fenced = tokens(f"{block(text)}\n\nafter")
    assert fenced == {"fence": 1}


def test_what_is_escaped_is_read_as_it_was() -> None:
    text = "a_b *c* `d` <e> | f & g [h](i) not_duplicate 1. ~~j~~ C:\\x\\ $k$"
    assert shown(markdown(text)).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


def facts_of(text: str) -> Manifest:
    """Return a manifest with the text wherever one may stand."""
    return Manifest(
        task=text, format="pair", columns=("premise", text, "label"), labels=("entailment", text), origin="synthetic",
        language="en", licence="cc0-1.0", n=2, asked=3, kept=2, failed=0, rejected={text: 1},
        label_counts={"entailment": 1, text: 1}, seed=0, files={}, engine=text,
        prompt_text=f"{text}\n~~~~~\n# A heading",
        prompt_hash="a", parser_hash="b", filters_hash="c", command=text, versions={text: text}, sampling={text: text},
        model={"ref": text, "revision": text, "licence": "apache-2.0", "note": text},
        parents=({"role": "shots", "hub": text, "licence": "cc0-1.0"},),
        statistics={text: text}, checks={text: text, "filters": {text: {text: text}}},
    )  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_card_shows_a_hostile_text_in_every_field_and_obeys_none(text: str) -> None:
    plain, hostile = (views(facts_of(each)) for each in ("a name", text))
    front, body = ({name: card["README.md"].split("\n---\n", 1)[part] for name, card in
                    (("plain", plain), ("hostile", hostile))} for part in (0, 1))  # fmt: skip
    expected, found = tokens(body["plain"]), tokens(body["hostile"])
    assert {name: found[name] for name in MARKUP | {"image"}} == {name: expected[name] for name in MARKUP | {"image"}}
    assert found["tr_open"] == expected["tr_open"]
    read = read_front_matter(hostile["README.md"], where="README.md")
    assert list(read) == list(read_front_matter(plain["README.md"], where="README.md"))
    assert front["hostile"].count("\n") == front["plain"].count("\n")
    json.loads(hostile["croissant.json"])
    for name, svg in hostile.items():
        if name.endswith(".svg"):
            tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
            assert not tags & {"script", "img", "image", "a", "foreignObject"}


@pytest.mark.parametrize("text", [HTML, MARKDOWN, HEADING, FORMULA])
def test_the_results_card_shows_hostile_facts_of_an_arm_as_text(
    results_file: Callable[..., Path], tmp_path: Path, text: str
) -> None:
    source = results_file(seeds=1)
    arms = json.loads(json.dumps({name: {} for name in ("none", "real", "synthetic")}))
    for facts in arms.values():
        facts |= {"kept": 3, "origin": text, "tasks": [text], "model": text, "encoder": text, "encoder_revision": text}
        facts |= {"dataset_card": f"x) {text}"}
    counts = []
    for name, note in (("plain", "a note"), ("hostile", text)):
        source.with_name("arms.json").write_text(json.dumps(arms if name == "hostile" else {}), encoding="utf-8")
        report(source, out=tmp_path / name / "report.html", note=note)
        counts.append([tokens((tmp_path / name / each).read_text()) for each in ("results.md", "results_card.md")])
        for each in ("results.md", "results_card.md"):
            assert "<img" not in shown((tmp_path / name / each).read_text())
    for plain, hostile in zip(*counts, strict=True):
        links = {"link_open"}
        assert {n: hostile[n] for n in MARKUP - links} == {n: plain[n] for n in MARKUP - links}
        assert hostile["image"] == 0


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\u200b=1", "'=1", "\uff1d1", FORMULA])
def test_a_cell_that_begins_like_a_formula_is_a_text(text: str) -> None:
    assert spreadsheet_cell(text) == f"'{text}"


def test_a_folder_of_figures_that_is_a_link_is_replaced_and_not_written_through(tmp_path: Path, finished: Path) -> None:
    import shutil

    from synthgen.cards.card import card

    folder, elsewhere = Path(shutil.copytree(finished, tmp_path / "set")), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "labels.svg").write_text("mine")
    shutil.rmtree(folder / "figures")
    (folder / "figures").symlink_to(elsewhere)
    card(folder)
    assert (elsewhere / "labels.svg").read_text() == "mine"
    assert not (folder / "figures").is_symlink()
    assert (folder / "figures" / "labels.svg").is_file()
