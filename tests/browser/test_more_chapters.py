"""The chapters in a real browser: kinds, the map, walks, copies, how it learned, and the hidden picture."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from browser.visiting import (
    PATIENCE,
    PHONE,
    Server,
    Visitors,
    drawing_of,
    forget_refusals,
    needs_chromium,
    photo,
)
from fromnoise.system.copies_file import pictures_of
from fromnoise.system.defaults import read_facts
from fromnoise.system.learning_file import Learning, Moment, learning_bytes, webp
from fromnoise.system.opening import find_model

pytestmark = needs_chromium


def test_telling_kinds_apart(visit: Visitors) -> None:
    page = visit()
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{visit.server.address}/#chapter/axes")
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
        page.get_by_text("Before it has learned anything: 29 % right. Blind guessing would get 33 %.")
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
    page = visit("chapter/axes")
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
    page = visit("chapter/between")
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
    page = visit("chapter/between")
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


def test_chapter_copies(visit: Visitors, shots: Path) -> None:
    page = visit("chapter/copies")
    seeds = page.get_by_role("group", name="Four seeds of the same words").get_by_role("button")
    expect(page.get_by_text("Of these 4 pictures:")).to_be_visible()
    expect(seeds).to_have_count(4)
    drawn = page.locator(".trio > figure img")
    for i in range(4):
        seeds.nth(i).press("Enter")
        expect(drawn).to_have_attribute("alt", f"Drawn here, seed {i + 1}")
        assert drawn.get_attribute("src") == seeds.nth(i).locator("img").get_attribute("src")
        verdict = page.locator(".wide-stage > .verdict").inner_text()
        tag = {"It": "may be a copy", "Not called": "close to one", "Not a": "no copy"}
        assert seeds.nth(i).inner_text().strip() == tag[next(key for key in tag if verdict.startswith(key))]
        assert page.locator(".nearest img").count() in (1, 2)
    expect(page.get_by_text("by Microsoft Corporation").first).to_be_visible()
    known = page.get_by_role("heading", name="What a copy looks like to the check").locator("..")
    slider = known.get_by_role("slider")
    expect(slider).to_be_enabled()
    expect(known.get_by_text("Unchanged. Caught: a copy, and of the right picture.")).to_be_visible()
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
    expect(known.get_by_text(f"a picture that it learned from: {called}.")).to_be_visible()
    expect(slider).to_be_enabled()
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know pre")).to_have_text("fromnoise inspect copies picture.png --out beside.png")


def test_chapter_hidden(visit: Visitors, shots: Path) -> None:
    page = visit("chapter/hidden")
    slider = page.get_by_label("Let it come out", exact=True)
    expect(slider).to_be_enabled()
    over = page.locator(".paper .over")
    for key, opacities, said in (
        ("Home", ["0", "0"], "So far only the noise is to be seen."),
        ("End", ["1", "1"], "This was hidden."),
        ("Home", ["0", "0"], "So far only the noise is to be seen."),
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
    page = visit("chapter/map")
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
        page.get_by_label("Drop words on the map").fill(f"{words} and more")  # typed while the first land
        expect(cards.first).to_contain_text(words)
        page.wait_for_timeout(100)
        expect(page.get_by_label("Drop words on the map")).to_have_value(f"{words} and more")
    expect(cards).to_have_count(6)
    expect(page.get_by_role("button", name="Remove: pizza")).to_have_count(0)  # the first made room for the seventh
    page.get_by_role("button", name="Remove: owl").press("Enter")
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
    expect(page.get_by_role("heading", name="Pictures of its training")).to_be_visible()
    expect(page.get_by_text("Three lessons.")).to_be_visible()
    rows = page.locator(".given-row")
    expect(rows.locator("h3")).to_have_text([f"{percent} % up the noise levels" for percent in (20, 50, 80)])
    assert len({image.get_attribute("src") for image in rows.locator("img").all()}) == 9
    mistakes = [float((text.text_content() or "").split()[1]) for text in page.locator(".given-mistake").all()]
    assert all(0 < mistake < 1 for mistake in mistakes)
    learnt = page.get_by_role("img", name="The picture of the lesson")
    before = learnt.get_attribute("src") or ""
    page.get_by_label("a picture of yours").set_input_files(photo())
    expect(learnt).not_to_have_attribute("src", before)
    expect(rows).to_have_count(3)
    expect(page.get_by_text("Three lessons.")).to_be_visible()
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
    slider, where = page.get_by_label("Moment of the training"), page.locator(".grown .where")
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
    strip = page.locator(".moments button")
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
