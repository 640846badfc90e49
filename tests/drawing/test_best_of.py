"""The best of several candidates: which seeds they have, which is kept, and that a copy is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import fromnoise
from fromnoise.data.pictures import load_folder
from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.best_of import best, choose, fit
from fromnoise.drawing.choice import Choice, candidate_seed
from fromnoise.drawing.generate import Finished, draw_all, finish_plans, generate, generate_together
from fromnoise.drawing.known_pictures import Likeness, known_pictures
from fromnoise.drawing.low_pixels import darkness
from fromnoise.drawing.picture_file import Origin, read_origin, save_png
from fromnoise.drawing.plan import alike, plan, plans
from fromnoise.drawing.request import MOST_CANDIDATES, MOST_PICTURES, Request
from fromnoise.evaluation.copies.stored import read_index, save_index
from fromnoise.ground.errors import UserError
from fromnoise.system.copies_file import pictures_of
from fromnoise.system.text_to_image import TextToImage

APPLE = Request("red apple", style="noto", seed=7, steps=2)


@pytest.fixture(scope="module")
def shipped() -> TextToImage:
    """A model whose CLIP knows pictures, and that has an index; nothing is drawn with it here."""
    return TextToImage.load()


@pytest.fixture(scope="module")
def others() -> Tensor:
    """Three pictures that no training had: a drawing of ours, upside down and in other colours; uint8 [3,3,64,64]."""
    starter = load_folder("starter", 64).images[[0, 40, 90]]
    return (255 - starter).flip(2)[:, [2, 0, 1]]


def finished(model: TextToImage, request: Request) -> Finished:
    return finish_plans(model, plan(model, request).one_by_one())


# --- seeds -----------------------------------------------------------------------------------------------------


def test_no_candidate_of_a_picture_is_one_of_any_other_in_the_largest_batch() -> None:
    """torch's generator reads 32 bits of a seed; so many must differ, whatever the first seed is."""
    for first in (0, 7, 2**32 - 5, 2**62):
        seeds = [candidate_seed(first + i, j) % 2**32 for i in range(MOST_PICTURES) for j in range(MOST_CANDIDATES)]
        assert len(set(seeds)) == len(seeds)
    assert [candidate_seed(2**62 + i, 0) for i in range(3)] == [2**62 + i for i in range(3)]
    assert [candidate_seed(7, j) for j in (1, 2)] == [2654435776, 1013904249]


def test_a_batch_has_room_for_all_candidates(tiny_model: TextToImage) -> None:
    made = plan(tiny_model, replace(APPLE, count=40, best_of=10))
    assert [part.count for part in made.batches()] == [6] * 6 + [4]
    assert [part.seed for part in made.batches()] == list(range(7, 47, 6))
    groups = alike(plans(tiny_model, [replace(APPLE, best_of=40), APPLE, replace(APPLE, best_of=40)]))
    assert sorted(groups) == [[0], [1], [2]]


# --- pictures --------------------------------------------------------------------------------------------------


def test_without_candidates_nothing_is_chosen_and_no_bit_changes(tiny_model: TextToImage) -> None:
    plain, one = finished(tiny_model, replace(APPLE, count=2)), finished(tiny_model, replace(APPLE, count=2, best_of=1))
    assert one.choices == (None, None)
    assert one.seeds == plain.seeds == (7, 8)
    assert torch.equal(one.pictures, plain.pictures)
    walks = [
        [event for event in generate(tiny_model, plan(tiny_model, r)) if isinstance(event, Step)]
        for r in (APPLE, replace(APPLE, best_of=3))
    ]
    for alone, among in zip(*walks, strict=True):
        assert torch.equal(alone.x_next[0], among.x_next[0])  # candidate 0 is the plain picture
    assert len(among.x_next) == 3


@pytest.mark.parametrize("changes", [{}, {"transparent": True}, {"width": 96, "height": 128}])
def test_what_is_kept_is_drawn_again_by_its_own_seed_alone(tiny_model: TextToImage, changes: dict[str, Any]) -> None:
    asked = replace(APPLE, count=2, best_of=3, **changes)
    found = finished(tiny_model, asked)
    own = [replace(asked, count=1, seed=seed, best_of=1) for seed in found.seeds]
    assert torch.equal(draw_all(tiny_model, own), found.pictures)
    for i, (choice, seed) in enumerate(zip(found.choices, found.seeds, strict=True)):
        assert choice is not None
        assert (choice.seed, seed) == (7 + i, candidate_seed(7 + i, choice.kept))
        assert choice.scores[choice.kept] == max(choice.scores)
        alone = finished(tiny_model, replace(asked, count=1, seed=7 + i))
        assert alone.choices == (choice,)  # whoever its neighbours are
    assert len({*found.seeds}) == 2


