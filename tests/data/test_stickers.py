"""The builder of the default set, on a small made-up node_modules: no network, and npm for one test only."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fromnoise.data import starter
from fromnoise.data.splits import family, splits
from fromnoise.data.stickers import StickersConfig, build
from fromnoise.data.stickers import build as _build
from fromnoise.data.stickers.credits import write_credits
from fromnoise.data.stickers.names import key_of, slug, without_variation
from fromnoise.data.stickers.npm import install
from fromnoise.data.stickers.render import RefusedError, colour_words, rasterised, render_svg
from fromnoise.data.stickers.sets import StickerSet
from fromnoise.data.stickers.summary import write_contact_sheet
from fromnoise.ground.errors import UserError

CIRCLE = '<circle cx="8" cy="8" r="7" fill="#dd2e32"/>'
SET = StickerSet("toy", "@iconify-json/toy", "1.0.0", "MIT")


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A node_modules folder with one icon set and the name tables it needs."""
    root = tmp_path / "node_modules"
    apple, thumb, tone = "\U0001f34e", "\U0001f44d", "\U0001f44d\U0001f3fd"
    write(root / "cldr-annotations-full/annotations/en/annotations.json", {"annotations": {"annotations": {
        apple: {"default": ["fruit", "red"], "tts": ["red apple"]}, thumb: {"tts": ["thumbs up"]}}}})  # fmt: skip
    write(root / "cldr-annotations-derived-full/annotationsDerived/en/annotations.json",
          {"annotationsDerived": {"annotations": {}}})  # fmt: skip
    write(root / "emojibase-data/en/messages.json", {"groups": [{"order": 4, "key": "food-drink"}],
                                                     "subgroups": [{"order": 7, "key": "food-fruit"}]})  # fmt: skip
    write(root / "emojibase-data/en/data.json", [
        {"hexcode": "1F34E", "label": "red apple", "group": 4, "subgroup": 7},
        {"hexcode": "1F44D", "label": "thumbs up", "skins": [{"hexcode": key_of(tone).upper()}]}])  # fmt: skip
    icons = {
        "red-apple": {"body": CIRCLE},
        "thumbs-up": {"body": '<image href="/etc/passwd"/>'},
        "thumbs-up-medium-skin-tone": {"body": CIRCLE},
        "google-logo": {"body": CIRCLE},
        "purple-thing": {"body": '<path d="M2 2h12v12H2z" fill="#8750be"/>'},
        "nothing": {"body": ""},
    }
    write(root / "@iconify-json/toy/icons.json", {"width": 16, "height": 16, "icons": icons})
    write(root / "@iconify-json/toy/info.json", {"author": {"name": "A. Painter", "url": "https://example.org"}})
    return root


