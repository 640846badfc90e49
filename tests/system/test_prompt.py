"""Brackets become weights, long prompts become parts, and nothing of the words is lost on the way."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.ground.errors import UserError
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.system.prompt import Chunks, Span, chunked, describe, parse, weighted

WORDS = ["red", "green", "apple", "house", "tree", "cat", "dog", "in", "with,", "(big)", "[small]", "hello!", "1,000"]
ANYTHING = st.text(max_size=60)
BRACKETED = st.lists(
    st.sampled_from([*"()[]\\:", ":1.2", ":0.5)", "(a", "b]", "BREAK", " ", ", ", "cat's", "é", "e\u0301", "😀", "İ"])
).map("".join)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([" ".join(WORDS)] * 4, vocab_size=700, context=12)


def content(chunks: Chunks) -> list[int]:
    """The prompt's own ids, part after part."""
    return [i for row, n in zip(chunks.ids.tolist(), chunks.counts, strict=True) for i in row[1 : 1 + n]]


def content_weights(chunks: Chunks) -> list[float]:
    rows = zip(chunks.weights.tolist(), chunks.counts, strict=True)
    return [round(weight, 5) for row, n in rows for weight in row[1 : 1 + n]]


def literal(text: str) -> str:
    return "".join(span.text for span in parse(text))


# --- parse --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a red apple", [("a red apple", 1)]),
        ("a (red) apple", [("a ", 1), ("red", 1.1), (" apple", 1)]),
        ("((red))", [("red", 1.21)]),
        ("[red]", [("red", 1 / 1.1)]),
        ("[[red]]", [("red", 1 / 1.21)]),
        ("([red])", [("red", 1)]),
        ("(red apple:1.3)", [("red apple", 1.3)]),
        ("(red:0)", [("red", 0)]),
        ("(red:10)", [("red", 10)]),
        ("(red:.5) (red:2.) (red:+3)", [("red", 0.5), (" ", 1), ("red", 2), (" ", 1), ("red", 3)]),
        ("(red : 1.5 )", [("red ", 1.5)]),
        ("((a) b:1.5)", [("a", 1.65), (" b", 1.5)]),
        ("((a):1.5)", [("a", 1.65)]),
        ("(a (b:2) c:0.5)", [("a ", 0.5), ("b", 1), (" c", 0.5)]),
        ("(a:1.2:1.3)", [("a:1.2", 1.3)]),
        # no number: text
        ("(note: dog)", [("note: dog", 1.1)]),
        ("(a:1.1.1)", [("a:1.1.1", 1.1)]),
        ("(a:nan) (a:inf)", [("a:nan", 1.1), (" ", 1), ("a:inf", 1.1)]),
        ("(a:1e1)", [("a:1e1", 1.1)]),
        ("(a:٣)", [("a:٣", 1.1)]),
        ("(a:)", [("a:", 1.1)]),
        ("(:3)", [(":3", 1.1)]),
        ("a:1.3", [("a:1.3", 1)]),
        ("[a:1.3]", [("a:1.3", 1 / 1.1)]),
        # half a pair: text
        ("a smile :)", [("a smile :)", 1)]),
        (":( and :[ and D:", [(":( and :[ and D:", 1)]),
        ("(a", [("(a", 1)]),
        ("a:1.3)", [("a:1.3)", 1)]),
        (")(", [(")(", 1)]),
        ("((a)", [("(", 1), ("a", 1.1)]),
        ("(a))", [("a", 1.1), (")", 1)]),
        ("(a [b) c]", [("a [b", 1.1), (" c]", 1)]),
        ("[a (b] c)", [("a (b", 1 / 1.1), (" c)", 1)]),
        ("(a]", [("(a]", 1)]),
        # backslashes
        (r"\(a\)", [("(a)", 1)]),
        (r"\[a\]", [("[a]", 1)]),
        (r"(a \(b\):1.3)", [("a (b)", 1.3)]),
        (r"(a\):1.3)", [("a)", 1.3)]),
        (r"\\(a)", [("\\", 1), ("a", 1.1)]),
        (r"C:\path\ ", [("C:\\path\\ ", 1)]),
        ("\\", [("\\", 1)]),
        # nothing inside
        ("()", []),
        ("a()b", [("ab", 1)]),
        ("(())[]", []),
        ("BREAK (a BREAK b)", [("BREAK ", 1), ("a BREAK b", 1.1)]),
    ],
)
def test_the_syntax(text: str, expected: list[tuple[str, float]]) -> None:
    spans = parse(text)
    assert [span.text for span in spans] == [words for words, _ in expected]
    assert [span.weight for span in spans] == pytest.approx([weight for _, weight in expected])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("(a:11)", "11"),
        ("(a:-1)", "-1"),
        ("at (12:30)", "30"),
        (f"(a:{'9' * 500})", "inf"),
        ("((a:5):3)", "15"),
        ("(" * 30 + "a" + ")" * 30, "10.8"),
        ("((a:0.1):20)", "20"),
        ("(((a:0):9):9)", "81"),
    ],
)
def test_weights_that_no_picture_survives_are_refused(text: str, number: str) -> None:
    with pytest.raises(UserError, match=f"{number}.*outside 0…10") as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@given(ANYTHING | BRACKETED)
