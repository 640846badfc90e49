"""A whole model: drawing does not depend on the company, folders round trip, diffusers draws the same picture."""

from __future__ import annotations

import copy
import inspect
import json
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
import torch
from torch import Tensor

import fromnoise.system.save
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.diffusion.samplers import sampler
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.cores import each_alone
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.clip import CLIPConfig
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import VAEConfig
from fromnoise.system.defaults import Defaults, elsewhere
from fromnoise.system.text_to_image import TextToImage

TEXTS = ["red apple, noto style", "a blue fish", "green tree", "noto style"]


def build() -> TextToImage:
    """A small model with random weights, none of them zero, that float16 holds exactly."""
    tokenizer = Tokenizer.train(TEXTS, vocab_size=560, context=12)
    text = TextConfig(tokenizer.vocab_size, width=32, layers=2, heads=2, context=12, eos_token_id=tokenizer.eos_id)
    image = ImageConfig(pixels=32, patch=8, width=32, layers=1, heads=2)
    unet = UNetConfig(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(48, 96),
        layers_per_block=1,
        cross_attention_dim=32,
        head_dim=24,
        norm_num_groups=8,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = CLIPConfig(text, image, projection=16).build()
        parts = clip, unet.build(), VAEConfig(latent_channels=4, block_out_channels=(16, 24, 32)).build()
        with torch.no_grad():
            for parameter in (p for part in parts for p in part.parameters()):
                if not parameter.any():  # the layers that start at zero
                    parameter.normal_(std=0.05)
                parameter.copy_(parameter.half())
    for part in parts:
        part.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # as load() does
    defaults = Defaults(steps=7, guidance=2.5, interval=(10, 900), sampler="ddim", spacing="trailing")
    facts = {"pictures_seen": 12, "recipe": {"name": "tiny"}}
    schedule = ScheduleConfig().build()
    return TextToImage(tokenizer, clip.text, parts[1], parts[2], schedule, "v", ("noto", "flat"), facts, clip, defaults)


@pytest.fixture(scope="module")
def model() -> TextToImage:
    return build()


@pytest.fixture(scope="module")
def folder(model: TextToImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model"
    model.save(path)
    return path


def noise(model: TextToImage, seeds: list[int]) -> Tensor:
    shape = model.latent_shape()
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in seeds])


def draw(model: TextToImage, seeds: list[int], steps: int = 3) -> tuple[Tensor, Tensor]:
    """(latents, pictures) with guidance; the prompt of a picture follows from its seed."""
    cond = model.read([TEXTS[s % len(TEXTS)] for s in seeds])
    guided = ClassifierFreeGuidance(model.denoiser(), model.read([""] * len(seeds)), 3.0, interval=(0, 999))
    times = model.schedule.timesteps(steps)
    *_, last = sampler("ddim", model.schedule).steps(guided, noise(model, seeds), cond, None, times)
    return last.x_next, model.decode(last.x_next)


class TestSameBits:
    def test_whoever_else_is_drawn(self, model: TextToImage) -> None:
        latents, pictures = draw(model, list(range(8)))
        assert pictures.shape == (8, 3, 32, 32)
        assert pictures.float().std() > 1
        for seeds in ([0], [5], [3, 4], [6, 1, 2], [7, 0, 7]):
            some_latents, some_pictures = draw(model, seeds)
            assert torch.equal(some_latents, latents[seeds])
            assert torch.equal(some_pictures, pictures[seeds])

    @pytest.mark.formats
    @pytest.mark.parametrize("threads", [1, 2, 3])
    def test_whatever_the_number_of_threads(self, model: TextToImage, threads: int) -> None:
        expected, before = draw(model, [2, 3])[0], torch.get_num_threads()
        try:
            torch.set_num_threads(threads)
            assert torch.equal(draw(model, [2, 3])[0], expected)
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)

    def test_from_another_thread(self, model: TextToImage) -> None:
        found: list[Tensor] = []
        other = threading.Thread(target=lambda: found.append(draw(model, [4])[0]))
        other.start()
        here = draw(model, [4])[0]
        other.join()
        assert torch.equal(found[0], here)

    def test_words_do_not_depend_on_other_words(self, model: TextToImage) -> None:
        together = model.embed(TEXTS)
        for i, text in enumerate(TEXTS):
            assert torch.equal(model.embed([text])[0], together[i])


