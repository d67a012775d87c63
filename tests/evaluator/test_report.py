"""The report: its files, its words, and the page in a real browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from os import environ
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evaluator.comparison import Comparison
from evaluator.report import report, terminal_summary, words
from evaluator.report.page import embedded_json
from evaluator.results import ResultRow
from evaluator.scaling import ExchangeRate
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
    assert written == {"report.html", "comparison.json", "results.md", "results_card.md"}
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
    assert "1,000 rows of mnli, written by a language model by `owner/model`, [card](../../x/README.md)" in card
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
    sentence = words.sentence(words.lead_pairs(comparison)[0])
    assert sentence in html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert sentence.replace("\\", "") in (tmp_path / "results.md").read_text(encoding="utf-8").replace("\\", "")
    assert sentence in " ".join(text_of(comparison).split())


def test_an_unresolved_pair_says_what_could_have_been_seen(results_file: Maker, tmp_path: Path) -> None:
    comparison = report(results_file(seeds=3), out=tmp_path / "report.html")
    unresolved = next(pair for pair in comparison.headline() if pair.verdict == "unresolved")
    power = f"only a true difference of {unresolved.estimate.mde80:.2f} points would be found four times in five here"
    assert power in words.sentence(unresolved)


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
    pair = words.lead_pairs(comparison)[0]
    value = words.signed(pair.estimate.value)
    assert words.sentence(pair) == (
        f"synthetic against real at full size (16,000 examples): {value} points, no interval and no verdict; "
        "one seed: the noise of training is unknown."
    )
    assert words.headline(pair) == "No verdict on synthetic and real at full size (16,000 examples)."


def test_a_wide_margin_makes_arms_equivalent_in_words(results_file: Maker, tmp_path: Path) -> None:
    comparison = report(results_file(), out=tmp_path / "report.html", margin=60)
    assert {pair.verdict for pair in comparison.headline()} == {"equivalent"}
    assert "is as good as" in words.sentence(comparison.headline()[0])


def test_sample_data_print_sample_everywhere_and_give_no_verdict(results_file: Maker, tmp_path: Path) -> None:
    comparison = report(results_file(revision="sample:tiny"), out=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "SAMPLE: no verdict." in page
    assert "SAMPLE" in (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "SAMPLE" in text_of(comparison)
    assert not re.search(r"\b(beats|falls short of|is as good as)\b", page.split('<script type="application/json"')[0])


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
    card = {
        "origin": "synthetic",
        "kept": 60,
        "rejected": {"near_duplicate": 30},
        "failed": 10,
        "dataset_card": "../s/README.md",
    }
    source.with_name("arms.json").write_text(json.dumps({"synthetic": card, "stranger": {}}), encoding="utf-8")
    source.with_name("plan.json").write_text(
        json.dumps({"planned": {"runs": 5}, "real": {"runs": 6}}), encoding="utf-8"
    )
    report(source, out=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "60 kept of 100 asked (60.0 %); 10 failed" in page
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
            "8,000 synthetic examples equal 4,000 real examples (95 % interval 6,000 to 11,000).",
        ),
        (
            rate(8_000, 6_000, None),
            "8,000 synthetic examples equal 4,000 real examples (95 % interval 6,000 to more than 64,000).",
        ),
        (
            rate(250, None, 900),
            "250 synthetic examples or fewer equal 4,000 real examples (95 % interval fewer than 250 to 900).",
        ),
        (
            rate(8_000, None, None),
            "How many synthetic examples equal 4,000 real examples stays open: "
            "anything from 250 to 64,000, and beyond, fits the data.",
        ),
        (
            rate(None, None, None),
            "How many synthetic examples equal 4,000 real examples stays open: "
            "anything from 250 to 64,000, and beyond, fits the data.",
        ),
        (
            rate(None, 9_000, None),
            "The curve of synthetic stays below 4,000 real examples up to 64,000 examples, "
            "but 9,000 to more than 64,000 fit the data.",
        ),
        (
            rate(None, 64_000, None),
            "synthetic does not reach 4,000 real examples within 64,000 examples; at least 64,000 would be needed.",
        ),
    ],
)
def test_an_exchange_rate_claims_no_more_than_was_measured(found: ExchangeRate, sentence: str) -> None:
    assert words.exchange_sentence(found) == sentence


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
    assert found.message.startswith(f"the plan fixed abc, these results give {planned}")


def test_two_arms_without_sizes_still_make_a_report(results_file: Maker, experiment_rows: Rows, tmp_path: Path) -> None:
    rows = [row for row in experiment_rows(sizes=(1_000,)) if row.arm != "synthetic"]
    rows = [replace(row, size=0, arm_n=0) if row.arm == "real" else row for row in rows]
    comparison = report(results_file(rows), out=tmp_path / "report.html")
    assert "as they are" in words.sentence(comparison.headline()[0])
    assert '<svg class="chart" viewBox' in (tmp_path / "report.html").read_text(encoding="utf-8")  # the transfer gap


def test_a_broken_side_file_is_named(results_file: Maker, tmp_path: Path) -> None:
    source = results_file(seeds=1)
    source.with_name("arms.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"arms\.json line 1: not JSON"):
        report(source, out=tmp_path / "report.html")


# --- in a browser ---------------------------------------------------------------------------------------------------


class Browser:
    """Headless Chromium through chromedriver's WebDriver protocol."""

    def __init__(self, driver: str, chromium: str, profile: Path, downloads: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.root = f"http://127.0.0.1:{port}"
        quiet = ("gpu", "quic", "background-networking", "component-update", "sync")
        arguments = ["--headless", "--no-sandbox", "--no-first-run", f"--user-data-dir={profile}"]
        arguments += [f"--disable-{name}" for name in quiet]
        options = {"binary": chromium, "args": arguments}
        logs = {"browser": "ALL", "performance": "ALL"}
        patient = {"script": 600_000, "pageLoad": 600_000}  # milliseconds; axe takes a minute on a busy machine
        capabilities = {
            "alwaysMatch": {
                "browserName": "chrome",
                "timeouts": patient,
                "goog:chromeOptions": options,
                "goog:loggingPrefs": logs,
            }
        }
        self._wait()
        session = self._call("POST", "/session", {"capabilities": capabilities})
        self.root += f"/session/{session['sessionId']}"
        self.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def _wait(self) -> None:
        for _ in range(100):
            try:
                if self._call("GET", "/status")["ready"]:
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise RuntimeError("chromedriver did not start")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def open(self, path: Path, width: int = 1200, height: int = 900) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.cdp("Emulation.setDeviceMetricsOverride", **metrics)
        self.cdp("Emulation.setFocusEmulationEnabled", enabled=True)  # else focus events wait for a window in front
        self._call("POST", "/url", {"url": path.as_uri()})
        deadline = time.monotonic() + 60
        while not self.run("return document.hasFocus()"):  # the new document is told of it a moment after it has loaded
            assert time.monotonic() < deadline, "the page never had the focus"

    def run(self, script: str, *arguments: object) -> Any:
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str) -> Any:
        return self._call("POST", "/execute/async", {"script": script, "args": []})

    def cdp(self, command: str, **parameters: object) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def log(self, kind: str) -> list[dict[str, Any]]:
        return self._call("POST", "/se/log", {"type": kind})

    def hover(self, x: float, y: float) -> None:
        self.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def close(self) -> None:
        self._call("DELETE", "")
        self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or chromium is None:
        pytest.skip("no Chromium: install Debian's chromium and chromium-driver")
    opened = Browser(driver, chromium, tmp_path_factory.mktemp("profile"), tmp_path_factory.mktemp("downloads"))
    yield opened
    opened.close()


