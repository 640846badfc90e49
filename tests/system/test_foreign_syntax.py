"""Signs that other programs read in prompts are refused by name; what merely looks like them is drawn."""

from __future__ import annotations

import pytest

from fromnoise.ground.errors import UserError
from fromnoise.system.foreign_syntax import read_otherwise, refuse_foreign_syntax


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
        ("[[old] man:young man:0.5]", "[[old] man:young man:0.5]", "changes words while"),
        (r"[a \[b\]:c:0.5]", r"[a \[b\]:c:0.5]", "changes words while"),
        ("a [b:[c:d:0.2]] e", "[c:d:0.2]", "changes words while"),
        ("[old:(young:1.2):0.5] man", "[old:(young:1.2):0.5]", "changes words while"),
        ("([cat:dog:-1]:1.2)", "[cat:dog:-1]", "changes words while"),
        (r"\\[cat:dog:0.5]", "[cat:dog:0.5]", "changes words while"),  # an escaped backslash before it
        ("[[a]|b]", "[[a]|b]", "every step"),
        ("[(a:1.2)|b]", "[(a:1.2)|b]", "every step"),
        (r"[a \[|b]", r"[a \[|b]", "every step"),
        ("猫 AND 犬", "AND", "'and'"),
        ("猫 BREAK 犬 AND 鳥", "AND", "'and'"),
        ("a cat AND, a dog", "AND", "'and'"),
        ("a cat,AND a dog", "AND", "'and'"),
        ("AND a dog", "AND", "'and'"),
        ("a dog AND_PERP a cat", "AND_PERP", "one prompt"),
        ("A DOG AND_SALT A CAT", "AND_SALT", "one prompt"),
        ("dog::2, cat::1.5, sky", "g::2", "weighs"),
        ("sky, cat::1.5", "t::1.5", "weighs"),
        ("(a cat)::2 dog", ")::2", "weighs"),
        ('"a cat"::.5.', "::.5", "weighs"),
        ("a cat <lora:foo:1", "<lora:foo:1", "--lora"),
        ("a cat <lora:foo", "<lora:foo", "--lora"),
        ("cat, <hypernet:x:1", "<hypernet:x:1", "another program"),
        ("<easynegative>", "<easynegative>", "textual inversion"),
        ("a <cat-toy-2> here", "<cat-toy-2>", "textual inversion"),
        ("(blue ball)1.3", "(blue ball)1.3", "weighs"),
        ("a (blue ball).5, sky", "(blue ball).5", "weighs"),
        ("(big (blue) ball)2", "(big (blue) ball)2", "weighs"),
        ("{{{apple}}}", "{{apple}}", "weighs"),
        ("a { {red} } apple", "{ {red} }", "weighs"),
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
        "<strong>bold</strong>",
        "A CAT AND A DOG",
        "КОТ AND ПЁС",
        "AND!",
        "the BRAND and the WAND",
        "[cat: dog]",
        "[[very] old]",
        r"\[a | b\]",
        "a | b",
        "[a",
        "Fe(OH)3 and (555)1234",
        r"\(blue ball\)1.3",
        "(1999)",
        "(cat) 3",
        ":)3",
        "std::vector",
        "{}",
    ],
)
def test_what_merely_looks_like_it_is_left_alone(prompt: str) -> None:
    refuse_foreign_syntax(prompt)


@pytest.mark.parametrize(("prompt", "said"), [("CATS AND DOGS", True), ("CATS and DOGS", False), ("AND", False)])
def test_an_and_in_capitals_is_not_read_in_silence(prompt: str, said: bool) -> None:
    assert (read_otherwise(prompt) is not None) is said
