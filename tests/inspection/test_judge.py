"""The judge: its scores are those that choose the best of several, and its guidance climbs them and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.best_of import fit
from fromnoise.drawing.generate import draw_plans, generate, generate_together
from fromnoise.ground.errors import UserError
from fromnoise.inspection.charts import COLOURS, Line, bars, line_chart
from fromnoise.inspection.clip_score import CLIPGuidance, clip_scores
from fromnoise.inspection.judge import THINGS, Opinion, judge, shares_of, usual_decoys
from fromnoise.inspection.judge_figure import judge_figure
from fromnoise.inspection.subject import Subject
from fromnoise.models.layers.packed import PackedConvolution, packed_copy, unpacked_copy
from fromnoise.models.vae import VAEConfig
from fromnoise.system.known_words import KnownWords
from fromnoise.system.text_to_image import TextToImage

APPLE = Subject("red apple", style="noto", seed=3, steps=3)
DECOYS = ["a blue house", "green tree"]


@pytest.fixture(scope="module")
def packed(tiny_model: TextToImage) -> TextToImage:
    """The tiny model as commands open it."""
    return tiny_model.for_drawing("fp32")


# --- what it says -----------------------------------------------------------------------------------------------


def test_it_says_of_every_step_what_the_chooser_among_candidates_would_say(packed: TextToImage) -> None:
    made = APPLE.plan(packed)
    steps = [event for event in generate(packed, made) if isinstance(event, Step)]
    opinions = list(judge(packed, APPLE, DECOYS))
    assert [(o.index, o.t, o.finished) for o in opinions[:-1]] == [(s.index, float(s.t), False) for s in steps]
    assert (opinions[-1].index, opinions[-1].t, opinions[-1].finished) == (3, -1.0, True)
    assert torch.equal(opinions[-1].picture, draw_plans(packed, [made])[0])
    for opinion, step in zip(opinions, steps, strict=False):
        assert torch.equal(opinion.picture, packed.decode(step.x0_hat)[0])
    for opinion in opinions:
        assert opinion.captions == ("red apple", *DECOYS)
        for caption, cosine in zip(opinion.captions, opinion.cosines, strict=True):
            assert [cosine] == fit(packed, APPLE.plan(packed, prompt=caption), opinion.picture[None])
        assert sum(opinion.shares) == pytest.approx(1, abs=1e-12)
        assert opinion.pick == opinion.cosines.index(max(opinion.cosines))


def test_shares_are_a_bet_with_clips_own_scale(tiny_model: TextToImage) -> None:
    assert tiny_model.clip is not None
    clip = replace_scale(tiny_model, 10.0).clip
    assert clip is not None
    a, b = shares_of(clip, [0.5, 0.4])  # one tenth, times ten: e to one
    assert a / b == pytest.approx(2.718281828, rel=1e-5)
    assert shares_of(clip, [0.3]) == (1.0,)
    louder = replace_scale(tiny_model, 1e9).clip  # training never uses more than 100
    assert louder is not None
    a, b = shares_of(louder, [0.51, 0.5])
    assert a / b == pytest.approx(2.718281828, rel=1e-4)


def replace_scale(model: TextToImage, scale: float) -> TextToImage:
    assert model.clip is not None
    clip = model.clip.config.build()
    clip.load_state_dict({**model.clip.state_dict(), "logit_scale": torch.tensor(scale).log()})
    return replace(model, clip=clip)


def test_the_usual_decoys_are_known_and_not_in_the_prompt(tiny_model: TextToImage) -> None:
    assert usual_decoys(tiny_model, "red apple") == THINGS[:3]
    assert usual_decoys(tiny_model, "two CATS beside a tree") == ("car", "house", "fish")
    some = replace(tiny_model, known=KnownWords({"moon": 3, "boat": 2, "ship": 9, "hats": 1}))
    assert usual_decoys(some, "a boat") == ("moon",)  # "hats" is no word for one hat
    foreign = replace(tiny_model, known=KnownWords({"der": 1, "Apfel": 5, "katze": 7, "haus": 7, "baum": 6, "the": 9}))
    assert usual_decoys(foreign, "eine katze") == ("haus", "baum", "Apfel")


# --- its guidance -----------------------------------------------------------------------------------------------


def test_what_is_climbed_is_what_is_said_but_for_rounding(packed: TextToImage) -> None:
    made = APPLE.plan(packed)
    *_, last, _ = generate(packed, made)
    assert isinstance(last, Step)
    said = fit(packed, made, packed.decode(last.x0_hat))[0]
    assert float(clip_scores(packed, [made])[0](last.x0_hat.clone())) == pytest.approx(said, abs=2e-3)


@pytest.mark.parametrize("packed_first", [False, True])
def test_the_slope_is_that_of_the_score(tiny_model: TextToImage, packed: TextToImage, packed_first: bool) -> None:
    """Against finite differences, in random directions."""
    model = packed if packed_first else tiny_model
    (score,) = clip_scores(model, [APPLE.plan(model)])
    rng = torch.Generator().manual_seed(5)
    x = (0.3 * torch.randn(1, 4, 8, 8, generator=rng)).requires_grad_()
    (slope,) = torch.autograd.grad(score(x), x)
    assert float(slope.norm()) > 0
    for _ in range(3):
        way = torch.randn(1, 4, 8, 8, generator=rng)
        way = way / way.norm() + slope / slope.norm()  # not across the slope, where there is nothing to compare
        there, back = (float(score(x.detach() + sign * 0.02 * way)) for sign in (1, -1))
        assert (there - back) / 0.04 == pytest.approx(float((slope * way).sum()), rel=0.05)


def test_climbing_raises_the_score_at_the_first_step_and_off_changes_no_bit(packed: TextToImage) -> None:
    made = APPLE.plan(packed)

    def first(strength: float) -> Step:
        event = next(iter(generate_together(packed, [made], around=CLIPGuidance(packed, [made], strength))))
        assert isinstance(event, Step)
        return event

    (score,) = clip_scores(packed, [made])
    plain, off, little = first(0.0).x0_hat, next(iter(generate(packed, made))), first(0.02).x0_hat
    assert isinstance(off, Step)
    assert torch.equal(plain, off.x0_hat)
    assert float(score(little)) > float(score(plain.clone()))
    assert float((little - plain).square().mean().sqrt()) == pytest.approx(0.02, rel=1e-3)  # σ is 1 at pure noise
    *_, on = judge(packed, APPLE, DECOYS, 0.3)
    *_, without = judge(packed, APPLE, DECOYS, 0.0)
    assert not torch.equal(on.picture, without.picture)
    assert torch.equal(without.picture, draw_plans(packed, [made])[0])


def test_a_steered_picture_does_not_depend_on_its_neighbours(packed: TextToImage) -> None:
    many = [Subject(p, seed=s, steps=2).plan(packed) for p, s in (("red apple", 1), ("cat face", 2), ("a house", 3))]

    def drawn(each: list[Any]) -> Tensor:
        *_, last = generate_together(packed, each, around=CLIPGuidance(packed, each, 0.5))
        assert not isinstance(last, Step)
        return last.pictures

    together = drawn(many)
    for i, each in enumerate(many):
        assert torch.equal(together[i], drawn([each])[0])


def test_pictures_that_clip_sees_smaller_have_slopes_too(packed: TextToImage) -> None:
    made = APPLE.plan(packed, width=48, height=32)
    (score,) = clip_scores(packed, [made])
    x = torch.randn(1, *packed.latent_shape((32, 48)), generator=torch.Generator().manual_seed(0))
    said = fit(packed, made, packed.decode(x))[0]
    assert float(score(x)) == pytest.approx(said, abs=5e-3)
    assert bool(torch.autograd.grad(score(x.requires_grad_()), x)[0].any())


def test_an_unpacked_network_has_the_weights_it_had_and_the_packed_one_keeps_its_form() -> None:
    config = VAEConfig(latent_channels=4, block_out_channels=(16, 32), norm_num_groups=8, mid_attention=True)
    before = config.build()
    packed = packed_copy(before, torch.float32)
    x = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first = packed.decode(x)  # some of its convolutions take their other form
    forms = [type(m._form[0]) for m in packed.modules() if isinstance(m, PackedConvolution)]
    other = config.build()
    unpacked_copy(packed, other)
    had, has = (nn.utils.parameters_to_vector(network.parameters()) for network in (before, other))
    assert torch.equal(had, has)
    assert [type(m._form[0]) for m in packed.modules() if isinstance(m, PackedConvolution)] == forms
    with torch.inference_mode():
        assert torch.equal(packed.decode(x), first)
    assert not any(p.requires_grad for p in other.parameters())
    unpacked_copy(other, again := config.build())  # of one that was never packed
    assert torch.equal(nn.utils.parameters_to_vector(again.parameters()), had)


# --- what it refuses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "decoys", "strength", "said"),
    [
        ({"prompt": ""}, DECOYS, 0, "a picture that is drawn without words has none to be judged by; give a prompt"),
        ({"style": "oil"}, DECOYS, 0, "unknown style 'oil'"),
        ({}, ["red apple"], 0, "'red apple' stands there twice; the prompt and its decoys must differ"),
        ({}, ["cat", "cat"], 0, "'cat' stands there twice"),
        ({}, [" "], 0, "a decoy is empty; say what it should be"),
        ({}, ["cat\0"], 0, "decoy 'cat?': the prompt holds a zero"),
        ({}, [str(i) for i in range(8)], 0, "there may be 7 decoys, not 8; leave some out"),
        ({}, DECOYS, -0.1, "CLIP guidance must be 0…10 (0 is off), not -0.1"),
        ({}, DECOYS, 10.5, "CLIP guidance must be 0…10 (0 is off), not 10.5"),
        ({}, DECOYS, float("nan"), "CLIP guidance must be 0…10 (0 is off), not nan"),
    ],
)
def test_bad_wishes_are_refused_before_anything_is_drawn(
    tiny_model: TextToImage, change: dict[str, str], decoys: list[str], strength: float, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        judge(tiny_model, replace(APPLE, **change), decoys, strength)  # the call itself, not the first opinion
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_models_without_the_image_tower_are_told_so(tiny_model: TextToImage) -> None:
    blind = replace(tiny_model, clip=None)
    said = "^the judge is CLIP's image tower, which this model lacks; take a model that has one$"
    with pytest.raises(UserError, match=said):
        judge(blind, APPLE, DECOYS)
    with pytest.raises(UserError, match=said):
        clip_scores(blind, [APPLE.plan(blind)])


def test_closing_it_cancels(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    engine = tiny_model.engine

    class Counting:
        precision, batches, decode = engine.precision, engine.batches, engine.decode

        def predict(self, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
            calls.append(1)
            return engine.predict(x, t, words)

    opinions = judge(replace(tiny_model, backend=Counting()), replace(APPLE, steps=9), DECOYS)
    next(opinions)
    before = len(calls)
    opinions.close()
    assert len(calls) == before
    assert list(opinions) == []


def test_only_torch_steers(tiny_model: TextToImage) -> None:
    class Other:
        precision, batches = "fp32", tiny_model.engine.batches

    with pytest.raises(
        UserError, match=r"^only torch gives the gradients that steer; open the model without a backend$"
    ):
        clip_scores(replace(tiny_model, backend=Other()), [APPLE.plan(tiny_model)])  # type: ignore[arg-type]


# --- the figure -------------------------------------------------------------------------------------------------


def opinion(index: int, colour: int, cosines: tuple[float, ...], shares: tuple[float, ...]) -> Opinion:
    t = -1.0 if index == 2 else 900.0 - 400 * index
    return Opinion(index, 2, t, torch.full((3, 32, 32), colour, dtype=torch.uint8), ("a <b>", "cat"), cosines, shares)


PLANTED = [
    opinion(0, 10, (0.1, 0.2), (0.25, 0.75)),
    opinion(1, 90, (0.3, 0.2), (0.75, 0.25)),
    opinion(2, 170, (0.41237, 0.1), (0.9, 0.1)),
]


def test_the_figure_says_what_was_measured() -> None:
    steered = [replace(o, picture=o.picture + 5) for o in PLANTED]
    shown = judge_figure(Subject("a <b>", seed=7), PLANTED, steered, 0.25)
    assert shown.command == (
        "fromnoise inspect judge 'a <b>' --seed 7 --decoy cat --clip-guidance 0.25 --out judge.png"
    )
    assert shown.facts["captions"] == ["a <b>", "cat"]
    assert shown.facts["steps"][2] == {"t": -1.0, "finished": True, "cosines": [0.4124, 0.1], "shares": [0.9, 0.1]}
    assert [step["t"] for step in shown.facts["steered"]] == [900.0, 500.0, -1.0]
    assert [list(row) for row in shown.tables[0].rows] == [
        ["a <b>", "0.100", "0.412", "25%", "90%"],
        ["cat", "0.200", "0.100", "75%", "10%"],
    ]
    json.dumps(shown.facts)
    assert len(shown.frames) == 3
    assert len({frame.size for frame in shown.frames}) == 1
    colours = {colour for _, colour in shown.picture.getcolors(1 << 24)}
    assert {(v, v, v) for v in (10, 90, 170, 15, 95, 175)} <= colours  # each estimate is in the strip
    assert "found as many pictures right as without" in shown.about  # benchmarks/clip_guidance.py
    without = judge_figure(Subject("a <b>"), PLANTED)
    assert "no proof that the picture is right" in without.about
    assert "steered" not in without.facts
    assert "clip-guidance" not in without.command


def coloured(image: Image.Image, colour: str) -> np.ndarray:
    """Where a picture has a colour, or nearly."""
    wanted = np.array(list(bytes.fromhex(colour[1:])))
    found: np.ndarray = np.abs(np.asarray(image).astype(int) - wanted).max(-1) < 24
    return found


def test_lines_rise_evenly_and_bars_are_as_long_as_their_shares() -> None:
    chart = line_chart("x", [Line("", [0.0, 1.0, None, 0.5], COLOURS[0])], ["a", "b", "c", "d"])
    rows, columns = np.nonzero(coloured(chart, COLOURS[0]))
    left, right = columns.min(), columns.max()
    place = (right - left - 4) / 3  # between two places; a point is 5 pixels wide

    def height(i: int) -> float:
        at = np.abs(columns - (left + 2 + i * place)) <= 1
        return float(rows[at].mean())

    assert height(3) == pytest.approx((height(0) + height(1)) / 2, abs=2)
    assert not (np.abs(columns - (left + 2 + 2 * place)) < place / 2).any()  # None leaves a gap
    card = bars(["a", "b"], [0.25, 1.0], (204, 88))
    short, full = (np.nonzero(coloured(card, COLOURS[i]))[1] for i in range(2))
    assert np.ptp(short) / np.ptp(full) == pytest.approx(0.25, abs=0.02)
    assert np.nonzero(coloured(card, COLOURS[0]))[0].max() < np.nonzero(coloured(card, COLOURS[1]))[0].min()
    with pytest.raises(ValueError, match="a value for every place"):
        line_chart("x", [Line("", [0.0])], ["a", "b"])


def test_the_command(run: Any, tiny_model_folder: Path, tmp_path: Path, tiny_model: TextToImage) -> None:
    said = ("inspect", "judge", "red apple", "--steps", 2, "--model", tiny_model_folder)
    done = run(*said, "--decoy", "cat face", "--clip-guidance", 0.2, "--out", "j.json")
    assert done.code == 0, done.err
    stored = json.loads((tmp_path / "j.json").read_text())
    subject = Subject("red apple", steps=2)
    opened = tiny_model.for_drawing("auto")
    for strength, name in ((0.0, "steps"), (0.2, "steered")):
        found = [[round(c, 4) for c in o.cosines] for o in judge(opened, subject, ["cat face"], strength)]
        assert [step["cosines"] for step in stored[name]] == found
    TextToImage.load(tiny_model_folder).save(tmp_path / "some")
    KnownWords({"red": 1, "apple": 1, "cat": 1}).save(tmp_path / "some")
    told = run(*said[:-1], tmp_path / "some", "--decoy", "qwerty", "--out", "j.gif")
    assert told.code == 0
    assert "qwerty" in told.err  # no caption had it, so what CLIP says of it means little
    with Image.open(tmp_path / "j.gif") as film:
        assert film.n_frames == 3  # type: ignore[attr-defined]
    refused = run(*said, "--decoy", "red apple", "--out", "k.png")
    assert refused.code == 2
    assert "'red apple' stands there twice" in refused.err
    assert not (tmp_path / "k.png").exists()
