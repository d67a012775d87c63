"""One set of hostile texts through every command: its terminal, cards, pages and tables show them and obey none.

They are texts of rows, ids, labels, columns, tasks, arms, models, names of files and words of a server.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from markdown_it import MarkdownIt
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from typer.testing import CliRunner

from evaluator.cli.commands import app as evaluator_app
from synthgen.cards.card import card
from synthgen.cli.commands import app as synthgen_app
from synthgen.errors import IncompleteError, UserError
from synthgen.formats.pair import PairFormat
from tests.data import TINY_DATA_ROOT
from tests.evaluator import experiments, test_report_page
from tests.evaluator.conftest import TINY_RECIPE, write_pairs, write_tiny_model
from tests.evaluator.test_hostile_pages import check_untouched
from tests.mock_endpoint import Faults, MockEndpoint, listening
from tests.payloads import BIDI, ESCAPES, FORMULA, HEADING, HOSTILE, HTML, LATEX, MARKDOWN, MARKUP, TAKEN, TEMPLATE
from tests.synthgen.conftest import dataset_folder, random_rows
from tests.test_terminal import MOVES_THE_CURSOR

CHECKOUT = Path(__file__).parents[1]
experiment_rows, results_file, browser = experiments.experiment_rows, experiments.results_file, test_report_page.browser
ALL = " ".join(HOSTILE[:-1])
NAME = " ".join((HTML, MARKDOWN, FORMULA, MARKUP, ESCAPES, BIDI)).replace("/", "∕")[:100]
"""What a file can be called."""
LINK = "\x1b]8;;http://x.example\x1b\\click\x1b]8;;\x1b\\"
LABELS = (f"{FORMULA} {LINK}", f"{HTML} {MARKUP}", f"{MARKDOWN} {TEMPLATE} {LATEX}")
Run = Callable[..., str]


def in_this_process(*words: str) -> str:
    """Carry a command out and return what it says, its refusal too."""
    app = {"synthgen": synthgen_app, "evaluator": evaluator_app}[words[0]]
    done = CliRunner().invoke(app, list(words[1:]), catch_exceptions=True)
    assert done.exception is None or isinstance(done.exception, SystemExit | UserError | IncompleteError), done.exc_info
    assert "Usage: " not in done.output, done.output
    return done.output


def in_its_own(*words: str) -> str:
    """Carry a command out as a user does and return what it writes to the terminal."""
    command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    env = os.environ | {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, env=env, check=False)
    said = (done.stdout + done.stderr).decode("utf-8", "surrogateescape")
    assert done.returncode in (0, 2, 3), said
    assert "Traceback" not in said
    assert "--help" not in said, said
    return said


def check_terminal(said: str) -> None:
    assert not MOVES_THE_CURSOR.search(said), MOVES_THE_CURSOR.findall(said)
    assert max(map(len, said.split("\n"))) < 20_000


class Page(HTMLParser):
    """The elements of a page that would do something, with what they would do it with."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            loads = name in ("src", "href", "xlink:href", "action", "data", "srcset")
            if (loads and re.search("x.example|javascript:", value or "")) or (
                name.startswith("on") and TAKEN in (value or "")
            ):
                self.faults.append(f"<{tag} {name}={value!r}>")
        if tag in ("iframe", "object", "embed", "base", "form") or (tag == "meta" and "refresh" in str(attrs)):
            self.faults.append(f"<{tag}>")


def page_faults(text: str) -> list[str]:
    scripts = re.findall(r"<script(?![^>]*application/(?:ld\+)?json)[^>]*>(.*?)</script", text, re.DOTALL)
    return Page(text).faults + [script[:200] for script in scripts if TAKEN in script and "title=" in script[:60]]


def table_faults(path: Path) -> Iterator[str]:
    with path.open(newline="", encoding="utf-8") as lines:
        for cell in (cell for row in csv.reader(lines) for cell in row):
            if cell[:1] in tuple("=+-@\t\r") and not re.fullmatch(r"[-+]?[\d.]+(e-?\d+)?%?", cell):
                yield cell


