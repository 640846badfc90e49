"""The page of the map in a real browser: 20,000 points that can be moved, pointed at, found and read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from chromium import find_chromium
from fromnoise.inspection.clip_map import ClipMap, Landing
from fromnoise.inspection.map_area import area_of
from fromnoise.inspection.map_figure import map_figure
from fromnoise.inspection.map_making import flattened

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt install chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
CAPTIONS, POINTS = 4000, 20_000


def made_map() -> ClipMap:
    """20,000 random points; caption 7 lies alone in a corner."""
    rng = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(60, 8, generator=rng), dim=1)
    flat = flattened(vectors[:20], vectors[20:], "pca")
    places = 0.5 + 0.1 * torch.randn(POINTS, 2, generator=rng).clamp(-3, 3)
    places[7] = torch.tensor([0.9, 0.9])
    captions = (*tuple(f"thing {i}" for i in range(CAPTIONS - 1)), "<img src=x onerror=alert(1)> & 'odd'")
    count = POINTS - CAPTIONS
    return ClipMap(
        "pca", places.clamp(0, 1), captions, torch.arange(count) % CAPTIONS, tuple(f"{i}.png" for i in range(count)),
        ("noto", "") * (count // 2), flat.means, flat.basis, torch.zeros(POINTS, 8), "x",
    )  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known = made_map()
    near = tuple(replace(n, cosine=0.5) for n in known.neighbours(torch.ones(8) / 8**0.5, "caption", 3))
    landings = [Landing(text, (0.3 + 0.2 * i, 0.4), near, ()) for i, text in enumerate(("fox", "red <b>fox</b>"))]
    pictures = torch.zeros(2, 3, 16, 16, dtype=torch.uint8), torch.nn.functional.normalize(torch.eye(8)[:2], dim=1)
    areas = [area_of(known, landing.prompt, (0, 1), 2, pictures) for landing in landings]
    figure = map_figure(known, landings, areas, "fromnoise inspect map fox")
    assert figure.page is not None
    place = tmp_path_factory.mktemp("page") / "map.html"
    place.write_text(figure.page(), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Any, file: Path) -> Iterator[Any]:
    """Opens the page; whatever it complains about fails the test."""
    problems: list[str] = []
    contexts = []

    def call(**options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
        page.goto(file.as_uri())
        page.wait_for_function("globalThis.map?.frames > 0")
        return page

    yield call
    for context in contexts:
        context.close()
    assert problems == []


def on_page(page: Any, index: int) -> tuple[float, float]:
    """Where a point is, in the page's pixels."""
    x, y = page.evaluate("(i) => map.toCanvas(map.data.places[2 * i], map.data.places[2 * i + 1])", index)
    box = page.locator("#map").bounding_box()
    return box["x"] + x, box["y"] + y


def until(page: Any, holds: str) -> None:
    """Wait for it. The page's policy forbids what Playwright's own waiting does where it does not hold at once."""
    for _ in range(200):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(50)
    raise AssertionError(holds)


def test_a_point_is_named_when_it_is_pointed_at_and_tapped(opened: Any) -> None:
    page = opened()
    page.mouse.move(*on_page(page, 7))
    page.wait_for_function("map.hovered === 7")
    page.mouse.click(*on_page(page, 7))
    assert page.locator("#chosen h2").inner_text() == "thing 7"
    assert page.locator("#chosen li").count() == 8
    expected = page.evaluate("map.around(7).map((i) => map.data.nameOf(i))")
    assert page.locator("#chosen li button").all_inner_texts() == expected
    assert page.locator("#said").inner_text() == f"thing 7; next to it: {', '.join(expected)}"
    known = made_map()
    distances = (known.places - known.places[7]).norm(dim=1)
    distances[7] = 9
    assert page.evaluate("map.around(7)")[0] == int(distances.argmin())


def test_dragging_and_the_wheel_keep_what_is_under_the_pointer(opened: Any) -> None:
    page = opened()
    x, y = on_page(page, 7)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -600)
    page.wait_for_function("map.view.zoom > 2")
    assert on_page(page, 7) == pytest.approx((x, y), abs=1)
    page.mouse.down()
    page.mouse.move(x - 120, y + 60, steps=4)
    page.mouse.up()
    assert on_page(page, 7) == pytest.approx((x - 120, y + 60), abs=1)
    assert page.locator("#chosen").inner_text() == ""  # that was no tap


