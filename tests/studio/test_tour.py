"""The tour: one page with the studio's chapters and recorded answers, which asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from accessible import make_axe, violations
from chromium import find_chromium
from fromnoise.drawing.generate import Finished, generate
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.errors import UserError
from fromnoise.inspection.live import as_url
from fromnoise.inspection.subject import Subject
from fromnoise.studio.desk.models import Models
from fromnoise.studio.tour.drawing import drawing_news
from fromnoise.studio.tour.modules import PREFIX, RECORDED, SPECIFIER, import_map
from fromnoise.studio.tour.page import LARGEST, tour_page
from fromnoise.studio.tour.parts import Part, parts_of
from fromnoise.studio.tour.pictures import smaller, webp
from fromnoise.studio.tour.recording import Answer, answers_to, told_chapters
from fromnoise.system.text_to_image import TextToImage

SUBJECT = Subject("red apple </script><script>alert(1)</script>", seed=3, steps=2)


def opened(url: str) -> torch.Tensor:
    """The pixels that an address holds, uint8 [H,W,3]."""
    image = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))
    return torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8).view(*image.size[::-1], 3)


def answer(news: list[dict[str, Any]], chapter: str = "static", missing: str = "") -> Answer:
    return Answer(Part(chapter, "draw", {}, lambda: iter(news)), news, missing)


def told_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="recording">(.*?)</script>', page, re.DOTALL)
    assert found
    told: dict[str, Any] = json.loads(found[1])
    return told


def test_every_module_that_is_needed_is_there_and_none_asks_a_server() -> None:
    found = import_map()
    for name, url in found.items():
        text = base64.b64decode(url.split(",")[1]).decode()
        assert not SPECIFIER.search(text), f"{name} still has a name that is relative to a folder"
        needs = re.findall(rf"""(?:from|import)\s*\(?\s*["']({PREFIX}[^"']+)["']""", text)
        assert set(needs) <= set(found), name
        assert "/api/" not in "".join(line for line in text.splitlines() if "fetch(" in line)
    assert not {PREFIX + name for name in RECORDED} & set(found)
    assert PREFIX + "chapters/words.js" in found  # which is loaded when it is opened


def test_drawing_news_are_the_drawing(tiny_model: TextToImage) -> None:
    subject = Subject("red apple", seed=5, steps=3)
    news = list(drawing_news(tiny_model, subject, count=2, noisy=2))
    pictures = [each["picture"] for each in news if each["type"] == "picture"]
    assert [picture["seed"] for picture in pictures] == [5, 6]
    *_, end = generate(tiny_model, subject.plan(tiny_model, count=2))
    assert isinstance(end, Finished)
    for told, picture in zip(pictures, end.pictures, strict=True):
        assert torch.equal(opened(told["data"]), picture.permute(1, 2, 0))
    steps = [each for each in news if each["type"] == "step"]
    assert [(each["step"], each["index"]) for each in steps] == [(s, i) for s in range(3) for i in range(2)]
    assert ["noisy" in each for each in steps] == [True] * 4 + [False] * 2
    assert all(each["noisy"] != each["clean"] for each in steps[:4])


def test_a_prompt_is_text_whatever_stands_in_it(tiny_model: TextToImage) -> None:
    page = tour_page(tiny_model, "tiny <b>", SUBJECT, [answer([])], SUBJECT.command("tour"))
    assert "<script>alert" not in page
    assert page.count("</script>") == 3
    told = told_of(page)
    assert told["asked"] == {"prompt": SUBJECT.prompt, "style": None, "seed": 3}
    assert told["facts"]["model"]["name"] == "tiny <b>"
    assert told["command"] == SUBJECT.command("tour")


def test_a_prompt_that_looks_like_a_template_is_text(tiny_model: TextToImage) -> None:
    subject = Subject("{{ recording }} {{ start|safe }} {% raw %}", steps=2)
    page = tour_page(tiny_model, "tiny", subject, [answer([])], "")
    assert f"<title>{subject.prompt} · fromnoise</title>" in page
    assert told_of(page)["asked"]["prompt"] == subject.prompt


def test_the_policy_allows_exactly_the_pages_own_scripts(tiny_model: TextToImage) -> None:
    page = tour_page(tiny_model, "tiny", SUBJECT, [answer([])], "")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    own = [*re.findall(r'<script type="importmap">(.*?)</script>', page, re.DOTALL),
           *re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)]  # fmt: skip
    assert len(own) == 2
    for script in own:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy[1]
    assert "default-src 'none'" in policy[1]
    assert "http" not in policy[1]
    assert "unsafe" not in policy[1].split("script-src")[1]


def test_what_a_model_cannot_do_is_left_out_and_said(tiny_model: TextToImage) -> None:
    def fails() -> Iterator[dict[str, Any]]:
        raise UserError("it has no CLIP")
        yield {}

    parts = [Part("static", "draw", {}, lambda: iter([{"type": "end"}])), Part("judge", "judge", {}, fails),
             Part("judge", "other", {}, lambda: iter([{"type": "end"}]))]  # fmt: skip
    answers = list(answers_to(parts))
    assert told_chapters(answers) == (["static"], {"judge": "it has no CLIP"})
    told = told_of(tour_page(tiny_model, "tiny", SUBJECT, answers, ""))
    assert [each["view"] for each in told["answers"]] == ["draw"]
    assert told["missing"] == {"judge": "it has no CLIP"}
    with pytest.raises(UserError, match="nothing to show: it has no CLIP"):
        tour_page(tiny_model, "tiny", SUBJECT, answers[1:2], "")


def test_a_chapter_without_an_answer_is_asked_nothing_more() -> None:
    heard: dict[str, Any] = {}

    def fails() -> Iterator[dict[str, Any]]:
        raise UserError("a package is missing")

    parts = (
        Part("copies", "copies", {}, fails),
        Part("copies", "copies/known", heard, lambda: iter([{"type": "known", "name": heard["name"]}])),
        Part("luck", "draw", {}, lambda: iter([{"type": "drawn"}])),
    )
    answers = list(answers_to(parts))
    assert [answer.part.view for answer in answers] == ["copies", "draw"]
    assert told_chapters(answers) == (["luck"], {"copies": "a package is missing"})


def test_small_pictures_lose_nothing_and_many_large_ones_fit() -> None:
    noise = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    kept = smaller({"a": [as_url(noise), "text", 3, None]}, webp(100, 512))
    assert torch.equal(opened(kept["a"][0]), noise.permute(1, 2, 0))
    assert kept["a"][1:] == ["text", 3, None]
    large = to_image(noise).resize((512, 512), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    large.save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    small = smaller(url, webp(80, 256))
    assert len(small) < len(url) / 4
    assert opened(small).shape == (256, 256, 3)


def test_a_tour_of_large_pictures_stays_small(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.randint(0, 256, (3, 128, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    news = [{"type": "step", "clean": as_url(noise)} for _ in range(8)]  # 0.5 MB of noise, which nothing compresses
    without = len(tour_page(tiny_model, "tiny", SUBJECT, [answer([])], ""))
    assert LARGEST == 8_000_000
    monkeypatch.setattr("fromnoise.studio.tour.page.LARGEST", without + 250_000)
    page = tour_page(tiny_model, "tiny", SUBJECT, [answer(news)], "")
    assert len(page.encode()) < without + 250_000
    assert len(told_of(page)["answers"][0]["news"]) == 8
    monkeypatch.setattr("fromnoise.studio.tour.page.LARGEST", without + 1000)
    with pytest.raises(UserError, match="fewer --steps"):
        tour_page(tiny_model, "tiny", SUBJECT, [answer(news)], "")


CHROMIUM = find_chromium()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt install chromium")
def test_every_chapter_opens_from_a_file_and_finds_its_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, shipped = open_model(Opening())
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
    axe = make_axe()
    subject = Subject("red apple", style="noto", seed=5, steps=2)
    monkeypatch.setattr("fromnoise.studio.tour.parts.AREA_PICTURES", 2)
    answers = list(answers_to(parts_of(Models(name, shipped, load_plain=TextToImage.load), subject)))
    chapters, missing = told_chapters(answers)
    assert not missing
    file = tmp_path / "a tour.html"
    file.write_text(tour_page(shipped, name, subject, answers, "fromnoise inspect tour"), "utf-8")
    with sync_api.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        phone = {"width": 390, "height": 800}
        page = browser.new_page(viewport=phone, reduced_motion="reduce", offline=True)
        errors: list[str] = []
        found: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.split(":")[0]))
        page.goto(file.as_uri())
        shown = page.locator(".contents a").evaluate_all("all => all.map((a) => a.hash.split('/')[1])")
        assert sorted(shown) == sorted([*chapters, "recap"])
        for chapter in shown:
            page.goto(f"{file.as_uri()}#chapter/{chapter}")
            page.wait_for_selector(".chapter > *", state="attached")
            page.mouse.wheel(0, 20000)  # what begins when it is looked at
            page.wait_for_timeout(300)
            said = page.locator(".problem").all_text_contents()
            assert not any(said), (chapter, said)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, chapter
            assert page.locator(".live:visible").count() == 0, chapter
            for scheme in ("light", "dark") if axe else ():
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                found += violations(axe, page, f"{chapter}, {scheme}")
        still = browser.new_page(java_script_enabled=False, offline=True)
        still.goto(file.as_uri())
        assert "needs JavaScript" in still.locator("body").inner_text()
        browser.close()
    assert errors == []
    assert found == []
    assert set(asked) <= {"file", "data", "blob"}
