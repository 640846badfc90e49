"""The page in a real browser, with the real server and the shipped model: what people do, see and read.

``FROMNOISE_SCREENSHOTS`` names a folder for pictures of every view; otherwise they go into pytest's own.
"""

from __future__ import annotations

import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import fromnoise.studio
from fromnoise.system.copies_file import pictures_of
from fromnoise.system.defaults import read_facts
from fromnoise.system.learning_file import Learning, Moment, learning_bytes, webp
from fromnoise.system.opening import find_model

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
from playwright.sync_api import Browser, BrowserContext, Page, Response, Route, expect, sync_playwright

CHROMIUM = next(filter(None, ("/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else "",
                              shutil.which("chromium"), shutil.which("chromium-browser"))), None)  # fmt: skip
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt install chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
INDEX = Path(fromnoise.studio.__file__).parent / "web" / "chapters" / "index.js"
CHAPTERS = re.findall(r'say: "(\w+)"', INDEX.read_text(encoding="utf-8"))
VIEWS = ("make", "gallery", *(f"chapter/{name}" for name in CHAPTERS))
PHONE, DESKTOP = (360, 740), (1280, 800)
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
FIRST_LOAD = 300 * 1024
PATIENCE = 240_000  # milliseconds after which a drawing will not come any more, however busy the machine is
expect.set_options(timeout=PATIENCE)