def check_files(folder: Path) -> set[str]:
    """Look at every card, page, table and picture of a folder; return the kinds that were there."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    kinds = set[str]()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        kinds.add(path.suffix)
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".md":
            body = text.split("\n---\n", 1)[1] if text.startswith("---\n") else text
            assert page_faults(renderer.render(body)) == [], path
            assert not re.search("<(script|img[^>]*onerror)", renderer.render(body)), path
        elif path.suffix in (".html", ".svg"):
            assert page_faults(text) == [], path
        elif path.suffix == ".json":
            json.loads(text)
        if path.suffix in (".md", ".svg"):
            assert not re.search("[\x00\x1b\x9b\u202e\u2066]", text), path
    return kinds


def hostile_set(folder: Path) -> Path:
    """Write a finished set of hostile texts, ids, labels, columns and task."""
    rows = [
        {**row, "premise": f"{row['premise']} {text}", "hypothesis": f"{text} {row['hypothesis']}", "id": f"{n} {text}"}
        for n, (row, text) in enumerate(zip(random_rows(3 * len(HOSTILE)), HOSTILE * 3, strict=True))
    ]
    facts: dict[str, Any] = {
        "task": f"t {ALL}",
        "model": {"ref": ALL, "revision": ALL, "licence": "apache-2.0", "note": ALL},
    }
    facts |= {"origin": "synthetic", "engine": ALL, "versions": {ALL: ALL}, "command": ALL, "prompt_text": HEADING}
    dataset_folder(folder, rows, PairFormat(("premise", "hypothesis"), LABELS), **facts)
    card(folder)
    return folder


def of_a_finished_set(run: Run, folder: Path, given: Path) -> Iterator[str]:
    """Give every command that reads a set to one of hostile texts."""
    yield run("synthgen", "tasks")
    yield run("synthgen", "card", str(given))
    yield run("synthgen", "card", str(given), "--verify")
    yield run("synthgen", "inspect", str(given))
    yield run("synthgen", "inspect", str(given), "--json")
    yield run("synthgen", "why", str(given), f"0 {ESCAPES}")
    yield run("synthgen", "why", str(given), ALL.replace("\0", ""))
    yield run("synthgen", "filter", str(given), "--out", str(folder / "filtered"))
    yield run("synthgen", "publish", str(given), "--to", str(folder / "public"))
    yield run("synthgen", "publish", str(given), "--to", f"x/{NAME}")
    yield run("synthgen", "translate", str(given), "--to", NAME, "--out", str(folder / "de"), "--mt", NAME)
    yield run("synthgen", "make", "--task", NAME, "--model", NAME)
    yield run("evaluator", "targets")
    yield run("evaluator", "plan", f"{NAME}={given}", "--targets", NAME)
    yield run("evaluator", "train", str(given), "--out", str(folder / "ck"), "--model", f"./{NAME}")


def of_files(run: Run, folder: Path) -> Iterator[str]:
    """Import somebody's files of hostile names, columns and cells."""
    lines = [{"sentence1": f"One {text}", "sentence2": f"{text} two", "gold_label": "neutral"} for text in HOSTILE]
    lines += [{"sentence1": "a b", "sentence2": "c d", "gold_label": text} for text in (*HOSTILE, "entailment")]
    path = folder / f"{NAME}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines).replace("One", r"\ud83d One"), encoding="utf-8")
    yield run("synthgen", "import", "mnli", "--from", str(path), "--out", str(folder / "imported"))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[: len(HOSTILE)]), encoding="utf-8")
    yield run("synthgen", "import", "mnli", "--from", str(path), "--out", str(folder / f"imported {NAME}"))
    yield run("synthgen", "import", "mnli", "--from", str(path), "--out", str(folder / "x"), "--columns", NAME)
    path.write_text(json.dumps({text: text for text in HOSTILE}) + "\n", encoding="utf-8")
    yield run("synthgen", "import", "mnli", "--from", str(path), "--out", str(folder / "y"))


def of_results(run: Run, folder: Path, source: Path) -> Iterator[str]:
    """Report on results whose arms and facts are hostile."""
    facts = {"kept": 3, "rejected": {ALL: 2}, "origin": ALL, "tasks": [ALL], "model": ALL, "encoder": ALL}
    facts |= {"dataset_card": f"javascript:{ALL}", ALL: ALL}
    for old, new in (("synthetic", f"{FORMULA} {HTML} {LINK}"), ("real", f"[{LATEX} {MARKDOWN} {TEMPLATE}")):
        text = source.read_text(encoding="utf-8")
        source.write_text(text.replace(json.dumps(old), json.dumps(new)), encoding="utf-8")
    arms = {json.loads(line)["arm"] for line in source.read_text(encoding="utf-8").splitlines()}
    source.with_name("arms.json").write_text(json.dumps(dict.fromkeys(arms, facts)), encoding="utf-8")
    source.with_name("plan.json").write_text(json.dumps({ALL: ALL}), encoding="utf-8")
    page = str(folder / "report" / "report.html")
    yield run("evaluator", "report", str(source), "--out", page)
    yield run("evaluator", "report", str(source), "--out", page, "--json")
    source.write_text(source.read_text(encoding="utf-8").replace('"xnli"', json.dumps(ALL)), encoding="utf-8")
    yield run("evaluator", "report", str(source), "--out", page)


def test_hostile_texts_are_shown_and_obeyed_nowhere(tmp_path: Path, results_file: Callable[..., Path]) -> None:
    given = hostile_set(tmp_path / "set")
    for said in (
        *of_a_finished_set(in_this_process, tmp_path, given),
        *of_files(in_this_process, tmp_path),
        *of_results(in_this_process, tmp_path, results_file(seeds=2)),
    ):
        check_terminal(said)
    assert (tmp_path / "filtered" / "synthgen.json").is_file()
    assert (tmp_path / "report" / "report.html").is_file()
    assert check_files(tmp_path) >= {".md", ".html", ".svg", ".json"}