@pytest.fixture
def page(browser: Browser, results_file: Maker, tmp_path: Path) -> Path:
    source = results_file()
    card = {
        "origin": "synthetic",
        "kept": 60,
        "rejected": {"near_duplicate": 30},
        "failed": 10,
        "dataset_card": "card.md",
    }
    source.with_name("arms.json").write_text(json.dumps({"synthetic": card}), encoding="utf-8")
    source.with_name("plan.json").write_text(
        json.dumps({"planned": {"runs": 5}, "real": {"runs": 6}}), encoding="utf-8"
    )
    report(source, out=tmp_path / "report.html", note="A note.")
    browser.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "downloads"))
    return tmp_path / "report.html"


@pytest.mark.browser
def test_the_page_opens_without_an_error_or_a_network_request(browser: Browser, page: Path) -> None:
    browser.log("browser"), browser.log("performance")
    browser.open(page)
    assert browser.log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    requests = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert requests <= {page.as_uri()}


@pytest.mark.browser
def test_hovering_a_mark_and_a_curve_shows_their_numbers(browser: Browser, page: Path) -> None:
    browser.open(page)
    center = """const e = document.querySelector(arguments[0]);
        e.scrollIntoView({block: 'center', behavior: 'instant'});
        const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2, b.width];"""
    x, y, _ = browser.run(center, ".wide svg.chart .mark")
    browser.hover(x, y)
    assert "95 % interval" in browser.run("return document.getElementById('tip').innerText")
    x, y, width = browser.run(center, ".wide svg.chart")
    browser.hover(x + width / 9, y)
    shown = browser.run("const t = document.getElementById('tip'); return t.hidden ? '' : t.innerText")
    assert shown.startswith("about ")
    assert "real: " in shown


