"""The tokenizer gives transformers' ids, is deterministic, and says what it cuts."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from fromnoise.ground.errors import UserError
from fromnoise.models.clip.tokenizer import Tokenizer

TEXTS = [
    "red apple, noto style",
    "a cat's face",
    "dog face",
    "café crème",
    "10 green bottles",
    "fluent-emoji-3d style",
] * 4
ODD = ["", " ", "A  Cat\n\tdog's I'll  x", "日本語 emoji 😀👍🏽", "ÅNGSTRÖM Café", "e\u0301", "12345 a1b2", "!!!??",
       "\x00\x07 control", "word " * 300, "İstanbul ß ﬁ", "it's we've they'd I'm", "\u200b zero\u200dwidth", "a\u00a0b",
       "𝔘𝔫𝔦", "——…“”", "<|endoftextt|>",
       "a <|endoftext|> b<|startoftext|>", "http://x.y/z?a=b&c=d", "🇩🇪🏳️‍🌈", "ﷺ", "\ud7ff"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    Tokenizer.train(TEXTS, vocab_size=700, context=16).save(path)
    return path


def odd_prompts() -> list[str]:
    rng = random.Random(0)
    ranges = [
        (0x20, 0x7E),
        (0xA0, 0x24F),
        (0x370, 0x3FF),
        (0x4E00, 0x4FFF),
        (0x1F300, 0x1F64F),
        (0x600, 0x6FF),
        (1, 0x1F),
    ]
    made = ["".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(1, 40))) for _ in range(480)]
    return ODD + made


def test_ids_agree_with_transformers_on_500_odd_prompts(folder: Path) -> None:
    ours, theirs = Tokenizer.load(folder), CLIPTokenizer.from_pretrained(folder)
    prompts = odd_prompts()
    assert len(prompts) >= 500
    ids = ours.encode(prompts).tolist()
    for prompt, own in zip(prompts, ids, strict=True):
        peer = theirs(prompt, padding="max_length", truncation=True, max_length=16)["input_ids"]
        assert own == peer, repr(prompt)


def test_a_folder_of_transformers_own_making_is_read(folder: Path, tmp_path: Path) -> None:
    CLIPTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).unlink(missing_ok=True)  # version 5 does not write them, version 4 does
    assert Tokenizer.load(tmp_path).encode(ODD).equal(Tokenizer.load(folder).encode(ODD))


def test_training_is_deterministic_and_saving_loses_nothing(folder: Path, tmp_path: Path) -> None:
    again = Tokenizer.train(TEXTS, vocab_size=700, context=16)
    again.save(tmp_path)
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert Tokenizer.load(folder).context == 16


def test_rows_start_end_and_pad_with_the_special_tokens(folder: Path) -> None:
    tokenizer = Tokenizer.load(folder)
    row = tokenizer.encode(["red apple"])[0].tolist()
    assert row[0] == tokenizer.start_id
    assert row[1 + tokenizer.count("red apple") :] == [tokenizer.end_id] * (15 - tokenizer.count("red apple"))
    assert tokenizer.encode([""])[0].tolist() == [tokenizer.start_id] + [tokenizer.end_id] * 15
    assert (tokenizer.end_id, tokenizer.start_id) == (tokenizer.vocab_size - 1, tokenizer.vocab_size - 2)


def test_words_seen_often_become_one_token(folder: Path) -> None:
    assert Tokenizer.load(folder).tokens("Red apple") == ["red</w>", "apple</w>"]


def test_what_is_cut_is_exactly_what_the_ids_lose(folder: Path) -> None:
    tokenizer = Tokenizer.load(folder)
    text = "red apple " * 10
    lost = tokenizer.cut(text)
    assert text.endswith(lost)
    kept = text[: len(text) - len(lost)]
    assert tokenizer.count(kept) == 14
    assert tokenizer.cut(kept) == ""
    assert tokenizer.encode([kept]).equal(tokenizer.encode([text]))


@pytest.mark.parametrize("damage", ["vocab.json", "merges.txt", "tokenizer_config.json"])
def test_a_broken_folder_is_named(folder: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(folder, tmp_path / "t")
    (tmp_path / "t" / "tokenizer.json").unlink()
    (tmp_path / "t" / damage).unlink()
    with pytest.raises(UserError, match=damage):
        Tokenizer.load(tmp_path / "t")
    (tmp_path / "t" / damage).write_bytes(b"\xff{")
    with pytest.raises(UserError, match=damage):
        Tokenizer.load(tmp_path / "t")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("merges.txt", ""),  # every prompt would still get ids, but wrong ones
        ("merges.txt", "#version: 0.2\nr e d\n"),
        ("merges.txt", "#version: 0.2\nred\n"),
        ("vocab.json", "{}"),
        ("vocab.json", '{"a": "x"}'),
        ("vocab.json", "[1]"),
        ("tokenizer_config.json", '{"model_max_length": "long"}'),
        ("tokenizer_config.json", '{"model_max_length": 0}'),
    ],
)
def test_a_damaged_file_is_named(folder: Path, tmp_path: Path, name: str, content: str) -> None:
    shutil.copytree(folder, tmp_path / "t")
    (tmp_path / "t" / name).write_text(content)
    with pytest.raises(UserError, match=name):
        Tokenizer.load(tmp_path / "t")


def test_merges_cut_short_at_a_line_are_noticed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "t")
    merges = tmp_path / "t" / "merges.txt"
    merges.write_text("\n".join(merges.read_text().splitlines()[:-20]) + "\n")
    with pytest.raises(UserError, match=r"merges\.txt"):
        Tokenizer.load(tmp_path / "t")


@pytest.mark.parametrize("content", ["{}", "{", '{"model": {"vocab": {}, "merges": [1]}}', '{"model": []}'])
def test_a_damaged_tokenizer_json_is_named(folder: Path, tmp_path: Path, content: str) -> None:
    shutil.copy(folder / "tokenizer_config.json", tmp_path)
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path)


def test_a_context_that_transformers_left_open_is_the_usual_one(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "t")
    (tmp_path / "t" / "tokenizer_config.json").write_text('{"model_max_length": 1000000000000000019884624838656}')
    assert Tokenizer.load(tmp_path / "t").context == 77


def test_bytes_that_are_not_text_are_refused(folder: Path) -> None:
    tokenizer = Tokenizer.load(folder)
    argument = b"red \xff".decode("utf-8", "surrogateescape")  # as Python hands over a broken argument
    for read in (tokenizer.cut, tokenizer.count, tokenizer.tokens, lambda text: tokenizer.encode([text])):
        with pytest.raises(UserError, match=r"character 5 .* not valid Unicode"):
            read(argument)


def test_training_does_not_depend_on_the_process(folder: Path) -> None:
    """Hash maps are seeded per process; the order of equally frequent pairs must not follow them."""
    code = f"""
import pathlib, sys
from fromnoise.models.clip.tokenizer import Tokenizer
folder = pathlib.Path(sys.argv[1])
Tokenizer.train({TEXTS!r}, vocab_size=700, context=16).save(folder)
"""
    again = folder.parent / "another_process"
    subprocess.run([sys.executable, "-c", code, str(again)], check=True, timeout=240)
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_what_it_says_of_its_files_is_what_it_writes(tmp_path: Path) -> None:
    # A model's name is made of these very bytes, without writing them first.
    tokenizer = Tokenizer.train(["ein roter Apfel", "zwei grüne Äpfel"], vocab_size=600)
    tokenizer.save(tmp_path)
    said = tokenizer.bpe_files()
    assert {name: text.encode() for name, text in said.items()} == {
        name: (tmp_path / name).read_bytes() for name in ("vocab.json", "merges.txt")
    }
