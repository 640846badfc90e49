"""Words and their maps: what belongs to a word, what is where, and what happens without it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.generate import Finished, draw, generate
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import from_bytes
from fromnoise.inspection.heat import COLD, WARM, overlay, own_range
from fromnoise.inspection.subject import Subject
from fromnoise.inspection.watch import watching
from fromnoise.inspection.words import (
    WordPicture,
    WordStep,
    changed,
    helped,
    resized,
    weighed,
    within,
    without_each,
    word_maps,
    words_of,
)
from fromnoise.inspection.words_figure import words_figure
from fromnoise.system.text_to_image import TextToImage

SUBJECT = Subject("red apples", style="noto", seed=3, steps=3, guidance=4.0)


def test_tokens_are_joined_to_words_and_nothing_is_left_out(tiny_model: TextToImage) -> None:
    made = SUBJECT.plan(tiny_model)
    words = words_of(tiny_model, made)
    assert [word.kind for word in words][:1] == ["start"]
    assert [word.text for word in words if word.kind == "word"] == ["red", "apples", ",", "noto", "style"]
    assert [word.kind for word in words][-2:] == ["end", "padding"]
    apples = words[2]
    assert len(apples.places) > 1  # "apples" was in no caption: it is read in pieces
    assert sorted(place for word in words for place in word.places) == list(range(12))


def test_a_long_prompt_has_a_start_and_an_end_for_each_part(tiny_model: TextToImage) -> None:
    made = Subject("a red house " * 5, seed=3, steps=2).plan(tiny_model)
    words = words_of(tiny_model, made)
    assert made.words.wanted.parts == 2
    assert [word.kind for word in words].count("start") == 2
    assert sorted(place for word in words for place in word.places) == list(range(24))
    assert [w.text for w in words if w.kind == "word"] == ["a", "red", "house"] * 5


def test_the_map_of_a_word_is_the_sum_of_its_tokens_maps(tiny_model: TextToImage) -> None:
    made = SUBJECT.plan(tiny_model)
    words = words_of(tiny_model, made)
    *steps, end = word_maps(tiny_model, SUBJECT)
    assert isinstance(end, WordPicture)
    assert torch.equal(end.picture, draw(tiny_model, SUBJECT.request)[0])
    with watching(tiny_model, made, attention=True) as (watched, seen):
        for event, step in zip(generate(watched, made), steps, strict=False):
            looks = seen.take()
            if isinstance(event, Finished):
                continue
            assert isinstance(step, WordStep)
            assert isinstance(event, Step)
            assert torch.equal(step.step.x_next, event.x_next)
            for look in looks:
                assert look.attention is not None
                expected = torch.stack([look.attention[list(w.places)].sum(0) for w in words])
                assert torch.equal(step.blocks[look.block], expected)
            torch.testing.assert_close(step.mean((8, 8)).sum(0), torch.ones(8, 8))


def test_muting_a_word_that_is_not_there_changes_nothing(tiny_model: TextToImage) -> None:
    for weight in (0.0, 2.0, None):
        other = changed(tiny_model, SUBJECT, "green", weight)
        assert other.share == 0
        assert not other.difference.any()
        assert torch.equal(other.picture, draw(tiny_model, SUBJECT.request)[0])


def test_a_muted_word_is_what_its_brackets_draw(tiny_model: TextToImage) -> None:
    muted, left_out = (changed(tiny_model, SUBJECT, "Red", weight) for weight in (0.0, None))
    assert (muted.prompt, left_out.prompt) == ("(red:0) apples", "apples")
    for other in (muted, left_out):
        alone = draw(tiny_model, replace(SUBJECT, prompt=other.prompt).request)[0]
        assert torch.equal(other.picture, alone)
        whole = draw(tiny_model, SUBJECT.request)[0]
        assert torch.equal(other.difference, (whole.int() - alone.int()).abs().amax(0).to(torch.uint8))
        assert other.difference.any()


@pytest.mark.parametrize(
    ("prompt", "word", "weight", "found"),
    [
        ("redder red, RED", "red", 1.5, "redder (red:1.5), (RED:1.5)"),
        ("a c++ cat", "c++", 0, "a (c++:0) cat"),
        ("two red apples", "red apples", None, "two"),
        ("cat", "cat", None, ""),
        ("", "cat", 0, ""),
    ],
)
def test_only_whole_words_are_weighed(prompt: str, word: str, weight: float | None, found: str) -> None:
    assert weighed(prompt, word, weight) == found


@pytest.mark.parametrize(("word", "weight"), [(" ", 0), ("red", 11), ("red", float("nan")), ("red", -1)])
def test_what_is_no_weight_is_refused(word: str, weight: float) -> None:
    with pytest.raises(UserError, match="a weight of 0…10"):
        weighed("red", word, weight)


def test_each_word_is_left_out_once_and_brackets_go_with_it(tiny_model: TextToImage) -> None:
    made = Subject("a (red:1.5) house, red", style="noto", seed=3).plan(tiny_model)
    words = words_of(tiny_model, made)
    found = dict(
        zip(
            [f"{word.text}{i}" for i, word in enumerate(words)],
            without_each(made.words.wanted.text, words),
            strict=True,
        )
    )
    whole = made.words.wanted.text
    assert whole == "a (red:1.5) house, red, noto style"
    assert [text for text in found.values() if text is not None] == [
        "(red:1.5) house, red, noto style",
        "a house, red, noto style",
        "a (red:1.5) , red, noto style",
        "a (red:1.5) house, , noto style",
        "a (red:1.5) house, red, style",
        "a (red:1.5) house, red, noto",
    ]


def test_a_word_is_needed_where_the_guess_without_it_is_worse(tiny_model_folder: Path) -> None:
    """A U-Net that draws the left half by one word and the right half by another, and is right about both."""
    model = TextToImage.load(tiny_model_folder)
    picture = draw(model, SUBJECT.request)[0]
    clean = model.vae.encode(from_bytes(picture[None])).mean

    class Halves:
        """Knows the picture's left half if it reads "red", and its right half if it reads "apples"."""

        precision, batches = "fp32", model.engine.batches
        told: str = ""

        def predict(self, x: torch.Tensor, t: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
            known = clean.clone()
            known[..., :4] += 0 if "red" in self.told else 1
            known[..., 4:] += 0 if "apples" in self.told else 2
            alpha, sigma = (float(f(float(t[0]))) for f in (model.schedule.alpha, model.schedule.sigma))
            return (alpha * x - known.expand_as(x)) / sigma  # v of a network whose clean estimate is "known"

        def decode(self, latents: torch.Tensor) -> torch.Tensor:
            raise AssertionError

    halves = Halves()
    planted = replace(model, backend=halves)
    read = planted.read_tokens
    object.__setattr__(
        planted, "read_tokens", lambda tokens, *rest: (setattr(halves, "told", tokens[0].text), read(tokens, *rest))[1]
    )
    made = SUBJECT.plan(planted)
    words = words_of(planted, made)
    found = dict(zip([word.text for word in words], helped(planted, made, picture), strict=True))
    left, right = found["red"], found["apples"]
    torch.testing.assert_close(left[:, :4], torch.ones(8, 4), atol=1e-3, rtol=0)
    torch.testing.assert_close(right[:, 4:], torch.full((8, 4), 4.0), atol=1e-3, rtol=0)
    for other in (left[:, 4:], right[:, :4], found["noto"], found[","]):
        assert float(other.abs().max()) < 1e-3


def test_the_share_within_a_box_is_the_part_of_the_map_there() -> None:
    maps = torch.zeros(3, 4, 4)
    maps[0, :, :2], maps[1, 0, :], maps[2] = 1, 1, 0.25
    left = within(maps, (0, 0, 0.5, 1))
    assert left[2] == 0.5
    assert left[1] == 0.5
    assert float(left[0]) > 0.9  # bilinear: the edge is soft, and half of it is beyond the middle
    assert torch.allclose(within(maps, (0, 0, 1, 1)), torch.ones(3))
    assert torch.equal(resized(maps, (4, 4)), maps)


def test_the_coldest_place_is_blue_and_the_warmest_yellow() -> None:
    white = torch.full((3, 2, 2), 255, dtype=torch.uint8)
    heat = own_range(torch.tensor([[2.0, 3.0], [2.0, 4.0]]))
    shown = overlay(white, heat)
    assert shown[:, 0, 0].tolist() == [round(v) for v in COLD]
    assert shown[:, 1, 1].tolist() == [round(v) for v in WARM]
    assert shown[:, 0, 1].tolist() == [round((a + b) / 2) for a, b in zip(COLD, WARM, strict=True)]
    assert overlay(white * 0, heat)[:, 1, 1].tolist() == [round(v / 2) for v in WARM]
    assert not own_range(torch.ones(2, 2)).any()


def test_the_figure_has_a_column_for_each_word_and_says_how_it_was_made(tiny_model: TextToImage) -> None:
    figure = words_figure(tiny_model, SUBJECT, mute=["red"], boost={"apples": 2.0})
    assert len(figure.frames) == 3
    assert abs(sum(figure.facts["shares"]) - 1) < 0.01
    assert [c["prompt"] for c in figure.facts["changed"]] == ["(red:0) apples", "apples", "red (apples:2)"]
    assert shlex.split(figure.command)[3:] == [
        *("red apples", "--style", "noto", "--seed", "3", "--steps", "3", "--guidance", "4"),
        *("--mute", "red", "--boost", "apples=2", "--out", "words.png"),
    ]


def test_the_facts_hold_a_map_of_each_word_for_every_step_and_every_block(tiny_model: TextToImage) -> None:
    facts = words_figure(tiny_model, SUBJECT, moving=False).facts
    *steps, _ = word_maps(tiny_model, SUBJECT)
    assert [list(each) for each in facts["steps"]] == [["t", "shares", "maps"]] * len(steps)
    for each, step in zip(facts["steps"], steps, strict=True):
        assert isinstance(step, WordStep)
        size = tiny_model.latent_shape()[1:]
        torch.testing.assert_close(torch.tensor(each["maps"]), step.mean(size), atol=6e-5, rtol=0)
    assert list(facts["block_maps"]) == list(facts["blocks"])
    for name, maps in facts["block_maps"].items():
        mean = torch.stack([step.blocks[name] for step in steps if isinstance(step, WordStep)]).mean(0)
        torch.testing.assert_close(torch.tensor(maps), mean, atol=6e-5, rtol=0)


def test_steps_are_decoded_only_for_a_film(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    decode = TextToImage.decode
    monkeypatch.setattr(TextToImage, "decode", lambda self, x: decoded.append(len(x)) or decode(self, x))
    still = words_figure(tiny_model, SUBJECT, moving=False)
    once = len(decoded)
    moving = words_figure(tiny_model, SUBJECT)
    assert (len(still.frames), len(moving.frames)) == (0, 3)
    assert len(decoded) - once == once + 3  # of each step, beside the picture
    assert still.picture.tobytes() == moving.picture.tobytes()


def test_the_command_draws_and_its_own_command_draws_it_again(run: Any, tiny_model_folder: Path) -> None:
    options = ("--style", "noto", "--steps", 3, "--mute", "red", "--boost", "apples=2", "--model", tiny_model_folder)
    done = run("inspect", "words", "red apples", *options, "--by-block", "--out", "a.json")
    assert done.code == 0
    assert "(padding)" in done.out
    first = json.loads(Path("a.json").read_text())
    again = shlex.split(first["command"])
    assert again[:3] == ["fromnoise", "inspect", "words"]
    done = run(*again[1:-1], "b.json")
    assert done.code == 0
    assert json.loads(Path("b.json").read_text()) == first


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--boost", "red"], "as red=1.5, not 'red'"),
        (["--boost", "red=x"], "as red=1.5, not 'red=x'"),
        (["--boost", "=2"], "as red=1.5, not '=2'"),
        (["--out", "words.txt"], "should be a file that ends in .png, .gif, .webp, .html or .json"),
        (["--style", "nobody"], "nobody"),
        (["--negative", "x", "--steps", "0"], "steps"),
    ],
)
def test_what_cannot_be_shown_is_one_clear_line(
    run: Any, tiny_model_folder: Path, options: list[str], said: str
) -> None:
    done = run("inspect", "words", "red apples", "--model", tiny_model_folder, *options)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not list(Path().glob("words*"))


def test_no_words_are_no_view(run: Any, tiny_model_folder: Path) -> None:
    done = run("inspect", "words", " ", "--model", tiny_model_folder)
    assert done.code == 2
    assert "there are no words to look at" in done.err
