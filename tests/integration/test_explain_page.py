"""The page of an explanation in Debian's Chromium: offline, by mouse and by keyboard, light and dark."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.integration.browser import browser, expect, playwright

__all__ = ["browser"]  # a fixture


REVIEW = "<script>document.title = 'run'</script> This film: a delight, <b>funny</b> and warm, not <img src=x> a bore."


@pytest.fixture(scope="module")
def explained(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of one review by the trained default network."""
    page = tmp_path_factory.mktemp("explained") / "page.html"
    trained.run("python", "-m", "pipeline.explain", REVIEW, "--output", str(page))
    return page


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: "playwright.Browser", explained: Path) -> Iterator["playwright.Page"]:
    """Open the page. It must log nothing and request nothing but itself, whatever a test does with it."""
    logged, requests = [], []
    opened = browser.new_page(viewport={"width": 1120, "height": 900}, color_scheme=request.param)
    opened.on("console", lambda message: logged.append(message.text))
    opened.on("pageerror", lambda error: logged.append(str(error)))
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto(explained.as_uri())
    yield opened
    assert logged == []
    assert [url for url in requests if not url.startswith("data:")] == [explained.as_uri()]
    opened.close()


def count_colours(page: "playwright.Page", canvas: str) -> int:
    """Count the different colours of a canvas."""
    script = """(canvas) => {
        const copy = Object.assign(document.createElement("canvas"), {width: canvas.width, height: canvas.height});
        const pen = copy.getContext("2d", {willReadFrequently: true});
        pen.drawImage(canvas, 0, 0);
        return new Set(new Uint32Array(pen.getImageData(0, 0, copy.width, copy.height).data.buffer)).size;
    }"""
    return page.locator(canvas).evaluate(script)


def test_the_review_is_shown_and_not_run(page: "playwright.Page") -> None:
    shown = " ".join(page.locator(".review").inner_text().split())
    # as the tokenizer reads it: symbols apart from words, and without the tags of known elements
    for part in ("< script > document.title = 'run' < / script >", "a delight, funny and warm"):
        assert part in shown
    assert page.title().startswith("Why this review is called")
    assert page.locator("main img, main b").count() == 0


def test_arrow_keys_move_from_word_to_word_and_from_unit_to_unit(page: "playwright.Page") -> None:
    words = page.locator(".review .word")
    words.first.focus()
    expect(page.locator("#word")).to_contain_text(f"“{words.first.inner_text()}” adds")
    for number in (1, 2, 3):
        page.keyboard.press("ArrowRight")
        expect(words.nth(number)).to_be_focused()
        expect(page.locator("#word")).to_contain_text(f"“{words.nth(number).inner_text()}” adds")
    number_shown = words.nth(3).evaluate("(word) => getComputedStyle(word, '::after').content")
    assert re.fullmatch(r'"[+\u2212]\d+\.\d\d"', number_shown)
    page.keyboard.press("ArrowLeft")
    expect(words.nth(2)).to_be_focused()
    page.keyboard.press("End")
    expect(words.last).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(words.last).to_be_focused()

    before = re.match(r"Unit \d+", page.locator("#unit").inner_text())[0]
    for _ in range(20):  # to the last row at least; there it stays
        page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert re.match(r"Unit \d+", page.locator("#unit").inner_text())[0] != before


def test_tab_reaches_the_review_once(page: "playwright.Page") -> None:
    page.keyboard.press("Tab")
    expect(page.locator(".review .word.chosen")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".review .word:focus")).to_have_count(0)


def test_pointing_at_a_word_or_a_heat_map_describes_it(page: "playwright.Page") -> None:
    words = page.locator(".review .word")
    words.nth(4).hover()
    expect(page.locator("#word")).to_contain_text(f"“{words.nth(4).inner_text()}” adds")
    words.nth(6).hover()
    expect(page.locator("#word")).to_contain_text(f"“{words.nth(6).inner_text()}” adds")
    canvas = page.locator("canvas[data-gate=forget]")
    size = canvas.bounding_box()
    canvas.hover(position={"x": size["width"] - 5, "y": 2})
    expect(page.locator("#word")).to_contain_text(f"“{words.last.inner_text()}” adds")
    expect(page.locator("#unit")).to_contain_text("kept")


def test_every_gate_is_drawn_for_both_directions(page: "playwright.Page") -> None:
    titles = " ".join(page.locator(".maps h3").all_inner_texts())
    for name in ("Learn gate", "Ignore factor", "Forget gate", "Remember gate", "Use gate", "Short-term memory"):
        assert name in titles
    assert page.locator("canvas[data-gate]").count() == 6
    first_direction = page.locator("#unit").inner_text()
    for _ in range(2):
        for gate in ("learned", "ignore", "forget", "long_term", "use", "short_term"):
            assert count_colours(page, f"canvas[data-gate={gate}]") > 10
        assert count_colours(page, "#memory") > 1
        page.locator("[name=direction]").last.check()
    assert page.locator("#unit").inner_text() != first_direction


def test_text_has_enough_contrast(page: "playwright.Page") -> None:
    script = """(element) => {
        const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((c) => linear(c / 255))
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const colours = [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor];
        const [low, high] = colours.map(light).sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    }"""
    for selector in ("h1", ".muted", ".said", "caption"):
        assert page.locator(selector).first.evaluate(script) > 4.5  # WCAG 2, AA


def test_a_narrow_window_scrolls_the_maps_and_not_the_page(page: "playwright.Page") -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#chart").evaluate("(chart) => { chart.scrollLeft = 120; }")
    expect(page.locator(".maps")).to_have_js_property("scrollLeft", 120)