class Server:
    """The studio as its own process."""

    def __init__(self, gallery: Path, *options: str) -> None:
        self.gallery, self.options, self.port = gallery, options, 0
        self.start()

    def start(self) -> None:
        """Start it, the first time at a free port, later at the same."""
        command = [sys.executable, "-m", "fromnoise", "studio", "--no-browser"]
        command += ["--port", str(self.port), "--gallery", str(self.gallery), *self.options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        line = self._first_line()
        found = re.search(r"at (http://127\.0\.0\.1:(\d+))/", line)
        assert found, f"the studio did not start: {line!r}"
        self.address, self.port = found[1], int(found[2])

    def _first_line(self) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 120)
        return self.process.stdout.readline() if ready else "nothing was said for two minutes"

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait for that."""
        self.process.send_signal(how)
        self.process.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One studio for all tests."""
    running = Server(tmp_path_factory.mktemp("gallery"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the views go."""
    named = os.environ.get("FROMNOISE_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Visitors:
    """Opens pages and notes all that a page should not do."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self.browser, self.server = browser, server
        self.troubles: list[str] = []
        self.answers: list[Response] = []
        self.contexts: list[BrowserContext] = []

    def __call__(self, view: str = "make", size: tuple[int, int] = DESKTOP, scheme: Any = "light") -> Page:
        """A page of a new visitor."""
        context = self.browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: self.troubles.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("dialog", lambda dialog: self.troubles.append(f"a dialog: {dialog.message}"))
        page.on("response", lambda answer: self.answers.append(answer))
        page.on("request", lambda request: self._check(request.url))
        page.goto(f"{self.server.address}/#{view}")
        expect(page.locator("h1")).to_be_visible()
        return page

    def _check(self, url: str) -> None:
        if not url.startswith((self.server.address, "data:", "blob:")):
            self.troubles.append(f"asked another host: {url}")


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visitors]:
    """Opens pages; at the end no page may have said an error or asked another host."""
    visitors = Visitors(browser, server)
    yield visitors
    for context in visitors.contexts:
        context.close()
    assert visitors.troubles == []


def draw(page: Page, prompt: str, **settings: object) -> None:
    """Fill in the form and press Draw."""
    page.get_by_label("What should it show?").fill(prompt)
    if not page.get_by_label("Steps").is_visible():
        page.get_by_text("More settings").click()
    for label, value in {"Steps": 4, **settings}.items():
        field = page.get_by_label(label, exact=True)
        if field.evaluate("node => node.tagName") == "SELECT":
            field.select_option(str(value))
        else:
            field.fill(str(value))
    page.get_by_role("button", name="Draw", exact=True).click()


def finished(page: Page, prompt: str) -> None:
    """Wait until a job on the wall is drawn."""
    card = page.get_by_role("article", name=prompt, exact=True).first
    expect(card.locator(".status")).to_have_text("Finished")


def photo() -> dict[str, Any]:
    """A file as it comes from a camera: not square, not from here."""
    picture = Image.new("RGB", (120, 90), "lightblue")
    ImageDraw.Draw(picture).ellipse((30, 15, 90, 75), fill="red")
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    return {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()}


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


def test_make_and_watch(visit: Visitors) -> None:
    page = visit()
    page.evaluate(
        """() => { window.shown = []; new MutationObserver((changes) => {
             for (const { target } of changes) if (target.tagName === "IMG") window.shown.push(target.src);
           }).observe(document.querySelector(".wall"), { subtree: true, attributeFilter: ["src"] }); }"""
    )
    draw(page, "a yellow star")
    finished(page, "a yellow star")
    shown = page.evaluate("window.shown")
    assert len(shown) >= 2
    assert shown[0].startswith("data:image/")
    assert "/api/pictures/" in shown[-1]
    expect(page.get_by_role("img", name="Picture 1: a yellow star")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("Finished")


def test_every_drawing_has_its_own_seed_unless_it_is_kept(visit: Visitors) -> None:
    page = visit()
    seed = page.get_by_label("Seed", exact=True)
    draw(page, "a blue house")
    finished(page, "a blue house")
    first = seed.input_value()
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(seed).not_to_have_value(first)
    second = seed.input_value()
    page.get_by_role("button", name="Keep this seed").click()
    page.get_by_label("What should it show?").press("Enter")
    expect(page.locator(".card")).to_have_count(3)
    expect(seed).to_have_value(second)
    page.get_by_role("button", name="Roll another seed").click()
    expect(seed).not_to_have_value(second)


def test_fast_is_drawn_with_what_it_has_built_in(visit: Visitors) -> None:
    page = visit()
    draw(page, "a green tree", Sampler="ddim")  # a choice that fast has no use for
    finished(page, "a green tree")
    page.get_by_role("button", name="Fast (4 steps)").click()
    expect(page.get_by_label("Guidance", exact=True)).to_be_disabled()
    expect(page.get_by_label("Steps", exact=True)).to_be_disabled()
    page.get_by_label("What should it show?").fill("a fast tree")
    page.get_by_role("button", name="Draw", exact=True).click()
    finished(page, "a fast tree")
    page.get_by_role("button", name="Look at picture 1: a fast tree").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("lcm")
    dialog.get_by_role("button", name="Again with these settings").click()
    expect(page.get_by_role("button", name="Fast (4 steps)")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_role("article", name="a fast tree", exact=True)).to_have_count(2)
    finished(page, "a fast tree")


def test_cancel(visit: Visitors) -> None:
    page = visit()
    draw(page, "a long story", Steps=1000, Sampler="ddpm")
    card = page.get_by_role("article", name="a long story")
    expect(card).to_contain_text("left")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(1)
    expect(page.get_by_role("progressbar")).to_have_count(1)
    card.get_by_role("button", name="Cancel").click()
    expect(page.locator(".status")).to_contain_text("Cancelled", timeout=20_000)
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_the_queue_has_what_others_draw(visit: Visitors) -> None:
    one, other = visit(), visit()
    draw(one, "a slow snail", Steps=1000, Sampler="ddpm")
    line = other.locator(".queue li").filter(has_text="a slow snail")
    expect(line).to_contain_text("someone else’s")
    draw(other, "a patient owl", Steps=4)
    expect(other.get_by_role("article", name="a patient owl")).to_contain_text("before it")
    expect(other.get_by_role("progressbar")).to_have_count(2)
    expect(other.get_by_role("button", name="Cancel")).to_have_count(2)
    line.get_by_role("button", name="Cancel").click()
    expect(line).to_have_count(0)
    finished(other, "a patient owl")
    expect(one.locator(".status")).to_contain_text("Cancelled")


def test_only_what_went_wrong_is_red(visit: Visitors) -> None:
    page = visit()
    draw(page, "a calm lake")
    finished(page, "a calm lake")
    colour = "node => getComputedStyle(node).color"
    status = page.locator(".status").first
    assert status.evaluate(colour) == page.locator("h3").first.evaluate(colour)
    wrong = page.evaluate("""() => {
        const node = document.querySelector(".status");
        node.classList.add("wrong");
        return getComputedStyle(node).color;
    }""")
    assert wrong != status.evaluate("node => { node.classList.remove('wrong'); return getComputedStyle(node).color; }")


def test_restyle(visit: Visitors) -> None:
    page = visit()
    page.locator("#start-file").set_input_files([photo()])
    expect(page.get_by_alt_text("The picture to start from")).to_be_visible()
    page.get_by_label("How much may change").fill("0.5")
    draw(page, "a red ball")
    finished(page, "a red ball")
    page.get_by_role("button", name="Look at picture 1: a red ball").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("0.5")
    expect(dialog.get_by_role("button", name="Four variations")).to_be_disabled()


def test_inpaint(visit: Visitors) -> None:
    page = visit()
    page.locator("#start-file").set_input_files([photo()])
    page.get_by_role("button", name="Change a part").click()
    draw(page, "a green ball")
    expect(page.get_by_text("Paint what may change first")).to_be_visible()
    canvas = page.get_by_role("img", name="Paint over")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    expect(page.get_by_text(re.compile(r"^[1-9]\d* % may change"))).to_be_visible()
    page.get_by_role("button", name="Upper half").press("Enter")
    expect(page.get_by_text("50 % may change")).to_be_visible()
    page.get_by_role("button", name="Draw", exact=True).click()
    finished(page, "a green ball")


def test_a_file_brings_its_settings_back(visit: Visitors) -> None:
    page = visit()
    draw(page, "a purple mushroom", Seed=77, Guidance=5)
    finished(page, "a purple mushroom")
    address = page.get_by_role("img", name="Picture 1").get_attribute("src")
    data = page.request.get(f"{visit.server.address}{address}").body()
    page.reload()
    page.locator("#start-file").set_input_files([{"name": "it.png", "mimeType": "image/png", "buffer": data}])
    page.get_by_role("button", name="Use its settings").click()
    expect(page.get_by_label("What should it show?")).to_have_value("a purple mushroom")
    expect(page.get_by_label("Seed", exact=True)).to_have_value("77")
    page.get_by_text("More settings").click()
    expect(page.get_by_label("Guidance", exact=True)).to_have_value("5")


def test_a_full_queue_is_told_and_the_form_kept(visit: Visitors) -> None:
    page = visit()
    said = {"error": {"message": "256 pictures wait already; try again in 9 s", "type": "", "param": None, "code": ""}}
    page.route("**/api/jobs", lambda route: route.fulfill(status=429, json=said))
    draw(page, "a patient cat")
    expect(page.get_by_text("try again in 9 s")).to_be_visible()
    expect(page.get_by_label("What should it show?")).to_have_value("a patient cat")
    visit.troubles = [trouble for trouble in visit.troubles if "429" not in trouble]  # the browser notes it by itself


def test_a_slow_answer_does_not_bring_a_deleted_picture_back(visit: Visitors) -> None:
    page = visit()
    draw(page, "a heron")
    finished(page, "a heron")
    page.get_by_role("link", name="Gallery").click()
    search = page.get_by_label("Search the prompts")
    search.fill("heron")
    tiles = page.locator(".grid .frame")
    expect(tiles).to_have_count(1)
    held: list[Any] = []

    def hold(route: Any) -> None:
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    page.route("**/api/pictures?*search=hero&*", hold)
    with page.expect_request("**/api/pictures?*search=hero&*"):
        search.fill("hero")
    tiles.first.click()
    page.get_by_role("button", name="Delete").click()
    expect(tiles).to_have_count(0)
    route, answer = held[0]
    assert answer.json()["pictures"]  # it is older than the deletion
    with page.expect_response("**/api/pictures?*search=hero&*"):
        route.fulfill(response=answer)
    expect(page.get_by_text("No picture fits")).to_be_visible()
    expect(tiles).to_have_count(0)


def test_gallery(visit: Visitors) -> None:
    page = visit()
    for prompt in ("a walrus", "an umbrella"):
        draw(page, prompt)
        finished(page, prompt)
    page.get_by_role("link", name="Gallery").click()
    search = page.get_by_label("Search the prompts")
    search.fill("walrus")
    tiles = page.locator(".grid .frame")
    expect(tiles).to_have_count(1)
    tiles.first.click()
    heart = page.get_by_role("button", name="Favourite", exact=True)
    heart.click()
    expect(heart).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(tiles.first).to_be_focused()
    search.fill("")
    page.get_by_label("Favourites only").check()
    expect(tiles).to_have_count(1)
    expect(tiles.first).to_have_attribute("aria-label", "Look at: a walrus (favourite)")
    tiles.first.click()
    page.get_by_role("button", name="Delete").click()
    expect(tiles).to_have_count(0)
    expect(page.get_by_text("No picture fits")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(tiles).to_have_count(1)


def test_variations_and_the_way_between(visit: Visitors) -> None:
    page = visit()
    for prompt in ("a blue fish", "a brown bear"):
        draw(page, prompt)
        finished(page, prompt)
    page.get_by_role("button", name="Look at picture 1: a brown bear").click()
    page.get_by_role("button", name="Four variations").click()
    expect(page.get_by_role("button", name="Look at picture 4: a brown bear")).to_be_visible()
    page.get_by_role("link", name="Gallery").click()
    page.get_by_role("button", name="Choose two").click()
    for prompt in ("a blue fish", "a brown bear"):
        page.locator(f".grid .frame[aria-label='Choose: {prompt}']:not([aria-disabled=true])").first.click()
    kept = page.request.get(f"{visit.server.address}/api/pictures").json()["total"]
    page.get_by_role("button", name="Draw the way between").click()
    expect(page.locator(".strip .frame:not([disabled])")).to_have_count(11)  # four variations, five steps, both ends
    expect(page.locator("figcaption").filter(has_text="50 %")).to_have_count(1)
    way = page.locator(".strip").first.get_by_role("button")
    expect(way).to_have_count(7)
    expect(way.first).to_have_accessible_name("Look at: a blue fish")
    expect(way.last).to_have_accessible_name("Look at: a brown bear")
    finished(page, "a blue fish")
    assert page.request.get(f"{visit.server.address}/api/pictures").json()["total"] == kept + 5  # the ends are there
    page.reload()
    expect(page.locator(".strip").first.get_by_role("button")).to_have_count(7)


def test_a_way_has_only_ends_that_it_comes_from(visit: Visitors) -> None:
    page = visit()
    draw(page, "a red one", Steps=3)
    finished(page, "a red one")
    draw(page, "a red two", Steps=5, Guidance=2)
    finished(page, "a red two")
    page.get_by_role("link", name="Gallery").click()
    page.get_by_role("button", name="Choose two").click()
    for prompt in ("a red one", "a red two"):
        page.locator(f".grid .frame[aria-label='Choose: {prompt}']").first.click()
    expect(page.get_by_text("Both must be drawn alike; they differ in steps, guidance.")).to_be_visible()
    expect(page.get_by_role("button", name="Draw the way between")).to_be_disabled()


def test_a_way_is_drawn_with_all_that_its_ends_were_drawn_with(visit: Visitors) -> None:
    page = visit()
    address = f"{visit.server.address}/api/jobs"
    own = {"steps": 3, "interval": [100, 900], "spacing": "trailing", "sigmas": "karras", "rescale": 0.25}
    names = ("an end", "another end")
    for prompt in names:
        page.request.post(address, data={**own, "prompt": prompt, "seed": 1})
    page.get_by_role("link", name="Gallery").click()
    for prompt in names:
        expect(page.get_by_role("button", name=f"Look at: {prompt}")).to_be_visible()
    page.get_by_role("button", name="Choose two").click()
    for prompt in names:
        page.locator(f".grid .frame[aria-label='Choose: {prompt}']").first.click()
    with page.expect_request(lambda asked: asked.url == address and asked.method == "POST") as asked:
        page.get_by_role("button", name="Draw the way between").click()
    assert {name: asked.value.post_data_json[name] for name in own} == own
    finished(page, names[0])


def test_back_closes_a_picture(visit: Visitors) -> None:
    page = visit()
    for prompt in ("a first leaf", "a second leaf"):
        draw(page, prompt)
        finished(page, prompt)
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Look at picture 1: a second leaf").click()  # on the wall
    expect(dialog).to_be_visible()
    page.go_back()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", name="Make a picture")).to_be_visible()
    page.go_forward()
    expect(dialog.locator("h2")).to_have_text("a second leaf")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).to_have_url(re.compile("#make$"))
    page.get_by_role("link", name="Gallery").click()
    page.get_by_role("button", name="Look at: a second leaf").first.click()
    dialog.get_by_role("button", name="Older picture").click()
    expect(dialog.locator("h2")).to_have_text("a first leaf")
    page.reload()
    expect(dialog.locator("h2")).to_have_text("a first leaf")
    page.go_back()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", name="Gallery")).to_be_visible()
    page.get_by_role("button", name="Look at: a first leaf").first.click()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    page.go_back()  # no dead end: the closed picture is not in the way
    expect(page.get_by_role("heading", name="Make a picture")).to_be_visible()
    expect(dialog).to_have_count(0)


def test_back_after_a_pictures_settings_were_taken(visit: Visitors) -> None:
    page = visit("gallery")
    page.locator(".grid .frame").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Again with these settings").click()
    expect(page.get_by_role("heading", name="Make a picture")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_visible()  # where it was left
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="Gallery")).to_be_visible()


def test_an_address_of_a_picture_that_is_gone(visit: Visitors) -> None:
    page = visit(f"gallery/{'0' * 32}")
    expect(page.get_by_text("there is no such picture")).to_be_visible()
    expect(page).to_have_url(re.compile("#gallery$"))
    visit.troubles = [trouble for trouble in visit.troubles if "404" not in trouble]  # the browser notes it by itself


def test_a_new_browser_sees_what_hangs_there(visit: Visitors) -> None:
    one = visit()
    draw(one, "a hanging lamp")
    finished(one, "a hanging lamp")
    other = visit()
    expect(other.get_by_text("The wall is still bare")).to_be_hidden()
    expect(other.locator(".newest").get_by_role("button", name="Look at: a hanging lamp").first).to_be_visible()
    draw(one, "a new lamp")
    expect(other.locator(".newest").get_by_role("button", name="Look at: a new lamp")).to_be_visible()
    other.locator(".newest").get_by_role("button", name="Look at: a new lamp").click()
    other.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(other.locator(".newest").get_by_role("button", name="Look at: a new lamp")).to_have_count(0)


def test_the_wall_of_an_empty_gallery_is_bare(visit: Visitors, browser: Browser) -> None:
    page = browser.new_page()
    page.route("**/api/pictures?*", lambda route: route.fulfill(json={"pictures": [], "next": None, "total": 0}))
    page.goto(visit.server.address)
    expect(page.get_by_text("The wall is still bare")).to_be_visible()
    expect(page.locator(".newest")).to_be_hidden()
    page.close()


def test_a_wall_that_nobody_could_ask_for_is_not_called_bare(visit: Visitors, browser: Browser) -> None:
    page = browser.new_page()
    down = [True]  # until it is looked for: the page asks again whenever there is news
    page.route("**/api/pictures?*", lambda route: route.fulfill(status=500, json={}) if down else route.continue_())
    page.goto(visit.server.address)
    expect(page.get_by_text("The gallery cannot be shown")).to_be_visible()
    expect(page.get_by_text("The wall is still bare")).to_be_hidden()
    down.clear()
    page.evaluate(HIDE, True)
    page.evaluate(HIDE, False)  # the stream begins again, and the wall is asked for again
    expect(page.get_by_text("The gallery cannot be shown")).to_have_count(0)
    page.close()


def test_the_page_leads_to_the_api(visit: Visitors) -> None:
    page = visit()
    page.get_by_role("link", name="Image API").click()
    expect(page.get_by_role("heading", name="The image API")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_every_style_has_a_picture(visit: Visitors) -> None:
    page = visit()
    styles = page.request.get(f"{visit.server.address}/api/facts").json()["model"]["styles"]
    for style in styles:
        image = page.get_by_role("button", name=style, exact=True).locator("img")
        expect(image).to_have_attribute("src", f"/static/styles/{style}.webp")
        expect(image).to_have_js_property("naturalWidth", 64)
    assert len(styles) == 8


def test_a_style_of_ones_own_is_drawn_when_nobody_waits(visit: Visitors, browser: Browser) -> None:
    page = browser.new_page()

    def with_another(route: Any) -> None:
        facts = route.fetch().json()
        facts["model"]["styles"] = ["noto", "mine"]
        route.fulfill(json=facts)

    asked: list[dict[str, Any]] = []

    def begin(route: Any) -> None:
        body = route.request.post_data_json
        asked.append(body)
        route.continue_(post_data={**body, "style": "noto"})

    page.route("**/api/facts", with_another)
    page.route("**/api/jobs", lambda route: begin(route) if route.request.method == "POST" else route.continue_())
    page.goto(visit.server.address)
    image = page.get_by_role("button", name="mine", exact=True).locator("img")
    expect(image).to_have_attribute("src", re.compile("^data:image/(png|webp|jpeg)"))
    expect(image).not_to_have_class(re.compile("rough"))
    assert [(body["style"], body["keep"]) for body in asked] == [("mine", False)]
    expect(page.locator(".queue")).to_be_hidden()
    page.reload()
    expect(image).not_to_have_class(re.compile("rough"))
    page.wait_for_timeout(4000)  # longer than it waits before it draws
    assert len(asked) == 1
    page.close()


def test_the_models_own_choice_of_a_style_is_shown_and_can_be_left_out(visit: Visitors, browser: Browser) -> None:
    page = browser.new_page()
    asked: list[dict[str, Any]] = []

    def with_choice(route: Any) -> None:
        facts = route.fetch().json()
        facts["model"]["default_style"] = "noto"
        route.fulfill(json=facts)

    def begin(route: Any) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(status=400, json={"error": {"message": "not now", "param": None}})

    page.route("**/api/facts", with_choice)
    page.route("**/api/jobs", lambda route: begin(route) if route.request.method == "POST" else route.continue_())
    page.goto(visit.server.address)
    own, noto, any_ = (page.get_by_role("button", name=n, exact=True) for n in ("model's choice: noto", "noto", "any"))
    page.get_by_label("What should it show?").fill("red apple")
    for press, pressed, style in ((None, own, None), (any_, any_, "any"), (noto, noto, "noto"), (noto, own, None),
                                  (any_, any_, "any"), (own, own, None)):  # fmt: skip
        if press is not None:
            press.click()
        for chip in (own, noto, any_):
            expect(chip).to_have_attribute("aria-pressed", "true" if chip is pressed else "false")
        page.get_by_role("button", name="Draw", exact=True).click()
        expect(page.get_by_text("not now")).to_be_visible()
        assert asked[-1]["style"] == style
    assert len(asked) == 6
    page.close()


def hide_when_asked(page: Page) -> None:
    """The tab is hidden as soon as the page asks for a drawing."""
    page.add_init_script(f"""
        const {{ fetch }} = window;
        window.fetch = (path, options) => {{
          if (path === "/api/jobs" && options?.method === "POST") ({HIDE})(true);
          return fetch(path, options);
        }};""")


def test_a_style_that_is_drawn_while_nobody_looks_is_there_after_it(visit: Visitors, browser: Browser) -> None:
    page = browser.new_page()
    hide_when_asked(page)

    def with_another(route: Any) -> None:
        facts = route.fetch().json()
        facts["model"]["styles"] = ["mine"]
        route.fulfill(json=facts)

    def begin(route: Any) -> None:
        route.continue_(post_data={**route.request.post_data_json, "style": "noto"})

    page.route("**/api/facts", with_another)
    page.route("**/api/jobs", lambda route: begin(route) if route.request.method == "POST" else route.continue_())
    page.goto(visit.server.address)
    address = f"{visit.server.address}/api/jobs"
    before = len(page.request.get(address).json())
    until(lambda: [job["state"] for job in page.request.get(address).json()[before:]] == ["finished"])
    image = page.get_by_role("button", name="mine", exact=True).locator("img")
    expect(image).to_have_class(re.compile("rough"))
    page.evaluate(HIDE, False)
    expect(image).not_to_have_class(re.compile("rough"))
    page.close()


def test_a_drawing_that_the_server_forgot_is_told(visit: Visitors, browser: Browser) -> None:
    page = browser.new_page()
    hide_when_asked(page)
    page.route(re.compile("/api/jobs/[0-9a-f]{32}$"), lambda route: route.fulfill(status=404, json={}))
    page.goto(f"{visit.server.address}/#chapter/static")
    address = f"{visit.server.address}/api/jobs"
    before = len(page.request.get(address).json())
    page.get_by_role("button", name="Draw it").click()
    until(lambda: [job["state"] for job in page.request.get(address).json()[before:]] == ["finished"], 120)
    page.evaluate(HIDE, False)
    expect(page.get_by_text("the server does not know of this drawing any more")).to_be_visible()
    page.close()


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_a_background_pictures_lie_on_a_checkerboard(visit: Visitors, scheme: str) -> None:
    page, name = visit(scheme=scheme), f"a {scheme} sheep"
    page.get_by_text("More settings").click()
    switch = page.get_by_role("button", name="No background", exact=True)
    switch.click()  # and the mouse stays on it: what is pressed has to be read there too
    expect(switch).to_have_attribute("aria-pressed", "true")
    page.get_by_text("More settings").click()
    page.get_by_role("button", name="Fast (4 steps)").click()
    colours = "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).color]"
    fast = page.get_by_role("button", name="Fast (4 steps)")
    page.wait_for_timeout(300)  # the colour changes within 150 ms
    under_the_mouse = fast.evaluate(colours)
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    assert fast.evaluate(colours) == under_the_mouse
    fast.click()
    draw(page, name)
    finished(page, name)
    picture = page.get_by_role("article", name=name, exact=True).locator("img").first
    expect(picture).to_have_class(re.compile(r"\bcut\b"))
    assert "conic-gradient" in picture.evaluate("node => getComputedStyle(node).backgroundImage")


def test_an_example_fills_the_form(visit: Visitors) -> None:
    page = visit()
    offered = page.request.get(f"{visit.server.address}/api/facts").json()["examples"]
    assert len(offered) >= 5
    page.get_by_role("button", name=offered[1], exact=True).click()
    expect(page.get_by_label("What should it show?")).to_have_value(offered[1])
    page.get_by_text("More settings").click()
    page.get_by_label("Steps", exact=True).fill("4")
    page.get_by_role("button", name="Draw", exact=True).click()
    finished(page, offered[1])


def test_warnings_of_the_server_are_shown(visit: Visitors) -> None:
    page = visit()
    draw(page, "a blue moon")
    finished(page, "a blue moon")
    expect(page.locator(".warnings p")).to_have_count(0)
    draw(page, "an asdfghjkl")
    status = page.get_by_role("article", name="an asdfghjkl").get_by_role("status")
    expect(status).to_have_text("this model has never seen the word 'asdfghjkl'")
    finished(page, "an asdfghjkl")
    expect(status).to_have_text("this model has never seen the word 'asdfghjkl'")


def test_words_are_checked_before_they_are_drawn(visit: Visitors) -> None:
    page = visit()
    prompt, status = page.get_by_label("What should it show?"), page.locator(".easel").get_by_role("status")
    prompt.fill("Kermit")
    expect(status).to_contain_text("this model has never seen the word 'Kermit'")
    prompt.fill("()")
    expect(status).to_contain_text("the prompt '()' has no words that count")
    prompt.fill("a frog")
    expect(status).to_have_text("")
    page.get_by_text("More settings").click()
    page.get_by_label("What it should not show").fill("(water:99)")
    expect(status).to_contain_text("99")


def test_two_browsers_see_the_same_gallery(visit: Visitors) -> None:
    one, other = visit(), visit("gallery")
    draw(one, "a shared balloon")
    finished(one, "a shared balloon")
    expect(other.get_by_role("button", name="Look at: a shared balloon")).to_be_visible()
    one.get_by_role("link", name="Gallery").click()
    expect(one.get_by_role("button", name="Look at: a shared balloon")).to_be_visible()


def test_prompts_stay_text(visit: Visitors) -> None:
    page = visit()
    prompt = "<img src=x onerror=alert(1)>"
    draw(page, prompt)
    finished(page, prompt)
    expect(page.locator(".card h3")).to_have_text(prompt)
    page.get_by_role("button", name="Look at picture 1").click()
    expect(page.get_by_role("dialog").locator("h2")).to_have_text(prompt)
    assert page.locator("img[src='x']").count() == 0


def test_chapter_static_to_picture(visit: Visitors) -> None:
    page = visit("chapter/static")
    page.get_by_role("button", name="Draw it").click()
    expect(page.get_by_text("No noise left")).to_be_visible(timeout=PATIENCE)
    slider = page.get_by_label("Step", exact=True)
    slider.press("Home")
    expect(page.locator(".where")).to_have_text(re.compile("Step 1 of 20, noise level 999"))
    expect(page.locator(".what")).to_contain_text("Nothing but static")
    slider.press("ArrowRight")
    expect(page.locator(".where")).not_to_contain_text("Step 1 of")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_text("No noise left")).to_be_visible(timeout=PATIENCE)


def test_chapter_machine(visit: Visitors, shots: Path) -> None:
    page = visit("chapter/machine")
    slider, where = page.get_by_label("Step", exact=True), page.locator(".where")
    expect(slider).to_be_enabled()  # an example is drawn before anything is pressed
    expect(where).to_contain_text("Step 20 of 20")
    middle_box = page.get_by_role("button", name=re.compile("middle, MiddleBlock"))
    expect(middle_box).to_contain_text(re.compile(r"\d+ % of the time"))
    middle_box.press("Enter")
    panel = page.get_by_role("complementary", name="The chosen box")
    machine = page.request.get(f"{visit.server.address}/api/machine").json()
    unet = next(network for network in machine["networks"] if network["name"] == "unet")
    middle = next(block for block in unet["blocks"] if block["name"] == "middle")["blocks"][0]
    expect(panel).to_contain_text(f"{middle['weights']:,} weights")
    expect(panel).to_contain_text("×".join(map(str, middle["gives"][0])))
    expect(panel).to_contain_text(re.compile(r"\d+ % of the network’s time, measured just now; \d+ % of its weights"))
    slider.press("Home")
    for _ in range(6):
        slider.press("ArrowRight")
    expect(panel.get_by_role("heading", name="What this part saw at step 7")).to_be_visible()
    seen = "[...document.querySelectorAll('.sights canvas, .seen')].map((canvas) => canvas.toDataURL())"
    before = page.evaluate(seen)
    assert len(before) == 7 + 10  # its strength and six channels; nine parts are watched, and the first layer is not
    slider.press("ArrowRight")
    expect(where).to_contain_text("Step 8 of 20")
    page.wait_for_function("(before) => document.querySelector('.sights canvas').toDataURL() !== before", arg=before[0])
    page.screenshot(path=shots / "machine.png", full_page=True)
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know pre")).to_contain_text("fromnoise inspect activations 'red apple'")
    source, to = unet["skips"][-1]
    page.get_by_role("button", name=re.compile(rf"^{re.escape(to)},")).press("Enter")
    expect(panel).to_contain_text(f"it gets what {source} found, straight across")
    level = "(name) => document.querySelector(`[aria-label^='${name},']`).getBoundingClientRect()"
    ends = [page.evaluate(level, name) for name in (source, to)]
    assert ends[0]["right"] < ends[1]["left"]
    assert abs((ends[0]["top"] + ends[0]["bottom"]) - (ends[1]["top"] + ends[1]["bottom"])) < 9  # level with each other
    middle_box.click()
    panel.get_by_role("button", name=middle["blocks"][0]["name"]).click()
    expect(panel.locator("h2")).to_have_text(middle["blocks"][0]["name"])
    expect(panel.locator(".sight")).to_have_count(0)
    panel.get_by_role("button", name="One level up").click()
    expect(panel.locator("h2")).to_have_text(middle["name"])
    page.get_by_text(re.compile("Decoder: from latents")).click()
    expect(panel.locator("h2")).to_have_text("vae.decoder")
    assert page.evaluate(PLANTED_U) == {
        "passed": ["a", "in.0", "in.1", "deep.0", "out.0", "out.1", "out.2"],
        "rows": ["1", "2", "3", "4", "3", "2", "1"],
        "beside": ["told", "last"],
    }


# A network of other names, with a part that is told something before it begins and so has no shapes.
PLANTED_U = """async () => {
  const { theU } = await import("/static/chapters/machine_boxes.js");
  const block = (path, gives = [[8, 4, 4]], blocks = []) =>
    ({ path, name: path.split(".").at(-1), kind: "K", weights: 1, takes: [], gives, blocks });
  const holds = (path, count) => block(path, [], [...Array(count).keys()].map((i) => block(`${path}.${i}`)));
  const blocks = [block("a"), holds("told", 1), holds("in", 2), holds("deep", 1), holds("out", 3), block("last")];
  const skips = [["in.1", "out.0"], ["in.0", "out.1"], ["a", "out.2"]];
  const network = { ...block("net", [[8, 4, 4]], blocks), skips };
  const watch = { register: () => [document.createElement("canvas"), document.createElement("span")] };
  const node = theU(network, { side: 4, channels: 8 }, { show: () => {} }, watch);
  const pathOf = (box) => box.getAttribute("aria-label").split(",")[0];
  const stations = [...node.querySelectorAll(".station")];
  return {
    passed: stations.map((each) => pathOf(each.firstChild)),
    rows: stations.map((each) => each.style.gridRow.split(" ")[0]),
    beside: [...node.querySelectorAll(".few > .box, .few > .group > .box")].map(pathOf),
  };
}"""


def test_chapter_luck(visit: Visitors) -> None:
    page = visit("chapter/luck")
    page.get_by_role("button", name="Draw eight").click()
    picks = page.get_by_role("button", name="Choose seed")
    expect(picks).to_have_count(8, timeout=4 * PATIENCE)  # eight pictures with all steps
    picks.nth(2).click()
    page.get_by_role("button", name=re.compile(r"Draw seed \d+ again")).click()
    expect(page.get_by_text("Identical: all 4,096 pixels are the same.")).to_be_visible(timeout=PATIENCE)


def test_chapter_game(visit: Visitors, shots: Path) -> None:
    page = visit("chapter/game")
    first = page.get_by_label("Word 1 of 14", exact=True)
    expect(first).to_be_visible()
    page.get_by_label("Noise", exact=True).fill("30")
    expect(page.get_by_text("30 % of the words are noise")).to_be_visible()
    page.get_by_label("Word 2 of 14", exact=True).fill("princess")
    page.get_by_role("button", name="Compare with the machine").click()
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text(re.compile(r"Of 4 wrong words you found \d and the machine \d"))
    was = page.locator(".said").nth(3)
    expect(was).to_contain_text("princess with magical powers")
    expect(was.locator("mark")).to_have_count(0)
    expect(page.locator(".said").first.locator("mark")).to_have_count(4)
    expect(page.locator(".said li")).to_have_count(4)
    expect(page.get_by_text(re.compile(r"Noise level \d+ of 1000"))).to_be_visible()
    page.get_by_label("Kind of story").select_option("mystery")
    page.get_by_label("Where", exact=True).select_option("France")
    page.get_by_role("button", name="Find a story").click()
    expect(page.locator(".plot")).to_have_text(re.compile(r"^[A-Z].*\.$"))
    first = page.locator(".plot").inner_text()
    seed = re.search(r"Seed (\d+)", page.locator(".plot + .hint").inner_text())
    assert seed
    page.get_by_role("button", name="Find a story").click()
    expect(page.locator(".plot")).not_to_have_text(first)
    page.get_by_label("Seed", exact=True).fill(seed[1])
    page.get_by_role("button", name="Find a story").click()
    expect(page.locator(".plot")).to_have_text(first)
    page.get_by_label("Seed", exact=True).fill("")
    places = page.get_by_label("Where", exact=True).locator("option").all_inner_texts()
    assert "North Pole" in places
    assert "adverb" not in places
    expect(page.locator(".steps").last.locator("li")).to_have_count(31)
    page.screenshot(path=shots / "game.png", full_page=True)
    page.get_by_label("Words to start from, if you like").fill("Gold scissor out headphone neat typewriter spinach")
    page.get_by_role("button", name="Find a story").click()
    expect(page.get_by_text("It does not know these words")).to_contain_text("scissor, headphone, neat")


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_needs_no_sideways_scrolling(visit: Visitors, shots: Path, view: str) -> None:
    page = visit(view, PHONE)
    page.wait_for_load_state("load")
    page.wait_for_timeout(400)
    page.screenshot(path=shots / f"phone-{view.replace('/', '-')}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input:not([type=checkbox]):not([type=file]), nav a")]
            .filter((node) => node.offsetParent && node.getBoundingClientRect().height < 43.5)
            .map((node) => node.outerHTML.slice(0, 120))"""
    )
    assert small == []
    for word in page.locator(".top nav a").all():
        assert word.bounding_box()["height"] < 50, f"{word.inner_text()!r} is on two lines"


def test_a_long_prompt_fits_on_a_phone(visit: Visitors) -> None:
    page = visit("make", PHONE)
    prompt = "a story " * 10 + "w" * 100
    draw(page, prompt, Steps=300)
    expect(page.locator(".card progress")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.locator(".card").get_by_role("button", name="Cancel").click()
    expect(page.locator(".status")).to_contain_text("Cancelled")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(visit: Visitors, shots: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit("make", scheme=scheme)
    found = []
    for view in VIEWS:
        page.goto(f"{visit.server.address}/#{view}")
        page.wait_for_timeout(600)
        page.screenshot(path=shots / f"desktop-{scheme}-{view.replace('/', '-')}.png")
        found += _violations(axe, page, view)
    page.goto(f"{visit.server.address}/#gallery")
    page.locator(".grid .frame").first.click()
    page.screenshot(path=shots / f"desktop-{scheme}-detail.png")
    found += _violations(axe, page, "detail")
    page.goto(f"{visit.server.address}/login")
    found += _violations(axe, page, "login")
    page.goto(f"{visit.server.address}/docs")
    found += _violations(axe, page, "docs")
    assert found == []


def _violations(axe: Any, page: Page, view: str) -> list[str]:
    violations = axe.run(page).response["violations"]
    bad = [found for found in violations if found["impact"] in ("serious", "critical")]
    return [f"{view}: {found['id']}: {[node['html'][:150] for node in found['nodes'][:3]]}" for found in bad]


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


def test_restart_keeps_pictures_and_tells_of_what_was_interrupted(visit: Visitors) -> None:
    page = visit()
    draw(page, "a lasting stone")
    finished(page, "a lasting stone")
    draw(page, "a broken story", Steps=1000, Sampler="ddpm")
    expect(page.locator(".status").first).to_contain_text("Drawing")
    visit.server.stop(signal.SIGKILL)
    expect(page.locator("#offline")).to_be_visible()
    visit.server.start()
    expect(page.locator("#offline")).to_be_hidden(timeout=PATIENCE)
    notice = page.get_by_role("region", name="Notices")
    expect(notice).to_contain_text("“a broken story” was interrupted")
    notice.get_by_role("button", name="Put away").click()
    expect(notice.get_by_role("button")).to_have_count(0)
    page.get_by_role("link", name="Gallery").click()
    expect(page.get_by_role("button", name="Look at: a lasting stone")).to_be_visible()
    visit.troubles = [trouble for trouble in visit.troubles if "net::ERR" not in trouble]  # while it was away


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_chapter_words(visit: Visitors) -> None:
    page = visit("chapter/words")
    chips = page.get_by_role("group", name="The words of the prompt").get_by_role("button")
    expect(page.get_by_text("Done. Choose a word.")).to_be_visible(timeout=PATIENCE)
    assert chips.all_inner_texts()[:2] == ["start", "red"]
    pear = chips.filter(has_text=re.compile("^pear$"))
    pear.press("Enter")
    expect(pear).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".what")).to_contain_text("the machine needs “pear”")
    needed = page.evaluate("document.querySelector('.heat').toDataURL()")
    page.get_by_role("button", name="Where it is listened to").click()
    expect(page.locator(".what")).to_contain_text("“pear” gets")
    assert page.evaluate("document.querySelector('.heat').toDataURL()") != needed
    last = page.evaluate("document.querySelector('.heat').toDataURL()")
    page.get_by_label("Step", exact=True).press("Home")
    assert page.evaluate("document.querySelector('.heat').toDataURL()") != last
    weights = page.get_by_role("group", name="The same noise, with less or more of a word")
    weights.get_by_role("button", name="green").click()
    expect(page.locator(".without").get_by_text("“red apple and (green:0) pear”")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("heading", name="“green” left out")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".without").get_by_text("“red apple and (green:2) pear”")).to_be_visible()
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know code")).to_contain_text("fromnoise inspect words 'red apple and green pear'")


def test_leaving_a_chapter_stops_its_job(visit: Visitors) -> None:
    page = visit("chapter/static")
    page.get_by_label("1,000-step mode").check()
    page.get_by_role("button", name="Draw it").click()
    expect(page.locator(".where")).to_contain_text("of 1000")
    page.get_by_role("link", name="Gallery").click()
    jobs = f"{visit.server.address}/api/jobs"
    until(lambda: all(job["state"] not in ("queued", "running") for job in page.request.get(jobs).json()))


def test_closing_the_page_stops_a_chapters_job(visit: Visitors) -> None:
    page, other = visit("chapter/static"), visit()
    page.get_by_label("1,000-step mode").check()
    page.get_by_role("button", name="Draw it").click()
    expect(page.locator(".where")).to_contain_text("of 1000")
    page.goto("about:blank")
    jobs = f"{visit.server.address}/api/jobs"
    until(lambda: all(job["state"] not in ("queued", "running") for job in other.request.get(jobs).json()))


def look(page: Page, visit: Visitors, view: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What the server tells of a look inside, event by event."""
    answer = page.request.post(f"{visit.server.address}/api/inside/{view}", data=asked, timeout=PATIENCE)
    return [json.loads(line[6:]) for line in answer.text().splitlines() if line.startswith("data: ")]