@settings(max_examples=400, deadline=None)
def test_only_a_weight_can_be_wrong_and_all_words_survive(text: str) -> None:
    try:
        spans = parse(text)
    except UserError as error:
        if "outside 0…10" in str(error):
            return
        raise
    assert [c for c in "".join(s.text for s in spans) if c.isalpha()] == [c for c in text if c.isalpha()]
    assert all(span.text and 0 <= span.weight <= 10 for span in spans)
    assert all(a.weight != b.weight for a, b in pairwise(spans))


@given(ANYTHING)
@settings(deadline=None)
def test_escaped_text_is_itself(text: str) -> None:
    escaped = re.sub(r"([()\[\]\\])", r"\\\1", text)
    assert parse(escaped) == ([Span(text, 1.0)] if text else [])


SOME = st.text("abc ,é", min_size=1).filter(str.strip)


@given(st.lists(st.tuples(SOME, st.sampled_from([0.0, 0.3, 1.7, 2.0])), max_size=6))
def test_weights_written_out_are_read_back(pairs: list[tuple[str, float]]) -> None:
    spans = parse("".join(f"({text}:{weight})" for text, weight in pairs))
    expected = [(sign, weight) for text, weight in pairs for sign in text]
    assert [(sign, span.weight) for span in spans for sign in span.text] == expected


@pytest.mark.parametrize("text", ["[" * 40000 + ")" * 40000, "(a" + ":1" * 40000 + ")", "(a:" + "1" * 80000 + "x)"])
def test_no_prompt_is_slow_to_read(text: str) -> None:
    start = time.perf_counter()
    parse(text)
    assert time.perf_counter() - start < 5  # a twentieth of a second each; squares would take minutes


# --- chunked ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "a red apple", "hello!", ":)", "a green house, cat in", "\n"])
def test_a_prompt_that_fits_is_read_as_ever(tokenizer: Tokenizer, text: str) -> None:
    chunks = chunked(tokenizer, text)
    assert torch.equal(chunks.ids, tokenizer.encode([text]))
    assert chunks.ids.dtype == torch.int64
    assert torch.equal(chunks.weights, torch.ones(1, 12))
    assert describe(chunks) is None


@given(st.lists(st.sampled_from(WORDS), max_size=60), st.sampled_from([" ", ", ", ",", "", "  "]))
@settings(deadline=None)
def test_the_parts_together_are_the_whole(tokenizer: Tokenizer, words: list[str], between: str) -> None:
    text = between.join(words)
    chunks = chunked(tokenizer, text)
    assert content(chunks) == [piece.id for piece in tokenizer.pieces(literal(text))]
    for row, weights, count in zip(chunks.ids, chunks.weights, chunks.counts, strict=True):
        assert row.tolist() == tokenizer.frame(row[1 : 1 + count].tolist())
        assert set(weights[[0, *range(1 + count, 12)]].tolist()) == {1.0}