@pytest.mark.browser
def test_a_mark_reached_by_keyboard_shows_its_numbers_and_escape_hides_them(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("document.querySelector('.wide svg.chart .mark').focus()")
    assert not browser.run("return document.getElementById('tip').hidden")
    browser.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    assert browser.run("return document.getElementById('tip').hidden")


@pytest.mark.browser
def test_an_arm_is_switched_off_and_on_everywhere(browser: Browser, page: Path) -> None:
    browser.open(page)
    visible = (
        "return [...document.querySelectorAll('[data-arm=real]')].filter(e => !e.classList.contains('off')).length"
    )
    before = browser.run(visible)
    browser.run("document.querySelector('[data-toggle=real]').click()")
    assert browser.run(visible) == 0
    assert browser.run("return document.querySelector('[data-toggle=real]').getAttribute('aria-pressed')") == "false"
    browser.run("document.querySelector('[data-toggle=real]').click()")
    assert browser.run(visible) == before > 0


@pytest.mark.browser
@pytest.mark.parametrize("column", [0, 1, 2, 4, 6])
def test_the_heat_map_sorts_by_any_column_both_ways(browser: Browser, page: Path, column: int) -> None:
    browser.open(page)
    read = """const t = [...document.querySelectorAll('.heatmap')].find(t => !t.closest('[hidden]'));
        t.tHead.rows[0].cells[arguments[0]].querySelector('button').click();
        return [t.tHead.rows[0].cells[arguments[0]].getAttribute('aria-sort'),
                [...t.tBodies[0].rows].map(r => r.cells[arguments[0]]).map(c => c.dataset.value ?? c.textContent)];"""
    for direction in ("ascending", "descending"):
        state, values = browser.run(read, column)
        keys = [float(value) if column > 2 else value.strip() for value in values if value != ""]
        assert state == direction
        assert keys == sorted(keys, reverse=direction == "descending")


@pytest.mark.browser
def test_another_pair_and_another_size_can_be_chosen(browser: Browser, page: Path) -> None:
    browser.open(page)
    pick = """const s = document.getElementById(arguments[0]);
        s.selectedIndex = 1;
        s.dispatchEvent(new Event('change'));
        const views = [...document.querySelectorAll(`[data-view=${s.dataset.views}]`)].filter(e => e.offsetParent);
        return [...views.map(e => e.dataset.key), s.value];"""
    for name in ("pick-forest", "pick-heat"):
        shown, chosen = browser.run(pick, name)
        assert shown == chosen


@pytest.mark.browser
def test_tables_download_as_csv_latex_and_json(browser: Browser, page: Path) -> None:
    browser.open(page)
    selectors = ("[data-save=scores][data-as=csv]", "[data-save=scores][data-as=tex]", "[data-save=json]")
    wanted = [page.parent / "downloads" / name for name in ("scores.csv", "scores.tex", "comparison.json")]
    for selector, path in zip(selectors, wanted, strict=True):
        browser.run("document.querySelector(arguments[0]).click()", selector)
        deadline = time.monotonic() + 60
        while not path.is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
    signature = json.loads(wanted[2].read_bytes())["signature"]
    assert wanted[0].read_bytes().startswith(b"arm,size,all,udpos,xnli,signature\r\nnone,0,")
    assert all(line.endswith(signature) for line in wanted[0].read_text(encoding="utf-8").splitlines()[1:])
    latex = wanted[1].read_text(encoding="utf-8")
    assert latex.startswith(f"% {signature}\n\\begin{{tabular}}{{lrrrr}}\n\\toprule\narm & size & all & udpos & xnli")
    assert "$\\pm$" in latex
    assert json.loads(wanted[2].read_bytes()) == json.loads(page.with_name("comparison.json").read_bytes())


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 768, 1200])
def test_nothing_is_wider_than_the_screen(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    assert browser.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.browser
def test_the_page_prints_in_the_light_colours_whatever_the_screen_has(browser: Browser, page: Path) -> None:
    colours = """return ['--page', '--text', '--arm-1'].map(
        name => getComputedStyle(document.documentElement).getPropertyValue(name).trim())"""
    seen = []
    for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.cdp("Emulation.setEmulatedMedia", media=media, features=features)
        browser.open(page)
        seen.append(browser.run(colours))
    pdf = browser.cdp("Page.printToPDF", printBackground=True)["data"]
    browser.cdp("Emulation.setEmulatedMedia", media="", features=[])
    light, dark, paper = seen
    assert len(pdf) > 10_000
    assert light[2] == paper[2] != dark[2]
    assert paper[:2] == ["#fff", "#000"]


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_axe_finds_no_violation(browser: Browser, page: Path, scheme: str, width: int) -> None:
    axe = Path(environ.get("AXE_CORE", Path(sys.prefix) / "node" / "node_modules" / "axe-core" / "axe.min.js"))
    if not axe.is_file():
        pytest.skip("no axe-core: install npm and run .ci/install again, or set AXE_CORE=path/to/axe.min.js")
    browser.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(page, width=width)
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    browser.cdp("Runtime.evaluate", expression=axe.read_text(encoding="utf-8"))
    found = browser.run_async(
        "axe.run().then(r => arguments[0](r.violations.map(v => [v.id, v.nodes.map(n => n.html).slice(0, 3)])))"
    )
    assert found == []