def test_no_caption_is_chosen_anew_while_the_map_moves(opened: Any) -> None:
    page = opened()
    written = "(map.paint(), [map.texts.size, map.written.join()])"
    until(page, "!map.moving && map.written.length > 20")
    before = page.evaluate(written)
    seen = page.evaluate(  # at once: between two calls from outside a busy machine may let it come to rest
        f"""Array.from({{ length: 19 }}, (_, i) => {{
          map.look({{ x: 0.5 + 0.002 * (i + 1), y: 0.5, zoom: 2 + i }});
          return [map.moving, {written}];
        }})"""
    )
    assert seen == [[True, before]] * 19
    until(page, f"!map.moving && map.written.join() !== '{before[1]}'")  # at rest those that are near now
    assert page.evaluate("map.written.length") > 20


def test_the_wheel_and_one_thumb_scroll_past_the_whole_map(opened: Any) -> None:
    page = opened(viewport={"width": 390, "height": 500})
    page.locator("#map").scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, document.querySelector('#map').getBoundingClientRect().top + scrollY)")
    assert page.evaluate("getComputedStyle(map.canvas).touchAction") == "pan-y"
    page.mouse.move(200, 200)
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 100)
    until(page, f"scrollY > {before}")
    page.mouse.wheel(0, -300)
    until(page, "map.view.zoom > 1")
    assert page.evaluate("getComputedStyle(map.canvas).touchAction") == "none"


def test_the_keyboard_does_all_of_it(opened: Any) -> None:
    page = opened(reduced_motion="reduce")
    page.locator("#map").focus()
    page.keyboard.press("+")
    assert page.evaluate("map.view") == {"x": 0.5, "y": 0.5, "zoom": 1.5}  # at once: motion is unwelcome
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("[map.view.x, map.view.y]") == pytest.approx([0.58, 0.58])
    page.keyboard.press("-")
    page.keyboard.press("0")
    assert page.evaluate("map.view") == {"x": 0.5, "y": 0.5, "zoom": 1}
    page.keyboard.press("Enter")
    middle = int((made_map().places - 0.5).norm(dim=1).argmin())
    assert page.evaluate("map.picked") == middle


def test_a_caption_is_found_by_its_words_and_is_no_markup(opened: Any) -> None:
    page = opened(reduced_motion="reduce")
    page.get_by_label("Find a caption").fill("THING 7")
    assert page.locator("#found li button").first.inner_text() == "thing 7"
    page.keyboard.press("Enter")
    assert page.evaluate("[map.picked, map.view.zoom >= 6]") == [7, True]
    page.get_by_label("Find a caption").fill("<img")
    page.locator("#found li button").click()
    assert page.locator("#chosen h2").inner_text() == "<img src=x onerror=alert(1)> & 'odd'"
    assert page.get_by_role("button", name="red <b>fox</b>").count() == 1
    page.get_by_label("Find a caption").fill("nothing like it")
    assert page.locator("#found").inner_text().strip() == "No caption has this"


def test_two_fingers_zoom_on_a_phone(opened: Any) -> None:
    page = opened(viewport={"width": 390, "height": 844}, has_touch=True, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)

    def touch(kind: str, half: float) -> None:
        points = [{"x": x - half, "y": y, "id": 0}, {"x": x + half, "y": y, "id": 1}] if half else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 40)
    for half in (50, 60, 70, 80):
        touch("touchMove", half)
    touch("touchEnd", 0)
    page.wait_for_function("map.view.zoom > 1.8")
    view = page.evaluate("map.view")
    assert view["zoom"] == pytest.approx(2, rel=0.03)
    assert (view["x"], view["y"]) == pytest.approx((0.5, 0.5), abs=0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(opened: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened(color_scheme=scheme, bypass_csp=True)  # axe is a script of its own
    page.mouse.click(*on_page(page, 7))
    found = axe.run(page).response["violations"]
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found] == []
    assert page.evaluate("map.colours.ground") == {"light": "#fdfdfc", "dark": "#161719"}[scheme]
