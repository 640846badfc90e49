"""The map of CLIP space: what is alike lies together, prompts land where they belong, and foreign files are refused."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import math
import re
import shlex
import shutil
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load, save
from torch import Tensor

from conftest import make_tiny_model
from fromnoise.cli.views.map import keep_map
from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.inspection.clip_map import ClipMap, land, text_vectors
from fromnoise.inspection.map_area import area_of, areas, ellipse_of, spread_of
from fromnoise.inspection.map_figure import map_figure
from fromnoise.inspection.map_file import map_bytes, map_of, read_map
from fromnoise.inspection.map_making import Shown, drawn_near, flattened, making_map
from fromnoise.inspection.subject import Subject
from fromnoise.system.copies_file import pictures_of
from fromnoise.system.known_words import KnownWords
from fromnoise.system.text_to_image import TextToImage

WIDTH = 24
WORDS = ["red apple", "blue house", "green tree", "yellow sun"]


def clustered(each: int, noise: float = 0.1) -> Tensor:
    """Unit vectors around three orthogonal directions, ``each`` of each, in turn: 0, 1, 2, 0, 1, 2, …"""
    rng = torch.Generator().manual_seed(0)
    centres = torch.eye(WIDTH)[:3].repeat(each, 1)
    return F.normalize(centres + noise * torch.randn(3 * each, WIDTH, generator=rng) / WIDTH**0.5, dim=1)


def planted(by: str = "pca", each: int = 12) -> tuple[ClipMap, Tensor]:
    """A map of 3 clusters, and the vectors of its points: captions, then pictures."""
    texts, pictures = clustered(each), clustered(2 * each, 0.2)
    flat = flattened(texts, pictures, by)
    names = tuple(f"{i}.png" for i in range(len(pictures)))
    known = ClipMap(
        by, flat.places, tuple(f"caption {i}" for i in range(len(texts))), torch.arange(len(pictures)) % len(texts),
        names, ("noto", "twemoji") * (len(names) // 2), flat.means, flat.basis, flat.codes, "whose",
    )  # fmt: skip
    return known, torch.cat([texts, pictures])


@pytest.fixture(scope="module")
def pictures() -> Shown:
    """30 flat pictures of four captions."""
    colours = torch.randint(0, 256, (30, 3, 1, 1), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    captions = [WORDS[i % 4] for i in range(30)]
    names = [f"{i}.png" for i in range(30)]
    return Shown(colours.expand(-1, -1, 32, 32).contiguous(), captions, ["noto", "twemoji", ""] * 10, names)


@pytest.fixture(scope="module")
def known(pictures: Shown) -> ClipMap:
    return made(make_tiny_model(), pictures)


@pytest.fixture(scope="module")
def model(known: ClipMap) -> TextToImage:
    return replace(make_tiny_model(), clip_map=map_bytes(known))


def made(model: TextToImage, pictures: Shown, **more: Any) -> ClipMap:
    *shares, last = making_map(model, pictures, **{"by": "pca", **more})
    assert shares == sorted(shares)  # type: ignore[type-var]
    assert shares[-1] == 1
    assert isinstance(last, ClipMap)
    return last


# --- places ----------------------------------------------------------------------------------------------------------


def test_what_is_alike_lies_together_by_pca() -> None:
    known, _ = planted("pca")
    kind = torch.arange(len(known)) % 3
    distances = torch.cdist(known.places, known.places)
    same = kind[:, None] == kind
    assert distances[same].max() < distances[~same].min()
    assert 0 <= known.places.min() < known.places.max() <= 1


def test_what_is_alike_lies_together_by_umap() -> None:
    pytest.importorskip("umap")
    known, vectors = planted("umap")
    kind = torch.arange(len(known)) % 3
    distances = torch.cdist(known.places, known.places) + 9 * torch.eye(len(known))
    assert (kind[distances.topk(5, largest=False).indices] == kind[:, None]).float().mean() > 0.98
    assert torch.equal(planted("umap")[0].places, known.places)  # the same each time
    between = known.place(F.normalize(vectors[:3] + vectors[3:6], dim=1), "caption")  # halfway to another of its kind
    nearest = torch.cdist(between, known.places).argmin(1)
    assert kind[nearest].tolist() == [0, 1, 2]


def test_a_map_by_pca_is_a_projection_for_new_points_too() -> None:
    known, vectors = planted("pca")
    a, b = known.place(vectors[:1], "caption"), known.place(vectors[1:2], "caption")
    halfway = known.place((vectors[:1] + vectors[1:2]) / 2, "caption")
    torch.testing.assert_close(halfway, (a + b) / 2, atol=1e-4, rtol=0)


@pytest.mark.parametrize("by", ["pca", "umap"])
def test_a_known_vector_lands_exactly_on_its_point_also_when_stored(by: str) -> None:
    fresh, vectors = planted("pca")
    fresh = replace(fresh, by=by)
    count = len(fresh.captions)
    for known in (fresh, read_map(map_bytes(fresh), "whose")):
        assert torch.equal(known.place(vectors[:count], "caption"), known.places[:count])
        assert torch.equal(known.place(vectors[count:], "picture"), known.places[count:])


def test_a_new_point_of_a_map_by_umap_lies_among_its_neighbours() -> None:
    known, vectors = planted("pca")
    known = replace(known, by="umap")
    new = F.normalize(vectors[0] + 0.05 * torch.eye(WIDTH)[7], dim=0)
    place = known.place(new[None], "caption")[0]
    mates = known.places[: len(known.captions)][::3]
    assert (place >= mates.amin(0)).all()
    assert (place <= mates.amax(0)).all()


def test_stored_codes_give_the_cosines() -> None:
    fresh, vectors = planted()
    known = read_map(map_bytes(fresh), "whose")
    new = F.normalize(torch.randn(WIDTH, generator=torch.Generator().manual_seed(3)), dim=0)
    torch.testing.assert_close(known.cosines(new), vectors @ new, atol=0.01, rtol=0)
    near = known.neighbours(vectors[40], "picture", 3)
    assert near[0].index == 40
    assert near[0].name == "4.png"
    assert (near[0].text, near[0].style) == ("caption 4", "noto")
    assert [n.cosine for n in near] == sorted((n.cosine for n in near), reverse=True)
    assert near[0].place == tuple(known.places[40].tolist())


def test_islands_come_nearer_and_the_mainland_stays() -> None:
    flat = torch.cat([torch.rand(200, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([[90.0, 0.5]])])
    near = drawn_near(flat)
    around = flat[:190] - flat.median(0).values
    inner = around.norm(dim=1) < 0.6
    assert torch.equal(near[:190][inner], around[inner])
    assert 1 < near[-1, 0] < 9


# --- prompts ---------------------------------------------------------------------------------------------------------


def test_a_caption_lands_on_itself_and_names_its_neighbours(model: TextToImage) -> None:
    known = map_of(model)
    for i, caption in enumerate(known.captions):
        found = land(known, model, caption, nearest=3)
        assert found.place == tuple(known.places[i].tolist())
        assert (found.captions[0].text, found.captions[0].index) == (caption, i)
        assert found.captions[0].cosine == pytest.approx(1, abs=1e-5)
        assert len(found.captions) == len(found.pictures) == 3
    vectors = text_vectors(model, [*known.captions, "a red sun"])
    expected = vectors[:-1] @ vectors[-1]
    got = {near.text: near.cosine for near in land(known, model, "a red sun").captions}
    assert got == {t: pytest.approx(float(c), abs=1e-5) for t, c in zip(known.captions, expected, strict=True)}


def test_words_beyond_the_context_count(model: TextToImage) -> None:
    long = "red apple " * 12
    assert not torch.allclose(text_vectors(model, [long + "blue house"]), text_vectors(model, [long + "yellow sun"]))


def test_no_words_and_no_clip_are_refused(model: TextToImage) -> None:
    with pytest.raises(UserError, match=r"^an empty prompt has no place on the map; give some words$"):
        land(map_of(model), model, "  ")
    with pytest.raises(UserError, match=r"^tiny has no CLIP of its own, so it has no map; "):
        map_of(replace(model, clip=None))
    with pytest.raises(UserError, match=r"^tiny \(\w{12}\) has no map\.safetensors; make it with: "):
        map_of(replace(model, clip_map=None))


# --- making ----------------------------------------------------------------------------------------------------------


def test_the_same_pictures_make_the_same_map_and_few_are_spread_evenly(model: TextToImage, pictures: Shown) -> None:
    whole = made(model, pictures)
    assert whole.captions == tuple(WORDS)
    assert (whole.names, whole.styles) == (tuple(pictures.names), tuple(pictures.styles))
    assert [whole.text(4 + i) for i in range(30)] == pictures.captions
    assert map_bytes(made(model, pictures)) == map_bytes(whole)
    some = made(model, pictures, most=14)
    assert set(some.captions) == set(WORDS)
    assert some.names == tuple(f"{i}.png" for i in range(0, 30, 3))  # ten, evenly spread, and four captions


def test_what_no_map_can_be_made_of_is_refused(model: TextToImage, pictures: Shown) -> None:
    alike = replace(pictures, captions=["apple"] * 30)
    with pytest.raises(UserError, match=r"^a map needs two captioned pictures or more, with different captions$"):
        made(model, alike)
    with pytest.raises(UserError, match=r"^--by must be one of umap, pca, not 'tsne'$"):
        made(model, pictures, by="tsne")


def test_a_missing_package_is_named(model: TextToImage, pictures: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UserError, match=r"umap-learn; --by pca does without.*fromnoise\[map\]"):
        made(model, pictures, by="umap")


# --- the file --------------------------------------------------------------------------------------------------------


def test_20000_points_stay_below_1_5_mib() -> None:
    rng = torch.Generator().manual_seed(0)
    vectors = F.normalize(torch.randn(20_000, 64, generator=rng), dim=1)
    flat = flattened(vectors[:4000], vectors[4000:], "pca")
    words = ["red", "blue", "small", "house", "tree", "fox", "with", "umbrella", "face", "star"]
    captions = [" ".join(words[int(d)] for d in f"{i:04d}") for i in range(4000)]
    names = tuple(f"noto/{0x1F000 + i:x}.png" for i in range(16_000))
    known = ClipMap(
        "pca", flat.places, tuple(captions), torch.arange(16_000) % 4000, names, ("noto", "twemoji") * 8000,
        flat.means, flat.basis, flat.codes, "x",
    )  # fmt: skip
    assert len(map_bytes(known)) < 1.5 * 2**20


def changed(data: bytes, tensors: dict[str, Tensor] | None = None, about: dict[str, Any] | None = None) -> bytes:
    """A map's file with some of it put in its place."""
    stored = load(data)
    facts = json.loads(zlib.decompress(stored["about"].numpy().tobytes()))
    packed = zlib.compress(json.dumps({**facts, **(about or {})}).encode())
    stored["about"] = torch.frombuffer(bytearray(packed), dtype=torch.uint8)
    return save({**stored, **(tensors or {})}, {"map": "1"})