@given(ANYTHING | BRACKETED)
@settings(max_examples=300, deadline=None)
def test_odd_text_is_cut_without_loss(tokenizer: Tokenizer, text: str) -> None:
    try:
        chunks = chunked(tokenizer, text)
    except UserError:
        return
    parts = re.split(r"\bBREAK\b", literal(text))
    assert content(chunks) == [piece.id for part in parts for piece in tokenizer.pieces(part)]
    assert len(chunks.counts) == len(chunks.ids) == len(chunks.weights) >= 1
    assert all(count <= 10 for count in chunks.counts)


def sizes(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    return chunked(tokenizer, text).counts


def test_parts_end_after_a_comma_else_at_a_blank_else_at_a_words_end(tokenizer: Tokenizer) -> None:
    assert tokenizer.count("red") == tokenizer.count("apple") == tokenizer.count(",") == 1
    assert sizes(tokenizer, "red " * 25) == (10, 10, 5)
    assert sizes(tokenizer, "red " * 6 + ", " + "red " * 6) == (7, 6)
    assert sizes(tokenizer, "red " * 9 + "x" * 4) == (9, 4)  # an unknown word has a token per letter
    assert sizes(tokenizer, "red " * 9 + "cat's") == (9, 1 + tokenizer.count("'s"))  # two of CLIP's words, one of ours
    assert sizes(tokenizer, "red " * 8 + "1,000") == (8, 5)  # no comma between words
    assert sizes(tokenizer, "red-" * 8) == (10, 6)  # no blank anywhere: between CLIP's words
    assert sizes(tokenizer, "x" * 25) == (10, 10, 5)  # nothing else is left
    assert sizes(tokenizer, "🍎" * 5) == (8, 8, 4)  # four bytes each, never torn
    assert sizes(tokenizer, "、".join("猫" * 5)) != sizes(tokenizer, "猫" * 5)


def test_commas_further_back_than_twenty_tokens_do_not_count() -> None:
    tokenizer = Tokenizer.train(["red , apple"] * 4, vocab_size=600, context=42)
    assert sizes(tokenizer, "red, " + "red " * 60) == (40, 22)
    assert sizes(tokenizer, "red " * 20 + ", " + "red " * 60) == (21, 40, 20)
    assert sizes(tokenizer, "red " * 19 + ", " + "red " * 60) == (40, 40)


def test_weights_land_on_their_tokens(tokenizer: Tokenizer) -> None:
    chunks = chunked(tokenizer, "a (red:1.5) apple, [house]")
    assert content(chunks) == [piece.id for piece in tokenizer.pieces("a red apple, house")]
    assert content_weights(chunks) == [1, 1.5, 1, 1, 0.90909]
    chunks = chunked(tokenizer, "red " * 9 + "(apple tree dog:2) cat")
    assert chunks.counts == (10, 3)
    assert content_weights(chunks) == [1] * 9 + [2, 2, 2, 1]


def test_a_token_of_two_spans_gets_their_mean(tokenizer: Tokenizer) -> None:
    assert content_weights(chunked(tokenizer, "ap(ple:2)")) == [round((2 * 1 + 3 * 2) / 5, 5)]
    assert content_weights(chunked(tokenizer, "(e\u0301:2)🍎")) == [2, 2, 1, 1, 1, 1]


def test_break_starts_a_part(tokenizer: Tokenizer) -> None:
    chunks = chunked(tokenizer, "red apple BREAK (green BREAK tree:2)")
    assert chunks.counts == (2, 1, 1)
    assert torch.equal(chunks.ids, tokenizer.encode(["red apple", "green", "tree"]))
    assert content_weights(chunks) == [1, 1, 2, 2]
    assert sizes(tokenizer, "BREAK red BREAK BREAK apple BREAK") == (1, 1)
    assert sizes(tokenizer, "BREAK") == (0,)
    assert len(sizes(tokenizer, "red BREAKFAST break apple")) == len(sizes(tokenizer, "red breakfast break apple"))


def test_what_is_missing_is_read_as_nothing(tokenizer: Tokenizer) -> None:
    chunks = chunked(tokenizer, "(red:2)", pad_to=3)
    assert chunks.counts == (1, 0, 0)
    assert torch.equal(chunks.ids, tokenizer.encode(["red", "", ""]))
    assert chunks.weights.tolist() == [[1, 2] + [1] * 10, [1] * 12, [1] * 12]
    assert chunked(tokenizer, "red " * 15, pad_to=1).counts == (10, 5)


def test_padding_with_another_token(tokenizer: Tokenizer) -> None:
    other = Tokenizer(tokenizer._backend.from_str(tokenizer._backend.to_str()), 12, "!")
    chunks = chunked(other, "(red:2)", pad_to=2)
    assert torch.equal(chunks.ids, other.encode(["red", ""]))
    assert chunks.ids[1].tolist() == [other.start_id, other.end_id] + [other.pad_id] * 10
    assert chunks.weights.sum() == 25


def test_the_user_is_told(tokenizer: Tokenizer) -> None:
    assert describe(chunked(tokenizer, "red " * 23)) == "the prompt has 23 tokens; it is read in 3 parts of at most 10"
    assert describe(chunked(tokenizer, "red", pad_to=3)) is None


def test_broken_text_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(UserError, match="not valid Unicode"):
        chunked(tokenizer, "red \udcff")


# --- weighted -----------------------------------------------------------------------------------------------------


def features(*shape: int, mean: float = 0.5) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) + mean


