"""Which kinds are told apart where nobody names them: those that are there, often enough and apart from each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.inspection.kinds import KINDS, Pictures
from fromnoise.inspection.kinds_found import STARTER_KINDS, found_kinds, frequent_kinds
from fromnoise.system.text_to_image import TextToImage
from planted_kinds import shape, with_pictures


def pictures(captions: list[str], alike: str = "nothing") -> Pictures:
    """Each picture another shape, but for those of the caption ``alike``."""

    def opened(i: int) -> Tensor:
        return shape(0, 0) if captions[i] == alike else shape(i % 3, i)

    return Pictures(captions, [str(i) for i in range(len(captions))], opened, "of mine")


def test_the_most_frequent_captions_are_the_kinds() -> None:
    captions = ["Boat"] * 4 + ["tree"] * 9 + ["old  boat"] * 3 + ["kite"] * 2 + ["fox"]
    assert frequent_kinds(pictures(captions)) == ("tree", "boat", "kite")
    assert frequent_kinds(pictures(captions), 2) == ("tree", "boat")


def test_a_thing_of_which_all_pictures_are_one_drawing_is_passed_over() -> None:
    captions = ["boat"] * 5 + ["tree"] * 4 + ["kite"] * 3 + ["fox"] * 2
    assert frequent_kinds(pictures(captions, alike="boat")) == ("tree", "kite", "fox")


def test_where_every_caption_is_a_sentence_of_its_own_words_are_the_kinds() -> None:
    captions = [f"a {thing} in linocut number {chr(97 + i) * 4}" for i, thing in enumerate(["dog", "ship"] * 4)]
    captions += ["a ship with a dog in linocut"]  # shows both: then they are not told apart
    assert frequent_kinds(pictures(captions)) == ()
    assert frequent_kinds(pictures(captions[:-1])) == ("dog", "ship")  # "linocut" is in all of them


def test_a_model_that_saw_no_banana_takes_what_it_saw_most_and_says_so(tiny_model: TextToImage) -> None:
    found = found_kinds(with_pictures(tiny_model, ("boat", "tree", "kite")))
    assert set(found.drawings.kinds) == {"boat", "tree", "kite"}
    assert found.drawings.trained is True
    assert found.why == "There is no banana and no tomato and no pea here, so these are what there is most often."
    assert found.data is None


def test_a_model_that_saw_bananas_takes_them_without_a_word(tiny_model: TextToImage) -> None:
    found = found_kinds(with_pictures(tiny_model, KINDS))
    assert (found.drawings.kinds, found.why) == (KINDS, "")


def test_what_is_named_is_not_exchanged(tiny_model: TextToImage) -> None:
    with pytest.raises(UserError, match="shows 'banana'"):
        found_kinds(with_pictures(tiny_model, ("boat", "tree")), ("banana", "boat"))


@pytest.mark.parametrize("carried", [False, True])
def test_without_pictures_or_with_those_of_one_thing_the_starter_set_is_taken(
    tiny_model: TextToImage, carried: bool
) -> None:
    found = found_kinds(with_pictures(tiny_model, ("boat",)) if carried else tiny_model)
    assert (found.drawings.kinds, found.data) == (STARTER_KINDS, "starter")
    assert found.drawings.origin == "of the starter set"
    assert ("no two things" if carried else "carries no pictures") in found.why
    assert len(torch.unique(found.drawings.label)) == 3
