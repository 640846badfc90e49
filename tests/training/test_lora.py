"""A LoRA beside a finished model: it computes what merged weights compute, forgets nothing, resumes to the bit, and
ends in a file that others read."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from fromnoise.cli.plan import spoken, tell_plan
from fromnoise.cli.train import load_recipe
from fromnoise.data.captions import CaptionMix, CaptionSampler
from fromnoise.data.record import Record
from fromnoise.diffusion.loss import v_target
from fromnoise.drawing.notes import unknown_words
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.ground.errors import UserError
from fromnoise.system.own_lora import save_lora
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import adapting
from fromnoise.training.clock import Clock
from fromnoise.training.conditioning import Conditioning, Remembered, texts_in
from fromnoise.training.estimate import Length, length
from fromnoise.training.examples import Known, Latents, Replayed, StoredExamples
from fromnoise.training.known import known_of, with_known
from fromnoise.training.loop import Trainer
from fromnoise.training.low_rank import Beside, LowRank
from fromnoise.training.recipe import DiffusionStage, LoopConfig, Recipe
from fromnoise.training.situation import Shown, Situation, Suited, situation_of
from fromnoise.training.stages import LoraStage
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.lora import Adapted, LoraTask
from fromnoise.weights.lora_out import PEFT_FILE, write_lora, write_peft

COMPUTE = Compute(torch.device("cpu"), torch.float32, torch.channels_last)
LOOP = LoopConfig(pictures=10**6, batch=8, warmup=0, learning_rate=3e-3, weight_decay=0.0, ema=0.9)
STAGE = LoraStage(rank=4, replay=0.25, prompts=("red apple", "blue house"), steps=2, loop=LOOP)
CLOCK = Clock(0, 8, 10**6, 0)
CLEAR = (0, 0, 0, 0)
NAMED = CaptionMix(full=0.6, keywords=0.2, synonym=0.15, style_only=0.05, object_only=0.0, empty=0.0)


def latents(seed: int) -> Tensor:
    return torch.randn(32, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def task(model: TextToImage, stage: LoraStage = STAGE) -> LoraTask:
    cached = Latents(latents(0), latents(0).flip(3), torch.zeros(32, dtype=torch.bool), torch.ones(32))
    records = [Record(f"{i}.png", text) for i, text in enumerate(["red apple", "blue house"] * 16)]
    words = Conditioning(model.tokenizer, model.text_tower)
    network = Beside(copy.deepcopy(model.unet), stage.rank, 0)
    adapted = Adapted(network, model.schedule, "v", model.vae, (3.0, (60, 850), 0.5), ("a tree", "a sun", "a hat"))
    examples = StoredExamples(cached, CaptionSampler(records, NAMED), 0.15, 0)
    known = Known(latents(1), ["green tree", "yellow sun"] * 16)
    again = Replayed(examples, known, stage.replay) if stage.replay else examples
    return LoraTask(stage, again, words, adapted, COMPUTE)


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(3, 4, 8, 8, generator=rng), torch.tensor([999, 519, 19]), torch.randn(3, 12, 32, generator=rng)


def moved(network: Any) -> Any:
    """With a difference that is not zero."""
    rng = torch.Generator().manual_seed(2)
    for up in network.up.values():
        up.data = 0.1 * torch.randn(up.shape, generator=rng)
    return network


def learnt(network: Any) -> list[Tensor]:
    """The gradients of a difference, for one call."""
    for weight in network.parameters():
        weight.grad = None
    network(*inputs()).square().mean().backward()
    return [part[key].grad for part in (network.down, network.up) for key in part]


def test_beside_the_layers_is_in_their_weights(tiny_model: TextToImage) -> None:
    """The oracle is the network whose weights hold the difference; outputs and gradients are the same."""
    merged = moved(LowRank(copy.deepcopy(tiny_model.unet), 4, 0))
    beside = moved(Beside(copy.deepcopy(tiny_model.unet), 4, 0))
    assert (merged(*inputs()) - tiny_model.unet(*inputs())).abs().max() > 0.1
    torch.testing.assert_close(beside(*inputs()), merged(*inputs()), rtol=1e-4, atol=1e-5)
    for a, b in zip(learnt(beside), learnt(merged), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)
    assert all(weight.grad is None for weight in beside.base.parameters())


def test_several_differences_share_one_base_and_nothing_else(tiny_model: TextToImage) -> None:
    first = moved(Beside(copy.deepcopy(tiny_model.unet), 4, 0))
    other = first.sharing()
    assert other.base is first.base
    assert torch.equal(other(*inputs()), first(*inputs()))
    for up in other.up.values():
        up.data.zero_()
    plain, mine = tiny_model.unet(*inputs()), first(*inputs()).detach()
    assert torch.equal(other(*inputs()), plain)
    assert not torch.equal(mine, plain)
    with first.silent() as base:
        assert torch.equal(base(*inputs()), plain)
    assert torch.equal(first(*inputs()), mine)


def test_activations_that_are_computed_again_teach_the_same(tiny_model: TextToImage) -> None:
    """Also where the base is asked between the call and its way back, as replay does it the other way round."""
    plain = moved(Beside(copy.deepcopy(tiny_model.unet), 4, 0))
    unet = copy.deepcopy(tiny_model.unet)
    adapting.compute_again(unet)
    again = moved(Beside(unet, 4, 0))
    wanted = learnt(plain)
    loss = again(*inputs()).square().mean()
    with again.silent() as base, torch.no_grad():
        base(*inputs())
    loss.backward()
    found = [part[key].grad for part in (again.down, again.up) for key in part]
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-8)


def test_of_what_it_knows_nothing_is_lost_at_first_and_the_loss_is_the_usual_one(tiny_model: TextToImage) -> None:
    t = task(tiny_model)
    batch = t.batch(CLOCK)
    assert batch.known == 2
    assert any(torch.equal(batch.clean[-2], known) for known in latents(1))
    assert any(torch.equal(batch.clean[-1], own) for own in batch.clean[:6])
    found = t.losses(batch, CLOCK)
    assert float(found["loss_known"]) < 1e-9  # fewer pictures in a call round otherwise
    level = t.schedule.alpha(batch.t), t.schedule.sigma(batch.t)
    noisy = t.schedule.add_noise(batch.clean, batch.noise, batch.t)
    error = tiny_model.unet(noisy, batch.t, batch.context) - v_target(batch.clean, batch.noise, *level)
    assert float(found["loss_pictures"]) == pytest.approx(float(error[:6].square().mean()), rel=1e-4)
    moved(t.network)
    assert float(t.losses(batch, CLOCK)["loss_known"]) > 1e-3


def test_nothing_and_other_words_go_on_meaning_what_they_meant(tiny_model: TextToImage) -> None:
    """Of eight that the model answers itself two have no words, and three are pictures that are being learnt."""
    t = task(tiny_model, replace(STAGE, replay=0.5, hold=3.0))
    batch = t.batch(Clock(0, 16, 10**6, 0))
    assert batch.known == 8
    silence = t.words.embed([""], torch.device("cpu"))[0]
    assert [i for i in range(16) if torch.equal(batch.context[i], silence)] == [8, 12]
    own = [i for i in range(8, 16) if any(torch.equal(batch.clean[i], each) for each in batch.clean[:8])]
    assert own == [9, 12, 13]
    moved(t.network)
    found = t.losses(batch, CLOCK)
    assert float(found["loss"].detach()) == pytest.approx(
        float(found["loss_pictures"] + 3 * found["loss_known"]) / 2, rel=1e-5
    )


@pytest.mark.parametrize(
    ("learnt", "wanted"),
    [
        ({"linocut"}, ["cat, noto style", "cat"]),
        ({"noto"}, ["cat"]),
        ({""}, ["cat, noto style"]),
        ({"noto", ""}, ["cat"]),
    ],
)
def test_what_is_being_learnt_is_not_held_as_it_was(learnt: set[str], wanted: list[str]) -> None:
    assert list(adapting.held_prompts(["cat", "cat"], ["noto"], learnt)) == wanted


def test_what_was_read_once_is_remembered_bit_by_bit(tiny_model: TextToImage) -> None:
    """Whatever comes beside it, and whatever was read before."""
    here, texts = torch.device("cpu"), ["red apple", "", "blue house", "red apple", "a cat face"]
    plain = Conditioning(tiny_model.tokenizer, tiny_model.text_tower)
    room = 3.5 * 12 * 32 * 4 / 2**20  # for three texts and a half, of 12 tokens and 32 numbers
    assert texts_in(room, tiny_model.text_tower) == 3
    first, second = (Remembered(tiny_model.tokenizer, tiny_model.text_tower, most=room) for _ in range(2))
    found = first.embed(texts, here)
    torch.testing.assert_close(found, plain.embed(texts, here))
    for text in reversed(texts):
        second.embed([text, "sun"], here)
    assert torch.equal(second.embed(texts, here), found)
    assert torch.equal(first.embed(texts, here), found)  # they had become too many
    assert len(first._known) <= 4


def test_replay_holds_what_the_model_says(tiny_model: TextToImage) -> None:
    """After the same steps, what is asked of the known is nearer to the model's own words with replay than without."""
    found = {}
    for share in (0.0, 0.5):
        t = task(tiny_model, replace(STAGE, replay=share))
        optimizer = torch.optim.Adam(t.parameters(), lr=3e-3)
        for step in range(25):
            clock = Clock(step, 8, 10**6, 0)
            loss = t.losses(t.batch(clock), clock)["loss"]
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        asked = task(tiny_model, replace(STAGE, replay=0.5)).batch(Clock(99, 8, 10**6, 0))
        found[share] = float(t.losses(asked, CLOCK)["loss_known"])
    assert found[0.5] < 0.6 * found[0.0]