def test_chapter_guidance(visit: Visitors) -> None:
    page = visit("chapter/guidance")
    slider, status = page.get_by_label("Step", exact=True), page.locator(".where").first
    expect(slider).to_be_enabled()  # it drew its example, with nothing pressed
    steps = [news for news in look(page, visit, "guidance", {"prompt": "red apple", "seed": 3}) if "differ" in news]
    apart = [step["differ"] for step in steps]
    most = max(range(len(steps)), key=lambda i: apart[i] or 0)
    guess = page.get_by_role("img", name="Guess without your words")
    assert steps[most]["without"] != steps[most]["with"]
    expect(status).to_have_text(f"Step {most + 1} of 20: the guesses are {100 * apart[most]:.0f} % apart")
    expect(guess).to_have_attribute("src", steps[most]["without"])
    expect(page.get_by_role("img", name="What the words change")).to_have_attribute("src", steps[most]["apart"])
    page.get_by_role("button", name="Which colours the words add").press("Enter")
    expect(page.get_by_role("img", name="What the words change")).to_have_attribute("src", steps[most]["adds"])
    slider.press("Home")
    assert apart[0] is None
    expect(status).to_have_text("Step 1 of 20: one guess only")
    expect(guess).to_be_hidden()
    expect(page.get_by_role("img", name=re.compile("goes on with"))).to_have_attribute("src", steps[0]["guided"])
    rungs = page.get_by_role("group", name="Pictures by guidance").get_by_role("button")
    expect(rungs).to_have_count(8)
    scale, large = page.get_by_label("Guidance", exact=True), page.get_by_role("img", name="The picture at the chosen")
    scale.press("Home")
    expect(page.get_by_text("Guidance 1: nothing exaggerated")).to_be_visible()
    expect(page.get_by_role("button", name="Look at the steps")).to_be_hidden()
    without = large.get_attribute("src")
    scale.press("ArrowRight")
    expect(page.get_by_text("away from the picture at guidance 1")).to_be_visible()
    assert large.get_attribute("src") != without
    rungs.last.press("Enter")
    expect(rungs.last).to_have_attribute("aria-pressed", "true")
    assert large.get_attribute("src") == rungs.last.locator("img").get_attribute("src")
    page.get_by_role("button", name="Look at the steps of guidance 12 above").click()
    expect(page.get_by_text("What it goes on with: the change, 12 times")).to_be_visible()
    expect(slider).to_be_enabled()
    expect(page.locator(".what").first).to_contain_text("adds the change 12 times instead of once")


