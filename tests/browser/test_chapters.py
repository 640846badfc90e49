"""The chapters in a real browser: from static to picture, what words do, and the game."""

from __future__ import annotations

import base64
import math
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from browser.visiting import PATIENCE, Visitors, draw, finished, look, needs_chromium, until

pytestmark = needs_chromium
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


def test_chapter_static_to_picture(visit: Visitors) -> None:
    page = visit("chapter/static")
    page.get_by_role("button", name="Draw it").click()
    expect(page.get_by_text("No noise left")).to_be_visible(timeout=PATIENCE)
    slider = page.get_by_label("Step", exact=True)
    slider.press("Home")
    expect(page.locator(".where")).to_have_text(re.compile("Step 1 of 20, noise level 1,000 of 1,000"))
    expect(page.locator(".what")).to_contain_text("Nothing but static")
    slider.press("ArrowRight")
    expect(page.locator(".where")).not_to_contain_text("Step 1 of")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_text("No noise left")).to_be_visible(timeout=PATIENCE)
    page.get_by_text("How do we know?").click()
    line = "^fromnoise generate 'a red apple with a green leaf' --seed [0-9]+ --out picture.png --film film.gif$"
    expect(page.locator(".know pre")).to_have_text(re.compile(line))
    parts = ["fromnoise", "generate", 'it\'s "red" & $5, ünd', "--style", "noto-v1", "--seed", "7", "a(b:0.5)"]
    quoted = "async (parts) => (await import('/static/chapters/know.js')).terminalLine(parts)"
    assert page.evaluate(quoted, parts) == shlex.join(parts)


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
    # Both in one call: the page may be scrolling to the chosen box, and would move between two.
    level = "(names) => names.map((name) => document.querySelector(`[aria-label^='${name},']`).getBoundingClientRect())"
    ends = page.evaluate(level, [source, to])
    assert ends[0]["right"] < ends[1]["left"]
    middles = [(end["top"] + end["bottom"]) / 2 for end in ends]
    assert abs(middles[0] - middles[1]) < min(end["bottom"] - end["top"] for end in ends) / 2  # level with each other
    middle_box.click()
    panel.get_by_role("button", name=middle["blocks"][0]["name"]).click()
    expect(panel.locator("h2")).to_have_text(middle["blocks"][0]["name"])
    expect(panel.locator(".sight")).to_have_count(0)
    panel.get_by_role("button", name="One level up").click()
    expect(panel.locator("h2")).to_have_text(middle["name"])
    page.get_by_text(re.compile("Turns the result into pixels")).click()
    expect(panel.locator("h2")).to_have_text("vae.decoder")
    assert page.evaluate(PLANTED_U) == {
        "passed": ["a", "in.0", "in.1", "deep.0", "out.0", "out.1", "out.2"],
        "rows": ["1", "2", "3", "4", "3", "2", "1"],
        "beside": ["told", "last"],
    }


def test_chapter_luck(visit: Visitors) -> None:
    page = visit("chapter/luck")
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
    expect(page.get_by_text(re.compile(r"Noise level \d+ of 1,000"))).to_be_visible()
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
    assert 31 <= page.locator(".steps").last.locator("li").count() <= 43  # the noise, 30 steps, at most 12 changes
    page.screenshot(path=shots / "game.png", full_page=True)
    page.get_by_label("Words to start from, if you like").fill("Gold scissor omelet headphone neat typewriter")
    page.get_by_role("button", name="Find a story").click()
    expect(page.get_by_text("others took their places")).to_contain_text("omelet")
    expect(page.get_by_text("reads them as others")).to_contain_text("scissor (scissors), headphone (headphones)")


def test_the_game_repairs_a_sentence_of_your_own(visit: Visitors, shots: Path) -> None:
    page = visit("chapter/game")
    sentence = "The old king gives his golden banana to the poor child"
    words = sentence.split()
    answer = {
        "given": sentence, "words": words, "mended": [*words[:5], *words[6:], "again"], "certain": [0.5] * len(words),
        "repairs": [
            {"place": 6, "word": "banana", "probability": 0.001, "instead": "ring",
             "guesses": [{"word": "ring", "probability": 0.4}, {"word": "", "probability": 0.001}]},
            {"place": 5, "word": "golden", "probability": 0.002, "instead": "",
             "guesses": [{"word": "", "probability": 0.7}]},
            {"place": 11, "word": "", "probability": 0.3, "instead": "again",
             "guesses": [{"word": "again", "probability": 0.2}]},
        ],
    }  # fmt: skip
    asked: list[dict[str, Any]] = []

    def fulfil(route: Route) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(json=answer)

    page.route("**/api/story/repairs", fulfil)
    page.get_by_label("Sentence", exact=True).fill(sentence)
    page.get_by_label("How much is wrong").fill("3")
    page.get_by_role("button", name="Repair it").click()
    shown = page.locator(".mended")
    expect(shown).to_have_text("The old king gives his golden banana ring to the poor child again")
    assert shown.locator("del").all_inner_texts() == ["golden", "banana"]
    assert shown.locator("ins").all_inner_texts() == ["ring", "again"]
    expect(page.get_by_text("“banana”: ring 40 %, (no word) below 1 %")).to_be_visible()
    expect(page.get_by_text("a word is missing: again 20 %")).to_be_visible()
    assert [(one["text"], one["errors"], one["lengths"]) for one in asked] == [(sentence, 3, False)]
    shown.screenshot(path=shots / "game-repair.png")


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
    page.get_by_role("button", name="Where it is needed").click()
    hovered_words_light_up(page, visit, needed)
    weights = page.get_by_role("group", name="The same noise, with less or more of a word")
    weights.get_by_role("button", name="green").click()
    expect(page.locator(".without").get_by_text("“red apple and (green:0) pear”")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("heading", name="“green” left out")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".without").get_by_text("“red apple and (green:2) pear”")).to_be_visible()
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know pre")).to_contain_text("fromnoise inspect words 'red apple and green pear'")


