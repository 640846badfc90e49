"""What comes out of blocks: the network's own numbers, planted maps and clocks, the diagram's names and weights."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from fromnoise.drawing.generate import generate
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.inspection import activations
from fromnoise.inspection.activations import ENDS, Activation, Moment, blocks_of, moment_at, moments, named, timing
from fromnoise.inspection.activations_figure import activations_figure, block_figure
from fromnoise.inspection.architecture import machine_of, skips_of
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

REQUEST = Request(prompt="red apple", style="noto", seed=3, steps=4, guidance=1.0, sampler="ddim")
NAMES = ["8x8_down_0", "8x8_to_4x4", "4x4_down_0", "4x4_middle"]
NAMES += ["4x4_up_0", "4x4_up_1", "4x4_to_8x8", "8x8_up_0", "8x8_up_1"]


def test_the_last_blocks_maps_make_what_the_network_believes(tiny_model: TextToImage) -> None:
    """v = conv_out(SiLU(norm_out(maps))), and x̂_0 = alpha x_t - sigma v: from the maps to the guess by hand."""
    made, unet = plan(tiny_model, REQUEST), tiny_model.unet
    steps = [event for event in generate(tiny_model, made) if hasattr(event, "x0_hat")]
    found = list(moments(tiny_model, made))
    assert [(m.index, m.total, m.t) for m in found] == [(s.index, s.total, s.t) for s in steps]
    for moment, step in zip(found, steps, strict=True):
        assert [a.block for a in moment.activations] == NAMES
        with torch.no_grad():
            v = unet.conv_out(F.silu(unet.norm_out(moment.activations[-1].maps[None])))
        walk = made.levels.walk
        believed = walk.alpha(step.t) * step.x_t - walk.sigma(step.t) * v
        torch.testing.assert_close(believed, step.x0_hat, rtol=1e-3, atol=1e-4)
        assert torch.equal(moment.guess, step.x0_hat)
        assert torch.equal(moment.noisy, step.x_t)


def test_strength_and_the_strongest_channels_of_planted_maps() -> None:
    maps = torch.zeros(4, 2, 2)
    maps[0] = 50.0  # strong, and the same everywhere
    maps[1] = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    maps[2] = torch.tensor([[3.0, -3.0], [3.0, -3.0]])
    maps[3] = -maps[1]
    shown = Activation("x", maps)
    assert shown.variances.tolist() == [0, 1, 9, 1]
    assert shown.strongest(3) == [2, 1, 3]
    assert shown.strongest(9) == [2, 1, 3, 0]
    assert Activation("x", torch.tensor([[[3.0]], [[4.0]]])).strength.tolist() == [[pytest.approx(12.5**0.5)]]


def boxes(block: dict[str, Any]) -> dict[str, int]:
    found = {block["path"]: block["weights"]}
    for child in block["blocks"]:
        found |= boxes(child)
    return found


@pytest.mark.formats
def test_blocks_have_the_names_and_weights_of_the_diagram_also_when_they_are_packed(tiny_model: TextToImage) -> None:
    unet = next(n for n in machine_of(tiny_model)["networks"] if n["name"] == "unet")
    diagram = boxes(unet)
    for model in (tiny_model, tiny_model.for_drawing("bf16")):
        blocks = blocks_of(model)
        assert [block.name for block in blocks] == NAMES
        assert [diagram[block.path] for block in blocks] == [block.weights for block in blocks]
        assert [b.weight_share * unet["weights"] for b in blocks] == pytest.approx([b.weights for b in blocks])
    assert named(tiny_model, "up.4x4_up_1") == named(tiny_model, "4x4_up_1") == "4x4_up_1"
    with pytest.raises(UserError, match=r"no block 'down\.4x4_up_1'; it has 8x8_down_0, 8x8_to_4x4"):
        named(tiny_model, "down.4x4_up_1")


def test_time_is_what_the_clock_said_between_a_blocks_beginning_and_its_end(
    tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted clock that only moves where it is told to: by a known time in two blocks, and before the first."""
    model, clock, laps = TextToImage.load(tiny_model_folder), [0.0], [0]
    now = SimpleNamespace(
        thread_time=lambda: clock[0],
        perf_counter=lambda: clock[0],
        get_clock_info=lambda _: SimpleNamespace(resolution=1e-9),
    )
    monkeypatch.setattr(activations, "time", now)

    def slow(module: torch.nn.Module, seconds: Any) -> None:
        forward = module.forward

        def slower(*taken: Any) -> Any:
            clock[0] += seconds()
            return forward(*taken)

        module.forward = slower  # type: ignore[method-assign]

    def uneven() -> float:  # 1, 2, 3, … milliseconds; the first two are not counted: the median of 3…7 is 5
        laps[0] += 1
        return laps[0] / 1000

    slow(model.unet.conv_in, lambda: 0.002)
    slow(model.unet.down["8x8_down_0"], uneven)
    slow(model.unet.up["4x4_up_1"], lambda: 0.003)
    made = plan(model, REQUEST)
    found = timing(model, made, repeats=5)
    expected = dict.fromkeys(NAMES, 0.0) | {"8x8_down_0": 5.0, "4x4_up_1": 3.0, ENDS: 2.0}
    assert found.milliseconds == pytest.approx(expected)
    assert (found.total, found.share("8x8_down_0"), found.repeats) == (pytest.approx(10), pytest.approx(0.5), 5)
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.unet.modules())
    slow(model.unet.middle["4x4_middle"], lambda: 5.0)  # one step of a large model is waited for, and not more
    assert (timing(model, made, repeats=5).milliseconds["4x4_middle"], laps[0]) == (pytest.approx(5000), 8)
    assert timing(model, made, repeats=5).repeats == 1


