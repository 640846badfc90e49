"""Beginning with another model's weights, and lessons about words without pictures."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from fromnoise.data.meanings import Meanings
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.clip import CLIPConfig
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.unet import UNetConfig
from fromnoise.models.vae import VAEConfig
from fromnoise.training.beginning import Keeper, begin_with
from fromnoise.training.clock import Clock
from fromnoise.training.lessons import Lessons, Smear, sow, teachable

TEXT = TextConfig(vocab_size=600, width=32, layers=2, heads=2, context=32)
SIZES = CLIPConfig(TEXT, ImageConfig(pixels=32, patch=8, width=32, layers=1, heads=2), projection=24)


def test_a_network_of_the_same_sizes_begins_with_the_same_weights() -> None:
    known, fresh = SIZES.build(), SIZES.build()
    assert begin_with(fresh, known, "clip") == 1.0
    for name, tensor in known.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name


def test_a_deeper_tower_says_at_first_what_the_shallower_one_says() -> None:
    known = SIZES.build()
    fresh = replace(SIZES, text=replace(TEXT, layers=4)).build()
    ids = torch.randint(0, 600, (3, 32), generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(fresh.text(ids).tokens, known.text(ids).tokens, atol=0.1)
    assert 0.5 < begin_with(fresh, known, "clip") < 1
    torch.testing.assert_close(fresh.text(ids).tokens, known.text(ids).tokens)
    fresh.text(ids).tokens.square().sum().backward()
    assert fresh.text.blocks[3].down.weight.grad is not None  # and it can learn from there
    assert fresh.text.blocks[3].down.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("before", "now"), [(16, 8), (8, 16), (8, 12), (4, 16)])
def test_a_unet_goes_on_with_pictures_of_another_size(before: int, now: int) -> None:
    config = UNetConfig(
        sample_size=before,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        cross_attention_dim=16,
        head_dim=8,
    )
    known, fresh = config.build(), replace(config, sample_size=now).build()
    for weight in known.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    assert begin_with(fresh, known, "diffusion") == 1.0
    x, t, words = torch.randn(2, 4, now, now), torch.tensor([3, 700]), torch.randn(2, 5, 16)
    with torch.no_grad():
        assert torch.equal(fresh.eval()(x, t, words), known.eval()(x, t, words))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((8, (24, 32)), (16, (16, 24, 32))),  # grows by an outer level
        ((16, (16, 24, 32)), (8, (24, 32))),
        ((8, (16, 24, 32)), (16, (24, 32))),  # 4x4 is now 16x16, and 8x8 has no place, though there is an 8x8
    ],
)
def test_the_innermost_levels_of_a_unet_stay_so(
    before: tuple[int, tuple[int, ...]], now: tuple[int, tuple[int, ...]]
) -> None:
    known, fresh = (
        UNetConfig(
            sample_size=size,
            in_channels=4,
            out_channels=4,
            block_out_channels=widths,
            attention=(True,) * len(widths),
            cross_attention_dim=16,
            head_dim=8,
            norm_num_groups=8,
        ).build()
        for size, widths in (before, now)
    )
    for weight in known.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    before_that = {key: value.clone() for key, value in fresh.state_dict().items()}
    assert 0.5 < begin_with(fresh, known, "diffusion") < 1
    levels = [[net.config.resolution(i) for i in range(len(net.config.block_out_channels))] for net in (known, fresh)]
    inner = dict(zip(levels[0][-2:], levels[1][-2:], strict=True))
    taken = 0
    for key, value in known.state_dict().items():
        named = re.findall(r"\d+x\d+", key)
        if not named or not set(named) <= set(inner):
            continue
        renamed = re.sub(r"\d+x\d+", lambda match: inner[match[0]], key)
        if renamed in before_that and before_that[renamed].shape == value.shape:
            assert torch.equal(fresh.state_dict()[renamed], value), renamed
            taken += 1
    assert taken > 80
    if len(levels[1]) > 2:  # the new outermost level is as it was, but for transformers, which begin silent
        outermost = [key for key in before_that if levels[1][0] in key and ".residual." in key]
        assert outermost
        assert all(torch.equal(fresh.state_dict()[key], before_that[key]) for key in outermost)


def test_other_sizes_and_nothing_to_begin_with_are_one_line() -> None:
    small, large = (VAEConfig(latent_channels=4, block_out_channels=c, norm_num_groups=8) for c in ((16, 32), (32, 64)))
    with pytest.raises(UserError, match=r"start_from: only \d+%"):
        begin_with(large.build(), small.build(), "vae")
    with pytest.raises(UserError, match="has no clip network"):
        begin_with(SIZES.build(), None, "clip")


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    phrases = ("cat", "tomcat", "house", "hut")
    tokenizer = Tokenizer.train([*phrases, "noto style", "a an s"] * 3, vocab_size=600, context=32)
    cat, house = torch.eye(2).repeat_interleave(2, 0)[:2], torch.eye(2).repeat_interleave(2, 0)[2:]
    meanings = Meanings(phrases, torch.cat([cat, house]).half(), torch.ones(4))
    return Lessons(meanings, tokenizer, ("noto",), 64, torch.device("cpu"))


def clock(step: int = 0) -> Clock:
    return Clock(step, 8, 10**6, 0)


def test_lessons_follow_from_the_clock_and_ask_where_the_prompt_has_ended(lessons: Lessons) -> None:
    first, again, next_ = lessons.batch(clock()), lessons.batch(clock()), lessons.batch(clock(1))
    assert all(torch.equal(a, b) for a, b in zip(vars(first).values(), vars(again).values(), strict=True))
    assert not torch.equal(first.vectors, next_.vectors)
    ids, position = first.ids, first.position
    ends = (ids == lessons.tokenizer.eos_id).int().argmax(1)
    assert (position >= ends).all()
    assert (position < ids.shape[1]).all()
    assert (position > ends).any()


def test_words_of_one_meaning_come_to_lie_together(lessons: Lessons) -> None:
    torch.manual_seed(0)
    words = lessons.tokenizer
    text = replace(TEXT, vocab_size=words.vocab_size, eos_token_id=words.eos_id)
    network = replace(SIZES, text=text).build()
    network.add_module("meaning", lessons.head(32, torch.float32))
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    before = lessons.loss(network, lessons.batch(clock())).item()
    for step in range(40):
        optimizer.zero_grad()
        lessons.loss(network, lessons.batch(clock(step))).backward()
        optimizer.step()
    assert lessons.loss(network, lessons.batch(clock(99))).item() < 0.1 * before
    with torch.no_grad():
        said = network.meaning(network.text(lessons.tokenizer.encode(["tomcat", "a cat", "huts, noto style"])).pooled)
    similar = torch.nn.functional.cosine_similarity(said[0], said[1:], dim=1)
    assert similar[0] > 0.9 > 0.4 > similar[1]


@pytest.mark.parametrize(
    ("phrase", "draws", "said"),
    [
        ("cat", (0.14, 0.9, 0.0), "a cat"),
        ("apple", (0.14, 0.9, 0.0), "an apple"),
        ("cat", (0.16, 0.9, 0.0), "cats"),
        ("glass", (0.16, 0.9, 0.0), "glass"),
        ("what is it?", (0.16, 0.9, 0.0), "what is it?"),
        ("cat", (0.26, 0.9, 0.0), "cat"),
        ("cat", (0.26, 0.49, 0.0), "cat, noto style"),
        ("cat", (0.26, 0.51, 0.0), "cat"),
        ("cat", (0.0, 0.0, 0.99), "a cat, noto style"),
    ],
)
def test_phrases_are_said_as_people_type_them(
    lessons: Lessons, phrase: str, draws: tuple[float, float, float], said: str
) -> None:
    assert lessons._text(phrase, *draws) == said


def test_the_longest_phrase_that_fits_leaves_room_for_article_plural_and_style(lessons: Lessons) -> None:
    phrases = tuple(" ".join(["cat"] * count) for count in (10, 11))
    assert [lessons.tokenizer.count(phrase) for phrase in phrases] == [10, 11]
    kept = teachable(Meanings(phrases, torch.eye(2).half(), torch.ones(2)), lessons.tokenizer)
    assert kept.phrases == phrases[:1]


def test_phrases_that_do_not_fit_are_left_out(lessons: Lessons) -> None:
    long = Meanings(("cat", "x" * 40, "house"), torch.eye(3).half(), torch.tensor([1.0, 2.0, 3.0]))
    kept = teachable(long, lessons.tokenizer)
    assert kept.phrases == ("cat", "house")
    assert kept.weights.tolist() == [1.0, 3.0]
    assert torch.equal(kept.vectors, long.vectors[[0, 2]])


def test_sown_embeddings_lie_as_the_meanings_do() -> None:
    torch.manual_seed(0)
    phrases = ("cat", "tomcat", "house", "blue house")
    tokenizer = Tokenizer.train(phrases * 5, vocab_size=600, context=12)
    vectors = torch.nn.functional.normalize(torch.randn(4, 16), dim=1)
    vectors[1] = torch.nn.functional.normalize(vectors[0] + 0.3 * vectors[1], dim=0)
    embedding = torch.nn.Embedding(tokenizer.vocab_size, 16)
    before = embedding.weight.clone()
    assert sow(embedding, tokenizer, Meanings(phrases, vectors, torch.ones(4))) == 3
    table = embedding.weight.detach()
    torch.testing.assert_close(table.norm(dim=1), torch.ones(tokenizer.vocab_size))
    ids = [int(tokenizer.encode([word])[0, 1]) for word in ("cat", "tomcat", "house")]
    centred = torch.nn.functional.normalize(vectors - vectors.mean(0), dim=1)[:3]
    torch.testing.assert_close(table[ids] @ table[ids].T, centred @ centred.T, atol=2e-3, rtol=0)
    others = [i for i in range(tokenizer.vocab_size) if i not in ids]
    torch.testing.assert_close(table[others], torch.nn.functional.normalize(before[others], dim=1))


def test_sowing_twice_gives_the_same_bits() -> None:
    tokenizer = Tokenizer.train(["cat", "house", "dog"] * 5, vocab_size=600, context=12)
    meanings = Meanings(("cat", "house", "dog"), torch.randn(3, 24), torch.ones(3))
    first, again = torch.nn.Embedding(tokenizer.vocab_size, 16), torch.nn.Embedding(tokenizer.vocab_size, 16)
    again.load_state_dict(first.state_dict())
    for embedding in (first, again):
        torch.randn(7)  # whatever else draws random numbers changes nothing
        sow(embedding, tokenizer, meanings)
    assert torch.equal(first.weight, again.weight)


def test_sowing_pads_where_there_are_fewer_directions_than_the_tower_is_wide() -> None:
    tokenizer = Tokenizer.train(["cat", "house"] * 5, vocab_size=600, context=12)
    embedding = torch.nn.Embedding(tokenizer.vocab_size, 32)
    assert sow(embedding, tokenizer, Meanings(("cat", "house"), torch.eye(2).half(), torch.ones(2))) == 2
    cat = embedding.weight[int(tokenizer.encode(["cat"])[0, 1])]
    assert not cat[2:].any()


def test_keeping_is_no_loss_for_the_same_tower_and_asks_only_about_known_styles() -> None:
    tokenizer = Tokenizer.train(["red cat, noto style", "blue house"] * 3, vocab_size=600, context=32)
    sizes = replace(SIZES, text=replace(TEXT, vocab_size=tokenizer.vocab_size, eos_token_id=tokenizer.eos_id))
    known = sizes.build()
    other = sizes.build()
    keeper = Keeper(tokenizer, known.text.eval(), tokenizer, ("noto",))
    assert keeper.loss(known, ["red cat, noto style", "a house"]).item() == 0
    assert keeper.loss(other, ["red cat, noto style", "a house"]).item() > 0.1
    assert keeper.loss(other, ["red cat, twemoji style"]).item() == 0
    both = keeper.loss(other, ["a house", "red cat, twemoji style"])
    torch.testing.assert_close(both, keeper.loss(other, ["a house"]))


def test_keeping_compares_where_both_prompts_have_ended() -> None:
    """Another tokenizer cuts a prompt into other pieces: only the states after both ends are held together."""
    texts = ["red cat", "blue house"]
    fine = Tokenizer.train(texts, vocab_size=520, context=16)
    coarse = Tokenizer.train(texts * 50, vocab_size=600, context=16)
    assert fine.count("blue house") > coarse.count("blue house")
    towers = [replace(TEXT, vocab_size=t.vocab_size, context=16, eos_token_id=t.eos_id).build() for t in (fine, coarse)]
    keeper = Keeper(fine, towers[0], coarse, ())
    network = torch.nn.Module()
    network.text = towers[1]
    end = fine.count("blue house") + 1
    old, new = (
        tower(words.encode(["blue house"])).tokens[0, end:] for words, tower in ((fine, towers[0]), (coarse, towers[1]))
    )
    torch.testing.assert_close(keeper.loss(network, ["blue house"]), (old - new).square().mean())


def test_smearing_moves_sown_words_alone_and_only_for_a_while() -> None:
    torch.manual_seed(0)
    table = torch.nn.Embedding(10, 16)
    with torch.no_grad():
        table.weight.copy_(torch.nn.functional.normalize(table.weight, dim=1))
    ids = torch.tensor([[1, 2, 3, 1]])
    smear = Smear(torch.tensor([1, 3]), 10, 0.9, torch.device("cpu"))
    with smear.over(table, torch.Generator().manual_seed(0)):
        moved = table(ids)[0]
    plain = table(ids)[0]
    assert torch.equal(plain, table.weight[ids[0]])
    assert torch.equal(moved[1], plain[1])  # token 2 was not sown
    assert not torch.allclose(moved[0], moved[3])  # the same word, moved another way
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(4))
    cosines = (moved * plain).sum(1)[[0, 2, 3]]
    assert (cosines > 0.5).all()  # tan of the largest angle is 0.9 / sqrt(1 - 0.9²) at worst
    assert (cosines < 0.9999).all()