def test_chapter_judge(visit: Visitors) -> None:
    page = visit("chapter/judge")
    slider, bets = page.get_by_label("Step", exact=True), page.locator("figure:visible").first.locator("li")
    expect(slider).to_be_enabled()  # it drew its example, with nothing pressed
    captions = page.get_by_label("Other captions it may choose from")
    asked = {"prompt": "red apple", "seed": 3, "decoys": captions.input_value().split("\n")}
    told = [news for news in look(page, visit, "judge", asked) if news["type"] == "opinion"]

    def shows(opinion: dict[str, Any]) -> None:
        for i, (caption, share) in enumerate(zip(["red apple", *asked["decoys"]], opinion["shares"], strict=True)):
            expect(bets.nth(i)).to_have_text(
                re.compile(rf"^{caption}\D+{100 * share:.0f} %$|^{caption}{100 * share:.0f} %$")
            )
            width = bets.nth(i).locator(".bet-bar").evaluate("node => parseFloat(node.style.width)")
            assert width == pytest.approx(100 * share, abs=0.01)

    shows(told[-1])
    slider.press("Home")
    expect(page.locator(".where")).to_contain_text("Step 1 of 20: CLIP bets on")
    shows(told[0])
    page.get_by_label("Let it steer").press("Space")
    verdict = page.locator(".verdict")
    steered = look(page, visit, "judge", {**asked, "clip_guidance": 0.3})[-2]
    expect(verdict).to_contain_text(f"{steered['cosines'][0]:.2f} instead of {told[-1]['cosines'][0]:.2f}")
    expect(page.get_by_role("img", name="CLIP steers")).to_have_attribute("src", steered["picture"])
    expect(page.get_by_role("img", name="CLIP looks on")).to_have_attribute("src", told[-1]["picture"])
    page.get_by_role("button", name="too much (1)").press("Enter")
    page.get_by_label("Let it steer").press("Space")  # while it is being drawn
    expect(page.get_by_role("img", name="CLIP steers")).to_be_hidden()
    expect(slider).to_be_enabled()
    captions.fill("a\n" * 8)
    page.get_by_role("button", name="Draw it").click()
    expect(page.get_by_role("alert")).to_contain_text("there may be 7 decoys, not 8; leave some out")
    visit.troubles = [trouble for trouble in visit.troubles if "status of 400" not in trouble]  # that refusal
    captions.fill("cat")
    page.get_by_role("button", name="Draw it").click()
    expect(bets).to_have_count(2)
    expect(bets.nth(1)).to_contain_text("cat")
    expect(page.get_by_text("The finished picture: CLIP bets on")).to_be_visible()