def test_a_broken_run_ends_with_the_bits_of_an_unbroken_one_and_keeps_no_model(
    tiny_model: TextToImage, tmp_path: Path
) -> None:
    whole = Trainer(task(tiny_model), tmp_path / "whole", seed=3)
    whole.run(4)
    Trainer(task(tiny_model), tmp_path / "broken", seed=3).run(2)
    broken = Trainer(task(tiny_model), tmp_path / "broken", seed=3)
    broken.run(2)
    for a, b in zip((*whole.masters, *whole.averages), (*broken.masters, *broken.averages), strict=True):
        assert torch.equal(a, b)
    (newest,) = (tmp_path / "whole").glob("step-*4")
    assert not (newest / "frozen.safetensors").exists()
    assert all(not name.startswith("base.") for name in load_file(newest / "weights.safetensors"))


def test_diffusers_computes_with_the_file_what_was_trained(tiny_model_folder: Path, tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    model = TextToImage.load(tiny_model_folder)
    network = moved(Beside(copy.deepcopy(model.unet), 4, 0))
    write_lora(tmp_path / "lora.safetensors", network.changes(), model.unet.config, torch.float32, {"a.b": "c"})
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(tiny_model_folder, safety_checker=None)
    pipe.load_lora_weights(tmp_path, weight_name="lora.safetensors")
    with torch.no_grad():
        theirs = pipe.unet(*inputs()[:2], encoder_hidden_states=inputs()[2]).sample
    torch.testing.assert_close(theirs, network(*inputs()).detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layers", ["all", "attention"])
def test_peft_computes_with_the_folder_what_our_u_net_computes(
    layers: str, tiny_model_folder: Path, tmp_path: Path
) -> None:
    """As it is trained, and as it is drawn with; without the last of its layers it would be something else."""
    diffusers, peft = pytest.importorskip("diffusers"), pytest.importorskip("peft")
    model = TextToImage.load(tiny_model_folder, torch.float32)
    chosen = adapting.is_attention if layers == "attention" else lambda name: True
    network = moved(Beside(copy.deepcopy(model.unet), 4, 0, chosen))
    assert 0 < len(network.changes()) < len(Beside(copy.deepcopy(model.unet), 4, 0).changes()) or layers == "all"

    def theirs(folder: Path) -> Tensor:
        unet = diffusers.UNet2DConditionModel.from_pretrained(tiny_model_folder / "unet", torch_dtype=torch.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # peft only warns of a tensor that it does not find
            adapted = peft.PeftModel.from_pretrained(unet, folder).eval()
        with torch.no_grad():
            return adapted(*inputs()[:2], encoder_hidden_states=inputs()[2]).sample

    write_peft(tmp_path / "exact", network.changes(), model.unet.config, torch.float32)
    torch.testing.assert_close(theirs(tmp_path / "exact"), network(*inputs()).detach(), rtol=0, atol=1e-5)

    save_lora(tmp_path / "lora.safetensors", network.changes(), model, "linocut", "linocut")
    folder, plain = tmp_path / "peft", model.unet(*inputs()).detach()
    drawn = open_model(Opening(tiny_model_folder, (str(folder),), "fp32"))[1]
    assert "linocut" in drawn.styles
    ours = TextToImage.load(tiny_model_folder, torch.float32).with_loras([(folder / PEFT_FILE, 1.0)])
    found = ours.unet(*inputs()).detach()
    assert (found - plain).abs().max() > 0.1
    torch.testing.assert_close(theirs(folder), found, rtol=0, atol=1e-5)
    file = TextToImage.load(tiny_model_folder, torch.float32).with_loras([(tmp_path / "lora.safetensors", 1.0)])
    assert torch.equal(file.unet(*inputs()), found)


def test_a_folder_that_is_no_lora_is_not_replaced(tiny_model: TextToImage, tmp_path: Path) -> None:
    changes = moved(Beside(copy.deepcopy(tiny_model.unet), 4, 0)).changes()
    (tmp_path / "peft").mkdir()
    (tmp_path / "peft" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="peft holds something that is not a LoRA for peft"):
        save_lora(tmp_path / "lora.safetensors", changes, tiny_model, "linocut")
    assert (tmp_path / "peft" / "notes.txt").read_text() == "mine"


# --- the whole way, as people go it ------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, tiny_model_folder: Path) -> Path:
    """A folder with a model and six captioned pictures."""
    shutil.copytree(tiny_model_folder, tmp_path / "tiny")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i, colour in enumerate(("red", "green", "blue", "yellow", "black", "orange")):
        Image.new("RGB", (40, 30), colour).save(pictures / f"{i}.png")
        (pictures / f"{i}.txt").write_text(f"{colour} apple")
    return tmp_path


SHORT = (
    "--set lora.loop.pictures=32 --set lora.loop.batch=8 --set lora.known=4 --set lora.steps=2 --set lora.drawings=2"
)


def test_from_a_folder_to_a_file_that_is_drawn_with(place: Path, run: Any) -> None:
    made = run(
        *f"train lora --data {place}/pictures --out {place}/mine --model {place}/tiny --trigger linocut".split(),
        *SHORT.split(),
    )
    assert made.code in (0, None), made.err
    assert "6 pictures, a LoRA of rank 16 beside tiny; asked for with “linocut style”" in made.err
    assert "first sheet after about" in made.err
    assert "first 4 drawings of what tiny knows already, so that it forgets little" in made.err
    assert "more" not in [line[-4:] for line in made.err.splitlines()]  # all four were drawn at once
    assert "LoRA: your pictures beside the model: begins at 0 of 32 pictures" in made.err
    file = place / "mine" / "lora.safetensors"
    assert f"--model {place}/tiny --lora {file}" in made.out
    with safe_open(file, "pt") as stored:
        about = stored.metadata()
    assert about["modelspec.trigger_phrase"] == "linocut style"
    assert about["fromnoise.model"] == TextToImage.load(place / "tiny").hash
    stored_recipe = Recipe.from_dict(json.loads((place / "mine" / "run.json").read_text())["recipe"])
    assert stored_recipe.data.trigger == "linocut"

    # Its words are no strangers to the model that draws with it, and name a style.
    beside = open_model(Opening(place / "tiny", (str(file),), "fp32"))[1]
    assert beside.styles == ("noto", "twemoji", "linocut")
    assert unknown_words(beside, "red apple, linocut style") == []
    named = run(
        *f"generate apple --style linocut --model {place}/tiny --lora {file} --steps 2 --out {place}/a.png".split()
    )
    assert named.code in (0, None), named.err

    # It is drawn with, by its file or by the folder it lies in.
    opened = [
        open_model(Opening(place / "tiny", (str(lora),)))[1] for lora in (file, file.parent, f"{file.parent}:1.0")
    ]
    assert len({model.hash for model in opened}) == 1
    of_peft = open_model(Opening(place / "tiny", (f"{file.parent / 'peft'}:1.0",)))[1]
    for ours, theirs in zip(opened[0].unet.parameters(), of_peft.unet.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert opened[0].hash != TextToImage.load(place / "tiny").hash

    # The same command changes nothing more; on another machine, where other things would suit, neither.
    before = file.read_bytes()
    again = run("train", "lora", "--data", f"{place}/pictures", "--out", f"{place}/mine")
    assert again.code in (0, None), again.err
    assert file.read_bytes() == before
    assert "a LoRA of rank" not in again.err

    # Killed after the last checkpoint, but before the file was written anew: the same command writes it.
    with safe_open(file, "pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    save_file({name: torch.zeros_like(x) for name, x in tensors.items()}, file, {"fromnoise.pictures_seen": "24"})
    shutil.rmtree(file.parent / "peft")
    again = run("train", "lora", "--data", f"{place}/pictures", "--out", f"{place}/mine")
    assert again.code in (0, None), again.err
    written = load_file(file)
    assert all(torch.equal(written[name], tensors[name]) for name in tensors)
    assert (file.parent / "peft" / PEFT_FILE).is_file()


def test_what_does_not_go_together_is_said_in_one_line(place: Path, run: Any) -> None:
    for more, said in (
        ("--tasks lora,vae", "a LoRA is learnt beside a finished model, and nothing else with it"),
        ("--trigger a,b", "data.trigger must be a word or a few, without commas"),
        ("--set lora.layers=some", "lora.layers must be one of all, attention"),
        ("--set start_from=", "name the model with --model"),
    ):
        made = run(*f"train lora --data {place}/pictures --out {place}/bad --model {place}/tiny {more}".split())
        assert made.code == 2
        assert said in made.err.splitlines()[0]  # before anything is measured
        assert not (place / "bad").exists()


def test_a_recipe_suits_itself_to_what_there_is(place: Path) -> None:
    there = situation_of(f"{place}/pictures", f"{place}/tiny", "linocut")
    assert (there.pictures, there.side, there.styles, there.trigger) == (6, 40, 0, "linocut")
    few, many = (
        load_recipe("lora", lambda n=n: Situation(n, 64, 0, f"{place}/tiny")).recipe.lora.loop.pictures
        for n in (25, 400)
    )
    assert (few, many) == (10_000, 40_000)


@pytest.mark.parametrize(
    ("size", "frame", "fit"),
    [((64, 40), None, "crop"), ((40, 64), None, "crop"), ((64, 60), None, "pad"), ((64, 40), "white", "pad"),
     ((64, 40), CLEAR, "pad")],
)  # fmt: skip
def test_what_fills_its_frame_is_cropped_and_stickers_are_not(
    size: tuple[int, int], frame: Any, fit: str, tmp_path: Path
) -> None:
    for i in range(3):
        image = Image.new("RGBA", size, frame or (200, 60 * i, 40))
        image.paste((200, 60 * i, 40), (8, 8, 24, 24))
        image.save(tmp_path / f"{i}.png")
        if frame != CLEAR:
            image.convert("RGB").save(tmp_path / f"{i} again.jpg")
            (tmp_path / f"{i} again.txt").write_text(f"thing {i}, in a film")
        (tmp_path / f"{i}.txt").write_text(f"thing {i}")
    there = situation_of(str(tmp_path))
    assert there.fit == fit
    for name in ("lora", "finetune", "scratch"):
        suited = load_recipe(name, lambda: there)
        assert suited.recipe.data.fit == fit
        assert any("the middle square" in reason for reason in suited.cropped) == (fit == "crop")


@pytest.mark.parametrize(("pictures", "gpu", "pixels"), [(80, False, 64), (5_000, False, 64), (60_000, True, 128)])
def test_from_nothing_sizes_follow_the_pictures_and_fit_together(pictures: int, gpu: bool, pixels: int) -> None:
    suited = load_recipe("scratch", lambda: Situation(pictures, 512, gpu=gpu))
    made = suited.recipe
    assert made.data.pixels == pixels
    assert ("so few teach little" in suited.reasons[-1]) == (pictures < 1_000)
    smaller = load_recipe("scratch", lambda: Situation(pictures // 2, 512, gpu=gpu)).recipe
    for task in made.tasks:
        assert made.loops()[task].pictures > smaller.loops()[task].pictures
    latent = made.diffusion.model
    assert latent.build()(
        torch.zeros(1, 16, latent.sample_size, latent.sample_size),
        torch.zeros(1),
        torch.zeros(1, 32, made.clip.text.width),
    ).shape == (1, 16, pixels // 8, pixels // 8)


def test_what_is_known_stands_last_and_the_rest_is_as_ever(tiny_model: TextToImage) -> None:
    with_known = task(tiny_model).examples
    assert isinstance(with_known, Replayed)
    clean, texts = with_known.at(CLOCK, torch.device("cpu"))
    own, captions = with_known.examples.at(replace(CLOCK, batch=6), torch.device("cpu"))
    assert torch.equal(clean[:6], own)
    assert texts[:6] == captions
    assert set(texts[6:]) <= {"green tree", "yellow sun"}


def test_a_model_without_a_map_cannot_say_what_it_knows(tiny_model: TextToImage, tmp_path: Path) -> None:
    examples, stage = task(tiny_model).examples, DiffusionStage(known=4, replay=0.5)
    with pytest.raises(UserError, match="carries no map"):
        with_known(examples, stage, tiny_model, COMPUTE, tmp_path, 0)
    assert with_known(examples, stage, None, COMPUTE, tmp_path, 0) is examples


def test_without_words_for_a_model_a_lora_cannot_be_learnt() -> None:
    with pytest.raises(UserError, match="name the model with --model"):
        load_recipe("first_model").check_tasks(("lora",))


@pytest.mark.parametrize(
    ("hours", "said"),
    [(0.01, "a minute"), (0.1, "6 minutes"), (0.04, "2.4 minutes"), (1.4, "84 minutes"), (2.26, "2.3 hours"),
     (30, "30 hours"), (100, "4.2 days")],
)  # fmt: skip
def test_lengths_of_time_are_said_as_people_say_them(hours: float, said: str) -> None:
    assert spoken(hours) == said


def test_what_is_drawn_first_is_said_with_its_time(
    place: Path, tiny_model: TextToImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("fromnoise.training.known.AT_ONCE", 2)
    clock = itertools.count(0, 45)
    monkeypatch.setattr("fromnoise.training.known.time.monotonic", lambda: float(next(clock)))
    shape = torch.Size((tiny_model.unet.config.in_channels, *2 * [tiny_model.unet.config.sample_size]))
    call = tiny_model, tiny_model.unet, COMPUTE, tmp_path / "known.safetensors", 0, ("a [red] cat",), shape, 10
    known_of(*call)
    first, rest = capsys.readouterr().err.splitlines()
    assert first == f"first 10 drawings of what {tiny_model.card.get('name')} knows already, so that it forgets little"
    assert rest == "… about 3 min more"  # four more times 45 seconds
    known_of(*call)
    assert capsys.readouterr().err == ""  # they are kept


def test_the_length_of_a_training_counts_drawings_and_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call of the U-Net takes a second here, and learning from a picture three."""
    monkeypatch.setattr("fromnoise.training.estimate.seconds_a_picture", lambda recipe: 3.0)
    settings = {"start_from": "x", "lora.loop.pictures": "600", "lora.loop.sheet_minutes": "35", "fits_minutes": "true"}
    lora = load_recipe("first_model").with_overrides(settings)

    def minutes(recipe: Recipe, tasks: tuple[str, ...] = ("lora",), most: float | None = None) -> tuple[float, float]:
        found = length(recipe, tasks, 10, most)
        return pytest.approx(60 * found.first), pytest.approx(60 * found.whole)

    plain = lora.with_overrides({"lora.known": "0", "lora.drawings": "1", "lora.steps": "30"})
    assert minutes(plain) == (1, 30 + 2 + 30 / 35)  # a sheet takes a minute
    replayed = plain.with_overrides({"lora.known": "384"})
    assert minutes(replayed) == (128 + 1, 128 + 35 + 2 + 1)  # 384 drawings by 20 calls, and 300 calls more
    assert minutes(replayed, most=20.0) == (128 + 5 + 1, 128 + 20)
    unet = lora.with_overrides({"diffusion.loop.pictures": "20", "diffusion.sheet_steps": "1", "diffusion.known": "3",
                                "diffusion.replay": "0.2"})  # fmt: skip
    assert minutes(unet, ("diffusion",))[0] == 1 + 32 / 60


def test_what_is_known_to_come_of_it_is_told_with_its_time(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Learning from a picture takes three seconds here; a training that ends before is told nothing of it."""
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    monkeypatch.setattr("fromnoise.training.estimate.seconds_a_picture", lambda recipe: 3.0)
    settings = {"start_from": "x", "lora.loop.pictures": "600", "lora.loop.sheet_minutes": "35", "lora.known": "0",
                "lora.drawings": "1", "lora.steps": "30", "fits_minutes": "true", "tasks": "lora"}  # fmt: skip
    lora = load_recipe("first_model").with_overrides(settings)
    assert length(lora, ("lora",), 10, None, 300).shown == pytest.approx((15 + 1 + 15 / 35) / 60)  # and its sheets
    assert length(lora, ("lora",), 10, 17.0, 300).shown == pytest.approx((15 + 1 + 15 / 35) / 60)
    assert length(lora, ("lora",), 10, 16.0, 300).shown is None
    assert length(lora, ("lora",), 10).shown is None
    suited = Suited(lora, (), 10, shown=Shown(300, "half of it brought much (there)"))
    for minutes, tasks, wanted in ((None, None, 1), (5.0, None, 0), (None, ("lora",), 1)):
        tell_plan(suited, {}, tasks, minutes)
        told = [line for line in capsys.readouterr().err.splitlines() if "half of it" in line]
        assert told == wanted * ["half of it brought much (there): here about 16 minutes"]


def test_what_the_recipes_know_is_what_was_measured(place: Path) -> None:
    """docs/training.md has 12,600 pictures of a LoRA from 40, and 23,552 of a model that went on with 300."""
    lora = load_recipe("lora", lambda: Situation(40, 64, model=str(place / "tiny")))
    assert (lora.shown.pictures, lora.recipe.lora.loop.pictures) == (12_600, 12_600)
    tuned = load_recipe("finetune", lambda: Situation(300, 64, model=str(place / "tiny")))
    assert tuned.shown.pictures == pytest.approx(23_552, rel=0.02)
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    assert "(12,600 pictures;" in text
    assert "(23,552 pictures in 12" in text


def test_nothing_is_measured_on_the_cpu_where_a_gpu_will_train(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    monkeypatch.setattr("fromnoise.training.estimate.seconds_a_picture", lambda recipe: pytest.fail("measured"))
    suited = Suited(load_recipe("first_model"), ("a reason",), 10)
    tell_plan(suited, {"vae.loop.learning_rate": "1"}, None, None)
    assert capsys.readouterr().err.splitlines() == [
        "a reason", "how long it takes is said after its first steps: there is a GPU, which is not measured before"
    ]  # fmt: skip


def test_the_length_is_that_of_the_tasks_that_are_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    monkeypatch.setattr("fromnoise.training.estimate.length", lambda *args: asked.append(args) or Length(1.0, 2.0))
    suited = Suited(load_recipe("first_model"), (), 10)
    tell_plan(suited, {"vae.loop.pictures": "9"}, ("vae",), 3.0)
    assert asked == [(suited.recipe, ("vae",), 10, 3.0, 0)]
    another, said = capsys.readouterr().err.splitlines()
    assert another == (
        "you ask for another length than the usual one: how often pictures are seen is told of that one, "
        "the time at the end of yours"
    )
    assert said.startswith("first sheet after about 60 minutes, to the end about 2 hours, if nothing else runs")