def damages(data: bytes) -> Iterator[bytes]:
    stored = load(data)
    yield b""
    yield data[: len(data) // 2]
    yield save({k: v for k, v in stored.items() if k != "codes"}, {"map": "1"})
    yield changed(data, {"places": stored["places"].float()})
    yield changed(data, {"places": stored["places"][1:]})
    yield changed(data, {"codes": stored["codes"][:, 1:].contiguous()})
    yield changed(data, {"means": stored["means"] * float("nan")})
    yield changed(data, {"scales": -stored["scales"]})
    yield changed(data, {"caption_of": stored["caption_of"] + 4})
    yield changed(data, {"caption_of": stored["caption_of"] - 1})
    yield changed(data, {"style_of": stored["style_of"] + 9})
    yield changed(data, {"basis": stored["basis"][0]})
    yield changed(data, {"about": torch.zeros(5, dtype=torch.uint8)})
    yield changed(data, about={"captions": "abcd"})
    yield changed(data, about={"names": [1] * 30})
    yield changed(data, about={"captions": [], "names": []})
    yield changed(data, about={"by": "hand"})


def test_damaged_files_are_refused_in_one_line(known: ClipMap) -> None:
    data = map_bytes(known)
    assert read_map(changed(data), known.trained_on).captions == known.captions
    for number, damaged in enumerate(damages(data)):
        with pytest.raises(UserError, match=r"^m is damaged \(.*\); make it again with: .* make-map .*$") as told:
            read_map(damaged, known.trained_on, "m")
        assert "\n" not in str(told.value), number


def test_foreign_files_are_refused_in_one_line(model: TextToImage, known: ClipMap) -> None:
    data = map_bytes(known)
    with pytest.raises(UserError, match=r"^m is no map of CLIP space; this version reads format 1: "):
        read_map(save(load(data), {"copies": "3"}), known.trained_on, "m")
    with pytest.raises(UserError, match=r"^m is in format 2; this version reads format 1: update fromnoise, or make "):
        read_map(save(load(data), {"map": "2"}), known.trained_on, "m")
    with pytest.raises(UserError, match=r"^m belongs to a model that was trained on other pictures; "):
        read_map(data, "other", "m")
    with pytest.raises(UserError, match="was made with another CLIP than the model's; make it again"):
        map_of(replace(make_tiny_model(seed=1), clip_map=data))
    with pytest.raises(UserError, match="belongs to a model that was trained on other pictures"):
        map_of(replace(model, card={"name": "tiny", "pictures": 31}))


@pytest.mark.formats
def test_save_and_convert_keep_the_file(model: TextToImage, run: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "a")
    done = run("convert", "a", "b", "--dtype", "bf16")
    assert done.code == 0, done.err
    for name in ("a", "b"):
        assert (tmp_path / name / "map.safetensors").read_bytes() == model.clip_map
        opened = TextToImage.load(tmp_path / name)
        assert land(map_of(opened), opened, "green tree").captions[0].text == "green tree"
    again = TextToImage.load(tmp_path / "b").for_drawing("bf16")
    assert map_of(again).captions == tuple(WORDS)
    assert again.clip_map == model.clip_map


# --- areas -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ([[0.6, 0.8]] * 5, 0),
        ([[0.6, 0.8]], 0),
        ([[1, 0], [-1, 0], [0, 1], [0, -1]], 1),
        ([[1, 0], [0, 1]], math.sqrt(0.5)),
        ([[1, 0], [1, 0], [0, 1]], 2 / 3),
    ],
)
def test_the_spread_is_as_reckoned_by_hand(vectors: list[list[float]], expected: float) -> None:
    assert spread_of(torch.tensor(vectors, dtype=torch.float32)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("places", "axes", "angle"),
    [
        ([[0.4, 0.5], [0.6, 0.5]], (0.2, 0), 0),
        ([[0.5, 0.4], [0.5, 0.6]], (0.2, 0), math.pi / 2),
        ([[0.4, 0.4], [0.6, 0.6]], (0.2 * math.sqrt(2), 0), math.pi / 4),
        ([[0.3, 0.5], [0.7, 0.5], [0.5, 0.4], [0.5, 0.6]], (0.4 / math.sqrt(2), 0.2 / math.sqrt(2)), 0),
        ([[0.5, 0.5]] * 3, (0, 0), None),
    ],
)
def test_the_ellipse_is_as_reckoned_by_hand(
    places: list[list[float]], axes: tuple[float, float], angle: float | None
) -> None:
    found = ellipse_of(torch.tensor(places))
    assert found.centre == pytest.approx((0.5, 0.5), abs=1e-6)
    assert found.axes == pytest.approx(axes, abs=1e-6)
    if angle is not None:
        assert math.sin(found.angle - angle) == pytest.approx(0, abs=1e-6)  # the same line