def test_chapter_judge_says_when_the_model_has_no_eyes(visit: Visitors) -> None:
    page = visit("chapter/judge")

    def without_clip(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "best_of": None})

    page.route("**/api/facts", without_clip)
    page.reload()
    expect(page.get_by_text("the model that is loaded has none")).to_be_visible()
    expect(page.get_by_role("button", name="Draw it")).to_have_count(0)


def open_chapter(page: Page, title: str) -> None:
    """Open a chapter by its name, whatever its number is."""
    page.get_by_role("navigation", name="Chapters").get_by_role("link", name=re.compile(re.escape(title))).click()
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()


def drawing_of(page: Page, label: str) -> str:
    """What a canvas shows."""
    canvas = page.get_by_label(label).locator("canvas")
    return str(canvas.evaluate("(node) => new Promise((done) => requestAnimationFrame(() => done(node.toDataURL())))"))


def forget_refusals(visit: Visitors) -> None:
    """The browser itself notes every answer of 400 in its console, also one that the page has told well."""
    visit.troubles = [trouble for trouble in visit.troubles if "status of 400" not in trouble]


def test_telling_kinds_apart(visit: Visitors) -> None:
    page = visit("chapter/static")
    page.emulate_media(reduced_motion="reduce")
    open_chapter(page, "How can a machine tell a banana from a pea?")
    expect(page.get_by_text("108 pictures of 13 different drawings")).to_be_visible()
    window = page.get_by_label("The window whose numbers are shown")
    corner = page.get_by_text("Top left here")
    before = corner.inner_text()
    numbers = page.locator(".numbers span")
    second = numbers.nth(1).inner_text().split()
    window.press("ArrowRight")
    assert numbers.first.inner_text().split() == second
    assert f"red {second[0]}, green {second[1]}, blue {second[2]}" in corner.inner_text() != before
    page.get_by_role("button", name="Train a fresh one").scroll_into_view_if_needed()
    expect(page.get_by_text("After round 20: 99 % right")).to_be_visible()
    page.get_by_label("Round", exact=True).press("Home")
    expect(
        page.get_by_text("Before it has learnt anything: 29 % right. Blind guessing would get 33 %.")
    ).to_be_visible()
    assert page.locator(".rounds span").count() == 21
    expect(page.get_by_text("56 % of the held-out pictures")).to_contain_text("only 13 drawings")
    expect(page.get_by_text("from 31 % to 79 %")).to_be_visible()
    page.get_by_role("button", name="Add roundness").press("Enter")
    expect(page.get_by_text("95 % of the held-out pictures")).to_be_visible()
    page.get_by_role("button", name="Add greenness").click()
    expect(page.get_by_text("100 % of the held-out pictures")).to_be_visible()
    expect(page.get_by_text("Nothing is mixed up.")).to_be_visible()
    room = page.get_by_label("The pictures, placed by what is measured of them")
    still = drawing_of(page, "The pictures, placed by what is measured of them")
    page.wait_for_timeout(300)
    assert (
        drawing_of(page, "The pictures, placed by what is measured of them") == still
    )  # calm: nothing turns by itself
    room.press("ArrowLeft")
    turned = drawing_of(page, "The pictures, placed by what is measured of them")
    assert turned != still
    room.press("ArrowRight")
    assert drawing_of(page, "The pictures, placed by what is measured of them") == still
    box = room.bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 120, steps=3)
    page.mouse.up()
    assert drawing_of(page, "The pictures, placed by what is measured of them") not in (still, turned)
    page.get_by_role("button", name="stem", exact=True).click()  # a fourth takes the place of the third
    pressed = page.get_by_role("group", name="What is measured").locator("[aria-pressed=true]")
    assert sorted(pressed.all_inner_texts()) == ["1. yellowness", "2. roundness", "3. stem"]
    expect(page.get_by_text("CLIP, without any measure: 100 % right")).to_be_visible()
    expect(page.get_by_text("it has seen these very drawings")).to_be_visible()