@pytest.mark.formats
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_weights_of_one_change_no_bit(dtype: torch.dtype, mean: float) -> None:
    x = features(3, 12, 8, mean=mean).to(dtype)
    out = weighted(x, torch.ones(3, 12))
    assert out.dtype == dtype
    assert torch.equal(out, x.reshape(36, 8))
    some = torch.ones(3, 12)
    some[1, 4] = 2.0  # the other parts have no weights
    out = weighted(x, some).reshape(3, 12, 8)
    assert torch.equal(out[[0, 2]], x[[0, 2]])
    assert not torch.equal(out[1], x[1])


def test_the_mean_of_every_part_stays_and_the_proportions_are_the_weights() -> None:
    x, weights = features(2, 12, 8), torch.rand(2, 12, generator=torch.Generator().manual_seed(1)) * 3
    out = weighted(x, weights).reshape(2, 12, 8)
    torch.testing.assert_close(out.mean((1, 2)), x.mean((1, 2)))
    scale = out / (x * weights[..., None])
    torch.testing.assert_close(scale, scale[:, :1, :1].expand_as(scale))
    assert (scale > 0).all()


def test_a_value_worked_out_by_hand() -> None:
    x = torch.tensor([[[1.0, 3.0], [2.0, 2.0]]])  # mean 2; weighted [2,6], [2,2]: mean 3
    expected = torch.tensor([[2.0, 6.0], [2.0, 2.0]]) * 2 / 3
    torch.testing.assert_close(weighted(x, torch.tensor([[2.0, 1.0]])), expected)


@pytest.mark.parametrize(("mean", "kept"), [(0.015, True), (0.0075, False)])
def test_a_hundredth_of_the_size_is_the_least_mean_that_measures(mean: float, kept: bool) -> None:
    """Features of size 1 about a small mean; the last two tokens are the mean itself, so heavy ones move the mean."""
    x = torch.tensor([1.0, -1.0] * 20 + [0.0, 0.0])[:, None] + mean
    weights = torch.tensor([1.0] * 40 + [2.0, 2.0])
    out = weighted(x[None], weights[None])
    expected = x.mean() if kept else (x[:, 0] * weights).mean()
    assert float(out.mean()) == pytest.approx(float(expected), rel=1e-3)
    assert float(expected) != pytest.approx(float((x[:, 0] * weights).mean() if kept else x.mean()), rel=1e-2)


def test_a_mean_near_zero_is_no_measure() -> None:
    weights = torch.ones(1, 12)
    weights[0, 3] = 2.0
    centred = features(1, 12, 8) - features(1, 12, 8).mean()
    for x in (centred, centred + 1e-4, torch.zeros(1, 12, 8)):
        torch.testing.assert_close(weighted(x, weights), (x * weights[..., None])[0])
    x = torch.tensor([[[1.0], [-0.9]]])  # the weights turn the mean's sign
    torch.testing.assert_close(weighted(x, torch.tensor([[1.0, 2.0]])), torch.tensor([[1.0], [-1.8]]))
    assert torch.equal(weighted(features(1, 12, 8), torch.zeros(1, 12)), torch.zeros(12, 8))
