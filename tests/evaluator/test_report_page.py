"""The report's page in headless Chromium, driven by Selenium."""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from os import environ
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from evaluator.reporting.report import report

from . import experiments

experiment_rows, results_file = experiments.experiment_rows, experiments.results_file
Maker = Callable[..., Path]

STUDY = Path(__file__).parents[2] / "studies/nli-generators/report.html"

pytestmark = pytest.mark.browser
PATIENCE = 600  # seconds; axe takes a minute on a busy machine
# Chromium runs as root in containers, and asks no server for updates or settings.
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
# A page that still scrolls when a button is pressed is pressed elsewhere.
ARGUMENTS += ["--force-prefers-reduced-motion"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or chromium is None:
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in [*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with Chrome(options, ChromeService(driver)) as chrome:  # with its path named, Selenium looks for no driver itself
        chrome.set_script_timeout(PATIENCE)
        chrome.set_page_load_timeout(PATIENCE)
        yield chrome


def open_page(browser: Chrome, path: Path, width: int = 1200, height: int = 900) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    # Else focus events wait for a window in front.
    browser.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
    browser.get(path.as_uri())
    # The new document is told of it a moment after it has loaded.
    WebDriverWait(browser, 60).until(lambda b: b.execute_script("return document.hasFocus()"), "no focus on the page")


def set_media(browser: Chrome, media: str, scheme: str | None = None) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}] if scheme else []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


@pytest.fixture
def page(browser: Chrome, results_file: Maker, tmp_path: Path) -> Path:
    source = results_file()
    experiments.write_side_files(source, dataset_card="card.md")
    report(source, out=tmp_path / "report.html", note="A note.")
    downloads = {"behavior": "allow", "downloadPath": str(tmp_path / "downloads")}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    return tmp_path / "report.html"


def test_the_page_opens_without_an_error_or_a_network_request(browser: Chrome, page: Path) -> None:
    browser.get_log("browser"), browser.get_log("performance")
    open_page(browser, page)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    # A busy machine may still be loading the browser's own first tab; data: is no network.
    assert {url for url in requests if not url.startswith(("chrome://", "data:"))} == {page.as_uri()}


def test_hovering_a_mark_and_a_curve_shows_their_numbers(browser: Chrome, page: Path) -> None:
    open_page(browser, page)
    tip = browser.find_element(By.ID, "tip")
    mark = browser.find_element(By.CSS_SELECTOR, ".wide svg.chart .mark")
    ActionChains(browser).scroll_to_element(mark).move_to_element(mark).perform()
    assert "95 % CI" in tip.text
    chart = browser.find_element(By.CSS_SELECTOR, ".wide svg.chart")
    aside = round(chart.rect["width"] / 9)
    ActionChains(browser).scroll_to_element(chart).move_to_element_with_offset(chart, aside, 0).perform()
    assert tip.text.startswith("about ")
    assert "real: " in tip.text


def test_a_mark_reached_by_keyboard_shows_its_numbers_and_escape_hides_them(browser: Chrome, page: Path) -> None:
    open_page(browser, page)
    tip = browser.find_element(By.ID, "tip")
    browser.execute_script("document.querySelector('.wide svg.chart .mark').focus()")
    assert tip.is_displayed()
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not tip.is_displayed()