def test_other_kinds_and_what_cannot_be_told_apart(visit: Visitors) -> None:
    page = visit("chapter/static")
    open_chapter(page, "How can a machine tell a banana from a pea?")
    page.get_by_role("button", name="key, hammer, scissors").click()
    expect(page.locator(".kinds li")).to_have_text(["key", "hammer", "scissors"])
    expect(page.get_by_role("button", name="1. holes")).to_be_visible()
    kinds = page.get_by_label("Two to six things, with commas between")
    kinds.fill("pea, quasar")
    kinds.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="shows 'quasar'")).to_be_visible()
    expect(page.get_by_role("heading", name="Measures that people think of")).to_be_hidden()


def test_the_pages_rule_guesses_as_the_librarys(visit: Visitors) -> None:
    page = visit("chapter/static")
    wrong = page.evaluate(
        """async () => {
          const { heldOut } = await import("/static/chapters/axes_machine.js");
          const { look } = await import("/static/api.js");
          let made = null;
          await look("axes", {}, (news) => (made = news)).done;
          const names = made.measures.map((each) => each.name);
          return made.sets.filter(({ measures, right }) => {
            const columns = measures.map((name) => names.indexOf(name));
            const rows = made.pictures.map((each) => columns.map((column) => each.values[column]));
            const guesses = heldOut(rows, made.pictures, made.kinds.length);
            const share = guesses.filter((guess, i) => guess === made.pictures[i].kind).length / guesses.length;
            return Math.abs(share - right) > 1e-4;
          }).length + (made.sets.length === 833 ? 0 : 1e6 + made.sets.length);
        }"""
    )
    assert wrong == 0


def test_walking_between_two_pictures_and_calculating_with_words(visit: Visitors) -> None:
    page = visit("chapter/static")
    open_chapter(page, "What lies between two pictures?")
    expect(page.get_by_text("The largest change is from")).to_be_visible()
    slider = page.get_by_label("How far along")
    picture = page.get_by_role("img", name="The picture at this place of the walk")
    stops = page.get_by_role("group", name="All pictures of the walk").locator("img")
    assert len({image.get_attribute("src") for image in stops.all()}) == 7
    for key, place, said in (("Home", 0, 'The beginning: "tomato"'), ("End", 6, 'The end: "pear"')):
        slider.press(key)
        expect(page.get_by_text(said)).to_be_visible()
        assert picture.get_attribute("src") == stops.nth(place).get_attribute("src")
    slider.press("ArrowLeft")
    expect(page.get_by_text('83 % of the way from "tomato" to "pear"')).to_be_visible()
    page.get_by_role("button", name="33 % of the way").press("Enter")
    assert picture.get_attribute("src") == stops.nth(2).get_attribute("src")
    page.get_by_role("button", name="Draw both ends alone").click()
    expect(page.get_by_text("Identical: all 4,096 pixels are the same.")).to_have_count(2)
    page.get_by_role("button", name="Calculate").scroll_into_view_if_needed()
    expect(page.get_by_text('"red apple" - "red" + "green": is that “green apple”?')).to_be_visible()
    expect(page.get_by_text(re.compile("^It (works|does not work).*the better sum"))).to_be_visible()
    assert len({image.get_attribute("src") for image in page.locator(".sums img").all()}) == 12
    page.get_by_label("less", exact=True).fill("purple")
    page.get_by_role("button", name="Calculate").click()
    expect(page.get_by_role("alert").filter(has_text="'purple' is not in the prompt")).to_be_visible()
    forget_refusals(visit)


def test_a_walk_from_one_noise_to_another(visit: Visitors) -> None:
    page = visit("chapter/static")
    open_chapter(page, "What lies between two pictures?")
    page.get_by_role("button", name="From one noise to another").click()
    expect(page.get_by_label("Last picture")).to_be_hidden()
    page.get_by_label("Seed at the end").fill("3")
    page.get_by_role("button", name="Walk", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="a walk needs somewhere to go")).to_be_visible()
    page.get_by_label("Seed at the end").fill("5")
    page.get_by_role("button", name="Walk", exact=True).click()
    expect(page.get_by_text("The largest change is from")).to_be_visible()
    page.get_by_label("How far along").press("End")
    expect(page.get_by_text("The end: seed 5")).to_be_visible()
    forget_refusals(visit)


