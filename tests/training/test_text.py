"""The text tower by itself: it learns meanings, reads words it never heard by them, and CLIP then leaves it alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from fromnoise.cli.train import load_recipe
from fromnoise.data.meanings import Meanings
from fromnoise.data.unheard import unheard
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import checkpoint
from fromnoise.training.clock import Clock
from fromnoise.training.continuing import Call
from fromnoise.training.lessons import sow, whole_words, without_words
from fromnoise.training.loop_config import LoopConfig
from fromnoise.training.recipe import Recipe
from fromnoise.training.run import train
from fromnoise.training.stages import TextStage
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.text import TextTask

COMPUTE = Compute(torch.device("cpu"), torch.float32, torch.contiguous_format)
STYLES = ("noto", "twemoji")
_SOME = sorted({concept for _, concept in unheard() if " " not in concept} - {word for word, _ in unheard()})[:20]
ASKED = [(word, concept) for word, concept in unheard() if concept in _SOME]


def meanings() -> Meanings:
    """Concepts in all directions, and beside each of some the word that no lesson has; phrases of two are between."""
    rng = torch.Generator().manual_seed(1)
    concepts = sorted({concept for _, concept in ASKED} | {f"thing{chr(97 + i)}" for i in range(26)})
    vectors = F.normalize(torch.randn(len(concepts), 32, generator=rng), dim=1)
    place = {name: i for i, name in enumerate(concepts)}
    words = [word for word, _ in ASKED if word not in place]
    near = torch.stack([vectors[place[c]] for w, c in ASKED if w in words])
    near = F.normalize(near + 0.08 * torch.randn(near.shape, generator=rng), dim=1)
    pairs = [(a, b) for i, a in enumerate(concepts) for b in concepts[i + 1 :: 7]]
    both = F.normalize(torch.stack([vectors[place[a]] + vectors[place[b]] for a, b in pairs]), dim=1)
    phrases = (*concepts, *words, *(f"{a} and {b}" for a, b in pairs))
    return Meanings(phrases, torch.cat([vectors, near, both]).half(), torch.ones(len(phrases)))


@pytest.fixture(scope="module")
def table() -> Meanings:
    return meanings()


def task_of(table: Meanings, **stage: object) -> TextTask:
    loop = LoopConfig(pictures=64 * 120, batch=64, learning_rate=2e-3, warmup=640)
    tokenizer = Tokenizer.train([p for p in table.phrases for _ in range(5)], 2048, 16)
    config = TextConfig(
        vocab_size=tokenizer.vocab_size, width=48, layers=2, heads=2, context=16, eos_token_id=tokenizer.eos_id
    )
    torch.manual_seed(0)
    tower = config.build()
    sow(tower.token, tokenizer, table)
    settings = replace(TextStage(loop=loop, smear=0.0), **stage)  # type: ignore[arg-type]
    return TextTask(settings, table, (tokenizer, STYLES), tower, COMPUTE)


def learn(task: TextTask, steps: int) -> list[float]:
    moved = task.parameters()
    optimizer = torch.optim.AdamW(moved, lr=2e-3)
    found = []
    for step in range(steps):
        clock = Clock(step, 64, 64 * steps, 0)
        losses = task.losses(task.batch(clock), clock)
        optimizer.zero_grad()
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found.append(float(losses["meaning"].detach()))
    return found


def found_first(task: TextTask) -> float:
    """Share of the words that no lesson had whose own concept is the nearest, by the tower's states."""
    names = sorted({concept for _, concept in ASKED})
    with torch.no_grad():
        known, words = (
            task.network.text(task.tokenizer.encode(texts)).pooled for texts in (names, [word for word, _ in ASKED])
        )
    near = F.normalize(words - known.mean(0), dim=1) @ F.normalize(known - known.mean(0), dim=1).T
    own = torch.tensor([names.index(concept) for _, concept in ASKED])
    return float((near.argmax(1) == own).float().mean())


