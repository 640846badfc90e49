"""Seed and number → what a picture shows. A pure function of the drawings, the seed and the number."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from fromnoise.data.stickers.render import PALETTE
from fromnoise.data.world import layout
from fromnoise.data.world.chance import Chance
from fromnoise.data.world.description import Description, Ground, Place, Thing
from fromnoise.data.world.drawing import Drawing
from fromnoise.data.world.grounds import FEET, GRADIENTS, SCENES
from fromnoise.data.world.held_out import held_out
from fromnoise.data.world.looks import TILTED, UPSIDE_DOWN, Look, Looks
from fromnoise.data.world.pools import Pools
from fromnoise.data.world.rules import may_recolour, names, thing_of, words
from fromnoise.data.world.seen import is_seen
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError

COLOURS = tuple(PALETTE)
TRIES = 60  # for a picture of one kind; then a plain one is taken
LAST_TRIES = 6000  # for that: where one drawing in twenty will do, 60 tries miss it for one picture in twenty
SPLITS = ("train", "test_pair", "test_concept", "combinations")


@dataclass(frozen=True)
class WorldMix(Config):
    """Shares of the kinds of picture, which sum to 1, and of what is added to others.

    Attributes:
        plain: one drawing as it is.
        recoloured: one in a named colour.
        sizes: a tiny, small or huge one.
        places: one somewhere.
        turned: one upside down or tilted.
        counts: one to five of a thing.
        grounds: one before a plain colour, a gradient or a scene.
        pairs: some of one thing and some of another.
        relations: one thing on, above, left of, in front of, beside another.
        mixed: two things of which each has its own colour or size.
        faces: faces with expressions, one or two.
        colour_too: share of the other kinds' things that are recoloured besides.
        ground_too: share of the other kinds' pictures that have something behind them.
        two_hands: share of pictures of two things that are drawn by two hands.
        silhouettes: largest share of drawings in one colour, where there are others.
        alone: side of what stands alone in no size that is named, as shares of the picture's side from which to which.
            One that always fills the picture is learnt from far fewer pictures (docs/training.md); nothing is "huge"
            beside it.
    """

    plain: float = 0.16
    recoloured: float = 0.16
    sizes: float = 0.07
    places: float = 0.09
    turned: float = 0.05
    counts: float = 0.14
    grounds: float = 0.10
    pairs: float = 0.05
    relations: float = 0.10
    mixed: float = 0.05
    faces: float = 0.03
    colour_too: float = 0.25
    ground_too: float = 0.25
    two_hands: float = 0.15
    silhouettes: float = 0.2
    alone: tuple[float, float] = (0.62, 0.86)

    def __post_init__(self) -> None:
        shares = list(self.kinds().values())
        rest = (self.colour_too, self.ground_too, self.two_hands, self.silhouettes)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6 or not all(0 <= share <= 1 for share in rest):
            raise UserError("a WorldMix needs shares of kinds >= 0 that sum to 1, and the others between 0 and 1")
        least, most = self.alone
        if not 0.5 <= least <= most <= layout.WHOLE:
            raise UserError(f"a WorldMix needs two sides of what is alone, of 0.5 to {layout.WHOLE}, the larger last")

    def kinds(self) -> dict[str, float]:
        """The kinds and their shares."""
        fields = [field.name for field in dataclasses.fields(self)]
        return {name: getattr(self, name) for name in fields[: fields.index("colour_too")]}

    @classmethod
    def only(cls, kind: str) -> WorldMix:
        """Pictures of one kind alone.

        Raises:
            UserError: there is no such kind.
        """
        none: dict[str, Any] = dict.fromkeys(cls().kinds(), 0.0)
        if kind not in none:
            raise UserError(f"there is no kind '{kind:.40}' of picture; there are {', '.join(none)}")
        return cls(**{**none, kind: 1.0})


class World:
    """All pictures that can be made of some drawings.

    Args:
        drawings: as :func:`read_drawings` gives them.
        mix: how often which kind comes.
        split: "train" (of drawings to learn from, no held-out combination), "test_pair" or "test_concept" (of held-out
            drawings), or "combinations" (of drawings to learn from, each picture with a held-out combination).

    Raises:
        UserError: an unknown split, or one without drawings.
    """

    def __init__(self, drawings: list[Drawing], mix: WorldMix | None = None, split: str = "train") -> None:
        if split not in SPLITS:
            raise UserError(f"there is no split '{split:.40}' of the world; there are {', '.join(SPLITS)}")
        self.drawings, self.mix, self.split = drawings, mix or WorldMix(), split
        self.looks = Looks(drawings)
        self.pools = Pools(drawings, "train" if split == "combinations" else split, self.mix.silhouettes)

    def choose(self, seed: int, number: int) -> Description:
        """What picture ``number`` of ``seed`` shows.

        Raises:
            UserError: the drawings allow no picture of this split.
        """
        shares = self.mix.kinds()
        kind = Chance(seed, number, "kind").weighted(list(shares), list(accumulate(shares.values())))
        last = "recoloured" if self.split == "combinations" else "plain"
        for chosen, tries in ((kind, TRIES), (last, LAST_TRIES)):
            for attempt in range(tries):
                found = self._attempt(chosen, seed, number, Chance(seed, number, chosen, attempt))
                if found is not None:
                    return found
        raise UserError(f"these {len(self.drawings):,} drawings allow no picture '{kind}' of the split '{self.split}'")

    def look(self, thing: Thing) -> Look | None:
        """What a thing of a description looks like."""
        angle = 0.0 if thing.angle == UPSIDE_DOWN else thing.angle
        return self.looks(thing.drawing, thing.colour, angle)

    def _attempt(self, kind: str, seed: int, number: int, chance: Chance) -> Description | None:
        found = _KINDS[kind](self, chance)
        if found is None:
            return None
        things, relation, ground = found
        described = Description(seed, number, kind, things, relation, ground)
        if bool(held_out(described)) != (self.split == "combinations"):
            return None
        return self._on_a_ground(described, chance)

    def _on_a_ground(self, described: Description, chance: Chance) -> Description | None:
        """The description with a ground before which all of it is seen: its own, or a plain colour."""
        grounds = [described.ground]
        if described.kind != "grounds" and not described.ground.kind:
            grounds += [Ground("plain", (colour,)) for colour in chance.shuffled(COLOURS)[:6]]
        for ground in grounds:
            if all(is_seen(self.look(thing), thing, ground) for thing in described.things):
                return replace(described, ground=ground)
        return None

    # --- parts of a choice -------------------------------------------------------------------------------------

    def thing(self, index: int | None, chance: Chance, colour: str = "") -> Thing | None:
        """A drawing as a thing that is not yet anywhere, in its own colour or a named one."""
        if index is None or self.looks(index, colour) is None:
            return None
        drawing = self.drawings[index]
        if not colour and drawing.kind == "silhouette":
            return self.thing(index, chance, chance.pick(COLOURS))
        return Thing(
            drawing=index, names=names(drawing, bool(colour)), thing=thing_of(drawing), style=drawing.style,
            key=drawing.key, colour=colour, own_colour="" if colour else self.looks.own_colour(index),
            attributes=drawing.attributes, keywords=words(drawing, bool(colour))[:8],
        )  # fmt: skip

    def some_thing(self, rule: str, chance: Chance, style: str = "", colour: float | None = None) -> Thing | None:
        """Any thing that a rule allows, by one hand if ``style`` is given, in this share of cases recoloured."""
        index = self.pools.pick(rule, chance, style)
        share = self.mix.colour_too if colour is None else colour
        if index is not None and chance(share) and may_recolour(self.drawings[index]):
            return self.thing(index, chance, chance.pick(COLOURS))
        return self.thing(index, chance)

    def two_things(self, rules: tuple[str, str], chance: Chance, colour: float | None = None) -> list[Thing] | None:
        """Two different things, mostly by one hand."""
        first = self.some_thing(rules[0], chance, colour=colour)
        if first is None:
            return None
        style = "" if chance(self.mix.two_hands) else first.style
        second = self.some_thing(rules[1], chance, style, colour)
        return [first, second] if second and not _same(first, second) else None

    def ground_too(self, chance: Chance) -> Ground:
        """Sometimes something behind, mostly nothing; of scenes those in which nothing need stand: skies and nights."""
        if not chance(self.mix.ground_too):
            return Ground()
        kind = chance.pick(("plain", "plain", "gradient", "scene"))
        return a_ground(kind, chance, ("sky", "night"))

    @property
    def huge(self) -> tuple[str, ...]:
        """The size above the usual one, unless what is alone fills the picture anyway."""
        return ("huge",) if self.mix.alone[1] < layout.SIZES["huge"][0] - 0.05 else ()

    def at(self, thing: Thing, places: tuple[Place, ...], **facts: str) -> Thing:
        """The thing at these places."""
        return replace(thing, places=places, **facts)  # type: ignore[arg-type]


Found = tuple[tuple[Thing, ...], str, Ground] | None


def a_ground(kind: str, chance: Chance, scenes: tuple[str, ...] = tuple(SCENES)) -> Ground:
    """Some ground of a kind."""
    if kind == "plain":
        return Ground(kind, (chance.pick(COLOURS),))
    if kind == "gradient":
        colours = chance.pick(GRADIENTS)
        return Ground(kind, colours if chance(0.5) else colours[::-1])
    return Ground(kind, (), chance.pick(scenes), int(chance.between(0, 2**31)))


def _same(first: Thing, second: Thing) -> bool:
    """Whether two things cannot be told apart by their names."""
    return first.thing == second.thing or bool(set(first.names) & set(second.names))


def _alone(world: World, thing: Thing | None, chance: Chance, size: str = "") -> Found:
    if thing is None or (look := world.look(thing)) is None:
        return None
    side = chance.between(*(layout.SIZES[size] if size else world.mix.alone))
    spread = 0.5 * (1 - side) * (0.9 if size in ("tiny", "small") else 0.4)
    x, y = 0.5 + chance.between(-spread, spread), 0.5 + chance.between(-spread, spread)
    return (world.at(thing, (layout.boxed(look, x, y, side),), size=size),), "", world.ground_too(chance)


def _plain(world: World, chance: Chance) -> Found:
    return _alone(world, world.some_thing("any", chance, colour=0.0), chance)


def _recoloured(world: World, chance: Chance) -> Found:
    return _alone(world, world.some_thing("recolour", chance, colour=1.0), chance)


def _sizes(world: World, chance: Chance) -> Found:
    size = chance.pick(("tiny", "small", *world.huge))
    return _alone(world, world.some_thing("things", chance), chance, size)


def _places(world: World, chance: Chance) -> Found:
    thing = world.some_thing("things", chance)
    if thing is None or (look := world.look(thing)) is None:
        return None
    where = chance.pick(list(layout.WHERE))
    return (world.at(thing, (layout.placed(look, where, chance),), place=where),), "", world.ground_too(chance)


def _turned(world: World, chance: Chance) -> Found:
    thing = world.some_thing("turn", chance)
    if thing is None or not world.looks.turned_differs(thing.drawing):
        return None
    turn, angle = "upside down", UPSIDE_DOWN
    if chance(0.5):
        turn, angle = "tilted", chance.pick((-1, 1)) * round(chance.between(*TILTED))
    return _alone(world, replace(thing, turn=turn, angle=float(angle)), chance)


def _counts(world: World, chance: Chance) -> Found:
    thing = world.some_thing("things", chance)
    if thing is None or (look := world.look(thing)) is None:
        return None
    places = layout.counted(look, chance.pick((1, 2, 2, 3, 3, 4, 4, 5, 5)), chance)
    return (world.at(thing, places),), "", world.ground_too(chance)


def _grounds(world: World, chance: Chance) -> Found:
    thing = world.some_thing("things", chance)
    if thing is None or (look := world.look(thing)) is None:
        return None
    ground = a_ground(chance.pick(("plain", "plain", "gradient", "scene", "scene", "scene")), chance)
    side, x, y = chance.between(0.42, 0.7), chance.between(0.4, 0.6), chance.between(0.42, 0.58)
    if ground.scene in FEET:
        side = min(side, 0.6)
        y = chance.between(*FEET[ground.scene]) - side * look.high / 2
    return (world.at(thing, (layout.boxed(look, x, y, side),)),), "", ground


def _pairs(world: World, chance: Chance) -> Found:
    two = world.two_things(("things", "things"), chance)
    looks = _looks(world, two)
    if two is None or looks is None:
        return None
    counts = chance.pick(((1, 1), (1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (2, 2), (2, 3), (3, 2)))
    places = layout.two_groups(looks, counts, chance)
    return tuple(map(world.at, two, places)), "and", world.ground_too(chance)


_LAYOUTS = {
    "left of": layout.side_by_side, "beside": layout.side_by_side, "above": layout.one_above, "on": layout.one_on,
    "in front of": layout.one_before,
}  # fmt: skip


def _relations(world: World, chance: Chance) -> Found:
    two = world.two_things(("things", "things"), chance)
    looks = _looks(world, two)
    if two is None or looks is None:
        return None
    relation = chance.pick(list(_LAYOUTS))
    places = _LAYOUTS[relation](looks, chance)
    return (tuple(map(world.at, two, places)), relation, world.ground_too(chance)) if places else None


def _mixed(world: World, chance: Chance) -> Found:
    coloured = chance(0.7)
    rules = ("things to colour",) * 2 if coloured else ("things", "things")
    two = world.two_things(rules, chance, 1.0 if coloured else None)
    looks = _looks(world, two)
    if two is None or looks is None or (coloured and two[0].colour == two[1].colour):
        return None
    if coloured:
        places = layout.two_groups(looks, (1, 1), chance)
        return tuple(map(world.at, two, places)), "and", world.ground_too(chance)
    sides = (chance.between(0.22, 0.26), chance.between(0.6, 0.66))
    first, second = layout.boxed(looks[0], 0.16, 0.5, sides[0]), layout.boxed(looks[1], 0.66, 0.5, sides[1])
    if second[0] < first[0] + first[2] + layout.GAP:
        return None
    sized = (world.at(two[0], (first,), size="tiny"), world.at(two[1], (second,), size="big"))
    return sized, "and", world.ground_too(chance)


def _faces(world: World, chance: Chance) -> Found:
    if chance(0.5):
        face = world.some_thing("faces", chance, colour=0.0)
        return _alone(world, face, chance, chance.pick(("", "", "tiny", *world.huge)))
    two = world.two_things(("faces", "faces"), chance, 0.0)
    looks = _looks(world, two)
    if two is None or looks is None:
        return None
    return tuple(map(world.at, two, layout.side_by_side(looks, chance))), "left of", world.ground_too(chance)


def _looks(world: World, two: list[Thing] | None) -> tuple[Look, Look] | None:
    found = [world.look(thing) for thing in two or ()]
    return (found[0], found[1]) if len(found) == 2 and found[0] and found[1] else None


_KINDS = {
    "plain": _plain, "recoloured": _recoloured, "sizes": _sizes, "places": _places, "turned": _turned,
    "counts": _counts, "grounds": _grounds, "pairs": _pairs, "relations": _relations, "mixed": _mixed, "faces": _faces,
}  # fmt: skip