def of_chapter(visit: Visitors, title: str) -> Page:
    """A page with the chapter of a title, wherever it stands among the others."""
    page = visit("chapter/static")
    page.get_by_role("link", name=re.compile(rf"^\d+\. {re.escape(title)}")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    return page


def test_chapter_noise(visit: Visitors, shots: Path) -> None:
    maker = visit()
    draw(maker, "a small bell")
    finished(maker, "a small bell")
    page = of_chapter(visit, "Where does it stop recognising?")
    rows = page.locator(".lessons tbody tr")
    expect(rows).to_have_count(10)
    slider, where = page.get_by_label("How far up the noise levels"), page.locator(".where").first
    slider.press("End")
    expect(where).to_have_text("Level 1,000 of 1,000: 0.0 % picture, 100.0 % noise.")
    expect(rows.last).to_have_class("here")
    slider.press("Home")
    expect(where).to_have_text("No noise: the picture itself.")
    same = page.evaluate(
        """() => {
          const shown = document.querySelector(".drowning"), clean = document.querySelectorAll(".drowned img")[1];
          const copy = Object.assign(document.createElement("canvas"), { width: shown.width, height: shown.height });
          copy.getContext("2d").drawImage(clean, 0, 0);
          const of = (canvas) => canvas.getContext("2d").getImageData(0, 0, shown.width, shown.height).data.join();
          return of(shown) === of(copy);
        }"""
    )
    assert same
    page.get_by_role("button", name="Move the slider to 90 %").press("Enter")
    expect(where).to_contain_text("Level 900 of 1,000")
    expect(page.get_by_role("img", name="Its guess without words")).to_be_visible()
    page.get_by_role("button", name="What the machine gets").press("Enter")
    expect(page.get_by_text("What the machine gets at 90 %")).to_be_visible()
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know pre")).to_contain_text("fromnoise inspect noise --prompt 'red apple'")
    page.screenshot(path=shots / "noise.png", full_page=True)
    page.get_by_text("How do we know?").click()
    clean = page.get_by_role("img", name="What was there")
    before = clean.get_attribute("src") or ""
    page.get_by_role("button", name="Look into: a small bell").click()
    expect(clean).not_to_have_attribute("src", before)  # the old results are gone now
    expect(rows).to_have_count(10)
    expect(rows.first).to_be_visible()
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know pre")).to_contain_text("inspect noise picture.png --words 'a small bell'")


def test_chapter_latents(visit: Visitors, shots: Path, tmp_path: Path) -> None:
    page = of_chapter(visit, "What is a picture to the machine?")
    expect(page.get_by_text("12,288 numbers become 1,024")).to_be_visible()
    maps = page.locator(".map")
    expect(maps).to_have_count(16)
    muted = page.locator(".map[aria-pressed=true]")
    expect(muted).to_have_count(1)
    result, back = page.locator(".reach img").first, page.locator(".trip img").nth(1)
    expect(page.get_by_text(re.compile(r"^Map \d+ muted: the likeness goes from"))).to_be_visible()
    assert result.get_attribute("src") != back.get_attribute("src")
    muted.press("Enter")
    expect(page.get_by_text("Nothing is changed")).to_be_visible()
    assert result.get_attribute("src") == back.get_attribute("src")
    page.get_by_label(re.compile("Strength of map")).press("End")
    expect(page.get_by_text(re.compile(r"^Map \d+ 4 times as strong: the likeness goes from"))).to_be_visible()
    loud = page.get_by_label("How loud the noise is")
    loud.press("End")
    expect(page.get_by_text("200 % of the picture's own ups and downs")).to_be_visible()
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know pre")).to_have_text(re.compile(r"red car.* --scale \d+=4 --noise 2 --out latents.html$"))
    page.screenshot(path=shots / "latents.png", full_page=True)
    Image.new("RGB", (80, 40), "teal").save(tmp_path / "wide.png")
    page.get_by_label("a picture of yours").set_input_files(tmp_path / "wide.png")
    expect(page.get_by_text("16 small maps of 11×6")).to_be_visible()


def test_chapter_copies(visit: Visitors, shots: Path) -> None:
    page = visit("chapter/static")
    open_chapter(page, "Is it a copy?")
    seeds = page.get_by_role("group", name="Four seeds of the same words").get_by_role("button")
    expect(page.get_by_text("Of these 4 pictures:")).to_be_visible()
    expect(seeds).to_have_count(4)
    drawn = page.locator(".trio > figure img")
    for i in range(4):
        seeds.nth(i).press("Enter")
        expect(drawn).to_have_attribute("alt", f"Drawn now, seed {i + 1}")
        assert drawn.get_attribute("src") == seeds.nth(i).locator("img").get_attribute("src")
        verdict = page.locator(".wide-stage > .verdict").inner_text()
        tag = {"It": "may be a copy", "Not called": "close to one", "Not a": "no copy"}
        assert seeds.nth(i).inner_text().strip() == tag[next(key for key in tag if verdict.startswith(key))]
        assert page.locator(".nearest img").count() in (1, 2)
    expect(page.get_by_text("by Microsoft Corporation").first).to_be_visible()
    known = page.get_by_role("heading", name="What a copy looks like to the check").locator("..")
    slider = known.get_by_role("slider")
    expect(slider).to_be_enabled()
    expect(known.get_by_text("Unchanged: Caught: a copy, and of the right picture.")).to_be_visible()
    slider.press("End")
    expect(known.get_by_text("Noise: each colour value is 128 of 255 off")).to_be_visible()
    known.get_by_role("button", name="Push it to the right").press("Enter")
    slider.press("End")
    expect(known.get_by_text("Pushed 8 pixels of 64 to the right")).to_be_visible()
    page.screenshot(path=shots / "copies.png", full_page=True)
    seeds.first.press("Enter")
    put = page.get_by_role("button", name=re.compile("through the check$")).first
    called = (put.text_content() or "").removeprefix("Put “").removesuffix("” through the check")
    assert called not in known.inner_text()
    put.press("Enter")
    expect(known.get_by_text(f"a picture that it learnt from: {called}.")).to_be_visible()
    expect(slider).to_be_enabled()
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know pre")).to_have_text("fromnoise inspect copies picture.png --out beside.png")


def test_the_page_of_a_picture_says_whether_it_is_a_copy(visit: Visitors) -> None:
    page = visit()
    draw(page, "a small comb")
    finished(page, "a small comb")
    page.goto(f"{visit.server.address}/#gallery")
    page.get_by_role("button", name="Look at: a small comb").first.click()
    section = page.get_by_role("dialog").locator(".copies")
    expect(section.get_by_role("heading", name="Is it a copy?")).to_be_visible()
    expect(section.get_by_role("status")).to_contain_text(
        re.compile("training picture|5,696 pictures that stickers-64")
    )
    expect(section.locator(".nearest img").first).to_be_visible()
    assert section.locator(".nearest img").count() in (1, 2)
    expect(section.get_by_role("status")).to_have_text(
        re.compile(
            "^(It may be|Not called) a copy.*Look at both.$|^Not a copy of any of the 5,696 pictures that stickers-64"
        )
    )
    assert section.locator(".nearest figcaption").first.inner_text().count("·") >= 1  # set, author, licence
    section.get_by_text("How far to trust this").click()
    expect(section.get_by_text(re.compile("real pictures that are no copies 0.5% are called copies"))).to_be_visible()


def test_chapter_hidden(visit: Visitors, shots: Path) -> None:
    page = visit("chapter/static")
    open_chapter(page, "What is hidden in the noise?")
    slider = page.get_by_label("Let it come out", exact=True)
    expect(slider).to_be_enabled()
    over = page.locator(".paper .over")
    for key, opacities, said in (
        ("Home", ["0", "0"], "Nothing but the noise."),
        ("End", ["1", "1"], "This was hidden."),
        ("Home", ["0", "0"], "Nothing but the noise."),
    ):
        slider.press(key)
        expect(page.get_by_text(said, exact=True)).to_be_visible()
        assert [layer.evaluate("(node) => node.style.opacity") for layer in over.all()] == opacities
    slider.fill("50")
    expect(page.get_by_text("The whole shape in grey")).to_be_visible()
    page.screenshot(path=shots / "hidden.png", full_page=True)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save it as PNG").click()
    assert saved.value.suggested_filename == "hidden-mushroom-4.png"
    with Image.open(saved.value.path()) as picture:
        assert picture.size == (704, 592)
        assert picture.text["command"].startswith("fromnoise inspect stereogram mushroom")  # type: ignore[attr-defined]
    first = page.locator(".noise-page").get_attribute("src") or ""
    page.get_by_role("button", name="Hide something without telling me").press("Enter")
    expect(page.locator(".noise-page")).not_to_have_attribute("src", first)
    expect(slider).to_be_enabled()
    assert page.get_by_label("Prompt", exact=True).input_value() == ""
    slider.press("End")
    expect(page.get_by_text("It was: ")).to_be_visible()


@pytest.mark.parametrize(("width", "density", "times"), [(1280, 1, 1), (390, 2, 1), (390, 3, 1.5), (900, 1.25, 1)])
def test_the_noise_keeps_its_twins_on_every_screen(
    browser: Browser, server: Server, width: int, density: float, times: float
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1400}, device_scale_factor=density)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{server.address}/#chapter/hidden")
    expect(page.get_by_label("Let it come out", exact=True)).to_be_enabled()
    page.locator(".paper").scroll_into_view_if_needed()
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        seen = np.asarray(shot.convert("RGB"))
    box = page.locator(".noise-page").bounding_box()
    context.close()
    assert box is not None
    assert 0 <= box["x"] <= width - box["width"]  # all of it is there to be seen
    assert box["width"] * density == pytest.approx(704 * times, abs=0.1)
    left, top, apart = round(box["x"] * density), round(box["y"] * density), round(96 * times)
    ground = seen[top + 2 : top + round(16 * times), left + 2 : left + round(704 * times) - 2]  # above the two dots
    off = np.abs(ground[:, :-apart].astype(int) - ground[:, apart:])
    assert off.max() <= (0 if times == int(times) else 3)  # of 255, where points are blended
    beside = np.abs(ground[:, : -apart - 3].astype(int) - ground[:, apart + 3 :])
    assert beside.mean() > 40  # so it is seen when they are parted