def test_what_nobody_wants_any_more_changes_nothing_for_its_neighbours(tiny_model: TextToImage) -> None:
    made = plan(tiny_model, replace(APPLE, count=2, best_of=2)).one_by_one()
    *_, last = generate_together(tiny_model, made, wanted=lambda: [False, True])
    assert isinstance(last, Finished)
    whole = finish_plans(tiny_model, made)
    assert torch.equal(last.pictures[1], whole.pictures[1])
    assert last.choices[1] == whole.choices[1]


# --- choosing --------------------------------------------------------------------------------------------------


def test_the_words_choose_the_picture_that_shows_them(shipped: TextToImage) -> None:
    starter = load_folder("starter", 64)
    shown = {r.text: i for i, r in enumerate(starter.records) if r.style == "noto"}
    names = list(shown)[::15]
    assert len(names) >= 5
    pictures = starter.images[[shown[name] for name in names]]
    right = 0
    for i, name in enumerate(names):
        made = plan(shipped, Request(name, style="noto"))
        scores = fit(shipped, made, pictures)
        right += scores.index(max(scores)) == i
        assert all(-1 <= score <= 1 for score in scores)
        assert fit(shipped, made, pictures.flip(0)) == scores[::-1]  # each alone, to the bit
        assert fit(shipped, made, pictures[i : i + 1]) == scores[i : i + 1]
        louder = fit(shipped, plan(shipped, Request(f"({name}:1.3), noto style")), pictures)
        assert louder == scores  # brackets are for the U-Net
    assert right >= 0.7 * len(names) > 3  # by chance one of them


def test_a_prompt_in_parts_is_read_in_all_its_parts(shipped: TextToImage) -> None:
    pictures = load_folder("starter", 64).images[:2]
    scores = {
        words: fit(shipped, plan(shipped, Request(words)), pictures)
        for words in ("cat", "house", "cat BREAK house", "house BREAK cat", "cat BREAK cat")
    }
    assert scores["cat BREAK cat"] == pytest.approx(scores["cat"], abs=1e-6)
    assert scores["cat BREAK house"] == pytest.approx(scores["house BREAK cat"], abs=1e-6)
    assert scores["cat BREAK house"] != pytest.approx(scores["cat"], abs=1e-3)
    padded = replace(APPLE, prompt="cat", negative="a BREAK b BREAK c", style=None)
    assert fit(shipped, plan(shipped, padded), pictures) == scores["cat"]  # parts that only pad say nothing


def test_the_order_of_candidates() -> None:
    def like(ratio: float) -> Likeness:
        return Likeness(ratio, ratio < 0.3, "x")

    assert best([0.1, 0.3, 0.2], []) == 1
    assert best([0.3, 0.3], []) == 0  # of equals the first
    assert best([0.1, 0.9, 0.2], [like(0.7), like(0.1), like(0.5)]) == 2
    assert best([0.1, 0.9, 0.2], [like(0.2), like(0.1), like(0.25)]) == 2
    assert best([0.9, 0.1], [like(0.2), like(0.2)]) == 0


def planted(model: TextToImage, pictures: Tensor) -> TextToImage:
    """The model with an index in which its first training pictures are these."""
    assert model.copies is not None
    index = read_index(model.copies, pictures_of(model.styles, model.card))
    dark = index.dark.clone()
    dark[: len(pictures)] = darkness(pictures)
    return replace(model, copies=stored(index.having(dark=dark)))


def stored(index: Any) -> bytes:
    file = Path("planted.safetensors")
    save_index(index, file)
    return file.read_bytes()


