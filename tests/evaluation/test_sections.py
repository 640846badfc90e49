"""Every section beside an exact oracle: a world whose pictures, judge and model are made so that the figures are known.

In this world a picture is a coloured square whose pixels spell its number, the judge knows every picture of the data
by heart and takes all others for the first thing of its list, and "the model" is a function from requests to pictures.
So each figure, its floor and its ceiling follow from what the function does, and a swap of two of them cannot pass.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fromnoise.data.pictures import PictureSet
from fromnoise.data.stickers.render import PALETTE
from fromnoise.data.unheard import unheard
from fromnoise.drawing.request import Request
from fromnoise.evaluation.free import free_prompts
from fromnoise.evaluation.nouns import COLOURED, COUNTED, PAIRED, Noun
from fromnoise.evaluation.retrieval import Question
from fromnoise.evaluation.section import Headline, Section
from fromnoise.evaluation.sections import no_style as no_style_module
from fromnoise.evaluation.sections import style as style_module
from fromnoise.evaluation.sections.colours import COLOURS, colours_section
from fromnoise.evaluation.sections.composition import composition_section
from fromnoise.evaluation.sections.counts import counts_section
from fromnoise.evaluation.sections.curves import curves_section
from fromnoise.evaluation.sections.distance import distances_section
from fromnoise.evaluation.sections.film import film_section
from fromnoise.evaluation.sections.free import free_section
from fromnoise.evaluation.sections.no_style import no_style_section
from fromnoise.evaluation.sections.pairs import FIRST, chosen_pairs, pairs_section
from fromnoise.evaluation.sections.reconstruction import reconstruction_section
from fromnoise.evaluation.sections.retrieval import retrieval_section
from fromnoise.evaluation.sections.specificity import CHAINS, specificity_section
from fromnoise.evaluation.sections.style import style_section
from fromnoise.evaluation.sections.words import words_section
from fromnoise.evaluation.things import side_by_side
from fromnoise.system.text_to_image import TextToImage
from made_world import STYLES, WHITE, Draw, World, real, square, world_of


@pytest.fixture
def model(tiny_model: TextToImage) -> TextToImage:
    return replace(tiny_model, styles=STYLES, card={})


def headline(section: Section, number: int = 0) -> tuple[float, float | None, float | None]:
    found: Headline = section.headlines[number]
    assert found.n > 0
    if found.low is not None and found.high is not None and not math.isnan(found.low):
        assert found.low <= found.value <= found.high
    return round(found.value, 6), found.floor, found.ceiling


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share in closed form (Wilson 1927), where the section's comes from scipy."""
    z = 1.959963984540054
    centre, half = hits / n + z * z / (2 * n), z * math.sqrt(hits * (n - hits) / n**3 + z * z / (4 * n * n))
    return tuple((centre + sign * half) / (1 + z * z / n) for sign in (-1, 1))  # type: ignore[return-value]


def is_share(section: Section, hits: int, n: int) -> bool:
    """Whether the first headline is so many of so many drawings, with the interval of that."""
    found: Headline = section.headlines[0]
    assert (found.value, found.n) == (pytest.approx(hits / n), n)
    assert (found.low, found.high) == pytest.approx(wilson(hits, n), abs=1e-6)
    return True


NAMES = [f"thing {i}" for i in range(8)]


def knows(pictures: PictureSet, good: Callable[[Request], bool]) -> Draw:
    """A model that draws the real picture where ``good``, and else nothing that anybody has seen."""
    return lambda r: real(pictures, r.prompt, str(r.style)) if good(r) else WHITE


def test_retrieval(model: TextToImage) -> None:
    pictures = world_of(NAMES)
    half = knows(pictures, lambda r: int(r.prompt[-1]) < 4)
    found = retrieval_section(World(model, pictures, half))
    assert headline(found) == (0.5, 1 / 8, 1.0)
    assert is_share(found, 12, 24)
    rows = {row[0]: row[1] for row in found.tables[0].rows}
    assert rows == {
        "real (ceiling)": "100.0%",
        "real through the VAE": "100.0%",
        "drawn": "50.0%",
        "noise (floor)": "12.5%",
    }
    assert found.data["share"] == pytest.approx(3 / 7)


