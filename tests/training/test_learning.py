"""The film of a training: which moments it shows, that its pictures are those of the sheets, and whose it is."""

from __future__ import annotations

import io
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.ground.labelled_sheet import labelled
from fromnoise.system.defaults import MOST_LEARNING
from fromnoise.system.learning_file import Learning, learning_bytes, read_learning
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.continuing import Call
from fromnoise.training.learning import keep_learning, learning_of_run, spread
from fromnoise.training.run import train
from fromnoise.training.sheet import cut_apart, noted, png_of, with_note
from fromnoise.training.tasks.lora import AT_ONCE
from training.test_run import small

PROMPTS = (
    "red apple, noto style",
    "",
    "two cats beside a very green tree that takes more than one line to say",
    "sun",
    "é",
)
QUICK = {"clip.loop.pictures": "128", "vae.loop.pictures": "160", "diffusion.loop.batch": "32",
         "diffusion.prompts": "red apple,cloud,sad face", "diffusion.loop.sheet_minutes": "0.0001",
         "diffusion.loop.log_steps": "1"}  # fmt: skip


def noise(seed: int, count: int = 2 * len(PROMPTS), side: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)


def numbers(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)


def cut(file: Path, i: int, side: int, above: int, each: int = 2) -> Tensor:
    """The first drawing of prompt ``i`` of a sheet with four prompts in a row, measured out by hand."""
    whole = numbers(Image.open(file))
    x, y = (i % 4) * each * (side + 2), (i // 4) * (above + side + 2) + above
    return whole[:, y : y + side, x : x + side]


def a_run(folder: Path, seen: dict[int, Tensor], prompts: tuple[str, ...] = PROMPTS, note: bool = True) -> Path:
    """A run's folder with sheets and nothing else; sheets of earlier versions have no note."""
    (folder / "diffusion" / "sheets").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"recipe": {"diffusion": {"prompts": list(prompts)}}}))
    for pictures, drawn in seen.items():
        sheet = labelled(drawn, prompts, 8)
        data = png_of(with_note(sheet, prompts) if note else sheet)
        (folder / "diffusion" / "sheets" / f"{pictures:010d}.png").write_bytes(data)
    return folder


# --- cutting and choosing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", [PROMPTS, PROMPTS[:1], PROMPTS[:3], PROMPTS[:4], ("x",) * 16])
@pytest.mark.parametrize("side", [8, 33])
def test_a_sheet_is_cut_into_the_very_pictures_that_it_was_made_of(texts: tuple[str, ...], side: int) -> None:
    pictures = noise(0, 2 * len(texts), side)
    found = cut_apart(labelled(pictures, texts, 8), texts, 8, 2)
    assert torch.equal(torch.stack([numbers(each) for each in found]), pictures)


def test_a_sheet_says_in_its_file_what_it_shows() -> None:
    sheet = with_note(labelled(noise(0), PROMPTS, 8), PROMPTS)
    opened = Image.open(io.BytesIO(png_of(sheet)))
    assert noted(opened) == PROMPTS
    assert opened.tobytes() == sheet.tobytes()
    for wrong in ("", "{", "[]", '{"texts": []}', '{"texts": [1]}', '{"texts": "a"}', "[" * 100_000):
        opened.info["sheet"] = wrong
        assert noted(opened) is None


def test_moments_lie_evenly_on_the_logarithm_as_far_as_there_are_sheets() -> None:
    assert [[1, 2, 4, 8, 9, 16][i] for i in spread([1, 2, 4, 8, 9, 16], 5)] == [1, 2, 4, 8, 16]
    seen = list(range(64, 64 * 1001, 64))
    chosen = [seen[i] for i in spread(seen, 11)]
    assert (chosen[0], chosen[-1]) == (64, 64000)
    assert len(chosen) == 11
    ratios = [b / a for a, b in itertools.pairwise(chosen)]
    assert all(ratio == pytest.approx(1000**0.1, rel=0.1) for ratio in ratios[3:])  # whole steps at first
    assert ratios[:3] == [2, 2, 2]
    assert spread([5], 12) == [0]
    assert spread([0, 3, 9], 2) == [0, 2]
    assert spread([], 12) == []


def test_of_very_many_sheets_the_film_still_has_a_wide_choice(tmp_path: Path) -> None:
    run = a_run(tmp_path, {64 * i: noise(0, 2, 8) for i in range(1, 301)}, ("sun",))
    seen = [moment.pictures for moment in learning_of_run(run).moments]
    assert (len(seen), seen[0], seen[-1]) == (12, 64, 64 * 300)
    assert max(b / a for a, b in itertools.pairwise(seen)) <= 2