def test_a_candidate_that_is_a_copy_is_refused(
    shipped: TextToImage, others: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = plan(shipped, replace(APPLE, best_of=3))
    before = choose(shipped, asked, others)
    assert before.copies == ()
    assert before.scores[before.kept] == max(before.scores)
    model = planted(shipped, others[before.kept : before.kept + 1].flip(3))  # mirrored, as training does
    after = choose(model, asked, others)
    assert after.copies == (before.kept,)
    assert after.scores == before.scores
    assert after.scores[after.kept] == sorted(after.scores)[1]
    assert after.like == ""
    assert after.notes[1] == "1 candidate looks like a training picture and was left out"


def test_of_copies_only_the_one_that_is_least_so_is_given_and_that_is_said(
    shipped: TextToImage, others: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = plan(shipped, replace(APPLE, best_of=3))
    worst = int(torch.tensor(choose(shipped, asked, others).scores).argmin())
    changed = others.clone()
    changed[worst] = (changed[worst].int() * 0.97).byte()  # near, and not the same
    model = planted(shipped, changed)
    choice = choose(model, asked, others)
    assert (choice.copies, choice.kept) == ((0, 1, 2), worst)
    names = known_pictures(model).names  # type: ignore[union-attr]
    assert choice.like == names[worst]
    said = f"all 3 candidates look like training pictures; the one kept, least so, is like {names[worst]}"
    assert choice.notes[1] == said


def test_real_pictures_that_the_training_never_had_are_seldom_called_copies(shipped: TextToImage) -> None:
    """The limit's rule: of the training's own pictures, left out with their group, one in fifty."""
    known = known_pictures(shipped)
    assert known is not None
    some = torch.arange(3, len(known.names), 40)  # others than the limit was made of, mostly
    dark = (known.pixels.dark[some] * 255).round().byte()[:, None]
    ratios, _ = known.ratios(dark, known.group[some])
    assert 0 < (ratios < known.limit).float().mean() < 0.05
    with_own, _ = known.ratios(dark)
    assert bool((with_own < known.limit).all())  # itself is found


def test_the_judge_has_no_say(
    shipped: TextToImage, others: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the judge's features, and what was made with them, say in an index: nothing is chosen by them."""
    monkeypatch.chdir(tmp_path)
    assert shipped.copies is not None
    index = read_index(shipped.copies, pictures_of(shipped.styles, shipped.card))
    rng = torch.Generator().manual_seed(0)
    odd = index.having(
        features=torch.randn(index.features.shape, generator=rng).half(),
        components=torch.randn(index.components.shape, generator=rng),
        centre=torch.zeros_like(index.centre),
        cluster=index.cluster[torch.randperm(len(index.cluster), generator=rng)],
        limits=replace(index.limits, features=0.9, pixels=0.9, close_features=1.0, close_pixels=1.0),
    )
    model = replace(shipped, copies=stored(odd))
    one, other = known_pictures(shipped), known_pictures(model)
    assert one is not None
    assert other is not None
    assert (one.limit, one.names) == (other.limit, other.names)
    assert torch.equal(one.group, other.group)
    asked, pictures = (
        plan(shipped, replace(APPLE, best_of=4)),
        torch.cat([others, load_folder("starter", 64).images[:1]]),
    )
    assert choose(model, asked, pictures) == choose(shipped, asked, pictures)


# --- what is refused and told ----------------------------------------------------------------------------------


@pytest.mark.parametrize("best_of", [0, 65, -1])
def test_how_many_there_may_be(tiny_model: TextToImage, best_of: int) -> None:
    with pytest.raises(UserError, match=rf"^best of must be 1…64 candidates, not {best_of}$") as caught:
        plan(tiny_model, replace(APPLE, best_of=best_of))
    assert caught.value.field == "best_of"


def test_who_has_no_candidates_says_so(tiny_model: TextToImage) -> None:
    asked = replace(APPLE, best_of=2)
    without = replace(tiny_model, clip=None)
    towards = fromnoise.Towards(0.5, 3)
    for model, request, said in (
        (
            without,
            asked,
            "the best of several is chosen by CLIP's image tower, which this model lacks; leave out best of",
        ),
        (tiny_model, replace(asked, prompt="", style=None, free=True), "a picture that is drawn free has no words"),
        (tiny_model, replace(asked, towards=towards), "a picture on the way towards another one has seeds of its own"),
        (replace(tiny_model, copies=b"odd"), asked, "copies.safetensors is damaged"),
    ):
        with pytest.raises(UserError) as caught:
            plan(model, request)
        assert str(caught.value).startswith(said)
        plan(model, replace(request, best_of=1))  # and alone it is drawn
    said = "this model has no index of its training pictures, so no candidate is refused as a copy of one"
    assert said in plan(tiny_model, asked).notes
    assert said not in plan(tiny_model, APPLE).notes


def test_the_call_says_which_was_kept(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = fromnoise.load(tiny_model_folder)
    for wrong, said in (("x", "'best_of' must be a whole number, not 'x'"), (65, "best of must be 1…64")):
        with pytest.raises(UserError, match=said) as caught:
            model("red apple", best_of=wrong)  # type: ignore[arg-type]
        assert caught.value.field == "best_of"
    chosen = model("red apple", seed=7, steps=2, best_of=4)[0]
    seed = chosen.info["seed"]
    assert any(note.startswith(f"of 4 candidates seed {seed} is kept: ") for note in chosen.info["notes"])
    alone = model("red apple", seed=seed, steps=2)[0]
    assert np.array_equal(np.asarray(alone), np.asarray(chosen))
    model.save(chosen, tmp_path / "a.png")
    origin = read_origin(tmp_path / "a.png")
    assert origin.choice is not None
    assert (origin.request.seed, origin.request.best_of) == (seed, 1)
    assert (origin.asked.seed, origin.asked.best_of) == (7, 4)
    assert "Best of: 4" in Image.open(tmp_path / "a.png").text["parameters"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "choice",
    [
        Choice(7, 4, (0.1, 0.2)), Choice(7, -1, (0.1, 0.2)), Choice(7, 0, (0.1,)), Choice(7, 1, (0.1, 0.2)),
        Choice(7, 0, (0.1, 0.2), (2,)),
    ],
)  # fmt: skip
def test_a_file_that_says_odd_things_of_candidates_is_damaged(
    choice: Choice, tiny_model: TextToImage, tmp_path: Path
) -> None:
    origin = Origin(plan(tiny_model, APPLE).request, "tiny", "0" * 12, "0", choice=choice)
    save_png(torch.zeros(3, 8, 8, dtype=torch.uint8), tmp_path / "a.png", origin)
    with pytest.raises(UserError, match="what it says of candidates makes no sense"):
        read_origin(tmp_path / "a.png")
    fine = replace(origin, choice=Choice(7, 0, (0.1, 0.2), (1,)))
    save_png(torch.zeros(3, 8, 8, dtype=torch.uint8), tmp_path / "a.png", fine)
    assert read_origin(tmp_path / "a.png") == fine


def test_what_is_told_of_a_choice() -> None:
    two, many = Choice(7, 0, (0.25, 0.125)), Choice(7, 1, (0.1, 0.4, 0.2, 0.3), (2, 3))
    assert two.notes == ("of 2 candidates seed 7 is kept: its likeness to the words is 0.250, the other has 0.125",)
    assert many.notes == (
        "of 4 candidates seed 2654435776 is kept: its likeness to the words is 0.400, the others have 0.100 to 0.300",
        "2 candidates look like training pictures and were left out",
    )


# --- the command -----------------------------------------------------------------------------------------------


def test_the_command_draws_keeps_and_draws_again(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    said = ("generate", "red apple", "--model", tiny_model_folder, "--steps", 2, "--seed", 7, "-n", 2, "--best-of", 3)
    done = run(*said, "--out", "a.png", "--film", "a.webp")
    assert done.code == 0, done.err
    model = fromnoise.load(tiny_model_folder)
    called = model("red apple", steps=2, seed=7, n=2, best_of=3)
    for i, picture in enumerate(called):
        file = tmp_path / f"a-{i}.png"
        assert np.array_equal(np.asarray(Image.open(file)), np.asarray(picture))
        assert any(line.startswith(f"a-{i}.png: of 3 candidates seed ") for line in done.err.splitlines())
        assert read_origin(file).to_dict() == json.loads(picture.info["fromnoise"])
    assert run("generate", "--again", f"a-{i}.png", "--model", tiny_model_folder, "--out", "b.png").err == ""
    assert Image.open("b.png").tobytes() == Image.open(file).tobytes()
    alone = ("generate", "red apple", "--model", tiny_model_folder, "--steps", 2, "--seed", picture.info["seed"])
    assert run(*alone, "--out", "c.png", "--film", "c.webp").code == 0
    assert (tmp_path / "c.webp").read_bytes() == (tmp_path / f"a-{i}.webp").read_bytes()  # of the kept one
    for wrong, why in ((0, "best of must be 1…64"), (65, "best of must be 1…64"), ("x", "--best-of")):
        refused = run(*said[:-1], wrong, "--out", "d.png")
        assert refused.code == 2
        assert why in refused.err
    assert not (tmp_path / "d.png").exists()
    told = run(*said, "--explain").out
    assert "candidates   3 for each picture; CLIP keeps the one that fits the words best" in told


def test_lines_of_prompts_that_were_chosen_are_not_drawn_anew(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.txt").write_text("red apple\ncat\n")
    said = ("generate", "--prompts", "p.txt", "--out", "many", "--steps", 2, "--model", tiny_model_folder)
    first = run(*said, "--best-of", 3)
    assert first.code == 0, first.err
    (tmp_path / "many" / "0001.png").unlink()
    again = run(*said, "--best-of", 3)
    assert "1 of 2 are there already" in again.err
    assert again.out.splitlines()[-1] == first.out.splitlines()[-1]  # the seed of the run before
    assert "other options" in run(*said, "--best-of", 2).err


def test_restyle_has_candidates_too(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (200, 30, 30)).save(tmp_path / "photo.png")
    said = ("restyle", "photo.png", "red apple", "--model", tiny_model_folder, "--steps", 4, "--seed", 7)
    assert run(*said, "--best-of", 3, "--out", "a.png").code == 0
    origin = read_origin(tmp_path / "a.png")
    assert origin.choice is not None
    assert len(set(origin.choice.scores)) == 3
    assert run(*said[:-1], origin.request.seed, "--out", "b.png").code == 0
    assert Image.open("a.png").tobytes() == Image.open("b.png").tobytes()
