"""The command line as people use it: what it writes, what it says, and what it leaves behind when it refuses."""

from __future__ import annotations

import json
import os
import shlex
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from typer.testing import CliRunner

from fromnoise.cli import entry
from fromnoise.drawing.picture_file import as_tensor, read_origin, save_png
from fromnoise.models.unet import UNet
from fromnoise.system.text_to_image import TextToImage


def test_generate_writes_a_picture_and_again_redraws_it(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    first = run(
        "generate", "red apple", "--style", "noto", "--model", tiny_model_folder, "--steps", 3, "--out", "a.png"
    )
    assert first.code == 0, first.err
    seed = int(first.out.split("seed ")[1])
    origin = read_origin(tmp_path / "a.png")
    assert (origin.request.prompt, origin.request.style, origin.request.seed) == ("red apple", "noto", seed)
    assert (origin.request.steps, origin.request.sampler, origin.request.guidance) == (3, "dpm++", 3.0)
    again = run("generate", "--again", "a.png", "--model", tiny_model_folder, "--out", "b.png")
    assert again.code == 0, again.err
    assert as_tensor(tmp_path / "a.png").equal(as_tensor(tmp_path / "b.png"))
    with Image.open(tmp_path / "a.png") as picture:
        assert f"Seed: {seed}" in picture.text["parameters"]  # type: ignore[attr-defined]


def test_each_picture_of_a_batch_can_be_redrawn_alone(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    arguments = ("--model", tiny_model_folder, "--steps", 2, "--seed", 5)
    assert run("generate", "sun", "-n", 3, *arguments, "--out", "s.png", "--film", "s.gif").code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"s-{i}.{e}" for i in range(3) for e in ("gif", "png")]
    assert run("generate", "--again", "s-2.png", "--model", tiny_model_folder, "--out", "t.png").code == 0
    assert as_tensor(tmp_path / "t.png").equal(as_tensor(tmp_path / "s-2.png"))
    origin = read_origin(tmp_path / "s-2.png")
    assert (origin.request.seed, origin.request.count, origin.index) == (7, 1, 2)
    redrawn = [run("generate", "--again", "s-1.png", "--model", tiny_model_folder).out for _ in range(2)]
    assert redrawn == ["s-1-again.png\n", "s-1-again-v1.png\n"]  # a name we chose ourselves never overwrites


@pytest.mark.formats
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_picture_is_redrawn_in_the_format_it_was_drawn_in(
    run: Any, tiny_model_folder: Path, tmp_path: Path, precision: str
) -> None:
    model = ("--model", tiny_model_folder)
    assert run("generate", "sun", "--steps", 3, *model, "--precision", precision, "--out", "a.png").code == 0
    assert read_origin(tmp_path / "a.png").precision == precision
    assert run("generate", "--again", "a.png", *model, "--out", "b.png").code == 0
    assert as_tensor(tmp_path / "a.png").equal(as_tensor(tmp_path / "b.png"))


def test_a_film_goes_from_static_to_the_picture(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    done = run(
        "generate", "sun", "--steps", 5, "--seed", 1, "--model", tiny_model_folder, "--out", "s.png", "--film", "s.webp"
    )
    assert done.code == 0, done.err
    with Image.open(tmp_path / "s.webp") as film:
        assert film.n_frames == 1 + 5  # the noise, then five clean estimates; the last is the picture


def test_a_strip_shows_ten_moments_side_by_side(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    arguments = ("generate", "sun", "--steps", 15, "--seed", 1, "--model", tiny_model_folder)
    done = run(*arguments, "--out", "s.png", "--film", "strip.png")
    assert done.code == 0, done.err
    strip = as_tensor(tmp_path / "strip.png")
    assert strip.shape == (3, 32, 10 * 36 - 4)
    assert strip[:, :, -32:].equal(as_tensor(tmp_path / "s.png"))


def test_prompts_are_drawn_in_order_and_an_interrupted_run_goes_on(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.txt").write_text("red apple\na blue house\nsun\n")
    arguments = ("generate", "--prompts", "p.txt", "--out", "many", "--steps", 2, "--seed", 1)
    arguments += ("--model", tiny_model_folder)
    assert run(*arguments).code == 0
    files = sorted((tmp_path / "many").iterdir())
    assert [f.name for f in files] == ["0000.png", "0001.png", "0002.png"]
    assert [read_origin(f).request.prompt for f in files] == ["red apple", "a blue house", "sun"]
    kept = files[0].stat().st_mtime_ns
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[:50])  # as if the machine had stopped while copying
    files[2].unlink()
    assert run(*arguments).code == 0
    assert files[0].stat().st_mtime_ns == kept
    assert files[1].read_bytes() == whole
    assert files[2].exists()


def test_prompts_without_a_seed_take_up_the_seed_of_the_interrupted_run(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.txt").write_text("\ufeffred apple\nsun\nred apple\n", encoding="utf-8")
    arguments = ("generate", "--prompts", "p.txt", "--out", "many", "--steps", 2, "--model", tiny_model_folder)
    first = run(*arguments)
    before = {f.name: f.read_bytes() for f in (tmp_path / "many").iterdir()}
    (tmp_path / "many" / "0000.png").unlink()
    kept = (tmp_path / "many" / "0001.png").stat().st_mtime_ns
    second = run(*arguments)
    assert second.out == first.out  # the same folder, the same seed
    assert "2 of 3 are there already" in second.err
    assert {f.name: f.read_bytes() for f in (tmp_path / "many").iterdir()} == before
    assert (tmp_path / "many" / "0001.png").stat().st_mtime_ns == kept


def test_prompts_never_draw_over_pictures_of_something_else(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("red apple\nsun\n", encoding="utf-8")
    arguments = ("generate", "--prompts", "p.txt", "--out", "many", "--model", tiny_model_folder, "--steps")
    assert run(*arguments, 2).code == 0
    Image.new("RGB", (8, 8)).save(tmp_path / "many" / "0001.png")  # somebody's own
    before = {f.name: f.read_bytes() for f in (tmp_path / "many").iterdir()}
    for steps, message in ((2, "0001.png is something else"), (3, "(2 of 2 files)"), (2, "0001.png is something else")):
        done = run(*arguments, steps)
        assert done.code == 2
        assert message in done.err
        assert {f.name: f.read_bytes() for f in (tmp_path / "many").iterdir()} == before
        (tmp_path / "many" / "0001.png").write_text("my diary")
        before = {f.name: f.read_bytes() for f in (tmp_path / "many").iterdir()}


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ([], ["--watermark"], "0000.png is there already, without a watermark; give --watermark as before, or another"),
        (["--watermark"], [], "0000.png is there already, with a watermark; give --watermark as before, or another"),
    ],
)
def test_prompts_go_on_marked_as_they_began(
    run: Any, tiny_model_folder: Path, tmp_path: Path, before: list[str], now: list[str], message: str
) -> None:
    (tmp_path / "p.txt").write_text("red apple\nsun\n", encoding="utf-8")
    arguments = ("generate", "--prompts", "p.txt", "--out", "many", "--model", tiny_model_folder, "--steps", 1)
    arguments += ("--size", "64x64", "--seed", 1)
    assert run(*arguments, *before).code == 0
    (tmp_path / "many" / "0001.png").unlink()
    left = (tmp_path / "many" / "0000.png").read_bytes()
    refused = run(*arguments, *now)
    assert refused.code == 2
    assert message in " ".join(refused.err.split())
    assert [file.read_bytes() for file in (tmp_path / "many").iterdir()] == [left]
    assert run(*arguments, *before).code == 0
    assert [read_origin(tmp_path / "many" / f"000{i}.png").watermark for i in range(2)] == [bool(before)] * 2


def test_line_i_uses_seed_plus_i(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("red apple\nsun\nred apple\n")
    common = ("--steps", 2, "--model", tiny_model_folder)
    assert run("generate", "--prompts", "p.txt", "--out", "many", "--seed", 5, *common).code == 0
    assert run("generate", "red apple", "--seed", 7, "--out", "alone.png", *common).code == 0
    origins = [read_origin(tmp_path / "many" / f"000{i}.png") for i in range(3)]
    assert [(o.request.seed, o.index) for o in origins] == [(5, 0), (6, 1), (7, 2)]
    third = as_tensor(tmp_path / "many" / "0002.png")
    assert third.equal(as_tensor(tmp_path / "alone.png"))
    assert not third.equal(as_tensor(tmp_path / "many" / "0000.png"))  # a repeated line is another picture


def test_free_draws_without_a_prompt(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    assert run("generate", "--free", "-n", 2, "--steps", 2, "--model", tiny_model_folder).code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["free-0.png", "free-1.png"]
    assert run("generate", "--free", "-n", 2, "--steps", 2, "--model", tiny_model_folder).code == 0
    assert len(list(tmp_path.iterdir())) == 4  # a name we chose ourselves never overwrites


def test_a_long_prompt_is_read_in_parts_and_that_is_said(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    words = "red apple green tree yellow sun blue house cat face red apple"
    done = run("generate", words, "--steps", 1, "--model", tiny_model_folder, "--out", "x.png")
    assert done.code == 0
    assert "it is read in 2 parts" in done.err
    endless = run("generate", "red apple " * 10_000, "--steps", 1, "--model", tiny_model_folder, "--out", "y.png")
    assert endless.code == 2
    assert "shorten it" in endless.err
    assert len(endless.err) < 200
    assert run("sheet", "--prompt", "sun " * 40, "--steps", 1, "--model", tiny_model_folder, "--out", "s.png").code == 0
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width < 800


# A folder that is there and that not even root may write to: Linux has one.
NOT_EVEN_ROOT = [
    (["--film", "/proc/a.gif"], "cannot write /proc/a.gif"),
    (["--out", "/proc/a.png"], "cannot write /proc/a.png"),
][: 2 if Path("/proc/self").exists() else 0]
WRONG = [
    (["--style", "nota"], "did you mean noto"),
    (["--sampler", "plmz"], "unknown sampler"),
    (["--model", "nowhere"], "not a model"),
    (["--precision", "int8"], "auto, bf16, fp32"),
    (["--steps", "0"], "steps"),
    (["--steps", "many"], "steps"),
    (["--guidance", "nan"], "guidance"),
    (["-n", "0"], "number of pictures"),
    (["--seed", "-3"], "seed"),
    (["--out", "no/such/a.png"], "no folder"),
    (["--out", "a.bmp"], "should end in .png"),
    (["--out", "."], "should end in .png"),
    (["--out", "x" * 300 + ".png"], "too long"),
    (["--model", "x" * 300], "too long"),
    (["--negative", "caf\udce9"], "UTF-8"),
    (["--film", "a.mp4"], "should end in .gif or .webp or .png"),
    (["--film", "a.png", "--out", "a.png"], "same file"),
    *NOT_EVEN_ROOT,
    (["--interval", "900", "60"], "the lower first; not 900 60"),
    (["--free"], "--free"),
    (["--prompts", "p.txt"], "--prompts"),
    (["--again", "a.png"], "--again"),
]


@pytest.mark.parametrize("option", [["--seed", "0"], ["--guidance", "0"], ["-n", "2"], ["--free"], ["--style", "noto"]])
def test_again_takes_no_settings_beside_it(run: Any, tmp_path: Path, option: list[str]) -> None:
    done = run("generate", "--again", "a.png", *option)
    assert done.code == 2
    assert "its own settings" in done.err


def test_a_folder_in_the_way_of_a_picture_is_found_before_drawing(
    run: Any, tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-1.png").mkdir()
    monkeypatch.setattr(UNet, "forward", lambda *_: pytest.fail("drawing had begun"))
    done = run("generate", "sun", "-n", 2, "--model", tiny_model_folder, "--out", "a.png")
    assert (done.code, done.err) == (2, "fromnoise: 'a-1.png' is a folder; name a file\n")


def test_a_disk_that_is_full_leaves_nothing(
    run: Any, tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fromnoise.ground.whole.os.replace", full)
    done = run("generate", "sun", "--steps", 1, "--model", tiny_model_folder, "--out", "a.png")
    assert (done.code, done.err) == (2, "fromnoise: cannot write a.png: No space left on device\n")
    assert list(tmp_path.iterdir()) == []


def test_control_c_says_so_and_leaves_nothing(
    run: Any, tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(UNet, "with_words", interrupt)
    done = run("generate", "sun", "--steps", 3, "--model", tiny_model_folder, "--out", "a.png")
    assert done.code == 130
    assert done.err.strip() == "stopped"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("buffered", [True, False])
def test_a_reader_that_leaves_early_gets_no_traceback(buffered: bool) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    environment |= {} if buffered else {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "fromnoise", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_metadata_picture_that_unpacks_to_gigabytes_is_refused(run: Any, tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (8_200, 60_000):  # beyond what is drawn, and beyond what Pillow opens
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        (tmp_path / "bomb.png").write_bytes(data)
        done = run("generate", "--again", "bomb.png")
        assert done.code == 2
        assert done.err.strip().count("\n") == 0
        assert "larger than" in done.err or "decompression bomb" in done.err


def test_a_missing_model_is_named_with_its_hash_and_without_control_signs(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    assert run("generate", "sun", "--steps", 1, "--model", tiny_model_folder, "--out", "a.png").code == 0
    origin = read_origin(tmp_path / "a.png")
    done = run("generate", "--again", "a.png")
    assert done.code == 2
    assert f"drawn by tiny ({origin.model_hash})" in done.err
    assert "--model" in done.err
    save_png(as_tensor(tmp_path / "a.png"), tmp_path / "b.png", replace(origin, model="\x1b]0;evil\x07../x"))
    done = run("generate", "--again", "b.png")
    assert done.code == 2
    assert "evil" in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_options_end_with_code_2_one_line_and_no_file(
    run: Any, tiny_model_folder: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    model = [] if "--model" in options else ["--model", tiny_model_folder]
    done = run("generate", "red apple", *model, *options)
    assert done.code == 2
    assert message in done.err
    assert done.err.strip().count("\n") == 0
    assert list(tmp_path.iterdir()) == []


def test_an_empty_prompt_names_free(run: Any, tiny_model_folder: Path) -> None:
    done = run("generate", "--model", tiny_model_folder)
    assert done.code == 2
    assert done.err.strip().count("\n") == 0
    assert "--free" in done.err


def test_a_folder_that_cannot_be_written_is_refused(
    run: Any, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fromnoise.cli.drawing.os.access", lambda _, mode: mode != os.W_OK)  # root may write anywhere
    done = run("generate", "sun", "--model", tiny_model_folder, "--out", "a.png")
    assert done.code == 2
    assert "cannot be written" in done.err


def test_another_models_picture_is_not_redrawn(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    from conftest import make_tiny_model

    make_tiny_model(seed=1).save(tmp_path / "other")
    assert run("generate", "sun", "--steps", 1, "--model", tiny_model_folder, "--out", "a.png").code == 0
    done = run("generate", "--again", "a.png", "--model", "other")
    assert done.code == 2
    assert "--model" in done.err


COMPLETE = {
    "request": {"prompt": "sun", "steps": 2, "guidance": 3.0, "sampler": "dpm++"},
    "model": "tiny",
    "model_hash": "0" * 12,
    "version": "0",
}
ODD_REQUESTS = ({"steps": True}, {"prompt": None}, {"steps": None}, {"sampler": None}, {"count": 3}, {"seed": 1.5})
ODD_REQUESTS += ({"guidance": float("nan")}, {"rescale": float("inf")}, {"prompt": "\ud800"})  # which are no JSON
ODD_ORIGINS = [
    *(json.dumps({**COMPLETE, "request": {**COMPLETE["request"], **odd}}) for odd in ODD_REQUESTS),  # type: ignore[dict-item]
    json.dumps({**COMPLETE, "index": -1}),
    json.dumps({**COMPLETE, "index": False}),
    json.dumps({**COMPLETE, "loras": ["9" * 5000]}),
    json.dumps({**COMPLETE, "model": "x" * 5000}),
]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"request": {"prompt": 1}}', json.dumps({"evil": 1}), "[" * 60_000, "x" * 100_000, *ODD_ORIGINS],
)
def test_metadata_is_data_and_never_trusted(run: Any, tiny_model_folder: Path, tmp_path: Path, text: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("fromnoise", text)
    Image.new("RGB", (8, 8)).save(tmp_path / "bad.png", pnginfo=info)
    done = run("generate", "--again", "bad.png", "--model", tiny_model_folder)
    assert done.code == 2
    assert done.err.strip().count("\n") == 0
    assert "was drawn by" not in done.err  # refused for what it says, and not only because the model is another


def test_info_names_styles_and_hash(run: Any, tiny_model_folder: Path, tiny_model: Any) -> None:
    done = run("info", tiny_model_folder)
    assert done.code == 0
    assert tiny_model.hash in done.out
    assert "twemoji" in done.out
    assert f"U-Net {sum(p.numel() for p in tiny_model.unet.parameters()) / 1e6:.1f} M" in done.out


def test_sheet_draws_every_prompt_in_every_style(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    done = run(
        "sheet", "--model", tiny_model_folder, "--prompt", "sun", "--prompt", "tree", "--steps", 1, "--out", "s.png"
    )
    assert done.code == 0, done.err
    assert "4 pictures" in done.out
    assert (tmp_path / "s.png").exists()
    assert run("sheet", "--model", tiny_model_folder, "--prompt", "sun", "--steps", 1).code == 0
    assert (tmp_path / "pictures" / "first.png").exists()  # the folder of the name we chose is made
    assert run("sheet", "--model", tiny_model_folder, "--out", "slip/s.png").code == 2


@pytest.mark.parametrize(
    "command",
    [[], ["generate"], ["train"], ["data"], ["data", "stickers"], ["info"], ["sheet"], ["restyle"], ["convert"]],
)
def test_help_of_every_command(command: list[str]) -> None:
    result = CliRunner().invoke(entry.app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; import fromnoise.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_run_becomes_a_film_of_its_sheets(run: Any, tmp_path: Path) -> None:
    sheets = tmp_path / "run" / "diffusion" / "sheets"
    sheets.mkdir(parents=True)
    for seen, size in ((64, 8), (5_000, 16), (12_000, 16)):
        Image.new("RGB", (size, size), (0, seen % 255, 0)).save(sheets / f"{seen:010d}.png")
    (sheets / "best.png").write_bytes(b"")  # somebody's own file
    done = run("film", "run", "--out", "a.gif")
    assert (done.code, done.out) == (0, "2 sheets, after 5,000 to 12,000 pictures: a.gif\n")
    with Image.open(tmp_path / "a.gif") as film:
        assert (film.n_frames, film.size) == (2, (32, 32))
    for arguments, word in (
        (("run", "--task", "vae"), "tasks with sheets: diffusion"),
        (("nowhere",), "no run"),
        (("run", "--out", "a.mp4"), ".gif or .webp"),
        (("run", "--seconds", 0), "above 0"),
        (("run", "--out", "none/a.gif"), "no folder"),
    ):
        done = run("film", *arguments)
        assert done.code == 2
        assert word in done.err
    sheets.parent.rename(tmp_path / "run" / "lora")
    assert run("film", "run").out.startswith("2 sheets")  # the only ones that are there
    (tmp_path / "run" / "vae" / "sheets").mkdir(parents=True)
    assert "no sheets of 'diffusion'; tasks with sheets: lora, vae" in run("film", "run").err
    (tmp_path / "run" / "lora").rename(sheets.parent)
    (sheets / "0000020000.png").write_bytes(b"not a picture")
    assert "cannot be read" in run("film", "run").err


# --- pictures to start from, sizes, other models ------------------------------------------------------------------


def photo(file: Path, size: tuple[int, int] = (96, 64)) -> Path:
    Image.linear_gradient("L").resize(size).convert("RGB").save(file)
    return file


def test_restyle_keeps_the_shape_of_the_photo_and_strength_says_how_far(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    photo(tmp_path / "p.jpg")
    common = ("--model", tiny_model_folder, "--steps", 4, "--seed", 1)
    for strength in (0.25, 1.0):
        done = run("restyle", "p.jpg", "red apple", "--strength", strength, *common, "--out", f"{strength}.png")
        assert done.code == 0, done.err
    with Image.open(tmp_path / "0.25.png") as small:
        assert small.size == (40, 28)  # as many pixels as the model's own 32×32, and the photo's shape
    origin = read_origin(tmp_path / "0.25.png")
    assert (origin.request.strength, origin.request.width, origin.request.height) == (0.25, 40, 28)
    assert origin.start is not None
    again = run("generate", "--again", "0.25.png", "--model", tiny_model_folder, "--image", "p.jpg", "--out", "b.png")
    assert again.code == 0, again.err
    assert as_tensor(tmp_path / "b.png").equal(as_tensor(tmp_path / "0.25.png"))
    lost = run("generate", "--again", "0.25.png", "--model", tiny_model_folder)
    assert lost.code == 2
    assert "--image" in lost.err
    photo(tmp_path / "p.jpg", (64, 96))
    other = run("generate", "--again", "0.25.png", "--model", tiny_model_folder, "--image", "p.jpg")
    assert other.code == 2
    assert "another picture" in other.err


def test_a_mask_leaves_the_rest_as_it_is_to_the_pixel(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    photo(tmp_path / "p.png", (32, 32))
    mask = Image.new("L", (32, 32), 0)
    mask.paste(255, (8, 8, 24, 24))
    mask.save(tmp_path / "m.png")
    arguments = ("generate", "sun", "--image", "p.png", "--mask", "m.png", "--model", tiny_model_folder, "--steps", 3)
    assert run(*arguments, "--seed", 1, "--out", "o.png").code == 0
    before, after = as_tensor(tmp_path / "p.png").int(), as_tensor(tmp_path / "o.png").int()
    inside = np.zeros((32, 32), bool)
    inside[8:24, 8:24] = True
    changed = (before - after).abs().sum(0).numpy() > 0
    assert not changed[~inside].any()
    assert changed[inside].any()


def test_strokes_on_an_empty_layer_are_a_mask_for_every_command(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    photo(tmp_path / "p.png", (32, 32))
    mask = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    mask.paste((255, 255, 255, 255), (8, 8, 24, 24))
    mask.save(tmp_path / "m.png")
    before = as_tensor(tmp_path / "p.png")
    arguments = ("--mask", "m.png", "--model", tiny_model_folder)
    beside = ("--steps", 3, "--seed", 1, "--out", "o.png")
    for command in (("generate", "sun", "--image", "p.png"), ("restyle", "p.png", "sun")):
        assert run(*command, *arguments, *beside).code == 0
        changed = (before != as_tensor(tmp_path / "o.png")).any(0)
        assert changed[8:24, 8:24].any()
        changed[8:24, 8:24] = False
        assert not changed.any()
        assert run("generate", "--again", "o.png", "--image", "p.png", *arguments, "--out", "q.png").code == 0
        assert as_tensor(tmp_path / "q.png").equal(as_tensor(tmp_path / "o.png"))
    Image.open("p.png").save("film.gif", save_all=True, append_images=[Image.new("RGB", (32, 32), "blue")])
    assert "film.gif holds several pictures" in run("generate", "sun", "--image", "film.gif", *arguments, *beside).err
    Image.new("L", (32, 32), 100).save(tmp_path / "m.png")
    refused = run("generate", "sun", "--image", "p.png", *arguments, *beside)
    assert refused.code == 2
    assert "lets nothing change" in refused.err


def test_prompts_however_an_editor_saved_them(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes("red äpfel\r\nsun\r\n".encode("utf-16"))
    assert run("generate", "--prompts", "p.txt", "--out", "many", "--model", tiny_model_folder, "--steps", 1).code == 0
    assert [read_origin(tmp_path / "many" / f"000{i}.png").request.prompt for i in range(2)] == ["red äpfel", "sun"]


def test_any_size_that_fits_the_latents(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    common = ("--model", tiny_model_folder, "--steps", 2, "--out", "s.png")
    for size, wanted in (("48x24", (48, 24)), ("40", (40, 40)), ("24×40", (24, 40))):
        assert run("generate", "sun", "--size", size, *common).code == 0
        with Image.open(tmp_path / "s.png") as picture:
            assert picture.size == wanted
    for size in ("33x32", "0", "99999", "a", "1x2x3", "-8", "32x"):
        assert run("generate", "sun", "--size", size, *common).code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strength", "0.5"], "--image"),
        (["--mask", "p.png"], "--image"),
        (["--image", "p.png", "--strength", "0"], "strength"),
        (["--image", "p.png", "--strength", "nan"], "strength"),
        (["--image", "no.png"], "no file"),
        (["--image", "p.txt"], "not a picture"),
        (["--image", "p.png", "--mask", "p.txt"], "not a picture"),
        (["--image", "p.png", "--mask", "wide.png"], "shape"),
        (["--image", "p.png", "--out", "p.png"], "another file"),
        (["--image", "p-1.png", "-n", "2", "--out", "p.png"], "another file"),
        (["--image", "p.png", "--mask", "wide.png", "--out", "wide.png"], "another file"),
        (["--size", "0"], "from"),
        (["--model", "no.safetensors"], "there is no file"),
        (["--lora", "no.safetensors"], "no.safetensors"),
        (["--lora", "p.txt:much"], "file:weight"),
        (["--sigmas", "steep"], "karras"),
        (["--prediction", "x"], "epsilon or v"),
        (["--model", "p.ckpt"], "--allow-pickle"),
        (["--model", "p.txt"], "p.txt"),
    ],
)
def test_wrong_pictures_and_models_are_one_line(
    run: Any, tiny_model_folder: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    photo(tmp_path / "p.png")
    Image.new("RGB", (90, 30)).save(tmp_path / "wide.png")
    photo(tmp_path / "p-1.png")
    (tmp_path / "p.txt").write_text("no picture")
    (tmp_path / "p.ckpt").write_bytes(b"PK")
    before = {p.name for p in tmp_path.iterdir()}
    model = [] if "--model" in options else ["--model", tiny_model_folder]
    done = run("generate", "sun", "--steps", 1, *model, *options)
    assert done.code == 2, done.err
    assert message in done.err
    assert done.err.strip().count("\n") == 0
    assert {p.name for p in tmp_path.iterdir()} == before


def test_convert_goes_there_and_back_and_refuses_what_does_not_fit(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    from checkpoints import pipeline

    pipeline("sd1").save_pretrained(tmp_path / "folder")
    assert run("convert", "folder", "one.safetensors").code == 0
    assert run("convert", "one.safetensors", "back").code == 0
    assert run("convert", "back", "two.safetensors").code == 0
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    assert run("convert", "folder", "half", "--dtype", "fp16").code == 0
    sizes = [(tmp_path / f / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size for f in ("half", "back")]
    assert 0.45 < sizes[0] / sizes[1] < 0.55
    for arguments, word in (
        ((tiny_model_folder, "own.safetensors"), "write a folder instead"),
        (("folder", "a.ckpt"), "safetensors only"),
        (("folder", "no/such/a.safetensors"), "no folder"),
        (("folder", "x", "--dtype", "int8"), "fp16, bf16, fp32"),
        (("nowhere", "x"), "not a model"),
    ):
        done = run("convert", *arguments)
        assert done.code == 2
        assert word in done.err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("!")
    assert "not a model" in run("convert", "folder", "mine").err
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["diary.txt"]


def test_convert_writes_over_no_file_and_not_over_what_it_reads(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.safetensors").write_bytes(b"precious")
    done = run("convert", tiny_model_folder, tmp_path / "mine.safetensors")
    assert done.code == 2
    assert "there already" in done.err
    assert (tmp_path / "mine.safetensors").read_bytes() == b"precious"
    before = {f.name: f.stat().st_mtime_ns for f in tiny_model_folder.rglob("*")}
    done = run("convert", tiny_model_folder, tiny_model_folder, "--dtype", "fp16")
    assert done.code == 2
    assert "what is converted" in done.err
    assert {f.name: f.stat().st_mtime_ns for f in tiny_model_folder.rglob("*")} == before


def test_a_sampler_that_stands_in_says_so(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    wish = ("generate", "sun", "--steps", 2, "--model", tiny_model_folder, "--out", tmp_path / "a.png")
    assert "DPM fast is not here; drawing with dpm++" in run(*wish, "--sampler", "DPM fast").err
    assert "not here" not in run(*wish, "--sampler", "DPM++ 2M Karras").err


# --- inspect copies ---------------------------------------------------------------------------------------------------


@pytest.fixture
def with_index(tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A model with an index of 160 pictures, and the folder of those; a quick stand-in for the judge."""
    from fromnoise.evaluation.copies import describe
    from fromnoise.system.text_to_image import TextToImage

    def features(pictures: torch.Tensor, batch: int = 16) -> torch.Tensor:
        small = torch.nn.functional.adaptive_avg_pool2d(255 - pictures.float(), 8).flatten(1) / 255
        return (small @ torch.randn(192, 1280, generator=torch.Generator().manual_seed(0)) / 10).relu()

    monkeypatch.setattr(describe, "features", features)
    data, model = tmp_path / "data", tmp_path / "model"
    data.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for i in range(160):
        blocks = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((32, 32), Image.Resampling.NEAREST).save(data / f"{i}.png")
        facts = {"file_name": f"{i}.png", "text": f"thing {i}", "licence": "MIT", "author": "[b]A. N. Author"}
        lines.append(json.dumps({**facts, "split": "test_pair" if i > 149 else "train"}))
    (data / "metadata.jsonl").write_text("\n".join(lines))
    recipe = {"data": {"pixels": 32, "styles": [], "groups": [], "limit": 0}}
    replace(TextToImage.load(tiny_model_folder), card={"pictures": 150, "recipe": recipe}).save(model)
    return model, data


def test_inspect_copies_names_the_picture_that_was_copied(
    run: Any, with_index: tuple[Path, Path], tmp_path: Path
) -> None:
    model, data = with_index
    missing = run("inspect", "copies", data / "3.png", "--model", model)
    assert missing.code == 2
    assert "fromnoise inspect index MODEL --data FOLDER" in missing.err
    made = run("inspect", "index", model, "--data", data)
    assert made.code == 0, made.err
    assert (model / "copies.safetensors").exists()
    with Image.open(data / "7.png") as picture:  # larger, wider than high, see-through around the drawing
        wide = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
        wide.paste(picture.resize((200, 200), Image.Resampling.NEAREST), (100, 0))
        wide.save(tmp_path / "wide.webp", lossless=True)
        picture.convert("RGBA").resize((300, 300), Image.Resampling.NEAREST).save(tmp_path / "large.webp", quality=80)
    done = run(
        "inspect", "copies", data / "3.png", "wide.webp", "large.webp", "--model", model, "--out", "s.png", "--json"
    )
    assert done.code == 0, done.err
    said = json.loads(done.out)["pictures"]
    assert said[0]["copy"]
    assert said[0]["suspect"]["name"] == "3.png"
    assert said[0]["features"] < 0.01
    assert not said[1]["copy"]  # half as large on its square, to this judge another picture
    assert said[2]["copy"]
    assert said[2]["suspect"]["name"] == "7.png"
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.height > 3 * 96
        line = shlex.split(sheet.text["command"])  # type: ignore[attr-defined]
    wanted = [str(data / "3.png"), "wide.webp", "large.webp", "--model", str(model), "--out", "s.png"]
    assert line == ["fromnoise", "inspect", "copies", *wanted]
    assert run(*line[1:-1], "s.json").code == 0
    assert json.loads((tmp_path / "s.json").read_text())["pictures"] == said
    assert run(*line[1:-1], "s.html").code == 0
    assert "may be a copy of thing 3 (3.png; MIT by [b]A. N. Author)" in (tmp_path / "s.html").read_text()
    plain = run("inspect", "copies", data / "3.png", "--model", model)
    assert (
        "may be a copy of thing 3 (3.png; MIT by [b]A. N. Author); compared with any of the 150 pictures" in plain.out
    )
    assert "How far to trust this (model): of 160 real pictures" in plain.out
    from_data = run("inspect", "copies", data / "3.png", "--model", model, "--data", data, "--json")
    assert json.loads(from_data.out)["pictures"][0] == said[0]


def test_inspect_copies_refuses_in_one_line_and_writes_nothing(
    run: Any, with_index: tuple[Path, Path], tmp_path: Path
) -> None:
    model, data = with_index
    assert run("inspect", "index", model, "--data", data).code == 0
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        (("nowhere.png",), "there is no file"),
        (("text.png",), "cannot be read as a picture"),
        ((data,), "is a folder"),
        ((data / "1.png", "--out", "a.jpg"), "ends in .png, .html or .json"),
        ((data / "1.png", "--out", data / "1.png"), "is to be looked at"),
        ((data / "1.png", "--data", tmp_path / "none"), "there is no data folder"),
        ((data / "1.png", "--against", "nothing"), "nothing"),
        ((data / "1.png", "--against", tmp_path / "empty"), "holds no captioned pictures"),
    ):
        done = run("inspect", "copies", *arguments, "--model", model)
        assert done.code == 2
        assert words in done.err
        assert done.err.count("\n") == 1
    (data / "0.png").unlink()
    fewer = run("inspect", "index", model, "--data", data)
    assert fewer.code == 2
    assert "trained on 150 pictures, and this data has 149" in fewer.err


def test_inspect_copies_clears_no_picture_of_another_model(
    run: Any, with_index: tuple[Path, Path], tmp_path: Path
) -> None:
    model, data = with_index
    assert run("inspect", "index", model, "--data", data).code == 0
    other = tmp_path / "other"
    torch.manual_seed(9)
    changed = TextToImage.load(model)
    with torch.no_grad():
        next(changed.unet.parameters()).add_(0.1)
    changed.save(other)
    for name, place in (("own.png", model), ("strange.png", other)):
        assert run("generate", "sun", "--steps", 1, "--seed", 1, "--model", place, "--out", name).code == 0
    own = run("inspect", "copies", "own.png", "--model", model)
    assert own.code == 0, own.err
    assert "150 pictures that model" in " ".join(own.out.split())
    assert "not looked at" not in own.out
    for asked in (("strange.png", "--model", model), ("strange.png",)):
        refused = run("inspect", "copies", *asked)
        assert (refused.code, refused.out) == (2, "")
        assert "strange.png was drawn by" in refused.err
        assert refused.err.count("\n") == 1
    both = run("inspect", "copies", "own.png", "strange.png", "--model", model)
    assert both.code == 2  # the other picture's verdict is not lost, and what was not looked at is not cleared
    spoken = " ".join(both.out.split())
    assert spoken.count("not a copy of any of the 150 pictures that model") == 1
    assert "strange.png: not looked at: strange.png was drawn by other" in spoken
    told = run("inspect", "copies", "strange.png", "--against", model, "--json")
    assert told.code == 0
    said = json.loads(told.out)["pictures"][0]
    assert [c["pictures"] for c in said["compared_with"]] == [150]
    assert "whose training pictures were not asked" in said["not_asked"][0]
    silent = run("inspect", "copies", data / "155.png")  # nobody says what drew it
    assert (silent.code, silent.out) == (2, "")
    assert "--against MODEL" in silent.err
    damaged = save_damaged(tmp_path / "own.png", tmp_path / "damaged.png")
    assert "is damaged" in run("inspect", "copies", damaged, "--model", model).err
    assert run("inspect", "copies", damaged, "--against", model).code == 0


def save_damaged(source: Path, target: Path) -> Path:
    """The same picture with metadata that cannot be read."""
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_itxt("fromnoise", "{")
    with Image.open(source) as picture:
        picture.save(target, pnginfo=info)
    return target
