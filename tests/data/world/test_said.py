"""What is said of drawings is English: articles, plurals, and no name that nobody would say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fromnoise.data.world import Description, Drawing
from fromnoise.data.world.captions import WorldCaptions, exact
from fromnoise.data.world.chance import Chance
from fromnoise.data.world.description import Thing
from fromnoise.data.world.pools import Pools
from fromnoise.data.world.rules import is_thing, may_be_said, names
from fromnoise.data.world.words import article, in_full, one_thing, plural


def drawing(name: str, **facts: object) -> Drawing:
    made = Drawing(name=name, noun=name.split()[-1], style="noto", key=name, group="objects", body="<g/>")
    return replace(made, **facts)


def said(name: str, colour: str = "", *facts: str) -> str:
    thing = Thing(0, (name,), name, "", "", ((0, 0, 1, 1),), colour=colour, attributes=facts)
    return exact(Description(0, 0, "plain", (thing,)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("apple", "an apple"), ("battery", "a battery"), ("tropical fish", "a tropical fish"), ("fog", "fog"),
        ("cloud with lightning and rain", "a cloud with lightning and rain"),
        ("suspension bridge", "a suspension bridge"),
        ("moon", "moon"), ("full moon", "a full moon"), ("foggy night", "a foggy night"),
        ("mostly clear day with fog", "a mostly clear day with fog"), ("american football", "an american football"),
        ("see-no-evil monkey", "a see-no-evil monkey"),
        ("grinning cat with smiling eyes", "a grinning cat with smiling eyes"),
        ("face with open eyes and hand over mouth", "a face with open eyes and hand over mouth"),
        ("family of a man, a girl and a boy", "a family of a man, a girl and a boy"),
        ("statue of liberty", "the statue of liberty"), ("tokyo tower", "tokyo tower"),
        ("no entry sign", "a no entry sign"),
        ("dna", "dna"), ("cattle", "cattle"), ("woman's clothes", "woman's clothes"), ("spray paint", "spray paint"),
        ("gardening shears", "gardening shears"), ("barbed wire", "barbed wire"),
        ("painted pottery", "painted pottery"),
        ("men wrestling", "men wrestling"), ("fork and knife", "fork and knife"), ("two hearts", "two hearts"),
        ("children crossing sign", "a children crossing sign"), ("men's room sign", "a men's room sign"),
        ("level crossing", "a level crossing"), ("fleur-de-lis", "a fleur-de-lis"), ("flag: peru", "flag: peru"),
    ],
)  # fmt: skip
def test_a_name_gets_the_article_that_people_say(name: str, expected: str) -> None:
    assert said(name) == expected


def test_what_is_named_the_keeps_it_before_a_colour() -> None:
    assert article("eiffel tower") == "the"
    assert said("eiffel tower", "blue") == "the blue eiffel tower"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("die", "dice"), ("reindeer", "reindeer"), ("dodo", "dodos"), ("rhinoceros", "rhinoceroses"),
        ("woman's boot", "women's boots"), ("man's shoe", "men's shoes"), ("nurse's cap", "nurse's caps"),
        ("teacup without handle", "teacups without handle"), ("dog wearing a collar", "dogs wearing a collar"),
        ("glass of milk", "glasses of milk"), ("snowman", "snowmen"),
    ],
)  # fmt: skip
def test_plurals_are_those_that_people_say(name: str, expected: str) -> None:
    assert plural(name) == expected


def test_what_cannot_be_counted_is_no_thing() -> None:
    for name in ("dna", "cattle", "clothes", "bacteria", "petrol", "maracas", "spray paint", "statue of liberty"):
        assert not one_thing(name)
        assert not is_thing(drawing(name))
    for name in ("dna strand", "paint bucket", "cannabis leaf", "perfume bottle", "light bulb", "snowman without snow"):
        assert one_thing(name)
        assert is_thing(drawing(name))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("person getting haircut", "person getting a haircut"), ("sun behind small cloud", "sun behind a small cloud"),
        ("face with raised eyebrow", "face with a raised eyebrow"), ("envelope with arrow", "envelope with an arrow"),
        ("dog wearing collar on leash", "dog wearing a collar on a leash"), ("cloud with rain", "cloud with rain"),
        ("face with tears of joy", "face with tears of joy"), ("face with tongue", "face with tongue"),
        ("man with a beard", "man with a beard"), ("hand with fingers splayed", "hand with fingers splayed"),
        ("couple with heart", "couple with a heart"), ("church with a heart", "church with a heart"),
    ],
)  # fmt: skip
def test_articles_that_emoji_leave_out_are_put_in(name: str, expected: str) -> None:
    assert in_full(name) == expected
    assert in_full(expected) == expected


def test_facts_are_said_once_and_none_that_the_name_contradicts() -> None:
    assert said("cherries", "", "several") == "cherries"
    assert said("two hearts", "", "several") == "two hearts"
    assert said("nails", "blue", "several") == "blue nails"
    assert said("women wrestling", "", "woman") == "women wrestling"
    assert said("family of two men and a girl", "", "man", "girl") == "a family of two men and a girl"
    assert said("princess", "", "woman") == "a princess"
    assert said("hazy night", "", "haze", "night") == "a hazy night"
    assert said("thunderstorm by day", "", "mostly clear", "day") == "a thunderstorm by day"
    assert said("detective", "", "woman") == "a woman detective"  # which its name does not say


def test_a_name_with_a_colour_gets_no_second_one() -> None:
    always = WorldCaptions(own_colour=1.0)
    for name, colour, expected in (("gold medal", "blue", False), ("red flag", "gray", False), ("medal", "blue", True)):
        thing = Thing(0, (name,), "a thing", "", "", ((0, 0, 1, 1),), own_colour=colour)
        texts = {exact(Description(0, n, "plain", (thing,)), Chance(n), always) for n in range(9)}
        assert any(text.startswith(f"a {colour}") for text in texts) == expected


def test_names_are_worded_as_people_say_them() -> None:
    face = {"kind": "face", "noun": ""}
    assert names(drawing("rolling on the floor laughing", **face)) == ("face rolling on the floor laughing",)
    assert names(drawing("exploding head", **face)) == ("exploding head",)
    assert names(drawing("pile of poo", **face)) == ("pile of poo",)
    assert names(drawing("copyright", kind="symbol")) == ("copyright sign",)
    assert names(drawing("gemini", kind="symbol", subgroup="zodiac")) == ("gemini zodiac sign",)
    assert names(drawing("dices")) == ("dice",)


def test_drawings_that_nobody_could_ask_for_are_not_chosen() -> None:
    unsaid = [
        drawing(name, kind="symbol", noun="")
        for name in ("o button (blood type)", "japanese “secret” button", "keycap 8", "input latin lowercase")
    ]
    unsaid += [drawing(name, kind="silhouette") for name in ("black hole", "gold bar", "silver bullet")]
    kept = [drawing("gold mine", kind="silhouette"), drawing("black cat"), drawing("flag: guam (us)", group="flags")]
    assert [d.name for d in [*unsaid, *kept] if may_be_said(d)] == [d.name for d in kept]
    pools = Pools([*unsaid, *kept], "train")
    assert {pools.pick("any", Chance(0, number)) for number in range(60)} <= set(range(len(unsaid), len(unsaid) + 3))
