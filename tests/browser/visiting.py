"""What tests of the page in a real browser have in common: the server, a visitor, and what a visitor does."""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

import fromnoise.studio
from chromium import find_chromium

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
INDEX = Path(fromnoise.studio.__file__).parent / "web" / "chapters" / "index.js"
CHAPTERS = re.findall(r'say: "(\w+)"', INDEX.read_text(encoding="utf-8"))
VIEWS = ("make", "gallery", *(f"chapter/{name}" for name in CHAPTERS))
PHONE, DESKTOP = (360, 740), (1280, 800)
# What is there as soon as a chapter's example is, the part that takes longest.
EXAMPLES = {
    "static": ".where:has-text('No noise left')",
    "noise": ".lessons tbody tr:nth-child(10)",
    "latents": ":text('muted: the likeness goes from')",
    "machine": ".where:has-text('Step 20 of 20')",
    "words": ".without h3:has-text('left out')",
    "guidance": ".rungs > button:nth-child(8)",
    "judge": ".where:has-text('The finished picture')",
    "map": ":text('as far as “food”')",
    "between": ":text('the better sum')",
    "luck": ".tiles button >> nth=7",
    "copies": ".where:has-text('Of these 4 pictures')",
    "axes": ":text('After round 20')",
    "learning": ":text('Three lessons.')",
    "game": ".what:has-text('Noise level')",
    "hidden": "input[type=range]:enabled",
    "recap": ".recap details",
}
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
PATIENCE = 120_000  # milliseconds after which a drawing will not come any more, however busy the machine is
CHROMIUM = find_chromium()
expect.set_options(timeout=PATIENCE)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt install chromium")


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


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def look(page: Page, visit: Visitors, view: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What the server tells of a look inside, event by event."""
    answer = page.request.post(f"{visit.server.address}/api/inside/{view}", data=asked, timeout=PATIENCE)
    return [json.loads(line[6:]) for line in answer.text().splitlines() if line.startswith("data: ")]


def drawing_of(page: Page, label: str) -> str:
    """What a canvas shows."""
    canvas = page.get_by_label(label).locator("canvas")
    return str(canvas.evaluate("(node) => new Promise((done) => requestAnimationFrame(() => done(node.toDataURL())))"))


def forget_refusals(visit: Visitors) -> None:
    """The browser itself notes every answer of 400 in its console, also one that the page has told well."""
    visit.troubles = [trouble for trouble in visit.troubles if "status of 400" not in trouble]