@pytest.mark.parametrize(("unseen", "value", "way"), [(8, 1.0, 1.0), (4, 0.5, 3 / 7), (0, 1 / 8, 0.0)])
def test_composition(model: TextToImage, unseen: int, value: float, way: float) -> None:
    held_out = {name: STYLES[i % 3] for i, name in enumerate(NAMES)}
    pictures = world_of(NAMES, held_out)
    known = knows(pictures, lambda r: held_out[r.prompt] != r.style or int(r.prompt[-1]) < unseen)
    found = composition_section(World(model, pictures, known))
    assert headline(found) == (value, 1 / 8, 1.0)
    assert is_share(found, round(8 * value), 8)
    assert headline(found, 1) == (pytest.approx(way, abs=1e-5), 0.0, 1.0)  # all seen pairs are found
    assert found.data["ways"] == {"never seen": pytest.approx(way), "seen": 1.0}


def test_free_prompts(model: TextToImage) -> None:
    """The data has ten things. Prompts of every second kind are understood, for the others nothing is drawn, which the
    judge takes for its first thing, the cat."""
    names = ["cat", "dog", "elephant", "owl", "pizza", "banana", "man", "castle", "rocket", "guitar"]
    pictures = world_of(names)
    every = free_prompts()
    kinds = list(dict.fromkeys(p.kind for p in every))
    right = {p.text: [name for name in p.right if name in names] for p in every}
    understood = {p.text for p in every if kinds.index(p.kind) % 2 == 0}

    def draw(r: Request) -> Tensor:
        known = right[r.prompt] if r.prompt in understood else []
        return real(pictures, known[0], STYLES[0]) if known else WHITE

    found = free_section(World(model, pictures, draw))
    asked = [p for p in every if right[p.text]]
    seen = [right[p.text][0] if p.text in understood else "cat" for p in asked]
    hits = sum(s in right[p.text] for s, p in zip(seen, asked, strict=True))
    others = [[s in right[q.text] for q in asked if not {*right[q.text]} & {*right[p.text]}]
              for s, p in zip(seen, asked, strict=True)]  # fmt: skip
    floor = sum(sum(row) / len(row) for row in others) / len(others)
    assert 0 < hits < len(asked)
    assert headline(found) == (pytest.approx(hits / len(asked), abs=1e-6), pytest.approx(floor), 1.0)
    assert is_share(found, hits, len(asked))
    assert f"among {len({s for row in right.values() for s in row})} concepts" in found.tables[0].caption
    rows = {row[0]: row for row in found.tables[1].rows}
    assert rows["animal"][1:3] == ("100.0%", "100.0%")
    assert len(found.pictures) == 1
    assert found.pictures[0].picture.width == 8 * (32 + 2)  # type: ignore[union-attr]


def test_free_prompts_of_which_the_data_knows_nothing_are_shown(model: TextToImage) -> None:
    found = free_section(World(model, world_of(NAMES), lambda r: WHITE))
    assert not found.headlines
    assert len(found.pictures) == 1


def test_few_free_prompts_are_of_every_kind() -> None:
    every, few = free_prompts(), free_prompts(24)
    assert len(every) == len({p.text for p in every}) == 200
    assert {p.kind for p in few} == {p.kind for p in every}
    assert len(few) == 24