def test_pictures_of_an_area_come_one_by_one_and_are_those_that_are_drawn_alone(model: TextToImage) -> None:
    known, subject = map_of(model), Subject("red apple", seed=5, steps=1)
    grown = list(areas(known, model, subject, 3))
    assert [len(area.pictures) for area in grown] == [1, 2, 3]
    assert grown[0].spread == 0
    last = grown[-1]
    assert (last.seeds, last.wanted) == ((5, 6, 7), 3)
    for seed, picture in zip(last.seeds, last.pictures, strict=True):
        assert torch.equal(picture, draw(model, Request("red apple", seed=seed, steps=1))[0])
    assert torch.equal(grown[1].vectors, last.vectors[:2])
    a, b = last.vectors[:2]
    assert grown[1].spread == pytest.approx(float((a - b).norm()) / 2, abs=1e-6)


def test_an_area_is_where_its_pictures_are() -> None:
    known, vectors = planted()
    count = len(known.captions)
    some = vectors[count : count + 12 : 3]  # known pictures of one cluster
    area = area_of(known, "x", (0, 1, 2, 3), 4, (torch.zeros(4, 3, 8, 8, dtype=torch.uint8), some))
    assert torch.equal(area.places, known.places[count : count + 12 : 3])
    assert area.ellipse == ellipse_of(area.places)
    assert area.spread < 0.3 < spread_of(vectors[count : count + 12])