@pytest.mark.browser
def test_a_page_of_hostile_arms_runs_nothing_and_its_tables_are_no_formulas_or_commands(
    browser: Chrome, tmp_path: Path, results_file: Callable[..., Path]
) -> None:
    results, page = results_file(seeds=2), tmp_path / "report" / "report.html"
    said = next(of_results(in_this_process, tmp_path, results))
    assert page.is_file(), said
    assert "<script>" in check_untouched(browser, page)
    downloads = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    for kind in ("csv", "tex"):
        button = browser.find_element(By.CSS_SELECTOR, f"[data-save=scores][data-as={kind}]")
        browser.execute_script("arguments[0].click()", button)
        WebDriverWait(browser, 60).until(lambda _, kind=kind: (tmp_path / f"scores.{kind}").is_file())
    assert [*table_faults(tmp_path / "scores.csv")] == []
    rows = [row[0] for row in csv.reader((tmp_path / "scores.csv").open(newline="", encoding="utf-8"))]
    assert any(row.startswith("'=cmd") for row in rows)
    latex = (tmp_path / "scores.tex").read_text(encoding="utf-8")
    assert "\\textbackslash{}input\\{/etc/passwd\\}" in latex
    assert not re.search(r"\\(input|write|def)\b|(?<!\\)\$x|^[[*]", latex, re.MULTILINE)


class HostileServer(MockEndpoint):
    """Serves models by hostile names, writes hostile texts and fails with hostile words."""

    async def _answer_or_fail(self, body: dict[str, Any], text: str, choice: Any) -> web.Response:
        self.counters["asked"] += 1
        number = self.counters["asked"]
        if number % 4 == 0:
            headers = {"X-Words": "\\x1b[2J"}
            return web.json_response({"error": {"message": f"no {ALL} {LINK}"}}, status=500, headers=headers)
        needed = body.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("required", [])
        hostile = HOSTILE[number % (len(HOSTILE) - 1)]
        texts = {name: f"{self._sentence()} {hostile} {number}" for name in needed}
        text = json.dumps(texts | {name: "neutral" for name in needed if name == "label"}) if needed else hostile
        self.counters["ok"] += 1
        usage = {"prompt_tokens": 9, "completion_tokens": 9}
        return web.json_response({"model": ALL, "choices": [choice(text)], "usage": usage})


@pytest.mark.slow
def test_hostile_servers_models_and_arms_are_shown_and_obeyed_nowhere(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    given, server = hostile_set(tmp_path / "set"), HostileServer(Faults(models=(f"m {ALL}",)))
    said = [*of_a_finished_set(in_its_own, tmp_path, given), *of_files(in_its_own, tmp_path)]
    made = (
        "--task",
        "mnli",
        "--n",
        "8",
        "--engine",
        "endpoint",
        "--max-requests",
        "120",
        "--out",
        str(tmp_path / "made"),
    )
    pairs, model = write_pairs(tmp_path / "pairs", 24), write_tiny_model(tmp_path / NAME)
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE, encoding="utf-8")
    with listening(server.app(), server.closing) as address:
        url = f"http://{address}/v1"
        said += [in_its_own("synthgen", "make", *made, "--model", url)]
        said += [in_its_own("synthgen", "make", *made[:4], "--engine", "endpoint", "--model", url, "--preview", "2")]
        said += [in_its_own("synthgen", "filter", str(pairs), "--out", str(tmp_path / "judged"), "--judge", url)]
        words = ("--to", "de", "--mt", f"llm:{url}", "--round-trip", "0", "--out", str(tmp_path / "translated"))
        said += [in_its_own("synthgen", "translate", str(pairs), *words)]
    trained = ("--model", str(model), "--recipe", str(tmp_path / "tiny.toml"))
    said += [in_its_own("evaluator", "train", str(given), "--out", str(tmp_path / f"trained {NAME}"), *trained)]
    arms = ["none=none", f"{LATEX[:30]} {LINK} {HTML}={given}".replace("=", "", 1), f"{FORMULA[1:]}={pairs}"]
    compared = (*arms, "--targets", "xnli", "--languages", "es", "--seeds", "2", *trained)
    compared += ("--data-root", str(TINY_DATA_ROOT))
    compared += ("--max-train-examples", "16", "--max-eval-examples", "8", "--store", str(tmp_path / "store"))
    said += [in_its_own("evaluator", "plan", *compared)]
    said += [in_its_own("evaluator", "compare", *compared, "--out", str(tmp_path / "compared" / "report.html"))]
    for each in said:
        check_terminal(each)
    assert check_files(tmp_path) >= {".md", ".html", ".svg", ".json"}
