"""CLIP learns from pictures as the machine draws them, and from captions that are nearly right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fromnoise.cli.train import load_recipe
from fromnoise.data.pictures import load_folder
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import from_bytes, to_bytes
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.clock import Clock
from fromnoise.training.continuing import Call
from fromnoise.training.redrawn import FILE, redrawn, with_redrawn
from fromnoise.training.run import train
from fromnoise.training.tasks.clip import CLIPTask
from training.test_tasks import clip_task, pictures, tokenizer  # noqa: F401
from training.test_text import meanings, small

LAST = ("text", "vae", "diffusion", "clip")


def test_clip_may_come_last_and_is_then_part_of_the_model(tmp_path: Path) -> None:
    recipe = small(tmp_path, meanings(), LAST).with_overrides({"clip.redrawn": "12", "clip.hard_negatives": "0.5"})
    folder = train(recipe, "starter", tmp_path / "run")
    model = TextToImage.load(folder)
    assert model.clip is not None
    assert all(
        torch.equal(a, b) for a, b in zip(model.clip.text.parameters(), model.text_tower.parameters(), strict=True)
    )
    images = load_file(tmp_path / "run" / FILE)["images"]
    assert images.shape == (12, 3, 16, 16)
    again = train(recipe, "starter", tmp_path / "again")  # the same run elsewhere: the same bits
    assert torch.equal(load_file(tmp_path / "again" / FILE)["images"], images)
    towers = (TextToImage.load(place).clip.image for place in (folder, again))  # type: ignore[union-attr]
    assert all(torch.equal(a, b) for a, b in zip(*(t.parameters() for t in towers), strict=True))


def test_without_a_u_net_nothing_can_be_drawn_again(tmp_path: Path) -> None:
    recipe = small(tmp_path, meanings(), LAST).with_overrides({"clip.redrawn": "12"})
    train(recipe, "starter", tmp_path / "run", ("text",))
    with pytest.raises(UserError, match=r"clip.redrawn = 12 needs a U-Net.*set clip.redrawn to 0"):
        train(recipe, "starter", tmp_path / "run", ("clip",))
    none = {"clip.redrawn": "0"}
    train(recipe.with_overrides(none), "starter", tmp_path / "run", ("clip",), Call(settings=none))
    some = {"clip.redrawn": "9"}
    with pytest.raises(UserError, match="cannot be changed"):  # now it has learnt
        train(recipe.with_overrides(some), "starter", tmp_path / "run", ("clip",), Call(settings=some))


def test_clip_cannot_come_last_where_the_u_net_listens_to_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="clip comes before diffusion"):
        replace(small(tmp_path, meanings(), LAST), tasks=("vae", "diffusion", "clip"))


@pytest.mark.parametrize(("damage", "said"), [(b"x", "damaged"), (None, "has 12 pictures, not 7")])
def test_another_file_of_drawn_pictures_is_one_line(damage: bytes | None, said: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    shown = load_folder("starter", 16)
    save_file({"images": torch.zeros(12, 3, 16, 16, dtype=torch.uint8)}, tmp_path / FILE)
    if damage:
        (tmp_path / FILE).write_bytes(damage)
    with pytest.raises(UserError, match=said):
        with_redrawn(shown, 7, tmp_path, None, 0, 3.0)


def test_a_picture_drawn_again_by_a_perfect_network_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the network knows the picture, what is left is what the VAE does: nothing is turned, moved or exchanged."""
    model = TextToImage.load("stickers-64")
    shown = load_folder("starter", 64)
    some = type(shown)(shown.images[:5], shown.records[:5], [])
    clean = model.vae.encode(from_bytes(some.images)).mean

    def known(noisy: torch.Tensor, t: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        alpha, sigma = (x.view(-1, 1, 1, 1) for x in (model.schedule.alpha(t), model.schedule.sigma(t)))
        noise = (noisy - alpha * clean[: len(noisy)].repeat(len(noisy) // len(clean), 1, 1, 1)) / sigma
        return alpha * noise - sigma * clean.repeat(len(noisy) // len(clean), 1, 1, 1)

    monkeypatch.setattr(model.unet, "forward", known)
    found = redrawn(model, some, seed=0, guidance=3.0)
    expected = to_bytes(model.vae.decode(clean))
    assert (found.float() - expected.float()).abs().mean() < 1.0


def test_nearly_right_captions_are_among_the_choices(request: pytest.FixtureRequest) -> None:
    task: CLIPTask = clip_task(request.getfixturevalue("pictures"), request.getfixturevalue("tokenizer"))
    clock = Clock(0, 4, 10**6, 0)
    texts = ["two red apples", "a cat on the left", "two red apples", "a mouse"]
    assert task._wrong(texts, clock) == []  # none without the setting
    task.stage = replace(task.stage, hard_negatives=1.0)
    found = task._wrong(texts, clock)
    assert found == task._wrong(texts, clock)
    assert 2 <= len(found) <= 3
    assert not set(found) & set(texts)
    ids = task.tokenizer.encode(["a cat", "a dog"])
    images = from_bytes(task.images[:2])
    targets = torch.eye(2)
    plain = task.losses((images, ids, targets, ids[:0]), clock)["contrast"]
    harder = task.losses((images, ids, targets, task.tokenizer.encode(["a red cat"])), clock)["contrast"]
    assert harder > plain  # one more choice that is wrong


def test_the_eye_of_a_finished_model_learns_and_nothing_else_of_it_changes(tmp_path: Path) -> None:
    base = train(small(tmp_path, meanings(), ("text", "vae", "diffusion", "clip")), "starter", tmp_path / "base")
    settings = {"start_from": str(base), "clip.locked": "true", "clip.redrawn": "12", "clip.meanings": ""}
    recipe = replace(small(tmp_path, meanings(), ("clip",)), name="eye").with_overrides(settings)
    before, after = (TextToImage.load(f) for f in (base, train(recipe, "starter", tmp_path / "eye")))
    parts = {"unet": (before.unet, after.unet), "vae": (before.vae, after.vae)}
    parts["words"] = before.text_tower, after.text_tower
    for name, (a, b) in parts.items():
        assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True)), name
    assert before.clip is not None
    assert after.clip is not None
    eyes = zip(before.clip.image.parameters(), after.clip.image.parameters(), strict=True)
    assert any(not torch.equal(x, y) for x, y in eyes)
    assert load_file(tmp_path / "eye" / FILE)["images"].shape == (12, 3, 16, 16)
    with pytest.raises(UserError, match=r"clip\.locked keeps the words of start_from"):
        replace(recipe, start_from="")
    world = replace(recipe, tasks=LAST).with_overrides({"clip.meanings": "nowhere.safetensors"})
    train(world, "starter", tmp_path / "world", ("clip",))  # as a recipe of words first; its meanings are not needed
    with pytest.raises(UserError, match="start_from brings words"):
        train(world, "starter", tmp_path / "other")


def test_captions_too_long_for_the_words_are_cut_as_the_u_net_learnt_them() -> None:
    model = TextToImage.load("stickers-64")
    shown = load_folder("starter", 64)
    long = replace(shown.records[0], text=", ".join([f"a tiny {n} backpack" for n in ("green", "red", "blue") * 9]))
    both = type(shown)(shown.images[:2], [long, shown.records[1]], [])
    assert redrawn(model, both, seed=0, guidance=3.0).shape == (2, 3, 64, 64)


def test_what_a_run_begins_with_is_looked_at_before_any_picture(tmp_path: Path) -> None:
    recipe = small(tmp_path, meanings(), LAST)
    lost = recipe.with_overrides({"clip.meanings": str(tmp_path / "lost.safetensors")})
    with pytest.raises(UserError, match=r"lost\.safetensors"):
        train(lost, tmp_path / "no such pictures", tmp_path / "run")
    with pytest.raises(UserError, match="needs meanings to learn"):
        train(load_recipe("first_model"), "starter", tmp_path / "run", ("text",))
    assert not (tmp_path / "run").exists()