def test_a_moment_is_the_step_that_was_asked_for_and_nothing_after_it_is_computed(tiny_model: TextToImage) -> None:
    made, calls = plan(tiny_model, REQUEST), [0]

    def count(*_: Any) -> None:
        calls[0] += 1

    every = list(moments(tiny_model, made))
    handle = tiny_model.unet.middle["4x4_middle"].register_forward_hook(count)
    try:
        assert moment_at(tiny_model, made, 3).index == 2
        assert calls[0] == 3
        middle = moment_at(tiny_model, made)
    finally:
        handle.remove()
    assert middle.index == 1
    assert torch.equal(middle.activations[0].maps, every[1].activations[0].maps)
    assert not torch.equal(middle.activations[0].maps, every[2].activations[0].maps)
    for wrong in (0, 5, -1):
        with pytest.raises(UserError, match=f"no step {wrong}: this drawing has steps 1…4"):
            moment_at(tiny_model, made, wrong)
    assert all(not m._forward_hooks for m in tiny_model.unet.modules())


def test_what_goes_straight_across_is_found_in_what_the_network_computes(tiny_model: TextToImage) -> None:
    """The last channels of what a part on the way up takes are, bit for bit, what its partner left."""
    unet, taken, left = tiny_model.unet, {}, {}

    def note(path: str) -> Any:
        def hook(_: Any, took: tuple[Any, ...], gave: torch.Tensor) -> None:
            taken[path], left[path] = took[0], gave

        return hook

    paths = {"conv_in": unet.conv_in}
    paths |= {f"{way}.{name}": block for way in ("down", "up") for name, block in getattr(unet, way).items()}
    handles = [module.register_forward_hook(note(path)) for path, module in paths.items()]
    try:
        next(moments(tiny_model, plan(tiny_model, REQUEST)))
    finally:
        for handle in handles:
            handle.remove()
    found = skips_of(unet)
    assert [to for _, to in found] == ["up.4x4_up_0", "up.4x4_up_1", "up.8x8_up_0", "up.8x8_up_1"]
    for source, to in found:
        assert torch.equal(taken[to][:, -left[source].shape[1] :], left[source]), (source, to)
    assert next(n for n in machine_of(tiny_model)["networks"] if n["name"] == "unet")["skips"] == found


