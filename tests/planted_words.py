"""Fields of tokenizers, of a pipeline's index, of pictures and of requests, planted one at a time."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from planted_fields import Planted, answer, judged

# --- tokenizers --------------------------------------------------------------------------------------------------

PROMPTS = ["a red apple", "Café, RED  cats!", "a\tb\n<|endoftext|> x", "red " * 30, "日本 ß'll", "", "  a  b "]
CONFIG: dict[str, list[Any]] = {
    "unk_token": ["!", "red</w>"], "bos_token": ["!"], "eos_token": ["!"], "pad_token": ["!", "a</w>"],
    "do_lower_case": [False], "add_prefix_space": [True], "model_max_length": [20, 77], "padding_side": ["left"],
    "truncation_side": ["left"], "errors": ["ignore"],
    "additional_special_tokens": [["red</w>"], ["red"], ["<|endoftext|>"]],
    "extra_special_tokens": [["red"], {"image_token": "cat"}], "split_special_tokens": [True],
    "clean_up_tokenization_spaces": [False], "strip_accents": [True], "add_bos_token": [False],
    "add_eos_token": [False], "tokenizer_class": ["BertTokenizer"], "use_fast": [False], "cls_token": ["!"],
    "sep_token": ["!"], "mask_token": ["!"], "max_length": [5], "stride": [2], "pad_to_multiple_of": [9],
    "truncation": [False], "padding": [False], "chat_template": ["x"], "tokenize_chinese_chars": [False],
    "added_tokens_decoder": [{"300": {"content": "<new>", "special": True}}],
}  # fmt: skip
WHOLE: dict[str, list[Any]] = {
    "truncation": [{"direction": "Left", "max_length": 5, "strategy": "LongestFirst", "stride": 0}],
    "padding": [{"strategy": {"Fixed": 9}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 3,
                 "pad_type_id": 0, "pad_token": "!"}],
    "normalizer": [None, {"type": "NFKC"}], "pre_tokenizer": [None, {"type": "Whitespace"}], "post_processor": [None],
    "decoder": [None], "model.dropout": [0.9], "model.unk_token": ["!"], "model.continuing_subword_prefix": ["##"],
    "model.end_of_word_suffix": [None, "</x>"], "model.fuse_unk": [True], "model.byte_fallback": [True],
    "model.ignore_merges": [True], "model.type": ["WordPiece"],
    "model.merges": ["reversed"], "model.vocab": ["swapped"], "added_tokens": [[]],
}  # fmt: skip


def tokenizers(folder: Path, only: Collection[str] = ()) -> Iterator[Planted]:
    """Every field, or some, of ``tokenizer_config.json`` and ``tokenizer.json``, in folders of transformers 4 and 5."""
    from fromnoise.models.clip.tokenizer import Tokenizer

    Tokenizer.train([*PROMPTS, "red apple", "cat house"] * 3, vocab_size=620, context=77).save(folder / "old")
    shutil.copytree(folder / "old", folder / "new")
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        (folder / "new" / name).unlink()
    for kind in ("old", "new"):
        before = _ids_by_transformers(folder / kind)
        for file, table in (("tokenizer_config.json", CONFIG), ("tokenizer.json", WHOLE)):
            for field in only or table:
                for value in table.get(field, ()):
                    place = folder / "planted"
                    shutil.rmtree(place, ignore_errors=True)
                    shutil.copytree(folder / kind, place)
                    _plant(place / file, field, value)
                    theirs = answer(lambda place=place: _ids_by_transformers(place))  # type: ignore[misc]
                    ours = answer(lambda place=place: Tokenizer.load(place).encode(PROMPTS))  # type: ignore[misc]
                    yield judged(f"{file} ({kind})", field, value, (ours, theirs, before), 0.0)


def _plant(file: Path, field: str, value: Any) -> None:
    whole = json.loads(file.read_text())
    *path, last = field.split(".")
    values = whole
    for name in path:
        values = values[name]
    if value == "reversed":
        value = values[last][::-1]
    elif value == "swapped":
        value = dict(values[last])
        value["a</w>"], value["red</w>"] = value["red</w>"], value["a</w>"]
    values[last] = value
    file.write_text(json.dumps(whole))


def _ids_by_transformers(folder: Path) -> Tensor:
    """As diffusers asks for them."""
    from transformers import CLIPTokenizer

    peer = CLIPTokenizer.from_pretrained(folder)
    most = min(peer.model_max_length, 77)
    return torch.tensor(peer(PROMPTS, padding="max_length", max_length=most, truncation=True)["input_ids"])


# --- pictures ----------------------------------------------------------------------------------------------------


def _base() -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (7, 12, 3), dtype=np.uint8)).resize((36, 21), Image.Resampling.BICUBIC)


def _files() -> Iterator[tuple[str, str, bytes]]:
    """(field, value, file): a picture in every mode that a kind of file takes, turned in every way, with every mark."""
    base, clear = _base(), _base().convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(base.size))
    grey = base.convert("L")
    modes = {
        "PNG": [base, clear, grey, grey.convert("1"), base.quantize(9), clear.convert("LA"), grey.convert("I;16")],
        "TIFF": [base, clear, grey, grey.convert("1"), base.quantize(9), base.convert("CMYK"), base.convert("YCbCr")],
        "JPEG": [base, grey, base.convert("CMYK")], "WEBP": [base, clear], "GIF": [base.quantize(9), grey],
        "BMP": [base, grey, grey.convert("1"), base.quantize(9)], "TGA": [base, clear, grey],
        "JPEG2000": [base, clear, grey], "PPM": [base, grey, grey.convert("1")], "ICO": [clear], "AVIF": [base, clear],
    }  # fmt: skip
    for kind, pictures in modes.items():
        for picture in pictures:
            yield "mode", f"{kind} {picture.mode}", _bytes(picture, kind)
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF"):
        for turn in range(1, 9):
            exif = Image.Exif()
            exif[ExifTags.Base.Orientation] = turn
            yield "EXIF Orientation", f"{kind} {turn}", _bytes(base, kind, exif=exif)
    palette = base.quantize(5)
    for value in (2, bytes([0, 90, 255, 128, 7])):
        yield "tRNS", f"palette {value!r}", _bytes(palette, "PNG", transparency=value)
    yield "tRNS", "grey", _bytes(grey, "PNG", transparency=grey.getpixel((3, 3)))
    yield "tRNS", "RGB", _bytes(base, "PNG", transparency=base.getpixel((3, 3)))
    yield "GIF transparency", "2", _bytes(palette, "GIF", transparency=2)
    frames: dict[str, Any] = {"save_all": True, "append_images": [base.rotate(180)], "duration": 50}
    for kind in ("PNG", "GIF", "WEBP", "TIFF"):
        yield "frames", kind, _bytes(base if kind != "GIF" else palette, kind, **frames)
    marks: dict[str, Any] = {"progressive": True, "subsampling": 0, "keep_rgb": True, "dpi": (72, 300), "quality": 5}
    for name, value in marks.items():
        yield "JPEG", name, _bytes(base, "JPEG", **{name: value})
    for packing in ("tiff_lzw", "tiff_deflate", "packbits", "tiff_jpeg", "group4"):
        picture = grey.convert("1") if packing == "group4" else base
        yield "TIFF compression", packing, _bytes(picture, "TIFF", compression=packing)
    for value in (0, 1):  # PhotometricInterpretation: white is 0, black is 0
        yield "TIFF photometric", str(value), _bytes(grey, "TIFF", tiffinfo={262: value})


def _bytes(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def pictures(folder: Path) -> Iterator[Planted]:
    """Kinds, modes, turns and marks of files: the pixels, on white, that Pillow makes of them."""
    from fromnoise.ground.pictures import on_white, open_picture

    before = torch.from_numpy(np.array(_base(), dtype=np.float32))
    for field, value, data in _files():
        ours = answer(lambda data=data: _pixels(on_white(open_picture(data))))  # type: ignore[misc]
        theirs = answer(lambda data=data: _by_pillow(data))  # type: ignore[misc]
        yield judged("picture", field, value, (ours, theirs, before), 1.01 / 255)  # one of 255, as rounding differs


def _by_pillow(data: bytes) -> Tensor:
    with Image.open(io.BytesIO(data)) as opened:
        picture = ImageOps.exif_transpose(opened)
        if picture.mode.startswith("I"):
            return _pixels(Image.fromarray((np.asarray(picture).astype(np.int64) // 257).astype(np.uint8)))
        rgba = picture.convert("RGBA")
    return _pixels(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba))


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture.convert("RGB"), dtype=np.float32))


# --- requests ----------------------------------------------------------------------------------------------------

ASKED: dict[str, list[Any]] = {
    "prompt": ["a blue house", "(red apple:1.5)"], "negative": ["blue"], "style": ["noto", "any", "nobody's"],
    "seed": [4], "count": [2, 0], "steps": [2, 0], "guidance": [1.0, 0.0, 9.0], "interval": [(100, 500)],
    "rescale": [0.7], "sampler": ["euler_a", "unipc", "lcm", "ddpm", "nobody's"],
    "spacing": ["trailing", "leading", "nobody's"],
    "sigmas": ["karras", "exponential", "beta", "nobody's"], "free": [True], "width": [48, 33], "height": [48],
    "native": [True], "transparent": [True], "best_of": [2, 0],
}  # fmt: skip
UNCHANGED = {
    "native": "it is about sizes far beyond the model's own",
    "style=any": "the model has no choice of its own",
}


def requests(folder: Path) -> Iterator[Planted]:
    """Every field of a request to the tiny model: another picture, or a refusal that names it."""
    from conftest import make_tiny_model
    from fromnoise.drawing.generate import draw
    from fromnoise.drawing.request import Request

    model = make_tiny_model()
    usual = Request("red apple", seed=3, steps=3)
    before = draw(model, usual).float()
    assert ASKED.keys() | {"towards", "strength"} == vars(usual).keys()  # which need a picture, and another one
    for field, values in ASKED.items():
        for value in values:
            asked = replace(usual, **{field: value}, **({"prompt": ""} if field == "free" else {}))
            ours = answer(lambda asked=asked: draw(model, asked).float())  # type: ignore[misc]
            if isinstance(ours, Exception):
                yield judged("request", field, value, (ours, before, before))
                continue
            same = ours.shape == before.shape and torch.equal(ours, before)
            why = UNCHANGED.get(field) or UNCHANGED.get(f"{field}={value}", "")
            outcome = ("no effect" if why else "wrong") if same else "honoured"
            yield Planted("request", field, value, outcome, why or ("overlooked" if same else ""))


# --- a pipeline's index ------------------------------------------------------------------------------------------

INDEX: dict[str, list[Any]] = {
    "force_zeros_for_empty_prompt": [False], "requires_aesthetics_score": [True, False],
    "_class_name": ["StableDiffusionXLPipeline", "StableDiffusionXLInstructPix2PixPipeline"],
    "feature_extractor": [[None, None]], "image_encoder": [[None, None]], "add_watermarker": [False],
    "scheduler": [["diffusers", "EulerDiscreteScheduler"], ["diffusers", "DDIMScheduler"]],
    "text_encoder": [[None, None]], "tokenizer_2": [["transformers", "BertTokenizer"]],
    "unet": [["diffusers", "UNetMotionModel"]], "vae": [["diffusers", "AutoencoderTiny"]],
}  # fmt: skip


def index(folder: Path) -> Iterator[Planted]:
    """Every field of ``model_index.json`` of a pipeline that changes pictures, in two steps, without negative words."""
    from checkpoints import pipeline
    from fromnoise.models.clip.tokenizer import Tokenizer

    Tokenizer.train(["red apple", "cat"] * 3, vocab_size=560, context=77).save(folder / "words")
    pipeline("sdxl", tokenizer=folder / "words").save_pretrained(folder / "sdxl")
    whole = json.loads((folder / "sdxl" / "model_index.json").read_text())
    whole["_class_name"] = "StableDiffusionXLImg2ImgPipeline"
    before = _by_diffusers(folder / "sdxl", whole)
    for field, values in INDEX.items():
        for value in values:
            planted = {**whole, field: value}
            theirs = answer(lambda planted=planted: _by_diffusers(folder / "sdxl", planted))  # type: ignore[misc]
            ours = answer(lambda planted=planted: _drawn(folder / "sdxl", planted))  # type: ignore[misc]
            yield judged("model_index.json", field, value, (ours, theirs, before), 1e-3)


def _start() -> Tensor:
    return torch.randint(0, 256, (3, 32, 32), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


def _by_diffusers(folder: Path, values: dict[str, Any]) -> Tensor:
    import diffusers

    (folder / "model_index.json").write_text(json.dumps(values))
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder)
    assert hasattr(pipe, "unet")
    pipe.set_progress_bar_config(disable=True)
    if not isinstance(pipe, diffusers.StableDiffusionXLImg2ImgPipeline):
        pipe = diffusers.StableDiffusionXLImg2ImgPipeline(**pipe.components, add_watermarker=False, **{
            name: pipe.config[name] for name in ("force_zeros_for_empty_prompt", "requires_aesthetics_score")
            if name in pipe.config
        })  # fmt: skip
        pipe.set_progress_bar_config(disable=True)
    found: Tensor = pipe(
        "red apple", image=_start()[None].float() / 255, strength=0.6, num_inference_steps=4, guidance_scale=5.0,
        generator=torch.Generator().manual_seed(5), output_type="latent",
    ).images  # fmt: skip
    return found


def _drawn(folder: Path, values: dict[str, Any]) -> Tensor:
    from fromnoise.diffusion.samplers import Step
    from fromnoise.drawing.generate import generate
    from fromnoise.drawing.plan import plan
    from fromnoise.drawing.request import Request
    from fromnoise.drawing.start import Start
    from fromnoise.system.text_to_image import TextToImage

    (folder / "model_index.json").write_text(json.dumps(values))
    model = TextToImage.load(folder)
    asked = Request("red apple", seed=5, steps=4, guidance=5.0, width=32, height=32, strength=0.6, sampler="")
    asked = replace(asked, sampler=model.defaults.sampler)
    *steps, _ = generate(model, plan(model, asked), Start(_start(), None))
    assert isinstance(steps[-1], Step)
    return steps[-1].x_next