class TestEachAlone:
    def test_workers_have_one_thread_and_others_keep_theirs(self) -> None:
        before = torch.get_num_threads()
        assert each_alone(lambda i: (i, torch.get_num_threads()), [(i,) for i in range(6)]) == [
            (i, 1) for i in range(6)
        ]
        assert torch.get_num_threads() == before
        inherited: list[int] = []
        other = threading.Thread(target=lambda: inherited.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert inherited == [before]

    def test_errors_come_back(self) -> None:
        with pytest.raises(ZeroDivisionError):
            each_alone(lambda i: 1 // i, [(1,), (0,), (2,)])

    def test_arguments_are_aligned_copies(self) -> None:
        given = torch.arange(10.0)[1:]
        address, values = each_alone(lambda x: (x.data_ptr(), x.tolist()), [(given,)])[0]
        assert address % 64 == 0
        assert values == given.tolist()


class TestFolder:
    def test_draws_the_same_bits_after_loading(self, model: TextToImage, folder: Path, tmp_path: Path) -> None:
        loaded = TextToImage.load(folder)
        assert torch.equal(draw(loaded, [1, 2])[1], draw(model, [1, 2])[1])
        loaded.save(tmp_path / "wide", dtype=torch.float32)
        assert torch.equal(draw(TextToImage.load(tmp_path / "wide"), [1, 2])[0], draw(model, [1, 2])[0])
        loaded.save(tmp_path / "again")
        again = TextToImage.load(tmp_path / "again")
        assert torch.equal(draw(again, [1, 2])[0], draw(loaded, [1, 2])[0])
        for file in sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file()):
            assert (tmp_path / "again" / file).read_bytes() == (folder / file).read_bytes(), file

    def test_stores_the_text_tower_once(self, model: TextToImage, folder: Path, tmp_path: Path) -> None:
        loaded = TextToImage.load(folder)
        assert loaded.clip is not None
        assert loaded.clip.text is loaded.text_tower
        assert loaded.hash == model.hash
        other = copy.deepcopy(loaded.text_tower)  # a text tower that went on learning without its CLIP
        with torch.no_grad():
            other.norm_out.bias.add_(1)
        replace(loaded, text_tower=other).save(tmp_path / "apart")
        apart = TextToImage.load(tmp_path / "apart")
        assert apart.clip is not None
        assert not torch.equal(apart.clip.text.norm_out.bias, apart.text_tower.norm_out.bias)

    def test_read_and_written_as_stored_nothing_grows(self, model: TextToImage, folder: Path, tmp_path: Path) -> None:
        TextToImage.load(folder, None).save(tmp_path / "again", None)
        sizes = [
            {file.relative_to(place): file.stat().st_size for file in place.rglob("*.safetensors")}
            for place in (folder, tmp_path / "again")
        ]
        assert sizes[0] == sizes[1]

    def test_keeps_the_facts(self, model: TextToImage, folder: Path) -> None:
        loaded = TextToImage.load(folder)
        kept = ("styles", "card", "defaults", "prediction")
        assert {k: getattr(loaded, k) for k in kept} == {k: getattr(model, k) for k in kept}
        assert loaded.schedule.config == model.schedule.config
        assert loaded.unet.config == model.unet.config
        assert loaded.vae.config == model.vae.config

    def test_hash_names_the_weights(self, model: TextToImage, folder: Path, tmp_path: Path) -> None:
        assert len(model.hash) == 12
        assert int(model.hash, 16) >= 0
        assert TextToImage.load(folder).hash == model.hash
        model.save(tmp_path / "wide", dtype=torch.float32)
        assert TextToImage.load(tmp_path / "wide").hash == model.hash
        for change in ("unet.conv_out.bias", "vae.decoder.conv_out.bias", "text_tower.norm_out.bias"):
            other = TextToImage.load(folder)
            part, _, name = change.partition(".")
            getattr(other, part).get_parameter(name)[0] += 0.01
            assert other.hash == model.hash  # of the weights that were read
            assert replace(other, identity="").hash != model.hash, change

    def test_hash_names_the_tokenizer(self, model: TextToImage, folder: Path) -> None:
        merges, whole = folder / "tokenizer" / "merges.txt", folder / "tokenizer" / "tokenizer.json"
        text, all_of_it = merges.read_text(), whole.read_text()
        fewer = json.loads(all_of_it)
        fewer["model"]["merges"].pop()
        try:
            merges.write_text("\n".join(text.splitlines()[:-1]) + "\n")
            with pytest.raises(UserError, match=r"its merges and that of merges\.txt beside it differ"):
                TextToImage.load(folder)
            whole.write_text(json.dumps(fewer))
            other = TextToImage.load(folder)
        finally:
            merges.write_text(text)
            whole.write_text(all_of_it)
        assert other.hash != model.hash

    def test_a_failed_save_leaves_the_old_model(
        self, model: TextToImage, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(fromnoise.system.save, "save_vae", full)
        before = sorted(folder.rglob("*"))
        with pytest.raises(UserError, match="No space left"):
            model.save(folder)
        assert sorted(folder.rglob("*")) == before
        assert list(folder.parent.iterdir()) == [folder]
        assert TextToImage.load(folder).hash == model.hash

    def test_a_failed_swap_puts_the_old_model_back(
        self, model: TextToImage, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.replace

        def replace(source: Path, target: Path) -> None:
            if str(source).endswith(".tmp"):
                raise OSError("device is gone")
            real(source, target)

        monkeypatch.setattr(os, "replace", replace)
        with pytest.raises(UserError, match="device is gone"):
            model.save(folder)
        assert TextToImage.load(folder).hash == model.hash
        assert list(folder.parent.iterdir()) == [folder]

    def test_replaces_a_model_but_nothing_else(self, model: TextToImage, folder: Path, tmp_path: Path) -> None:
        model.save(folder)
        assert TextToImage.load(folder).hash == model.hash
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "holiday.png").write_bytes(b"precious")
        with pytest.raises(UserError, match="not a model"):
            model.save(tmp_path / "photos")
        with pytest.raises(UserError, match="is a file"):
            model.save(tmp_path / "photos" / "holiday.png")
        assert (tmp_path / "photos" / "holiday.png").read_bytes() == b"precious"

    def test_unknown_names_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"no-such-model.*shipped models"):
            TextToImage.load("no-such-model")
        with pytest.raises(UserError, match=r"model_index\.json"):
            TextToImage.load(tmp_path)

    @pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
    def test_every_part_is_needed(self, folder: Path, part: str, tmp_path: Path) -> None:
        copy = tmp_path / "model"
        copy.mkdir()
        for child in folder.iterdir():
            if child.name != part:
                (copy / child.name).symlink_to(child)
        with pytest.raises(UserError, match=part):
            TextToImage.load(copy)

    def test_facts_of_another_version_are_refused(self, folder: Path, tmp_path: Path) -> None:
        copy = tmp_path / "model"
        copy.mkdir()
        for child in folder.iterdir():
            if child.name != "fromnoise.json":
                (copy / child.name).symlink_to(child)
        found = TextToImage.load(copy)  # without facts it is a model from elsewhere, drawn as its files say
        assert (found.defaults.sampler, found.defaults.spacing) == ("ddim", "trailing")
        assert found.styles == ()
        facts = json.loads((folder / "fromnoise.json").read_text())
        (copy / "fromnoise.json").write_text(json.dumps({**facts, "format": 99}))
        with pytest.raises(UserError, match="99"):
            TextToImage.load(copy)


def test_models_from_elsewhere_are_guided_as_diffusers_guides_them_unless_they_were_distilled() -> None:
    usual = inspect.signature(diffusers.StableDiffusionPipeline.__call__).parameters["guidance_scale"].default
    found = elsewhere("euler", "leading")
    assert (found.guidance, found.rescale, found.interval) == (usual, 0.0, (0, 1000))
    assert (found.sampler, found.spacing, found.steps) == ("euler", "leading", 20)
    few = elsewhere("lcm", "trailing")
    assert (few.steps, few.guidance) == (4, 1.0)


class TestDiffusers:
    """StableDiffusionPipeline opens our folder and draws our picture."""

    @pytest.mark.formats
    @pytest.mark.parametrize("guidance", [1.0, 4.0])
    def test_draws_the_same_picture(self, folder: Path, guidance: float) -> None:
        model = TextToImage.load(folder)
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        start = noise(model, [3])
        options = {"num_inference_steps": 5, "guidance_scale": guidance, "latents": start}
        theirs = pipe("red apple, noto style", output_type="latent", **options).images
        guided = ClassifierFreeGuidance(model.denoiser(), model.read([""]), guidance, interval=(0, 999))
        times = model.schedule.timesteps(5)
        cond = model.read(["red apple, noto style"])
        *_, last = sampler("ddim", model.schedule).steps(guided, start, cond, None, times)
        assert theirs.std() > 0.1
        torch.testing.assert_close(last.x_next, theirs, rtol=1e-3, atol=1e-3)
        picture = pipe("red apple, noto style", output_type="np", **options).images  # (1, H, W, 3), 0..1
        expected = torch.from_numpy(picture).permute(0, 3, 1, 2) * 255
        assert (model.decode(last.x_next).float() - expected).abs().max() <= 1

    def test_reads_the_prompt_as_transformers_does(self, folder: Path) -> None:
        model = TextToImage.load(folder)
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder)
        for text in ("red apple, noto style", "", "Émile's   &"):
            theirs, _ = pipe.encode_prompt(text, "cpu", 1, False)
            torch.testing.assert_close(model.embed([text]), theirs, rtol=1e-4, atol=1e-4)

    def test_draws_with_a_model_that_diffusers_wrote(self, folder: Path, tmp_path: Path) -> None:
        """The habits of Stable Diffusion 1.x: noise prediction, scaled latents, attention in the VAE, 8 heads."""
        text = diffusers.StableDiffusionPipeline.from_pretrained(folder)
        torch.manual_seed(0)
        unet = diffusers.UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(16, 32),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=32,
            norm_num_groups=8,
        )
        vae = diffusers.AutoencoderKL(
            block_out_channels=(16, 32),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=8,
        )
        scheduler = diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            timestep_spacing="trailing",
        )
        pipe = diffusers.StableDiffusionPipeline(
            vae, text.text_encoder, text.tokenizer, unet, scheduler, None, None, requires_safety_checker=False
        )
        pipe.save_pretrained(tmp_path)
        shutil.copytree(folder / "tokenizer", tmp_path / "tokenizer", dirs_exist_ok=True)  # vocab.json, as in 2022
        pipe.set_progress_bar_config(disable=True)
        model = TextToImage.load(tmp_path)
        start = noise(model, [3])
        picture = pipe("a blue fish", num_inference_steps=4, guidance_scale=3.0, latents=start, output_type="np").images
        guided = ClassifierFreeGuidance(model.denoiser(), model.read([""]), 3.0, interval=(0, 999))
        cond, times = model.read(["a blue fish"]), model.schedule.timesteps(4)
        *_, last = sampler("ddim", model.schedule).steps(guided, start, cond, None, times)
        expected = torch.from_numpy(picture).permute(0, 3, 1, 2) * 255
        assert expected.std() > 1
        assert (model.decode(last.x_next).float() - expected).abs().max() <= 1


@pytest.mark.formats
def test_bfloat16_draws_nearly_the_same_and_keeps_the_name(folder: Path) -> None:
    exact, rounded = TextToImage.load(folder), TextToImage.load(folder).to("cpu", torch.bfloat16)
    a, b = (draw(m, [1, 2])[0] for m in (exact, rounded))
    assert 0 < (a - b).norm() < 0.1 * a.norm()
    assert rounded.hash == exact.hash
