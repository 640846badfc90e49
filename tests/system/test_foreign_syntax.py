"""Signs that other programs read in prompts are refused by name; what merely looks like them is drawn."""

from __future__ import annotations

import pytest

from fromnoise.ground.errors import UserError
from fromnoise.system.foreign_syntax import refuse_foreign_syntax


@pytest.mark.parametrize(
    ("prompt", "part", "advice"),
    [
        ("a cat <lora:style:0.8>", "<lora:style:0.8>", "--lora"),
        ("a cat <LyCO:x:1:1>", "<LyCO:x:1:1>", "--lora"),
        ("a cat <hypernet:x:1>", "<hypernet:x:1>", "another program"),
        ("embedding:easynegative, cat", "embedding:easynegative,", "textual inversion"),
        ("a photo of <cat-toy>", "<cat-toy>", "textual inversion"),
        ("in <s1> style", "<s1>", "textual inversion"),
        ("a [cat:dog:0.5]", "[cat:dog:0.5]", "changes words"),
        ("a [cat::10] here", "[cat::10]", "changes words"),
        ("a [dog:.3]", "[dog:.3]", "changes words"),
        ("a [red|blue] dog", "[red|blue]", "every step"),
        ("a {red|blue} dog", "{red|blue}", "chooses"),
        ("a {2$$red|blue} dog", "{2$$red|blue}", "chooses"),
        ("a __animal__ here", "__animal__", "list"),
        ("a cat AND a dog", "AND", "'and'"),
        ("a (red ball)++ here", ")++", "weighs"),
        ("a ball++ here", "ball++", "weighs"),
        ('("a cat", "a dog").and(1, 1)', ".and(", "combines"),
        ("a cat --ar 16:9", "--ar 16:9", "--size"),
        ("a cat --no dogs", "--no dogs", "--negative"),
        ("cat::2 dog", "t::2", "weighs"),
    ],
)
def test_syntax_of_other_programs_is_refused_by_name(prompt: str, part: str, advice: str) -> None:
    with pytest.raises(UserError) as caught:
        refuse_foreign_syntax(prompt)
    assert part in str(caught.value)
    assert advice in str(caught.value)
    assert caught.value.field == "prompt"


@pytest.mark.parametrize(
    "prompt",
    [
        "a red apple",
        "I <3 cats",
        "a clock at 10:30",
        "(a cat:1.3) and a [dog]",
        r"\[cat:dog:0.5\]",
        "CATS AND DOGS",
        "a sign that says (note: dog)",
        "C++",
        "black-and-white, long-haired cat",
        "a < b > c",
        "one -- two",
        "{curly} brackets",
        "snake_case and __init",
        "AND",
        ":) :(",
        "<b>bold</b>",
    ],
)
def test_what_merely_looks_like_it_is_left_alone(prompt: str) -> None:
    refuse_foreign_syntax(prompt)
