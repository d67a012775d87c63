"""Pages of texts from outside, opened in Chromium: no script of theirs runs, and nothing is fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from evaluator.reporting.report import report
from synthgen.analysis.inspect import inspect
from tests.evaluator import experiments, test_report_page
from tests.payloads import BIDI, ESCAPES, HTML, LATEX, MARKDOWN, TAKEN, TEMPLATE
from tests.synthgen.conftest import dataset_folder

experiment_rows, results_file, browser = experiments.experiment_rows, experiments.results_file, test_report_page.browser
pytestmark = pytest.mark.browser
PAYLOADS = (HTML, MARKDOWN, LATEX, TEMPLATE, ESCAPES, BIDI)


def check_untouched(browser: Chrome, page: Path) -> str:
    browser.get_log("performance")
    test_report_page.open_page(browser, page)
    assert browser.title != TAKEN
    requests = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [each["params"]["request"]["url"] for each in requests if each["method"] == "Network.requestWillBeSent"]
    assert not [address for address in addresses if "example" in address]
    assert not browser.find_elements(By.CSS_SELECTOR, "img[src='x'], a[href^='javascript'], a[href*='x.example']")
    return browser.find_element(By.TAG_NAME, "body").text


def test_a_report_of_hostile_arms_shows_them_and_runs_nothing(
    browser: Chrome, results_file: test_report_page.Maker, tmp_path: Path
) -> None:
    source = results_file(seeds=2)
    text = " ".join(PAYLOADS)
    facts = {
        "kept": 3,
        "origin": text,
        "tasks": [text],
        "model": text,
        "dataset_card": f"javascript:{text}",
        text: text,
    }
    names = dict.fromkeys(("none", "real", "synthetic", "translated"), facts)
    source.with_name("arms.json").write_text(json.dumps(names), encoding="utf-8")
    source.with_name("plan.json").write_text(json.dumps({text: text}), encoding="utf-8")
    report(source, out=tmp_path / "page" / "report.html", note=text)
    shown = check_untouched(browser, tmp_path / "page" / "report.html")
    assert "<script>" in shown
    assert "\u202e" not in shown


def test_an_inspection_of_hostile_rows_shows_them_and_runs_nothing(browser: Chrome, tmp_path: Path) -> None:
    rows = [
        {
            "premise": f"A row {n} {text}",
            "hypothesis": f"{text} {n}",
            "label": n % 3,
            "id": f"{n} {text}",
            "language": "en",
        }
        for n, text in enumerate(PAYLOADS * 2)
    ]
    folder = dataset_folder(tmp_path / "set", rows)
    inspect(folder)
    shown = check_untouched(browser, folder / "inspect.html")
    assert "onerror" in shown
    assert "\u202e" not in shown