# --- a folder --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("note", [True, False])
def test_the_film_of_a_run_holds_its_sheets_pictures_in_order(tmp_path: Path, note: bool) -> None:
    seen = {32 * 2**i: noise(i) for i in range(5)}
    film = learning_of_run(a_run(tmp_path, seen, note=note))
    assert film.prompts == PROMPTS
    assert [moment.pictures for moment in film.moments] == [32, 64, 128, 256, 512]
    expected = torch.stack([drawn[::2] for drawn in seen.values()])  # the first drawing of each prompt
    assert torch.equal(film.pictures(), expected)
    assert (film.size, film.drawn_at) == ((16, 16), 16)
    again = read_learning(learning_bytes(film), "")
    assert torch.equal(again.pictures(), expected)
    assert again.moments == film.moments


def test_sheets_of_other_prompts_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    run = a_run(tmp_path, {32 * 2**i: noise(i) for i in range(6)})
    sheets = run / "diffusion" / "sheets"
    other = labelled(noise(9), PROMPTS[::-1], 8)
    (sheets / "0000000064.png").write_bytes(png_of(with_note(other, PROMPTS[::-1])))
    (sheets / "0000000128.png").write_bytes(png_of(other))  # an earlier version's, of other prompts
    whole = (sheets / "0000000256.png").read_bytes()
    (sheets / "0000000256.png").write_bytes(whole[:30])
    (sheets / "notes.png").write_bytes(b"mine")
    assert [moment.pictures for moment in learning_of_run(run).moments] == [32, 512, 1024]


def test_what_the_log_says_is_told_of_each_moment(tmp_path: Path) -> None:
    run = a_run(tmp_path, {64: noise(0), 640: noise(1), 6400: noise(2)})
    rows = [
        {"pictures": 64, "held_out_loss": 0.9, "loss_log_snr_..-4": 0.99, "hours": 0.25},
        {"pictures": 320, "loss": 0.8},
        {"pictures": 640, "held_out_loss": 0.7, "hours": 0.1},
        {"pictures": 640, "held_out_loss": 0.5, "hours": 0.5, "loss_log_snr_4..": float("nan")},  # trained once more
        {"pictures": 1000, "loss": 0.4},
        {"pictures": "many", "loss": 1},
        ["no row"],
    ]
    text = "\n".join(map(json.dumps, rows)) + '\n{"pictures": 6400, "held_ou'  # it is being written
    (run / "diffusion" / "log.jsonl").write_text(text)
    first, second, third = learning_of_run(run).moments
    assert (first.hours, first.held_out, first.loss, first.levels) == (0.25, 0.9, None, {"..-4": 0.99})
    assert (second.hours, second.held_out, second.loss, second.levels) == (0.5, 0.5, 0.8, {})
    assert (third.hours, third.held_out, third.loss) == (None, None, 0.4)


def test_what_would_be_too_large_has_fewer_prompts_and_then_fewer_moments(tmp_path: Path) -> None:
    prompts = tuple(f"thing {i}" for i in range(16))
    seen = {64 * 2**i: noise(i, 32, 128) for i in range(8)}  # noise does not pack: 48 KiB each
    film = learning_of_run(a_run(tmp_path / "a", seen, prompts))
    size = len(learning_bytes(film))
    assert size <= MOST_LEARNING
    assert film.prompts == ("thing 0", "thing 2", "thing 4")
    assert len(film.moments) == 6
    assert torch.equal(film.pictures()[0, 2], seen[64][8])
    assert (film.moments[0].pictures, film.moments[-1].pictures) == (64, 64 * 2**7)
    small_ones = {64 * 2**i: noise(i, 32, 16) for i in range(14)}
    film = learning_of_run(a_run(tmp_path / "b", small_ones, prompts))
    assert (len(film.prompts), len(film.moments)) == (8, 12)
    assert film.prompts == prompts[::2]


def test_large_pictures_are_kept_smaller_and_say_so(tmp_path: Path) -> None:
    flat = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 3, 300, 300)
    film = learning_of_run(a_run(tmp_path, {64: flat[:10], 128: flat[10:]}))
    assert (film.size, film.drawn_at) == ((100, 100), 300)
    assert film.pictures()[:, :, 0, 50, 50].tolist() == [[0, 2, 4, 6, 8], [10, 12, 14, 16, 18]]


