"""The room of a training in a real browser: on a phone, for a screen reader, by keyboard, for guests and the owner."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from browser.visiting import PHONE, Server, Visitors, needs_chromium
from studio.test_training import made_run, row, write_log

pytestmark = needs_chromium
STILL = "document.documentElement.scrollWidth"


class Watching(Server):
    """A studio that watches a run; it tells the owner's address."""

    def __init__(self, folder: Path, run: Path) -> None:
        super().__init__(folder, "--run", str(run))
        assert self.process.stdout is not None
        self.room = self.process.stdout.readline().split()[1].removeprefix(f"{self.address}/#")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "mine"


@pytest.fixture
def watching(tmp_path: Path, run: Path, browser: Browser) -> Iterator[Visitors]:
    made_run(run)
    yield from visitors(tmp_path, run, browser)


@pytest.fixture
def waiting(tmp_path: Path, run: Path, browser: Browser) -> Iterator[Visitors]:
    """Nothing has begun yet."""
    yield from visitors(tmp_path, run, browser)


def visitors(tmp_path: Path, run: Path, browser: Browser) -> Iterator[Visitors]:
    server = Watching(tmp_path / "gallery", run)
    found = Visitors(browser, server)
    yield found
    for context in found.contexts:
        context.close()
    server.stop()
    assert found.troubles == []


def key_of(visit: Visitors) -> str:
    assert isinstance(visit.server, Watching)
    return visit.server.room


def test_a_training_is_watched(watching: Visitors, run: Path, shots: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for size, schemes in ((PHONE, ("light",)), ((390, 844), ("dark",)), ((1280, 800), ("light", "dark"))):
        for scheme in schemes:
            page = watching("training", size, scheme)
            expect(page.locator(".standing .status")).to_have_text("Paused")
            expect(page.get_by_role("img", name="from 0.5 to 0.0196")).to_be_visible()
            page.get_by_text("More curves").click()
            page.screenshot(path=shots / f"training-{size[0]}-{scheme}.png", full_page=True)
            assert page.evaluate(STILL) <= size[0]
            bad = [found["id"] for found in axe.run(page).response["violations"]]
            assert bad == [], (size, scheme)
            page.context.close()
    page = watching("training")
    expect(page.get_by_text("It begins to learn your pictures by heart. (U-Net, after 300 pictures)")).to_be_visible()
    expect(page.get_by_text("50 % · 500 pictures seen")).to_be_visible()
    expect(page.get_by_role("link", name="Training")).to_have_attribute("aria-current", "page")
    # Time goes by keyboard, and the curves go with it.
    shown = page.locator(".drawn-sheets img")
    expect(shown).to_have_attribute("alt", "Sheet of the U-Net after 500 pictures")
    slider = page.get_by_label("Moment")
    slider.focus()
    slider.press("ArrowLeft")
    expect(shown).to_have_attribute("alt", "Sheet of the U-Net after 250 pictures")
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 40
    expect(slider).to_have_attribute("aria-valuetext", "after 250 pictures")
    expect(page.locator(".keys strong").first).to_have_text("0.0385")  # the mean of 1 / 25, 1 / 26 and 1 / 27
    # New figures and sheets come by themselves; who looks back stays there.
    write_log(run / "diffusion", [row(600, loss=0.01, progress=0.6), row(600, warning="flat", text="No better.")])
    Image.new("RGB", (40, 30)).save(run / "diffusion" / "sheets" / "0000000600.png")
    expect(page.get_by_text("60 % · 600 pictures seen")).to_be_visible()
    expect(page.locator(".warnings p").first).to_have_text("No better. (U-Net, after 600 pictures)")
    expect(shown).to_have_attribute("alt", "Sheet of the U-Net after 250 pictures")
    page.get_by_role("button", name="Newest").press("Enter")
    expect(shown).to_have_attribute("alt", "Sheet of the U-Net after 600 pictures")


def test_guests_have_no_buttons_and_the_owners_key_is_kept_out_of_the_address(watching: Visitors) -> None:
    guest = watching("training")
    expect(guest.get_by_text("Whoever started the studio can pause it")).to_be_visible()
    expect(guest.get_by_role("button", name="Go on")).to_be_hidden()
    guessing = watching("training/guessed")
    expect(guessing.get_by_text("Whoever started the studio can pause it")).to_be_visible()
    owner = watching(key_of(watching))
    expect(owner.get_by_role("button", name="Go on")).to_be_visible()
    assert owner.url.endswith("/#training")
    owner.reload()
    expect(owner.get_by_role("button", name="Go on")).to_be_visible()


def test_the_owner_begins_and_what_is_wrong_is_said(waiting: Visitors, run: Path, shots: Path) -> None:
    page = waiting(key_of(waiting))
    expect(page.locator(".standing .status")).to_have_text("Nothing has begun yet")
    page.screenshot(path=shots / "training-form.png")
    page.get_by_label("Folder of pictures").fill("/nowhere/at/all")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_have_text("there is no folder /nowhere/at/all on this machine")
    empty = run.parent / "empty"
    empty.mkdir()
    page.get_by_label("Folder of pictures").fill(str(empty))
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".standing .status")).to_have_text("It did not begin")
    expect(page.locator(".standing .problem")).to_contain_text(re.compile("picture"))
    page.screenshot(path=shots / "training-failed.png")
    expect(page.get_by_role("button", name="Start training")).to_be_enabled()
    waiting.troubles = [said for said in waiting.troubles if "status of 400" not in said]


def test_a_page_without_a_training_has_no_such_room(visit: Visitors) -> None:
    page = visit("training")
    expect(page.get_by_text("This studio watches no training.")).to_be_visible()
    expect(page.get_by_role("link", name="Training")).to_be_hidden()