def test_a_sampler_that_calls_twice_a_step_shows_one_map_of_each_block(tiny_model: TextToImage) -> None:
    made = plan(tiny_model, Request(prompt="red apple", steps=3, sampler="heun", guidance=3.0))
    assert all([a.block for a in moment.activations] == NAMES for moment in moments(tiny_model, made))


def test_the_command_measures_and_says_how_to_do_so_again(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    said = ("inspect", "activations", "red apple", "--steps", 3, "--seed", 2, "--model", tiny_model_folder)
    assert run(*said, "--out", "a.json").code == 0
    facts = json.loads((tmp_path / "a.json").read_text())
    assert (facts["step"], facts["steps"]) == (2, 3)
    assert [block["block"] for block in facts["blocks"]] == NAMES
    assert 0.5 < sum(block["time_share"] for block in facts["blocks"]) <= 1.001
    words = shlex.split(facts["command"])
    assert run(*words[1:], "--out", "b.json").code == 0
    again = json.loads((tmp_path / "b.json").read_text())
    for one, other in zip(facts["blocks"], again["blocks"], strict=True):
        for name in ("gives", "weights", "strength", "strongest"):
            assert one[name] == other[name]
    done = run(*said, "--block", "up.8x8_up_1", "--at", 1, "--out", "c.json")
    assert done.code == 0, done.err
    detail = json.loads((tmp_path / "c.json").read_text())
    assert (detail["path"], detail["step"], len(detail["variances"])) == ("up.8x8_up_1", 1, 32)
    best = max(range(32), key=lambda i: (detail["variances"][i], -i))
    assert detail["strongest"][0] == best
    assert "--block 8x8_up_1 --at 1" in detail["command"]


def test_each_place_of_a_film_is_one_channel_all_the_time(tiny_model: TextToImage) -> None:
    """Two planted moments with other channels strongest: both frames show those of the one that is looked at."""
    made = plan(tiny_model, REQUEST)
    first, second, *_ = moments(tiny_model, made)
    flipped = tuple(Activation(a.block, a.maps.flip(0)) for a in first.activations)
    other = Moment(second.index, second.total, first.t, first.noisy, first.guess, flipped)
    spent, subject = timing(tiny_model, made, 1), Subject("red apple")
    whole = [activations_figure(tiny_model, first, spent, subject, [first, m]).frames[1] for m in (first, other)]
    alone = activations_figure(tiny_model, other, spent, subject).picture
    assert whole[0].tobytes() != whole[1].tobytes() != alone.tobytes()
    detail = block_figure(tiny_model, first, "8x8_up_1", spent, subject, [first, other])
    assert detail.frames[0].tobytes() == detail.picture.tobytes() != detail.frames[1].tobytes()
    assert block_figure(tiny_model, other, "8x8_up_1", spent, subject).picture.tobytes() != detail.frames[1].tobytes()


@pytest.mark.parametrize("block", [(), ("--block", "4x4_middle")])
def test_a_film_has_a_frame_for_every_step(
    run: Any, tiny_model_folder: Path, tmp_path: Path, block: tuple[str, ...]
) -> None:
    more = ("--steps", 3, "--model", tiny_model_folder, *block, "--out", "a.webp")
    done = run("inspect", "activations", "red apple", *more)
    assert done.code == 0, done.err
    with Image.open(tmp_path / "a.webp") as film:
        assert film.n_frames == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--block", "9x9"), "no block '9x9'"),
        (("--at", 0), "no step 0: this drawing has steps 1…3"),
        (("--at", 4), "no step 4"),
        (("--style", "crayon"), "crayon"),
        (("--out", "a.jpg"), "should be a file that ends in"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(
    run: Any, tiny_model_folder: Path, options: tuple[Any, ...], why: str
) -> None:
    done = run("inspect", "activations", "red apple", "--steps", 3, "--model", tiny_model_folder, *options)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert why in done.err
