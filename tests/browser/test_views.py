"""Every view: on a phone, for a screen reader, by keyboard alone, and what is loaded first."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from accessible import violations
from browser.visiting import DESKTOP, EXAMPLES, PHONE, VIEWS, Server, Visitors, draw, finished, needs_chromium

pytestmark = needs_chromium
FIRST_LOAD = 300 * 1024
ROOT = Path(__file__).parents[2]
PROJECTOR = (1920, 1080)
TALL = 5000
WITHOUT_METHOD = ("recap",)  # it answers from the other chapters


def test_first_load_is_small(visit: Visitors) -> None:
    page = visit()
    page.wait_for_load_state("load")
    sizes = {
        answer.url: len(answer.body())
        for answer in visit.answers
        if "/api/events" not in answer.url and not answer.url.startswith("data:") and answer.status == 200
    }
    assert any(url.endswith("main.js") for url in sizes)
    assert sum(sizes.values()) < FIRST_LOAD, sizes
    print(f"first load: {len(sizes)} files, {sum(sizes.values())} bytes before compression")


@pytest.mark.parametrize("size", [(390, 740), (1280, 720)])
def test_what_is_needed_to_draw_is_seen_without_scrolling(visit: Visitors, size: tuple[int, int]) -> None:
    page = visit("make", size)
    expect(page.locator(".style img").first).to_be_visible()
    names = ["Draw", "twemoji", "Fast (4 steps)", "red apple"]
    nodes = [page.get_by_role("button", name=name, exact=True) for name in names]
    nodes += [page.get_by_label(label, exact=True) for label in ("What should it show?", "Pictures", "Seed")]
    for node in [*nodes, page.get_by_text("More settings")]:
        covered = node.evaluate(
            """node => {
                 const { left, top, width, height } = node.getBoundingClientRect();
                 const points = [[0.5, 0.5], [0.5, 0.95], [0.5, 0.05]];
                 return points.some(([x, y]) => {
                   const hit = document.elementFromPoint(left + width * x, top + height * y);
                   return !hit || !(node.contains(hit) || hit.contains(node));
                 }); }"""
        )
        assert not covered, node


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_finished_on_every_screen(visit: Visitors, shots: Path, view: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(view, (PHONE[0], TALL), "dark")  # so tall that all that begins when it is looked at begins
    chapter = view.removeprefix("chapter/")
    if chapter != view:
        expect(page.locator(EXAMPLES[chapter])).not_to_have_count(0)
        assert_tells_its_method(page, chapter)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    shoot(page, shots / f"phone-dark-{chapter}.png")
    assert_fits(page, PHONE[0])
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input:not([type=checkbox]):not([type=file]), nav a")]
            .filter((node) => node.offsetParent && node.getBoundingClientRect().height < 43.5)
            .map((node) => node.outerHTML.slice(0, 120))"""
    )
    assert small == []
    for word in page.locator(".top nav a").all():
        assert not word.is_visible() or word.bounding_box()["height"] < 50, f"{word.inner_text()!r} is on two lines"
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    found = violations(axe, page, "dark")
    page.emulate_media(color_scheme="light")
    found += violations(axe, page, "light")
    page.set_viewport_size({"width": PROJECTOR[0], "height": PROJECTOR[1]})
    shoot(page, shots / f"projector-light-{chapter}.png")
    assert_fits(page, PROJECTOR[0])
    assert found == []


def shoot(page: Page, file: Path) -> None:
    """A picture of all of it, for those who want to look; it takes long."""
    if "FROMNOISE_SCREENSHOTS" in os.environ:
        page.screenshot(path=file, full_page=True)


def assert_fits(page: Page, width: int) -> None:
    """Nothing is wider than the screen."""
    wide = page.evaluate(
        """(width) => [...document.querySelectorAll("main *")]
            .filter((node) => node.checkVisibility() && node.getBoundingClientRect().right > width + 1)
            .map((node) => node.outerHTML.slice(0, 120))""",
        width,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width, wide[:5]


def assert_tells_its_method(page: Page, chapter: str) -> None:
    """Two sentences, then something to play with; at the end the method, with files that are there and a command."""
    lead = page.locator(".lead").inner_text()
    assert len(re.findall(r"[.!?](?=\s|$)", lead)) == 2, lead
    first = page.locator(".chapter > *").first
    assert first.evaluate("(node) => node.tagName") != "P", first.inner_text()
    if chapter in WITHOUT_METHOD:
        return
    fold = page.locator(".know details")
    fold.locator("summary").click()
    files = [text for text in fold.locator("p code").all_inner_texts() if text.endswith(".py")]
    assert files, f"{chapter} names no file"
    assert [file for file in files if not (ROOT / file).is_file()] == []
    expect(fold.locator("pre")).to_have_text(re.compile("^fromnoise (inspect|generate|story) "))


def test_a_long_prompt_fits_on_a_phone(visit: Visitors) -> None:
    page = visit("make", PHONE)
    prompt = "a story " * 10 + "w" * 100
    draw(page, prompt, Steps=300)
    expect(page.locator(".card progress")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.locator(".card").get_by_role("button", name="Cancel").click()
    expect(page.locator(".status")).to_contain_text("Cancelled")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_what_is_no_room_is_accessible_too(visit: Visitors) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit("make")
    draw(page, "a small bell")
    finished(page, "a small bell")
    page.goto(f"{visit.server.address}/#gallery")
    page.locator(".grid .frame").first.click()
    found = []
    for place in ("", "login", "docs"):
        if place:
            page.goto(f"{visit.server.address}/{place}")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += violations(axe, page, f"{place or 'detail'}, {scheme}")
    assert found == []


def test_keyboard_alone(visit: Visitors) -> None:
    page = visit()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("What should it show?")).to_be_focused()
    page.keyboard.type("a small key")
    page.keyboard.press("Enter")
    finished(page, "a small key")


def test_a_token_opens_the_door(browser: Browser, tmp_path: Path) -> None:
    guarded = Server(tmp_path, "--token", "open-sesame-123")
    try:
        page = browser.new_page()
        page.goto(guarded.address)
        page.get_by_label("Token").fill("open-barley-123")
        page.get_by_label("Token").press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That was not the token; try again.")
        page.get_by_label("Token").fill("open-sesame-123")
        page.get_by_role("button", name="Come in").click()
        expect(page.get_by_role("heading", name="Make a picture")).to_be_visible()
        page.close()
        page = browser.new_context().new_page()
        page.goto(f"{guarded.address}/docs")
        page.get_by_label("Token").fill("open-barley-123")
        page.get_by_label("Token").press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That was not the token; try again.")
        page.get_by_label("Token").fill("open-sesame-123")
        page.get_by_label("Token").press("Enter")
        expect(page.get_by_role("heading", name="The image API")).to_be_visible()
        page.context.close()
    finally:
        guarded.stop()
