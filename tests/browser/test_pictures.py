"""Pictures in a real browser: drawing, the wall, the gallery, and what comes back after a restart."""

from __future__ import annotations

import re
import signal
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.visiting import HIDE, PATIENCE, Visitors, draw, finished, needs_chromium, photo, until

pytestmark = needs_chromium


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
    expect(page).to_have_url(re.compile("#gallery$"))  # closing goes back by itself, and not at once
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
    address = f"{visit.server.address}/api/jobs"
    before = len(page.request.get(address).json())
    page.goto(f"{visit.server.address}/#chapter/static")  # which draws its example
    until(lambda: [job["state"] for job in page.request.get(address).json()[before:]] == ["finished"], 120)
    page.evaluate(HIDE, False)
    expect(page.get_by_text("the server does not know of this drawing any more")).to_be_visible()
    page.close()


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