def test_an_arm_is_switched_off_and_on_everywhere(browser: Chrome, page: Path) -> None:
    open_page(browser, page)
    assert browser.execute_script("return getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    toggle = browser.find_element(By.CSS_SELECTOR, "[data-toggle=real]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", toggle)

    def visible() -> int:
        return len(browser.find_elements(By.CSS_SELECTOR, "[data-arm=real]:not(.off)"))

    before = visible()
    toggle.click()
    assert visible() == 0
    assert toggle.get_attribute("aria-pressed") == "false"
    toggle.click()
    assert visible() == before > 0


@pytest.mark.parametrize("column", [0, 1, 2, 4, 6])
def test_the_heat_map_sorts_by_any_column_both_ways(browser: Chrome, page: Path, column: int) -> None:
    open_page(browser, page)
    read = """const t = [...document.querySelectorAll('.heatmap')].find(t => !t.closest('[hidden]'));
        t.tHead.rows[0].cells[arguments[0]].querySelector('button').click();
        return [t.tHead.rows[0].cells[arguments[0]].getAttribute('aria-sort'),
                [...t.tBodies[0].rows].map(r => r.cells[arguments[0]]).map(c => c.dataset.value ?? c.textContent)];"""
    for direction in ("ascending", "descending"):
        state, values = browser.execute_script(read, column)
        keys = [float(value) if column > 2 else value.strip() for value in values if value != ""]
        assert state == direction
        assert keys == sorted(keys, reverse=direction == "descending")


@pytest.mark.parametrize("name", ["pick-forest", "pick-heat"])
def test_another_pair_and_another_size_can_be_chosen(browser: Chrome, page: Path, name: str) -> None:
    open_page(browser, page)
    menu = browser.find_element(By.ID, name)
    Select(menu).select_by_index(1)
    views = browser.find_elements(By.CSS_SELECTOR, f"[data-view={menu.get_attribute('data-views')}]")
    shown = [view.get_attribute("data-key") for view in views if view.is_displayed()]
    assert shown == [menu.get_attribute("value")]


def test_tables_download_as_csv_latex_and_json(browser: Chrome, page: Path) -> None:
    open_page(browser, page)
    selectors = ("[data-save=scores][data-as=csv]", "[data-save=scores][data-as=tex]", "[data-save=json]")
    csv, tex, document = (page.parent / "downloads" / name for name in ("scores.csv", "scores.tex", "comparison.json"))
    for selector, path in zip(selectors, (csv, tex, document), strict=True):
        browser.execute_script("document.querySelector(arguments[0]).click()", selector)
        WebDriverWait(browser, 60, 0.05).until(lambda _, path=path: path.is_file(), f"no {path.name}")
    signature = json.loads(document.read_bytes())["signature"]
    assert csv.read_bytes().startswith(b"arm,size,all,udpos,xnli,signature\r\nnone,0,")
    assert all(line.endswith(signature) for line in csv.read_text(encoding="utf-8").splitlines()[1:])
    latex = tex.read_text(encoding="utf-8")
    assert latex.startswith(f"% {signature}\n\\begin{{tabular}}{{lrrrr}}\n\\toprule\narm & size & all & udpos & xnli")
    assert "$\\pm$" in latex
    assert json.loads(document.read_bytes()) == json.loads(page.with_name("comparison.json").read_bytes())


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_nothing_is_wider_than_the_screen(browser: Chrome, page: Path, width: int) -> None:
    open_page(browser, page, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_long_section_goes_on_over_the_end_of_a_printed_page_and_a_figure_does_not(
    browser: Chrome, page: Path
) -> None:
    rules = """return ['section', 'figure', 'tr'].map(
        name => getComputedStyle(document.querySelector(name)).breakInside)"""
    set_media(browser, "print")
    open_page(browser, page)
    found = browser.execute_script(rules)
    set_media(browser, "")
    assert found == ["auto", "avoid-page", "avoid-page"]


def test_the_page_prints_in_the_light_colours_whatever_the_screen_has(browser: Chrome, page: Path) -> None:
    colours = """return ['--page', '--text', '--arm-1'].map(
        name => getComputedStyle(document.documentElement).getPropertyValue(name).trim())"""
    seen = []
    for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
        set_media(browser, media, scheme)
        open_page(browser, page)
        seen.append(browser.execute_script(colours))
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    set_media(browser, "")
    light, dark, paper = seen
    assert len(pdf) > 10_000
    assert light[2] == paper[2] != dark[2]
    assert paper[:2] == ["#fff", "#000"]


def test_a_report_of_four_arms_is_printed_on_at_most_five_pages(browser: Chrome) -> None:
    open_page(browser, STUDY)
    for paper in ({"paperWidth": 8.5, "paperHeight": 11}, {"paperWidth": 8.27, "paperHeight": 11.69}):
        printed = browser.execute_cdp_cmd(
            "Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True} | paper
        )
        assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"]))) in range(3, 6)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_axe_finds_no_violation(browser: Chrome, page: Path, scheme: str, width: int) -> None:
    axe = Path(environ.get("AXE_CORE", Path(sys.prefix) / "node" / "node_modules" / "axe-core" / "axe.min.js"))
    if not axe.is_file():
        pytest.skip("no axe-core: install npm and run .ci/install again, or set AXE_CORE=path/to/axe.min.js")
    set_media(browser, "", scheme)
    open_page(browser, page, width=width)
    browser.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
    browser.execute_script(axe.read_text(encoding="utf-8"))
    violations = browser.execute_async_script(
        "axe.run().then(r => arguments[0](r.violations.map(v => [v.id, v.nodes.map(n => n.html).slice(0, 3)])))"
    )
    assert violations == []
