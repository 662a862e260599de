"""The report's page in the system's Chromium, without a screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from results import album, full_result

from verify.report import as_html

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = (360, 768, 1280, 2560)
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3: https://www.w3.org/TR/WCAG22/#contrast-minimum

# Contrast of every element that has text of its own, against the nearest background that is not transparent.
CONTRASTS = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => channels(colour).slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if ((channels(colour)[3] ?? 1) > 0) return colour;
    }
  };
  const found = [];
  for (const element of document.body.querySelectorAll('*')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const style = getComputedStyle(element);
    const ink = element.closest('svg') ? style.fill : style.color;
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    found.push([element.textContent.trim().slice(0, 30), (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "these tests need the program `chromium`; leave them out with -m 'not browser'"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything on it."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(as_html(album(full_result(), full_result().rows[2].name)), encoding="utf-8")
    return path


def open_page(browser: Browser, file: Path, *, width: int = 1280, scheme: Any = "light") -> Page:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(20_000)
    page.goto(file.as_uri())
    return page


def test_the_page_opens_without_an_error_and_asks_for_nothing(browser: Browser, file: Path) -> None:
    page = browser.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_load_state("networkidle")

    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert page.title() == "NOT VERIFIED: convnext_tiny"
    page.close()


def test_the_probe_sees_a_request_and_an_error(browser: Browser, file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    planted = '<img src="http://127.0.0.1:9/x.png"><script>alert(1)</script></body>'
    broken.write_text(file.read_text(encoding="utf-8").replace("</body>", planted), encoding="utf-8")
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(broken.as_uri())

    assert [text.partition("'")[0] for text in said] == [text.partition("'")[0] for text in said if "Content" in text]
    assert len(said) == 2  # the page's own policy stops both
    page.close()


def test_every_picture_is_drawn(browser: Browser, file: Path) -> None:
    page = open_page(browser, file)

    assert page.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)") == [160] * 5
    assert page.eval_on_selector_all("svg", "all => all.every(one => one.getBBox().width > 200)")
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_makes_the_page_scroll_sideways(width: int, browser: Browser, file: Path) -> None:
    page = open_page(browser, file, width=width)

    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(scheme: str, browser: Browser, file: Path) -> None:
    page = open_page(browser, file, scheme=scheme)
    contrasts = page.evaluate(CONTRASTS)

    assert len(contrasts) > 100
    assert [(text, ratio) for text, ratio in contrasts if not ratio >= LEAST_CONTRAST] == []
    page.close()


def test_the_two_schemes_differ(browser: Browser, file: Path) -> None:
    colours = []
    for scheme in ("light", "dark"):
        page = open_page(browser, file, scheme=scheme)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()

    assert colours == ["rgb(255, 255, 255)", "rgb(18, 22, 28)"]


def test_headings_lead_without_a_gap_and_plots_and_pictures_have_names(browser: Browser, file: Path) -> None:
    page = open_page(browser, file)
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(one => Number(one.tagName[1]))")

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.get_by_role("img").count() == page.locator("svg.plot, img[alt]").count() == 9
    assert page.locator("table:not(:has(caption))").count() == 0
    page.close()


def test_the_whole_page_prints_dark_on_white(browser: Browser, file: Path) -> None:
    page = open_page(browser, file, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")

    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 36, 48)"
    assert page.pdf().startswith(b"%PDF")
    page.close()