def test_words_that_no_lesson_had_are_read_by_what_they_mean(table: Meanings) -> None:
    task = task_of(table)
    taught = set(task.lessons.meanings.phrases)
    assert not taught & {word for word, _ in ASKED}
    assert {concept for _, concept in ASKED} <= taught
    before = task.network.text.token.weight.clone()
    chance = found_first(task)
    cosine = task.score(task.network)["held_out_cosine"]
    found = learn(task, 250)
    assert sum(found[-10:]) / 10 < 0.5 * found[0]
    assert torch.equal(task.network.text.token.weight, before)  # what was sown stays
    assert found_first(task) > max(0.6, chance)
    score = task.score(task.network)
    assert score["held_out_cosine"] > max(0.4, cosine)
    assert score["held_out_top1"] > 0.5
    assert not taught & set(task.held_out.phrases)


def test_every_word_says_what_was_said_so_far(table: Meanings) -> None:
    task = task_of(table, inside=1.0)
    lesson = task.batch(Clock(0, 64, 640, 0))
    eos = task.tokenizer.eos_id
    after = lesson.ids[torch.arange(64), lesson.position + 1]
    assert (after == eos).all()  # asked at the last word
    late = task_of(table, inside=0.0).batch(Clock(0, 64, 640, 0))
    assert (late.ids[torch.arange(64), late.position] == eos).all()  # at the end, or at the padding, which is the same


def test_the_hand_that_was_named_can_be_told(table: Meanings) -> None:
    task = task_of(table)
    learn(task, 150)
    lesson = task.batch(Clock(7_000, 64, 10**6, 0))
    assert set(lesson.styles.tolist()) == {0, 1, 2}
    states = task.network.text(lesson.ids).tokens[torch.arange(64), lesson.position]
    told = task.network.hand(states).argmax(1)
    assert float((told == lesson.styles).float().mean()) > 0.9


def test_phrases_with_a_word_are_left_out_whole_words_only() -> None:
    table = Meanings(("cat", "cats", "a cat on a mat", "catfish", "dog"), torch.eye(5).half(), torch.ones(5))
    assert without_words(table, {"cat"}).phrases == ("catfish", "dog")
    assert torch.equal(without_words(table, {"cat"}).vectors, torch.eye(5).half()[3:])


SMALL = {
    "precision": "fp32", "threads": "1", "data.pixels": "16", "data.limit": "40", "clip.image.pixels": "16",
    "clip.vocabulary": "1024", "clip.text.width": "32", "clip.text.layers": "1", "clip.text.heads": "2",
    "clip.image.width": "32", "clip.image.layers": "1", "clip.image.heads": "2", "clip.projection": "16",
    "text.loop.pictures": "1024", "text.loop.batch": "64", "clip.loop.pictures": "256", "clip.loop.batch": "32",
    "vae.loop.pictures": "64", "vae.loop.batch": "32", "vae.model.block_out_channels": "16,16",
    "vae.model.latent_channels": "4", "diffusion.model.sample_size": "8", "diffusion.model.in_channels": "4",
    "diffusion.model.out_channels": "4", "diffusion.model.block_out_channels": "16,16",
    "diffusion.model.head_dim": "16", "diffusion.model.cross_attention_dim": "32",
    "diffusion.model.norm_num_groups": "8", "diffusion.sheet_steps": "1", "diffusion.loop.pictures": "128",
    "diffusion.loop.batch": "64",
}  # fmt: skip


def small(tmp_path: Path, table: Meanings, tasks: tuple[str, ...]) -> Recipe:
    file = tmp_path / "meanings.safetensors"
    table.save(file)
    recipe = load_recipe("first_model").with_overrides({**SMALL, "clip.meanings": str(file)})
    return replace(recipe, tasks=tasks)