def write(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")


def test_a_build_keeps_names_credits_and_says_what_it_left_out(modules: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = build(StickersConfig(str(out), 32, modules=str(modules), workers=1), (SET,))
    rows = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
    assert [r["text"] for r in rows] == ["red apple", "purple thing"]
    apple = rows[0]
    assert (apple["key"], apple["group"], apple["keywords"]) == ("1f34e", "food-drink", ["fruit", "red"])
    assert (apple["colours"], apple["licence"], apple["author"]) == (["red"], "MIT", "A. Painter")
    assert summary.sets[0].dropped == {"blank": 1, "skin tone": 1, "trade mark": 1}
    # datasets would read "…/purple-test.png" as a file of the test split, so clip art's names have no separators.
    assert rows[1]["file_name"] == "toy/PurpleThing.png"
    assert "thumbs up" in (out / "refused.txt").read_text()
    assert "A. Painter" in (out / "CREDITS.md").read_text()
    with Image.open(out / apple["file_name"]) as picture:
        assert picture.getpixel((16, 16)) == (221, 46, 50)
        assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_an_interrupted_build_goes_on_without_drawing_again(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = StickersConfig(str(tmp_path / "out"), 32, modules=str(modules), workers=1)
    monkeypatch.setattr("fromnoise.data.stickers.builder._finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build(options, (SET,))
    assert not (tmp_path / "out" / "metadata.jsonl").exists()
    monkeypatch.undo()
    monkeypatch.setattr("fromnoise.data.stickers.builder._render", lambda _: pytest.fail("drawn a second time"))
    assert _build(options, (SET,)).pictures == 2


def test_a_folder_that_is_not_ours_is_left_alone(modules: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="not empty"):
        build(StickersConfig(str(tmp_path / "mine"), modules=str(modules)), (SET,))


@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm: apt install npm")
def test_npm_installs_a_package_and_runs_none_of_its_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real client, offline: the package is a file."""
    ran = tmp_path / "ran"
    facts = {"name": "toy", "version": "1.2.3", "scripts": {"postinstall": f"touch {ran}", "install": f"touch {ran}"}}
    write(tmp_path / "package" / "package.json", facts)
    with tarfile.open(tmp_path / "toy.tgz", "w:gz") as packed:
        packed.add(tmp_path / "package", "package")
    modules = install(tmp_path / "here", {"toy": f"file:{tmp_path / 'toy.tgz'}"})
    assert json.loads((modules / "toy" / "package.json").read_text()) == facts
    assert not ran.exists()
    with monkeypatch.context() as patch:
        patch.setattr("shutil.which", lambda _: pytest.fail("npm is asked for what is there"))
        assert install(tmp_path / "here", {"toy": "1.2.3"}) == modules
    with pytest.raises(UserError, match=r"npm could not fetch the packages: .*; check the network"):
        install(tmp_path / "here", {"toy": f"file:{tmp_path / 'missing.tgz'}"})


def test_without_npm_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(UserError, match=r"nodejs\.org.*starter"):
        install(tmp_path, {"left-pad": "1.0.0"})


@pytest.mark.parametrize(
    "body",
    [
        '<image href="/etc/passwd"/>',
        '<IMAGE xlink:href="file:///etc/passwd"/>',
        '<svg:image href="x.png"/>',
        "<script>alert(1)</script>",
        "<text>hello</text>",
        "<foreignObject/>",
        '<use href="other.svg#a"/>',
        "<use xlink:href = 'https://example.org/a.svg#b'/>",
        '<rect fill="url(https://example.org/#g)"/>',
        "<rect style='fill:url( \"file:///x#g\")'/>",
        "<style>@import 'a.css';</style>",
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_a_drawing_that_reaches_outside_itself_is_refused(body: str) -> None:
    with pytest.raises(RefusedError):
        render_svg(body, (0, 0, 16, 16), 16)


def test_references_inside_the_drawing_are_fine() -> None:
    defined = '<defs><circle id="a" cx="8" cy="8" r="8" fill="#2864d2"/></defs>'
    body = defined + '<use href="#a"/><rect width="1" fill="url(#g)"/>'
    picture, alpha = render_svg(body, (0, 0, 16, 16), 16)
    assert picture[8, 8].tolist() == [40, 100, 210]
    assert (alpha[8, 8], alpha[0, 0]) == (255, 0)
    assert colour_words(picture, alpha) == ["blue"]


def test_splits_depend_on_hashes_alone_and_keep_a_family_together() -> None:
    styles = ["noto", "twemoji", "fluent-emoji", "fluent-emoji-flat", "fluent-emoji-3d", "emojione", "fxemoji"]
    pairs = [(f"{key:x}", style) for key in range(4000) for style in styles]
    found = splits(pairs)
    assert found == splits(reversed(pairs))
    concepts = {key for (key, _), split in found.items() if split == "test_concept"}
    assert len(concepts) / 4000 == pytest.approx(0.02, abs=0.007)
    assert all(found[key, style] == "test_concept" for key in concepts for style in styles)
    held = {(key, family(style)) for (key, style), split in found.items() if split == "test_pair"}
    assert len(held) / (3920 * 5) == pytest.approx(0.05, abs=0.006)
    for key, name in held:
        assert {found[key, s] for s in styles if family(s) == name} == {"test_pair"}


def test_pairs_of_concepts_few_families_drew_are_not_held_out() -> None:
    found = splits([(f"{key:x}", style) for key in range(2000) for style in ("noto", "twemoji", "emojione")])
    assert "test_pair" not in found.values()


def test_keys() -> None:
    assert key_of("❤️") == "2764"
    assert without_variation("1F441-FE0F-200D-1F5E8-FE0F") == "1f441-200d-1f5e8"
    assert slug("Crème brûlée & “tea”!") == "creme-brulee-and-tea"


class Full(OSError):
    """The disk is full."""


def half_written(file: Path) -> None:
    Path(file).write_bytes(b"half")
    raise Full


def test_what_lies_beside_the_pictures_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet, credits_file = tmp_path / "contact_sheet.png", tmp_path / "CREDITS.md"
    for file in (sheet, credits_file):
        file.write_bytes(b"old")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    record = {"text": "red apple", "style": "noto", "file_name": "a.png"}
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", lambda self, file, *rest, **named: half_written(file))
        patch.setattr(Path, "write_text", lambda self, *rest, **named: half_written(self))
        patch.setattr("os.replace", lambda draft, file: half_written(draft))
        with pytest.raises(Full):
            write_contact_sheet(tmp_path, [record])
        with pytest.raises(UserError):
            write_credits(credits_file, [])
    assert (sheet.read_bytes(), credits_file.read_bytes()) == (b"old", b"old")
    assert {file.name for file in tmp_path.iterdir()} == {"a.png", "contact_sheet.png", "CREDITS.md"}
    write_contact_sheet(tmp_path, [record])
    assert Image.open(sheet).size == (110 + 72, 110 + 72)


def test_a_starter_that_cannot_be_rebuilt_stays(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "starter"
    target.mkdir(parents=True)
    (target / "metadata.jsonl").write_text("old")
    rows = [
        {"key": f"{key:x}", "style": style, "group": group, "gendered": False, "text": f"{key}", "file_name": "no.png"}
        for key, group in enumerate(starter.GROUPS)
        for style in starter.STYLES
    ]
    source.mkdir()
    (source / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(FileNotFoundError):
        starter.rebuild(source, target)
    assert [file.name for file in target.iterdir()] == ["metadata.jsonl"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["source", "starter"]


def test_a_drawing_whose_filters_make_the_library_panic_is_drawn_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """As pyo3 raises it where Rust code panics: no Exception."""

    import resvg_py

    real, asked = resvg_py.svg_to_bytes, []

    def panics(svg_string: str, **options: Any) -> Any:
        asked.append(svg_string)
        if "filter" in svg_string:
            raise PanicException("index out of bounds")
        return real(svg_string=svg_string, **options)

    monkeypatch.setattr(resvg_py, "svg_to_bytes", panics)
    frame = 'width="8" height="8" viewBox="0 0 8 8"'
    plain = rasterised('<rect width="8" height="4" fill="red"/>', frame)
    for attribute in ('filter="url(#glow)"', "filter='url(#glow)'", 'style="filter:url(#glow)"'):
        asked.clear()
        drawn = rasterised(f'<rect width="8" height="4" {attribute} fill="red"/>', frame)
        assert drawn.tobytes() == plain.tobytes()
        assert len(asked) == 2
    with pytest.raises(ValueError, match="stopped while it drew"):
        rasterised('<filter id="glow"/><rect width="8" height="4"/>', frame)

    def interrupted(**_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(resvg_py, "svg_to_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rasterised('<rect width="8" height="4"/>', frame)