def hovered_words_light_up(page: Page, visit: Visitors, pear: str) -> None:
    """A word under the pointer shows its map; a place under the pointer, or of the arrow keys, underlines its words."""
    chips, lit = page.get_by_role("group", name="The words of the prompt").get_by_role("button"), page.locator(".lit")
    heat = "document.querySelector('.heat').toDataURL()"
    page.mouse.move(1, 1)
    assert page.evaluate(heat) == pear  # which is pinned
    chips.filter(has_text=re.compile("^apple$")).hover()
    expect(page.locator(".what")).to_contain_text("the machine needs “apple”")
    assert page.evaluate(heat) != pear
    page.mouse.move(1, 1)
    assert page.evaluate(heat) == pear
    asked = {"prompt": "red apple and green pear", "style": "noto", "seed": 5}
    sent = look(page, visit, "words", asked)[-1]["needed"]
    maps = np.frombuffer(base64.b64decode(sent["data"]), "<u2").reshape(-1, sent["height"], sent["width"]).astype(float)
    texts = chips.all_inner_texts()
    words = [i for i, text in enumerate(texts) if text not in ("start", "end", "padding")]
    shares = maps / np.maximum(maps.mean((1, 2), keepdims=True), 1e-9)
    most = shares[words].max(0)
    place, behind = page.get_by_role("application", name="A place of the picture"), page.locator(".behind")
    told = {}
    for name in ("pear", "red"):
        i = texts.index(name)
        row, column = np.unravel_index(int(np.argmax(np.where(shares[i] == most, shares[i], 0))), most.shape)
        assert shares[i, row, column] > 2  # so it is sure to light up
        box = place.bounding_box()
        assert box
        where = ((column + 0.5) / sent["width"] * box["width"], (row + 0.5) / sent["height"] * box["height"])
        place.hover(position={"x": where[0], "y": where[1]})  # when it no longer moves, and scrolled into view
        expect(behind).to_have_text(re.compile(rf"^Column {column + 1}, row {row + 1}: here count .*“{name}”"))
        assert lit.all_inner_texts() == re.findall("“(.*?)”", behind.inner_text())
        told[row, column] = behind.inner_text()
    assert len(told) == 2
    page.get_by_role("button", name="Where it is listened to").press("Enter")  # other maps, the pointer where it was
    expect(behind).to_have_text(re.compile(rf"^Column {column + 1}, row {row + 1}:"))
    page.get_by_role("button", name="Where it is needed").press("Enter")
    page.mouse.move(1, 1)
    expect(lit).to_have_count(0)
    expect(behind).to_have_text("")
    for key, count in (("ArrowRight", sent["width"]), ("ArrowDown", sent["height"])):
        for _ in range(count + 1):
            place.press(key)
    expect(behind).to_have_text(re.compile(f"^Column {sent['width']}, row {sent['height']}:"))
    at = (sent["height"] - 1, sent["width"] - 1)
    for (row, column), said in told.items():
        for key, steps in (("ArrowUp", at[0] - row), ("ArrowDown", row - at[0]),
                           ("ArrowLeft", at[1] - column), ("ArrowRight", column - at[1])):  # fmt: skip
            for _ in range(max(0, steps)):
                place.press(key)
        expect(behind).to_have_text(said)
        expect(page.locator(".heated .glass")).to_be_visible()
        at = (row, column)
    place.blur()
    expect(lit).to_have_count(0)
    expect(page.locator(".heated .glass")).to_be_hidden()


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


def per_cent(share: float) -> int:
    """As a browser rounds: halves go up, where Python takes the even number."""
    return math.floor(100 * share + 0.5)


def test_chapter_guidance(visit: Visitors) -> None:
    page = visit("chapter/guidance")
    slider, status = page.get_by_label("Step", exact=True), page.locator(".where").first
    expect(slider).to_be_enabled()  # it drew its example, with nothing pressed
    steps = [news for news in look(page, visit, "guidance", {"prompt": "red apple", "seed": 3}) if "differ" in news]
    apart = [step["differ"] for step in steps]
    most = max(range(len(steps)), key=lambda i: apart[i] or 0)
    guess = page.get_by_role("img", name="Guess without your words")
    assert steps[most]["without"] != steps[most]["with"]
    expect(status).to_have_text(f"Step {most + 1} of 20: the guesses are {per_cent(apart[most])} % apart")
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
    expect(page.get_by_text("What it goes on with: the words’ change, 12 times as strong")).to_be_visible()
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
            expect(bets.nth(i)).to_have_text(re.compile(rf"^{caption}\D*{per_cent(share)} %$"))
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


def test_chapter_noise(visit: Visitors, shots: Path) -> None:
    maker = visit()
    draw(maker, "a small bell")
    finished(maker, "a small bell")
    page = visit("chapter/noise")
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
    page = visit("chapter/latents")
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
    expect(page.get_by_text("200 % as strong as what is in the picture itself")).to_be_visible()
    page.get_by_text("How do we know?").click()
    expect(page.locator(".know pre")).to_have_text(re.compile(r"red car.* --scale \d+=4 --noise 2 --out latents.html$"))
    page.screenshot(path=shots / "latents.png", full_page=True)
    Image.new("RGB", (80, 40), "teal").save(tmp_path / "wide.png")
    page.get_by_label("a picture of yours").set_input_files(tmp_path / "wide.png")
    expect(page.get_by_text("16 small maps of 11×6")).to_be_visible()