def test_the_film_of_a_lora_is_that_of_its_sheets(tmp_path: Path) -> None:
    """One picture for every prompt, eight in a row."""
    prompts = tuple(f"thing {i}" for i in range(10))
    seen = {16: noise(1, 10), 80: noise(2, 10), 400: noise(3, 10)}
    (tmp_path / "lora" / "sheets").mkdir(parents=True)
    (tmp_path / "run.json").write_text(json.dumps({"recipe": {"lora": {"prompts": list(prompts)}}}))
    for pictures, drawn in seen.items():
        sheet = with_note(labelled(drawn, prompts, min(len(prompts), AT_ONCE)), prompts)
        (tmp_path / "lora" / "sheets" / f"{pictures:010d}.png").write_bytes(png_of(sheet))
    (tmp_path / "lora" / "log.jsonl").write_text(json.dumps({"pictures": 80, "loss": 0.5}) + "\n")
    film = learning_of_run(tmp_path)
    assert [m.pictures for m in film.moments] == [16, 80, 400]
    assert film.moments[1].loss == 0.5
    for moment, drawn in zip(film.moments, film.pictures(), strict=True):
        for prompt, picture in zip(film.prompts, drawn, strict=True):
            assert torch.equal(picture, seen[moment.pictures][prompts.index(prompt)])
    (tmp_path / "lora" / "sheets" / f"{16:010d}.png").unlink()
    (tmp_path / "lora" / "sheets" / f"{80:010d}.png").unlink()
    with pytest.raises(UserError, match="has one sheet of its LoRA that can be used so far"):
        learning_of_run(tmp_path)


def test_what_has_no_film_says_so_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run's folder"):
        learning_of_run(tmp_path)
    run = a_run(tmp_path / "a", {64: noise(0)})
    with pytest.raises(UserError, match="has one sheet of its U-Net that can be used so far; a film needs two or more"):
        learning_of_run(run)
    with pytest.raises(UserError, match="has no model yet"):
        keep_learning(run)
    silent = a_run(tmp_path / "b", {64: noise(0), 128: noise(1)}, note=False)
    (silent / "run.json").write_text("{}")
    with pytest.raises(UserError, match="has no sheets of its U-Net that can be used"):
        learning_of_run(silent)


# --- a training ------------------------------------------------------------------------------------------------------


def film_of(run: Path) -> Learning:
    model = TextToImage.load(run / "model")
    assert model.learning is not None
    from fromnoise.inspection.learning import learning_of

    return learning_of(model)


def check_pictures(run: Path, film: Learning, above: int) -> None:
    """Every picture is that of the sheet with its number, measured out by hand."""
    for moment, drawn in zip(film.moments, film.pictures(), strict=True):
        file = run / "diffusion" / "sheets" / f"{moment.pictures:010d}.png"
        for i, picture in enumerate(drawn):
            assert torch.equal(picture, cut(file, i, 32, above)), (moment.pictures, i)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run with a sheet after every step of its U-Net."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    train(small(**QUICK, **{"diffusion.loop.pictures": "160"}), "starter", out)
    return out


def test_a_training_ends_with_its_film(trained: Path) -> None:
    film = film_of(trained)
    assert film.prompts == ("red apple", "cloud", "sad face")
    assert [moment.pictures for moment in film.moments] == [32, 64, 96, 128, 160]
    assert all(moment.loss is not None and moment.hours is not None for moment in film.moments)
    hours = [moment.hours for moment in film.moments]
    assert hours == sorted(hours)  # type: ignore[type-var]
    check_pictures(trained, film, 15)
    assert len({drawn.numpy().tobytes() for drawn in film.pictures()[:, 0]}) == 5


def test_going_on_keeps_the_earlier_moments(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    before = film_of(run)
    longer = {"diffusion.loop.pictures": "224"}
    train(small(**QUICK, **longer), "starter", run, call=Call(settings=longer))
    after = film_of(run)
    assert [moment.pictures for moment in after.moments] == [32, 64, 96, 128, 160, 192, 224]
    assert torch.equal(after.pictures()[:5], before.pictures())
    assert after.moments[:5] == before.moments
    check_pictures(run, after, 15)


def test_a_film_that_is_lost_comes_back_and_a_copy_of_the_model_keeps_it(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    whole = (run / "model" / "learning.safetensors").read_bytes()
    (run / "model" / "learning.safetensors").unlink()
    train(small(**QUICK, **{"diffusion.loop.pictures": "160"}), "starter", run)
    assert (run / "model" / "learning.safetensors").read_bytes() == whole
    TextToImage.load(run / "model").save(tmp_path / "copy")
    assert (tmp_path / "copy" / "learning.safetensors").read_bytes() == whole


def test_a_training_that_cannot_keep_its_film_ends_well(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.rmtree(run / "diffusion" / "sheets")
    train(small(**QUICK, **{"diffusion.loop.pictures": "160"}), "starter", run)
    assert "no film of this training is kept with the model: " in capsys.readouterr().err