def test_words(model: TextToImage) -> None:
    meaning: dict[str, str] = {}
    for word, concept in unheard():  # one word for each of eight things
        if concept not in meaning.values() and sum(c == concept for _, c in unheard()) == 1 and len(meaning) < 8:
            meaning[word] = concept
    pictures = world_of(list(meaning.values()))
    known, understood = list(meaning.values())[:6], list(meaning)[:3]

    def draw(r: Request) -> Tensor:
        name = meaning[r.prompt] if r.prompt in understood else r.prompt
        return real(pictures, name, str(r.style)) if name in known else WHITE

    found = words_section(World(model, pictures, draw))
    assert headline(found) == (3 / 8, 1 / 8, 6 / 8)  # floor: noise; ceiling: the known names
    assert is_share(found, found.headlines[0].n * 3 // 8, found.headlines[0].n)
    assert found.data["ratio"]["value"] == pytest.approx(0.5)
    assert found.data["real (ceiling)"]["top1"] == 1.0


def test_colours(model: TextToImage) -> None:
    pictures = world_of([noun.caption for noun in COLOURED[:2]])
    # Real pictures whose colour is written down: three of four are of it.
    written = [("red", "red"), ("green", "green"), ("blue", "blue"), ("purple", "red")]
    records = [replace(r, colours=(said,)) for r, (said, _) in zip(pictures.records, written, strict=False)]
    images = torch.stack([square(i, PALETTE[colour], 14) for i, (_, colour) in enumerate(written)])
    pictures = PictureSet(
        torch.cat([images, pictures.images[4:]]), [*records, *pictures.records[4:]], pictures.quarantine
    )

    def draw(r: Request) -> Tensor:  # half of the colours right, red for all others
        colour = next((c for c in COLOURS if c in r.prompt.split()), "")
        return square(99, PALETTE[colour if colour in ("red", "green", "blue") else "red"], 14)

    found = colours_section(World(model, pictures, draw))
    # Floor: three of six drawings are red and should not be; each of five other prompts would have asked for that.
    assert headline(found) == (0.5, pytest.approx(0.5 / 5), 0.75)
    assert is_share(found, found.headlines[0].n // 2, found.headlines[0].n)
    assert found.data["green"]["value"] == 1.0
    assert found.data["purple"]["value"] == 0.0


def several(noun: Noun, number: int) -> Tensor:
    return side_by_side([square(1)] * number) if number > 1 else square(1)


def test_counts(model: TextToImage) -> None:
    pictures = world_of([noun.caption for noun in COUNTED[:2]])
    comes = {"a": 2, "an": 2, "two": 2, "three": 1}  # asked for one it draws two, asked for three it draws one
    found = counts_section(World(model, pictures, lambda r: several(COUNTED[0], comes[r.prompt.split()[0]])))
    # Two is right, three is not; two things come for "one", and never three for "one" or "two".
    assert headline(found) == (0.5, 0.25, 1.0)
    assert is_share(found, found.headlines[0].n // 2, found.headlines[0].n)
    by_number = {name: {k: m["value"] for k, m in f.items()} for name, f in found.data["by number"].items()}
    assert by_number["one"] == {"ceiling": 1.0, "drawn": 0.0, "floor": 0.5}
    assert by_number["two"] == {"ceiling": 1.0, "drawn": 1.0, "floor": 0.5}
    assert by_number["three"] == {"ceiling": 1.0, "drawn": 0.0, "floor": 0.0}


def test_pairs(model: TextToImage) -> None:
    pictures = world_of(list(PAIRED))
    world = World(model, pictures, lambda _: WHITE)
    pairs = chosen_pairs(world, len(PAIRED))
    partners = [{b for a, b in pairs if a == i} for i in range(len(PAIRED))]
    alone = [square(3000 + i, (0, 0, 200)) for i in range(len(PAIRED))]
    for i in range(len(PAIRED)):  # in one thing alone the judge sees also four things that nobody asked for with it
        decoys = [c for c in range(len(PAIRED)) if c != i and c not in partners[i]][: FIRST - 1]
        world.seen[alone[i].numpy().tobytes()] = world.thought(f"k{i}") + 0.1 * world.thought(
            *(f"k{c}" for c in decoys)
        )
        for j in partners[i]:
            for style in STYLES:
                both = side_by_side([real(pictures, PAIRED[n], style) for n in (i, j)])
                world.seen[both.numpy().tobytes()] = world.thought(f"k{i}", f"k{j}")
    together = {pairs[0], pairs[1], pairs[2]}  # of four

    def draw(r: Request) -> Tensor:
        named = [PAIRED.index(re.sub("^an? ", "", part)) for part in r.prompt.split(" and ")]
        if tuple(named) not in together:
            return alone[named[0]]
        return side_by_side([real(pictures, PAIRED[n], str(r.style)) for n in named])

    world.drawn_by = draw
    found = pairs_section(world)
    assert headline(found) == (0.75, 0.0, 1.0)
    assert is_share(found, found.headlines[0].n * 3 // 4, found.headlines[0].n)
    assert found.data["first thing alone (floor)"]["first"]["value"] == 1.0
    assert found.data["first thing alone (floor)"]["any"]["value"] == 1.0


@pytest.mark.parametrize(("narrows", "expected"), [(True, 1.0), (False, 0.0)])
def test_specificity(model: TextToImage, narrows: bool, expected: float) -> None:
    pictures = world_of(NAMES)
    texts = [text for chain in CHAINS[:2] for text in chain]
    # A picture says by its number which seed drew which text, as the requests come in their order.
    world = World(model, pictures, lambda r: WHITE)
    asked: dict[bytes, Tensor] = {}

    def draw(r: Request) -> Tensor:
        if r.prompt in NAMES:
            return real(pictures, r.prompt, str(r.style))
        place = texts.index(r.prompt)
        level = next(chain.index(r.prompt) for chain in CHAINS[:2] if r.prompt in chain)
        width = (4 - level if narrows else 1 + level) * 0.2
        picture = square(2000 + place * 8 + r.seed, (0, 0, 200))
        angle = torch.tensor(width * r.seed)
        centre = torch.stack([world.thought(f"k{i}") for i in range(8)]).mean(0)
        turned = torch.cos(angle) * world.thought("k0") + torch.sin(angle) * world.thought("k1")
        asked[picture.numpy().tobytes()] = centre + turned
        world.seen |= asked
        return picture

    world.drawn_by = draw
    found = specificity_section(world)
    assert headline(found) == (expected, 0.5, 1.0)
    assert is_share(found, round(expected * found.headlines[0].n), found.headlines[0].n)
    assert found.data["ends"]["value"] == expected
    # Eight unit vectors at right angles, seen from their mean: each pair has a cosine of -1/7.
    assert found.data["ceiling"] == pytest.approx(1 + 1 / 7, abs=1e-6)
    assert found.data["chains"][0]["spread"] == sorted(found.data["chains"][0]["spread"], reverse=narrows)


def test_curves(model: TextToImage) -> None:
    pictures = world_of([*NAMES, *(f"other {i}" for i in range(8))])
    good = knows(pictures, lambda r: (r.steps is None or r.steps >= 4) and (r.guidance is None or r.guidance > 1))
    world = World(model, pictures, good)
    found = curves_section(world)
    nothing = found.data["noise"]["top1"]
    assert nothing <= 0.5
    assert [(p["at"], p["top1"]) for p in found.data["steps"]] == [(2.0, nothing), (4.0, 1.0), (8.0, 1.0)]
    assert [(p["at"], p["top1"]) for p in found.data["guidance"]] == [(1.0, nothing), (3.0, 1.0)]
    rows = {row[0]: row[1] for row in found.tables[0].rows}
    assert (rows["noise (floor)"], rows["real (ceiling)"]) == (f"{nothing:.1%}", "100.0%")
    assert found.data["noise"]["kid"] > found.data["real"]["kid"]
    assert [p["kid"] > found.data["real"]["kid"] for p in found.data["steps"]] == [True, False, False]


def test_distances(model: TextToImage) -> None:
    pictures = world_of([*NAMES, *(f"other {i}" for i in range(8))])
    rng = torch.Generator().manual_seed(0)
    perfect = World(model, pictures, knows(pictures, lambda _: True))
    for key in perfect.seen:  # no two pictures alike, all of one kind
        perfect.seen[key] = 1 + 0.5 * torch.randn(len(perfect.concepts) + 1, generator=rng)
    found = distances_section(perfect)
    assert headline(found)[0] == found.headlines[0].ceiling == 1.0  # the drawings are the real pictures
    assert (found.headlines[0].floor or 0) > 1.5
    coverage = headline(found, 1)
    assert coverage[0] == round(coverage[2] or 0, 6) > (coverage[1] or 0)
    nothing = World(model, pictures, knows(pictures, lambda _: False))
    nothing.seen = perfect.seen
    worst = distances_section(nothing)
    assert worst.headlines[0].value == pytest.approx(worst.headlines[0].floor)
    assert worst.headlines[1].value == worst.headlines[1].floor


def test_reconstruction(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = world_of(NAMES, dict.fromkeys(NAMES, "noto"))
    world = World(model, pictures, lambda _: WHITE)
    monkeypatch.setattr(world, "rebuilt", lambda p: (p.int() - 5).clamp(0, 255).to(torch.uint8))
    images = pictures.images
    ten = world_of(NAMES)
    assert torch.equal(ten.images, images)
    world.pictures = PictureSet(images.clamp(5, 255), pictures.records, [])  # so that each pixel becomes 5 darker
    found = reconstruction_section(world)
    value, floor, ceiling = headline(found)
    assert value == pytest.approx(34.1514, abs=1e-4)  # 20 log10(255 / 5)
    assert (floor or 0) < 99.0 == found.data["the picture itself (ceiling)"]["psnr"]["value"]
    assert found.data["another picture (floor)"]["psnr"]["value"] == floor
    assert ceiling is None
    ssim = headline(found, 1)
    assert (ssim[2], found.data["the picture itself (ceiling)"]["ssim"]["value"]) == (1.0, pytest.approx(1.0))
    edges = headline(found, 2)
    assert edges == (pytest.approx(1.0, abs=1e-6), found.data["half as sharp"]["edges ratio"]["value"], 1.0)
    assert 1.5 < (edges[1] or 0) < 3
    assert found.data["the picture itself (ceiling)"]["edges"]["value"] == pytest.approx(0.8)
    assert ssim[1] == found.data["another picture (floor)"]["ssim"]["value"]


def test_style(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = world_of([*NAMES, *(f"other {i}" for i in range(8))])
    style = {p.numpy().tobytes(): r.style for p, r in zip(pictures.images, pictures.records, strict=True)}

    def looks(shown: Tensor) -> Tensor:
        """One direction for each style; noise has none."""
        return torch.tensor([[float(style.get(p.contiguous().numpy().tobytes()) == s) for s in STYLES] for p in shown])

    monkeypatch.setattr(style_module, "style_features", looks)
    half = World(
        model, pictures, lambda r: real(pictures, r.prompt, str(r.style) if int(r.prompt[-1]) < 4 else "twemoji")
    )
    monkeypatch.setattr(
        half, "styled", lambda indices, damage=False: looks(pictures.images[list(indices)]) + 0.01 * damage
    )
    found = style_section(half)
    named = [int(q.text[-1]) < 4 or q.style == "twemoji" for q in half.main_questions[1]]
    assert 0.4 < sum(named) / 24 < 0.9
    assert headline(found) == (round(sum(named) / 24, 6), pytest.approx(1 / 3), 1.0)  # noise is all of one style
    assert is_share(found, sum(named), 24)


def test_reconstruction_of_pictures_without_edges(model: TextToImage) -> None:
    pictures = world_of(NAMES, dict.fromkeys(NAMES, "noto"))
    world = World(model, pictures, lambda _: WHITE)
    world.pictures = PictureSet(torch.full_like(pictures.images, 200), pictures.records, [])
    found = reconstruction_section(world)
    assert [h.name for h in found.headlines] == ["rebuilt by the VAE: PSNR", "rebuilt by the VAE: SSIM"]
    assert {row[1:] for row in found.tables[1].rows} == {("none", "–", "none", "–", "0")}


@pytest.mark.parametrize("own", ["", "noto"])
def test_no_style(model: TextToImage, monkeypatch: pytest.MonkeyPatch, own: str) -> None:
    model = replace(model, default_style=own)
    plain = world_of([*NAMES, *(f"other {i}" for i in range(8))])
    moved = torch.stack([p.roll((i % 3, i % 3), (1, 2)) for i, p in enumerate(plain.images)])  # by style
    pictures = PictureSet(moved, plain.records, [])
    style = {p.numpy().tobytes(): r.style for p, r in zip(pictures.images, pictures.records, strict=True)}

    def looks(shown: Tensor) -> Tensor:
        """One direction for each style; what is of none is nowhere."""
        return torch.tensor([[float(style.get(p.contiguous().numpy().tobytes()) == s) for s in STYLES] for p in shown])

    def draw(r: Request) -> Tensor:
        """In twemoji all is well, in the others half; without a style a fourth, and nothing is crisp."""
        known = {"twemoji": 8, None: 2, "any": 1}.get(r.style, 4)
        picture = real(pictures, r.prompt, r.style if r.style in STYLES else "noto")
        if r.style in STYLES:
            return picture if int(r.prompt[-1]) < known else WHITE
        soft = F.avg_pool2d(F.pad(picture.float(), (2, 2, 2, 2), value=255), 5, 1).round().to(torch.uint8)
        soft[2, 0, 0] = 255 - int(r.prompt[-1]) - 10 * (r.style is None)  # so that no two are alike
        if int(r.prompt[-1]) < known:  # the judge knows it all the same
            world.seen[soft.numpy().tobytes()] = world.thought(f"k{r.prompt[-1]}")
        return soft

    monkeypatch.setattr(no_style_module, "style_features", looks)
    world = World(model, pictures, draw)
    world.main_questions = (  # without those that are asked last, whose names end in the same digits
        [f"k{i}" for i in range(8)],
        [Question(i, name, s, 3 * i + j) for i, name in enumerate(NAMES) for j, s in enumerate(STYLES)],
    )  # fmt: skip
    monkeypatch.setattr(
        world, "styled", lambda indices, damage=False: looks(pictures.images[list(indices)]) + 0.01 * damage
    )
    found = no_style_section(world)
    data = found.data
    assert data["best style"] == "twemoji"
    assert data["twemoji"]["found"] == {"value": 1.0, "low": pytest.approx(wilson(8, 8)[0]), "high": 1.0, "n": 8}
    assert data["noto"]["found"]["value"] == 0.5
    assert headline(found) == (2 / 8, 1 / 8, 1.0)  # the mean of three is nothing that the judge knows
    assert data["drawn in each style"]["found"]["value"] == pytest.approx(16 / 24)
    sharp, soft = data["real (ceiling)"], data["no style named"]
    assert (sharp["edges"]["value"], sharp["edges ratio"]["value"], sharp["edges"]["n"]) == (
        pytest.approx(0.8), pytest.approx(1.0), 24,
    )  # fmt: skip
    assert soft["edges"]["value"] == pytest.approx(4.0, rel=0.05)  # a mean of five pixels: a ramp of five
    assert soft["edges ratio"]["value"] == pytest.approx(soft["edges"]["value"] / 0.8)
    value, floor, ceiling = headline(found, 1)
    assert value == round(soft["edges ratio"]["value"], 6)
    assert 1 < (floor or 0) == data["all styles' real ones, averaged (floor)"]["edges ratio"]["value"]
    assert ceiling == 1
    assert data["noto"]["edges"]["n"] == 4  # white has none
    assert sharp["style sure"]["value"] > 0.9
    assert soft["style sure"]["value"] < 0.5
    assert ("no style at all" in data) == bool(own)
    if own:
        assert data["no style at all"]["found"]["value"] == 1 / 8
        assert found.tables[0].caption.startswith("noto is this model's own choice.")


def test_a_film_needs_sheets_and_has_their_number(model: TextToImage, tmp_path: Path) -> None:
    world = World(model, world_of(NAMES), lambda _: WHITE)
    assert not film_section(world).pictures
    sheets = tmp_path / "diffusion" / "sheets"
    sheets.mkdir(parents=True)
    for seen in (100, 2_000, 30_000):
        Image.new("RGB", (16, 16)).save(sheets / f"{seen:010d}.png")
    world.run = tmp_path
    found = film_section(world)
    assert found.data == {"sheets": 3, "pictures shown": 30_000}
    assert [p.name for p in found.pictures] == ["training_strip", "training_film"]
