"""Single files in the original naming, shards, variants: read as they are stored, and written again bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModelWithProjection

from checkpoints import FAMILIES, pipeline
from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage
from fromnoise.weights.hub import chosen, is_hub_id
from fromnoise.weights.pickles import as_safetensors


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {family: tmp_path_factory.mktemp("folders") / family for family in FAMILIES}
    for family, folder in made.items():
        pipeline(family).to(torch.float16).save_pretrained(folder)
    return made


@pytest.fixture(scope="module")
def files(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {family: tmp_path_factory.mktemp("files") / f"{family}.safetensors" for family in FAMILIES}
    for family, file in made.items():
        TextToImage.load(folders[family], None).save_file(file)
    return made


def tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    for file in sorted(folder.glob("*/*.safetensors")):
        for name, tensor in sorted(load_file(file).items()):
            yield f"{file.parent.name}.{name.removeprefix('text_model.')}", tensor


@pytest.mark.parametrize("family", FAMILIES)
def test_diffusers_finds_its_own_tensors_in_our_single_file(
    folders: dict[str, Path], files: dict[str, Path], family: str
) -> None:
    stored = load_file(files[family])
    for kind, part, read in (
        (UNet2DConditionModel, "unet", single_file_utils.convert_ldm_unet_checkpoint),
        (AutoencoderKL, "vae", single_file_utils.convert_ldm_vae_checkpoint),
    ):
        network: Any = kind.from_pretrained(folders[family] / part, torch_dtype=torch.float16)
        found, expected = read(dict(stored), config=dict(network.config)), network.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[n].reshape(expected[n].shape), expected[n]) for n in expected)


def test_diffusers_finds_the_second_text_tower_of_xl(folders: dict[str, Path], files: dict[str, Path]) -> None:
    tower = CLIPTextModelWithProjection.from_pretrained(folders["sdxl"] / "text_encoder_2", torch_dtype=torch.float16)
    stored, expected = load_file(files["sdxl"]), tower.state_dict()
    found = single_file_utils.convert_open_clip_checkpoint(tower, stored, prefix="conditioner.embedders.1.model.")
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_round_trips_are_bit_equal(
    folders: dict[str, Path], files: dict[str, Path], tmp_path: Path, family: str
) -> None:
    TextToImage.load(files[family], None).save(tmp_path / "back", None)
    before, after = dict(tensors(folders[family])), dict(tensors(tmp_path / "back"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[n], after[n]) and before[n].dtype == after[n].dtype for n in before)
    TextToImage.load(tmp_path / "back", None).save_file(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == files[family].read_bytes()
    factors = [
        json.loads((f / "vae/config.json").read_text())["scaling_factor"] for f in (folders[family], tmp_path / "back")
    ]
    assert factors[0] == factors[1]
    config = Path("scheduler") / "scheduler_config.json"  # kept in the file's header
    assert json.loads((folders[family] / config).read_text()) == json.loads((tmp_path / "back" / config).read_text())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_single_file_draws_what_its_folder_draws(
    folders: dict[str, Path], files: dict[str, Path], family: str
) -> None:
    wish = Request("a red apple", seed=3, steps=3, width=32, height=32, sampler="euler", spacing="trailing", sigmas="")
    wish_spread = Request("a red apple", seed=3, steps=3, width=32, height=32)
    folder, file = TextToImage.load(folders[family]), TextToImage.load(files[family])
    assert file.prediction == folder.prediction
    assert torch.equal(draw(file, wish), draw(folder, wish))
    assert torch.equal(draw(file, wish_spread), draw(folder, wish_spread))  # with the scheduler in its header


@pytest.mark.parametrize("family", FAMILIES)
def test_files_of_other_programs_do_not_say_how_to_draw(files: dict[str, Path], tmp_path: Path, family: str) -> None:
    save_file(load_file(files[family]), tmp_path / "other.safetensors", metadata={"format": "pt"})
    other = TextToImage.load(tmp_path / "other.safetensors")
    assert other.defaults.sampler == "dpm++"  # this is what people use
    assert draw(other, Request("a red apple", seed=3, steps=3, width=32, height=32)).shape == (1, 3, 32, 32)


@pytest.mark.parametrize("note", ["{", "[1]", '{"_class_name": "NoScheduler"}'])
def test_a_damaged_note_of_the_scheduler_is_one_line(files: dict[str, Path], tmp_path: Path, note: str) -> None:
    file = tmp_path / "odd.safetensors"
    save_file(load_file(files["sd1"]), file, metadata={"fromnoise.scheduler": note})
    with pytest.raises(UserError, match="scheduler"):
        TextToImage.load(file)


@pytest.mark.parametrize(("size", "variant"), [("10GB", "fp16"), ("100KB", None), ("100KB", "fp16")])
def test_shards_and_variants_are_read(folders: dict[str, Path], tmp_path: Path, size: str, variant: str | None) -> None:
    pipe = pipeline("sd1").to(torch.float16)
    pipe.save_pretrained(tmp_path / "x", max_shard_size=size, variant=variant)
    names = [f.name for f in (tmp_path / "x" / "unet").iterdir()]
    assert any("-of-" in n for n in names) == (size == "100KB")
    whole, parts = TextToImage.load(folders["sd1"]), TextToImage.load(tmp_path / "x")
    for a, b in zip(whole.unet.state_dict().values(), parts.unet.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_missing_shard_and_a_shard_elsewhere_are_refused(tmp_path: Path) -> None:
    pipeline("sd1").save_pretrained(tmp_path / "x", max_shard_size="100KB")
    index = next((tmp_path / "x" / "unet").glob("*.index.json"))
    lost = next((tmp_path / "x" / "unet").glob("*-00002-of-*"))
    moved = lost.rename(tmp_path / lost.name)
    with pytest.raises(UserError, match="is missing"):
        TextToImage.load(tmp_path / "x")
    index.write_text(index.read_text().replace(lost.name, f"../../{moved.name}"))
    with pytest.raises(UserError, match="outside of the model"):
        TextToImage.load(tmp_path / "x")


def test_of_a_hub_model_only_what_is_needed_is_fetched() -> None:
    files = [
        "model_index.json", "README.md", "v1-5.safetensors", "unet/config.json", "unet/model.bin",
        "unet/model.safetensors", "unet/model.fp16.safetensors", "unet/model.non_ema.safetensors",
        "vae/model.safetensors", "safety_checker/model.safetensors", "tokenizer/vocab.json", "tokenizer/merges.txt",
    ]  # fmt: skip
    assert sorted(chosen(files)) == [
        "model_index.json", "tokenizer/merges.txt", "tokenizer/vocab.json", "unet/config.json",
        "unet/model.fp16.safetensors", "vae/model.safetensors",
    ]  # fmt: skip
    assert is_hub_id("runwayml/stable-diffusion-v1-5")
    assert not any(is_hub_id(name) for name in ("stickers-64", "../a", "/a/b", "a/b/c", ""))


def test_a_hub_model_in_the_cache_opens_without_a_network(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "models--somebody--tiny"
    (cache / "snapshots").mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    (cache / "snapshots" / "abc").symlink_to(folders["sd1"])
    code = "from fromnoise.system.text_to_image import TextToImage; print(TextToImage.load('somebody/tiny').pixels)"
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "32\n", done.stderr
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code = code.replace("somebody/tiny", "nobody/nothing")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "is not in the cache" in done.stderr


def test_reading_needs_hardly_more_memory_than_the_weights(tmp_path: Path) -> None:
    from fromnoise.models.unet import UNetConfig
    from fromnoise.weights.diffusers_layout import save_unet
    from fromnoise.weights.files import empty

    config = UNetConfig(block_out_channels=(384, 768), cross_attention_dim=768, head_dim=64, norm_num_groups=32)
    network = empty(config).to_empty(device="cpu")
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    size = sum(p.numel() for p in network.parameters()) * 4
    save_unet(network, tmp_path / "unet", torch.float16)
    code = (
        "import resource, sys, torch; from pathlib import Path\n"
        "from fromnoise.weights.diffusers_layout import load_unet; from fromnoise.models.unet import UNetConfig\n"
        "import fromnoise.weights.stored as s; s.MOST_MAPPED = 32 * 2**20\n"
        "torch.zeros(1) @ torch.zeros(1, 1)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "network = load_unet(Path(sys.argv[1]))\n"
        "unit = 1 if sys.platform == 'darwin' else 1024\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "unet")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) <= 1.15 * size


# --- files that are not what they seem --------------------------------------------------------------------------


def damaged(file: Path, kind: str, target: Path) -> None:
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    name = next(n for n in header if n != "__metadata__" and header[n]["data_offsets"][1] > 2048)
    if kind == "truncated":
        target.write_bytes(data[: len(data) // 2])
        return
    if kind == "header of 100 GB":
        target.write_bytes((100 * 2**30).to_bytes(8, "little") + data[8:])
        return
    if kind == "pickle":
        torch.save({"a": torch.zeros(3)}, target)
        return
    if kind == "old pickle":
        torch.save({"a": torch.zeros(3)}, target, _use_new_zipfile_serialization=False)
        return
    if kind in ("empty", "text", "lfs", "png"):
        texts = {"empty": b"", "text": b"hello " * 99, "lfs": b"version https://git-lfs.github.com/spec/v1\noid"}
        target.write_bytes(texts.get(kind, b"\x89PNG\r\n\x1a\n" + bytes(99)))
        return
    if kind == "sizes lie":
        header[name]["shape"] = [side * 2 for side in header[name]["shape"]]
    if kind == "overlap":
        other = next(n for n in header if n not in ("__metadata__", name))
        header[other]["data_offsets"] = header[name]["data_offsets"]
        header[other]["shape"], header[other]["dtype"] = header[name]["shape"], header[name]["dtype"]
    if kind == "beyond the end":
        header[name]["data_offsets"] = [len(body), len(body) + 4]
    if kind == "negative":
        header[name]["data_offsets"] = [-8, 8]
    text = b"{" + b"x" * (length - 1) if kind == "not JSON" else json.dumps(header).encode()
    target.write_bytes(len(text).to_bytes(8, "little") + text + body)


KINDS = (
    "truncated", "header of 100 GB", "pickle", "old pickle", "empty", "text", "lfs", "png", "sizes lie", "overlap",
    "beyond the end", "negative", "not JSON",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_file_is_one_clear_line(files: dict[str, Path], tmp_path: Path, kind: str) -> None:
    target = tmp_path / "bad.safetensors"
    damaged(files["sd1"], kind, target)
    with pytest.raises(UserError) as caught:
        TextToImage.load(target)
    assert "bad.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)
    if "pickle" in kind:
        assert "pickle" in str(caught.value)


def test_a_giant_header_takes_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "giant.safetensors"
    with file.open("wb") as stream:
        stream.write((100 * 2**30).to_bytes(8, "little") + b"{")
        stream.truncate(100 * 2**30 + 4096)  # sparse: the size fits the header
    code = (
        "import resource, sys; from fromnoise.system.text_to_image import TextToImage\n"
        "from fromnoise.ground.errors import UserError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    TextToImage.load(sys.argv[1])\n"
        "except UserError as error:\n    print(error)\n"
        "unit = 1024 if sys.platform == 'darwin' else 1\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000 * unit\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "giant.safetensors" in done.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "1 tensors missing"),
        ("extra", "1 unknown tensors"),
        ("shape", "expected"),
        ("no vae", "no VAE"),
        ("no text", "no text tower"),
        ("only a U-Net", "U-Net alone"),
        ("flux", "Flux"),
        ("lora", "--lora"),
        ("refiner", "refiner"),
        ("nothing", "not Stable Diffusion"),
    ],
)
def test_another_architecture_is_named(files: dict[str, Path], tmp_path: Path, change: str, message: str) -> None:
    state = load_file(files["sd1"])
    key = "model.diffusion_model.input_blocks.1.0.in_layers.2.bias"
    if change == "missing":
        del state[key]
    if change == "extra":
        state["model.diffusion_model.input_blocks.1.0.surprise.weight"] = torch.zeros(3)
    if change == "shape":
        state[key] = torch.zeros(7)
    prefixes = {"no vae": "first_stage_model.", "no text": "cond_stage_model.", "refiner": "cond_stage_model."}
    if change in prefixes:
        state = {n: x for n, x in state.items() if not n.startswith(prefixes[change])}
    if change == "refiner":
        state["conditioner.embedders.0.model.ln_final.weight"] = torch.zeros(3)
    single = {"only a U-Net": "down_blocks.0.a", "flux": "double_blocks.0.a", "lora": "lora_unet_a", "nothing": "a"}
    state = {single[change]: torch.zeros(3)} if change in single else state
    save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(UserError, match=message):
        TextToImage.load(tmp_path / "odd.safetensors")


class Evil:
    """Unpickling this would make a file."""

    def __reduce__(self) -> Any:
        return (os.mkdir, (os.environ["EVIL"],))


def test_a_ckpt_needs_permission_and_never_runs_code(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVIL", str(tmp_path / "evil"))
    good, bad = tmp_path / "good.ckpt", tmp_path / "bad.ckpt"
    torch.save({"state_dict": load_file(files["sd1"]), "global_step": 3}, good)
    torch.save({"state_dict": {"a": torch.zeros(1)}, "x": Evil()}, bad)
    with pytest.raises(UserError, match="--allow-pickle"):
        TextToImage.load(good)
    with pytest.raises(UserError, match="--allow-pickle"), as_safetensors(good, allow_pickle=False):
        pass
    with as_safetensors(good, allow_pickle=True) as copy:
        loaded = TextToImage.load(copy)
    expected = TextToImage.load(files["sd1"])
    for a, b in zip(loaded.unet.parameters(), expected.unet.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(UserError, match="more than tensors"), as_safetensors(bad, allow_pickle=True):
        pass
    assert not (tmp_path / "evil").exists()