def test_a_screen_that_is_too_narrow_slides_the_noise(visit: Visitors) -> None:
    page = visit("chapter/hidden", PHONE)
    expect(page.get_by_text("This screen is too narrow for all of it.")).to_be_visible()
    room = page.get_by_role("group", name="The noise in which it is hidden")
    assert room.evaluate("(node) => [node.scrollWidth, node.clientWidth, node.scrollLeft]") == [704, 360, 172]
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    room.press("ArrowRight")
    for _ in range(100):
        if room.evaluate("(node) => node.scrollLeft") > 172:
            return
        page.wait_for_timeout(100)
    raise AssertionError("the arrow key does not slide it")


def test_chapter_map(visit: Visitors, shots: Path) -> None:
    page = visit("chapter/static")
    open_chapter(page, "What lies near your words?")
    canvas = page.get_by_role("application", name="Map of what the model learned from: 841 captions, 5,696 pictures")
    cards = page.locator(".dropped section")
    expect(cards).to_have_count(2)
    expect(cards.first.locator(".near li").first).to_have_text("owl 1.00")
    page.get_by_label("Drop words on the map").fill("a red italian")
    page.keyboard.press("Enter")
    expect(cards).to_have_count(3)
    expect(cards.first).to_contain_text("No caption had “italian”")
    page.get_by_role("button", name="a red italian", exact=True).press("Enter")
    for words in ("kitten", "tomato", "boat", "house"):
        page.get_by_label("Drop words on the map").fill(words)
        page.get_by_role("button", name="Drop them").click()
        expect(cards.first).to_contain_text(words)
    expect(cards).to_have_count(6)
    expect(page.get_by_role("button", name="Take away: pizza")).to_have_count(0)  # the first made room for the seventh
    page.get_by_role("button", name="Take away: owl").press("Enter")
    expect(cards).to_have_count(5)
    page.get_by_label("Find a caption").fill("violin")
    page.get_by_role("button", name="violin", exact=True).click()
    expect(page.locator(".atlas-chosen h2")).to_have_text("violin")
    canvas.focus()
    for key in ("0", "+", "ArrowUp"):
        page.keyboard.press(key)
    page.wait_for_timeout(600)  # it glides
    page.keyboard.press("Enter")
    expect(page.locator(".atlas-chosen h2")).not_to_have_text("violin")
    assert page.locator(".atlas-chosen li").count() == 8
    page.get_by_role("heading", name="How much room do words leave?").scroll_into_view_if_needed()
    expect(page.get_by_text(re.compile("^It shrinks: 0.*“red apple” spreads .* as far as “food”"))).to_be_visible()
    assert len({image.get_attribute("src") for image in page.locator(".room-tiles img").all()}) == 24
    page.get_by_label("General", exact=True).fill("italian")
    page.get_by_label("Narrower", exact=True).fill("italian")
    page.get_by_label("Narrowest").fill("")
    page.get_by_role("button", name="Measure it").click()
    expect(page.get_by_text("“italian” does not leave less room than “italian” here")).to_be_visible()
    expect(page.locator(".rooms").get_by_text("No caption had “italian”.")).to_have_count(2)
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know pre")).to_contain_text("fromnoise inspect map pizza owl --out map.html")
    expect(page.locator(".know pre")).to_contain_text("map italian italian --area --pictures 8")
    page.screenshot(path=shots / "map.png", full_page=True)


def test_chapter_learning_without_a_film_gives_a_lesson(visit: Visitors) -> None:
    page = visit("chapter/learning")
    expect(page.get_by_role("heading", name="This model carries no film of its training")).to_be_visible()
    expect(page.get_by_text("Three lessons.")).to_be_visible()
    rows = page.locator(".given-row")
    expect(rows.locator("h3")).to_have_text([f"{percent} % up the noise levels" for percent in (20, 50, 80)])
    assert len({image.get_attribute("src") for image in rows.locator("img").all()}) == 9
    mistakes = [float((text.text_content() or "").split()[1]) for text in page.locator(".given-mistake").all()]
    assert all(0 < mistake < 1 for mistake in mistakes)
    before = page.get_by_role("img", name="The picture of the lesson").get_attribute("src")
    page.get_by_label("a picture of yours").set_input_files(photo())
    expect(page.get_by_text("Three lessons.")).to_be_visible()
    expect(rows).to_have_count(3)
    assert page.get_by_role("img", name="The picture of the lesson").get_attribute("src") != before
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know pre")).to_contain_text("fromnoise inspect learning --out learning.html")
    expect(page.locator(".know pre")).to_contain_text("fromnoise inspect noise picture.png --words 'red apple'")


@pytest.fixture(scope="module")
def with_film(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The studio with the shipped model, to which a film of plain colours was given: a prompt's moments get lighter."""
    folder = tmp_path_factory.mktemp("models") / "filmed"
    shutil.copytree(find_model(None), folder, copy_function=os.symlink)
    facts = read_facts(folder)
    colours = [(r, 40 * i, 0) for i in range(4) for r in (50, 250)]
    files = tuple(webp(Image.new("RGB", (16, 16), colour)) for colour in colours)
    moments = tuple(Moment(64 * 10**i, 0.01 * 10**i, 1 - 0.2 * i) for i in range(4))
    whose = pictures_of(facts.styles, facts.card)
    film = Learning(("a <b> cat", "sun"), moments, files, (16, 16), 16, whose)
    (folder / "learning.safetensors").write_bytes(learning_bytes(film))
    running = Server(tmp_path_factory.mktemp("filmed-gallery"), "--model", str(folder))
    yield running
    running.stop()


def test_chapter_learning_plays_the_film(browser: Browser, with_film: Server, shots: Path) -> None:
    visit = Visitors(browser, with_film)
    page = visit("chapter/learning")
    slider, where = page.get_by_label("Moment of the training"), page.locator(".learnt .where")
    expect(where).to_have_text("After 64,000 pictures, 10.0 h of training")
    pictures = page.locator(".learner img")
    expect(page.locator(".learner .hint")).to_have_text(["a <b> cat", "sun"])

    def shown() -> list[list[int]]:
        return [
            image.evaluate(
                """async (node) => {
                  await node.decode();
                  const canvas = Object.assign(document.createElement("canvas"), { width: 16, height: 16 });
                  const pen = canvas.getContext("2d");
                  pen.drawImage(node, 0, 0, 16, 16);
                  return [...pen.getImageData(8, 8, 1, 1).data].slice(0, 3);
                }"""
            )
            for image in pictures.all()
        ]

    assert shown() == [[50, 120, 0], [250, 120, 0]]
    slider.press("Home")
    expect(where).to_have_text("After 64 pictures, 1 min of training")
    assert shown() == [[50, 0, 0], [250, 0, 0]]
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "After 640 pictures, 6 min of training")
    page.locator(".learner").nth(1).press("Enter")
    expect(page.get_by_text("All moments of “sun”")).to_be_visible()
    strip = page.locator(".strip button")
    expect(strip).to_have_count(4)
    expect(strip.nth(1)).to_have_attribute("aria-current", "true")
    strip.nth(2).press("Enter")
    assert shown() == [[50, 80, 0], [250, 80, 0]]
    expect(
        page.get_by_text("its mistake fell from 1.00 to 0.40. Half of that had happened after 6,400")
    ).to_be_visible()
    page.get_by_role("button", name="Play").press("Enter")
    expect(where).to_have_text("After 64,000 pictures, 10.0 h of training")
    where.evaluate(
        """(node) => {
          window.moments = [];
          new MutationObserver(() => {
            window.moments.push(node.textContent);
            document.body.dataset.played = window.moments.length;
          }).observe(node, { childList: true });
        }"""
    )
    page.get_by_role("button", name="Play").press("Enter")  # from the beginning again
    expect(page.locator("body")).to_have_attribute("data-played", "4")  # the page allows no eval to wait with
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    played = [moment.split()[1] for moment in page.evaluate("window.moments")]
    assert played == ["64", "640", "6,400", "64,000"]
    expect(page.get_by_text("Three lessons.")).to_be_visible()
    page.screenshot(path=shots / "learning.png", full_page=True)
    for context in visit.contexts:
        context.close()
    assert visit.troubles == []