def test_bad_settings_are_refused_before_anything_is_drawn(model: TextToImage) -> None:
    known = map_of(model)
    with pytest.raises(UserError, match=r"^the area of a prompt needs 2 pictures or more, not 1$"):
        areas(known, model, Subject("red apple"), 1)
    with pytest.raises(UserError, match="style"):
        areas(known, model, Subject("red apple", style="oil"), 4)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tiny_model_folder: Path, tmp_path: Path, pictures: Shown) -> tuple[Path, Path]:
    """A model without a map, and its pictures; one of them is held out."""
    model, data = tmp_path / "model", tmp_path / "data"
    shutil.copytree(tiny_model_folder, model)
    data.mkdir()
    rows = []
    for i in range(12):
        Image.fromarray(pictures.images[i].permute(1, 2, 0).numpy()).save(data / f"{i}.png")
        split = "test_pair" if i == 11 else "train"
        rows.append({"file_name": f"{i}.png", "text": f"{WORDS[i % 4]} <b>", "style": "noto", "split": split})
    (data / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return model, data


def test_the_commands_make_and_show_a_map(run: Any, folders: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = folders
    missing = run("inspect", "map", "red apple", "--model", model)
    assert missing.code
    assert missing.err.count("\n") == 1
    assert "make a map of its pictures with: fromnoise inspect make-map MODEL --data FOLDER" in missing.err
    done = run("inspect", "make-map", model, "--data", data, "--by", "pca")
    assert done.code == 0, done.err
    assert done.out.startswith("4 captions, 11 pictures, 0.0")
    shown = ("red apple", "a </script> fox", "--model", model, "--area", "--pictures", 2, "--steps", 1, "--nearest", 2)
    for name in ("m.json", "m.html", "m.png"):
        done = run("inspect", "map", *shown, "--out", name)
        assert done.code == 0, done.err
    facts = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    assert facts["map"] == {"by": "pca", "captions": 4, "pictures": 11}
    assert [p["prompt"] for p in facts["prompts"]] == ["red apple", "a </script> fox"]
    assert [len(p["captions"]) for p in facts["prompts"]] == [2, 2]
    assert [a["seeds"] for a in facts["areas"]] == [[0, 1], [0, 1]]
    assert all(0 < a["spread"] < 1 for a in facts["areas"])
    again = run(*shlex.split(facts["command"])[1:])
    assert again.code == 0, again.err
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8")) == facts
    check_page((tmp_path / "m.html").read_text(encoding="utf-8"))


def test_the_command_shows_a_plain_map_of_captions_where_there_is_none(
    run: Any, tiny_model: TextToImage, tmp_path: Path
) -> None:
    replace(tiny_model, known=KnownWords.of(WORDS)).save(tmp_path / "model")
    done = run("inspect", "map", "apple", "--model", tmp_path / "model", "--out", "m.json")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    words = {word for text in WORDS for word in text.split()}
    assert facts["map"] == {"by": "pca", "captions": len(words), "pictures": 0}
    assert facts["prompts"][0]["captions"][0]["text"] == "apple"


@pytest.mark.parametrize("umap", [False, True])
def test_what_a_training_keeps_is_a_bounded_map_of_its_own_pictures(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, umap: bool
) -> None:
    find = importlib.util.find_spec
    installed = {"umap": object() if umap else None}
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *a: installed[name] if name == "umap" else find(name, *a)
    )
    monkeypatch.setattr("fromnoise.inspection.map_making._by_umap", lambda codes: codes[:, :2])
    monkeypatch.setattr("fromnoise.inspection.map_making.FEWEST", 11)
    model, data = folders
    made, file = keep_map(model, data)
    assert (made.by, len(made.names), file) == ("umap" if umap else "pca", 11, model / "map.safetensors")
    assert map_of(TextToImage.load(model)).names == made.names
    few, _ = keep_map(model, data, most=9)
    assert len(few.names) + len(few.captions) <= 9


def check_page(page: str) -> None:
    """One script and one style run, by their hashes; nothing is fetched; texts are no markup."""
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    for kind, tag in (("script", r'<script type="module">'), ("style", "<style>")):
        (text,) = re.findall(rf"{tag}(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]
    assert "default-src 'none'" in policy[1]
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "import {" not in page
    stored = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[0]
    data = json.loads(stored)
    assert data["prompts"][1]["text"] == "a </script> fox"
    assert data["captions"][0] == "red apple <b>"
    assert "<b>" not in page
    places = np.frombuffer(base64.b64decode(data["places"]), "<u2").reshape(-1, 2)
    assert len(places) == 15


def test_the_command_refuses_in_one_line(run: Any, folders: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = folders
    for asked, said in (
        (("map", "--area", "--model", model), "--area needs a prompt"),
        (("map", "x", "--out", "m.gif", "--model", model), "should be a file that ends in .png, .html or .json"),
        (("make-map", model, "--data", data, "--by", "tsne"), "--by must be one of umap, pca"),
        (("make-map", tmp_path / "none", "--data", data, "--by", "pca"), "none"),
        (("make-map", model, "--data", tmp_path / "nowhere", "--by", "pca"), "there is no data folder"),
    ):
        done = run("inspect", *asked)
        assert done.code, asked
        assert said in done.err
        assert done.err.count("\n") == 1
    assert not (model / "map.safetensors").exists()


def test_a_figure_without_prompts_shows_the_map_alone(known: ClipMap) -> None:
    figure = map_figure(known, [], [], "fromnoise inspect map")
    assert figure.facts["prompts"] == []
    colours = {colour for _, colour in figure.picture.getcolors(1 << 24)}  # type: ignore[misc]
    assert {(0xA9, 0xC0, 0xD4), (0xC2, 0x6A, 0x10)} <= colours  # pictures and captions are told apart


def test_a_map_belongs_to_pictures_and_not_to_weights(model: TextToImage, known: ClipMap) -> None:
    assert known.trained_on == pictures_of(model.styles, model.card)
