"""The page in a real Chromium, at desktop and phone width, without a network."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from assay.runs.report import write_report

from .report_evidence import evidence_of, market
from .report_search import search_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# pairs of texts of one visible chart that touch, and texts beyond its frame, in the chapters given
_COLLISIONS = """chapters => {
  const found = [];
  for (const chapter of chapters) for (const svg of document.querySelectorAll(`#${chapter} svg`)) {
    const frame = svg.getBoundingClientRect();
    if (!frame.width) continue;
    const texts = [...svg.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
    texts.forEach(([words, a], k) => {
      if (a.left < frame.left - 18 || a.right > frame.right + 18) found.push(`${chapter}: ${words} leaves`);
      for (const [other, b] of texts.slice(k + 1)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 3) found.push(`${chapter}: ${words} | ${other}`);
      }
    });
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "these tests need Chromium on the PATH: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "run.html"
    candles = market()
    write_report(evidence_of(candles), candles, path)
    return path


@pytest.fixture(scope="module")
def search_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "search.html"
    candles = market()
    write_report(search_of(candles, left_out=(2,)), candles, path)
    return path


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_asks_for_nothing(browser: Browser, page_file: Path, width: int) -> None:
    fits(browser, page_file, width)


@pytest.mark.parametrize("width", [1400, 400])
def test_the_page_of_a_search_fits_and_asks_for_nothing(browser: Browser, search_file: Path, width: int) -> None:
    fits(browser, search_file, width)


@pytest.mark.parametrize("width", [1400, 400])
def test_words_of_charts_neither_leave_them_nor_overlap(browser: Browser, search_file: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(search_file.as_uri())
    assert page.evaluate(_COLLISIONS, ["overfit", "search", "parameters"]) == []
    page.close()


def test_the_crosshair_of_the_convergence_reads(browser: Browser, search_file: Path) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(search_file.as_uri())
    chart = page.locator("#search .wide svg[data-hover]")
    chart.scroll_into_view_if_needed()
    chart.hover()
    said = page.locator("#search .wide .read")
    assert said.is_visible() and "median of windows" in said.inner_text()
    page.close()


def fits(browser: Browser, page_file: Path, width: int) -> None:
    """No complaint, no request, nothing wider than the screen, and charts that can be seen."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    assert complaints == []
    assert asked == [page_file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").is_visible()
    charts = page.locator("svg:visible")
    assert charts.count() >= 6
    for chart in charts.all():
        box = chart.bounding_box()
        assert box is not None and box["width"] > 0 and box["x"] >= 0
    page.close()
