"""``fromnoise story`` and what belongs to it, as people use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fromnoise.story.draw import StoryRequest, draw_stories
from fromnoise.story.model import StoryModel


def test_it_shows_every_step_and_ends_with_the_sentence(
    run: Any, tiny_story: StoryModel, tiny_story_folder: Path
) -> None:
    found = run("story", "--model", tiny_story_folder, "--genre", "mystery", "--steps", 4, "--seed", 3)
    assert (found.code, found.err) == (0, "")
    lines = found.out.splitlines()
    assert len(lines) == 6  # the noise, four steps, the sentence
    assert [line.split()[0] for line in lines[:5]] == ["noise", "75%", "50%", "25%", "0%"]
    assert lines[-1] == draw_stories(tiny_story, StoryRequest(genre="mystery", steps=4, seed=3))[0]


def test_several_are_listed_by_seed(run: Any, tiny_story: StoryModel, tiny_story_folder: Path) -> None:
    found = run("story", "--model", tiny_story_folder, "-n", 3, "--seed", 8, "--steps", 3)
    rows = [line.split(None, 1) for line in found.out.splitlines()]
    assert [int(seed) for seed, _ in rows] == [8, 9, 10]
    assert [text for _, text in rows] == draw_stories(tiny_story, StoryRequest(steps=3, seed=8, count=3))


def test_it_is_another_story_every_time_and_says_how_to_have_it_again(run: Any, tiny_story_folder: Path) -> None:
    asked = ("story", "--model", tiny_story_folder, "--steps", 3)
    first, second = run(*asked), run(*asked)
    seeds = [found.out.splitlines()[0].removeprefix("seed ") for found in (first, second)]
    assert seeds[0] != seeds[1]
    again = run(*asked, "--seed", seeds[0]).out.splitlines()
    assert first.out.splitlines()[1:] == again  # a seed that was given needs not be said
    quiet = run(*asked, "-q")
    assert len(quiet.out.splitlines()) == 1  # nothing but the sentence, for whoever reads on
    seed = quiet.err.strip().removeprefix("seed ")
    assert run(*asked, "-q", "--seed", seed).out == quiet.out
    rows = [row.split(None, 1) for row in run(*asked, "-n", 2).out.splitlines()]
    assert run(*asked, "-q", "--seed", rows[1][0]).out.strip() == rows[1][1]


def test_repair_names_the_word_and_ranks_guesses(run: Any, tiny_story_folder: Path) -> None:
    found = run("story", "--model", tiny_story_folder, "--repair", "gold stolen in France", "--errors", 2)
    assert found.code == 0
    assert len(found.out.splitlines()) == 3
    assert found.out.startswith("word ")
    assert found.out.splitlines()[0].count("%") == 6


def test_repair_leaves_the_rest_as_it_was_written(run: Any, tiny_story_folder: Path) -> None:
    given = "Gold (stolen in 1999): in FRANCE -- it's the 3rd time!"
    found = run("story", "--model", tiny_story_folder, "--repair", given).out.splitlines()
    place = int(found[0].split()[1].rstrip(",")) - 1
    words = ["Gold", "stolen", "in", ",", "in", "FRANCE", "it", "'s", "the", "time"]
    wrong = words[place]
    assert f"'{wrong}'" in found[0]
    head, tail = given.split(":" if wrong == "," else wrong, 1) if place != 4 else (given[:23], given[25:])
    assert found[-1].startswith(head)
    assert found[-1].endswith(tail)


def test_the_shipped_model_knows_what_the_readme_asks(run: Any) -> None:
    listed = run("story", "--list")
    assert "mystery" in listed.out
    assert "France" in listed.out
    assert "adverb" not in listed.out
    assert "definition" not in listed.out
    wish = ("story", "--genre", "mystery", "--place", "France", "--steps", 6, "-q", "--seed", 3)
    first = run(*wish)
    assert first.code == 0
    assert run(*wish).out == first.out
    start = "Gold scissor out headphone neat typewriter spinach"
    for seed in (1, 1017230166):  # the second puts a word before it
        kept = run("story", "--start", start, "--steps", 5, "--keep", "gold", "-q", "--seed", seed).out
        assert "gold" in kept.lower().split()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--genre", "opera"), "no genre 'opera'"),
        (("--steps", 0), "steps must be 1 to 1000"),
        (("--guidance", "nan"), "guidance must be"),
        (("--repair", "gold", "--start", "gold"), "leave out --start"),
        (("--repair", "gold", "--errors", 2), "1 to 1 errors"),
        (("--repair", "!"), "no words in it that can be read"),
        (("--repair", ""), "no words in it that can be read"),
        (("--repair", "gold in France", "-n", 2), "leave out --start, --keep, --words and -n"),
        (("--start", " "), "no words in it that can be read"),
        (("--start", "gold", "--words", 5), "leave out --words"),
        (("--strength", 0.5), "give --start"),
        (("--keep", ","), "--keep needs words"),
        (("--words", 99), "2 to 16 words"),
        (("--sampler", "magic"), "confident or ancestral"),
        (("--keep", "xylophone"), "xylophone"),
    ],
)
def test_bad_wishes_get_one_line(run: Any, tiny_story_folder: Path, options: tuple[object, ...], said: str) -> None:
    found = run("story", "--model", tiny_story_folder, *options)
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert said in found.err


def test_no_model_there(run: Any, tmp_path: Path) -> None:
    found = run("story", "--model", tmp_path)
    assert found.code == 2
    assert "fromnoise train story" in found.err
    assert "no such folder" in run("story", "--model", tmp_path / "none").err


def test_data_and_training(run: Any, tmp_path: Path) -> None:
    found = run("data", "plots", "--lines", 300, "--no-real", "--out", "lines")
    assert found.code == 0, found.err
    assert "lines to learn from" in found.out
    small = [f"network.{key}" for key in ("width=32", "embedding=16", "fixed=0", "heads=2", "layers=1")]
    sets = [
        part
        for setting in (*small, "loop.pictures=128", "loop.batch=64", "precision=fp32")
        for part in ("--set", setting)
    ]
    found = run("train", "story", "--data", "lines", "--out", "run", *sets)
    assert found.code == 0, found.err
    assert found.out.strip() == "run/model"
    assert json.loads((tmp_path / "run" / "model" / "story.json").read_text())["card"]["lines_seen"] == 128
    assert run("story", "--model", "run/model", "-q", "--steps", 2).code == 0
    assert "its model is run/model" in run("story", "--model", "run").err
    assert "fromnoise story" in run("generate", "x", "--model", "run/model", "--out", "x.png").err
    assert run("data", "plots", "--lines", 200, "--no-real", "--out", "others").code == 0
    assert "other lines" in run("train", "story", "--data", "others", "--out", "run", *sets).err
    refused = run("train", "story", "--data", "lines", "--out", "run", "--tasks", "clip")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert run("train", "story", "--data", "starter", "--out", "other").code == 2
