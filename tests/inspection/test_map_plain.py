"""Maps of models that carry none, and how sure a spread is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from conftest import make_tiny_model
from fromnoise.ground.errors import UserError
from fromnoise.inspection.clip_map import caption_vectors, land, text_vectors
from fromnoise.inspection.map_area import areas, spread_error, spread_of
from fromnoise.inspection.map_plain import known_map, plain_map
from fromnoise.inspection.subject import Subject
from fromnoise.system.known_words import KnownWords
from fromnoise.system.text_to_image import TextToImage

WORDS = ("apple", "blue", "fox", "green", "house", "red", "sun", "tree")


@pytest.fixture(scope="module")
def model() -> TextToImage:
    return replace(make_tiny_model(), clip_map=None, copies=None, known=KnownWords.of(["the red apple", *WORDS]))


def test_a_plain_map_is_the_principal_components_of_what_the_model_has_read(model: TextToImage) -> None:
    known = plain_map(model)
    assert (known.by, known.captions, known.names) == ("pca", WORDS, ())
    vectors = caption_vectors(model, WORDS).double().numpy()
    _, _, directions = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    flat = torch.from_numpy((vectors - vectors.mean(0)) @ directions[:2].T)
    expected, found = torch.pdist(flat), torch.pdist(known.places.double())
    torch.testing.assert_close(found / found.max(), expected / expected.max(), atol=1e-4, rtol=0)
    assert known_map(model) is known_map(model)


def test_prompts_land_on_a_plain_map_and_no_pictures_are_named(model: TextToImage) -> None:
    known = plain_map(model)
    found = land(known, model, "fox", 3)
    assert found.captions[0].text == "fox"
    assert found.place == tuple(known.places[WORDS.index("fox")].tolist())
    assert found.pictures == ()


def test_an_area_lies_around_its_prompt_where_the_map_has_no_pictures(model: TextToImage) -> None:
    known = plain_map(model)
    *_, area = areas(known, model, Subject("red apple", seed=1, steps=1), 3)
    middle = known.place(text_vectors(model, ["red apple"]), "caption")[0]
    torch.testing.assert_close(area.places.mean(0), middle, atol=1e-5, rtol=0)
    assert area.spread == spread_of(area.vectors)
    a, b, c = known.place(area.vectors, "caption")  # a projection: differences do not depend on the middle
    torch.testing.assert_close(area.places[1] - area.places[0], b - a, atol=1e-5, rtol=0)
    torch.testing.assert_close(area.places[2] - area.places[1], c - b, atol=1e-5, rtol=0)


def test_a_model_that_says_nothing_of_what_it_read_is_told_how_to_make_a_map(model: TextToImage) -> None:
    for words in (KnownWords(), KnownWords.of(["fox", "sun"])):
        with pytest.raises(UserError, match=r"fromnoise inspect make-map MODEL --data FOLDER$"):
            plain_map(replace(model, known=words))
    with pytest.raises(UserError, match="has no CLIP of its own"):
        plain_map(replace(model, clip=None))


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ([[1, 0], [0, 1]], None),
        ([[0.6, 0.8]] * 4, 0),
        ([[1, 0], [1, 0], [0, 1]], math.sqrt(2) / 3),  # left out: √½, √½ and 0
    ],
)
def test_the_error_of_a_spread_is_as_reckoned_by_hand(vectors: list[list[float]], expected: float | None) -> None:
    found = spread_error(torch.tensor(vectors, dtype=torch.float32))
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-7))