def test_clip_learns_with_the_words_as_they_are_also_after_the_u_net(table: Meanings, tmp_path: Path) -> None:
    recipe = small(tmp_path, table, ("text", "vae", "diffusion"))
    out = tmp_path / "run"
    model_folder = train(recipe, "starter", out)
    model = TextToImage.load(model_folder)
    assert model.clip is None
    learnt = checkpoint.newest(out / "text")[0]
    assert learnt is not None
    for name, weight in model.text_tower.state_dict().items():
        stored = {**learnt.groups.get("frozen", {}), **learnt.groups["ema"]}[f"text.{name}"]
        assert torch.allclose(weight, stored, atol=2e-3), name  # stored in half precision
    half = {"clip.loop.pictures": "512"}
    train(recipe, "starter", out, ("clip",))
    assert TextToImage.load(model_folder).clip is not None  # put into the model that is there
    longer = replace(recipe.with_overrides(half), tasks=recipe.tasks)
    train(longer, "starter", out, ("diffusion",), Call(settings=half))  # a CLIP that is not finished stops nobody
    train(longer, "starter", out, ("clip",), Call(settings=half))
    train(longer, "starter", out)
    again = TextToImage.load(model_folder)
    assert again.clip is not None
    towers = zip(again.clip.text.parameters(), again.text_tower.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in towers)
    assert all(
        torch.equal(a, b) for a, b in zip(again.text_tower.parameters(), model.text_tower.parameters(), strict=True)
    )
    frozen = checkpoint.newest(out / "clip")[0]
    assert frozen is not None
    assert any(name.startswith("text.") for name in frozen.groups["frozen"])
    assert not any(name.startswith("text.") for name in frozen.groups["ema"])


def test_how_long_words_are_learnt_may_be_changed_until_something_learns_from_them(
    table: Meanings, tmp_path: Path
) -> None:
    recipe, out = small(tmp_path, table, ("text", "vae", "diffusion")), tmp_path / "run"
    train(recipe, "starter", out, ("text",))
    longer = {"text.loop.pictures": "2048"}
    train(recipe.with_overrides(longer), "starter", out, ("text",), Call(settings=longer))
    learnt = checkpoint.newest(out / "text")[0]
    assert learnt is not None
    assert learnt.facts["step"] * learnt.facts["batch"] == 2048
    train(recipe, "starter", out, ("clip",), Call(as_before=True))
    more = {"text.loop.pictures": "4096"}
    with pytest.raises(UserError, match="the CLIP has already learnt from the text tower"):
        train(recipe.with_overrides(more), "starter", out, ("text",), Call(settings=more))


def test_the_task_needs_meanings(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs meanings.*fromnoise data meanings"):
        train(load_recipe("first_model"), "starter", tmp_path / "run", ("text",))


def test_words_of_another_model_are_not_learnt_anew(table: Meanings, tmp_path: Path) -> None:
    recipe = small(tmp_path, table, ("text", "vae", "diffusion"))
    with pytest.raises(UserError, match="start_from brings words"):
        train(replace(recipe, start_from="stickers-64"), "starter", tmp_path / "run")
    for name, value in (("clip.together", "-1"), ("clip.smear", "-1"), ("clip.keep", "-1"), ("text.inside", "2")):
        with pytest.raises(UserError, match=name):
            recipe.with_overrides({name: value})


def test_clip_is_not_trained_without_the_words_that_its_recipe_has_first(table: Meanings, tmp_path: Path) -> None:
    recipe = small(tmp_path, table, ("text", "clip", "vae", "diffusion"))
    for tasks in (("clip",), ("vae", "diffusion")):
        with pytest.raises(UserError, match="no trained text yet"):
            train(recipe, "starter", tmp_path / "run", tasks)


def test_words_that_are_whole_tokens_have_their_meanings(table: Meanings) -> None:
    task = task_of(table)
    tokens, _ = whole_words(task.tokenizer, table)
    lengths = task.network.text.token.weight[tokens].norm(dim=1)
    assert torch.allclose(lengths, torch.ones(len(tokens)), atol=1e-5)
