"""Odd prompts give transformers' ids, all of them, from every kind of folder; and the text tower reads them alike.

transformers 5 has one CLIPTokenizer, on the same backend as ours and with version 4's fast tokenizer's rules, which is
the one that StableDiffusionPipeline uses. Version 4's slow one differs on control characters, and repairs broken text
where ftfy is installed; it is not followed. OpenCLIP's differs on "!" where that pads; see ``Tokenizer``. Start and
end written in capital letters are left out: transformers reads them as words or as the tokens themselves, depending on
the folder ("normalized"); for us they are words.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from fromnoise.ground.errors import UserError
from fromnoise.models.clip.tokenizer import END, START, Tokenizer
from fromnoise.weights.clip_layout import load_text

CONTEXT = 77
ZWJ = ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👨🏽‍💻", "🧑‍🚀", "❤️‍🔥", "👁️‍🗨️", "🐻‍❄️", "👩🏿‍🤝‍👨🏻", "\u200d", "❤\ufe0e"]
FLAGS = ["🇩🇪", "🇯🇵🇫🇷", "🇺", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🇪🇺 🇺🇳", "🏁", "#️⃣", "🔟"]
CJK = ["日本語の猫", "红苹果，绿房子。", "한국어 \u1112\u1161\u11ab", "ｆｕｌｌ ｗｉｄｔｈ１２", "ｶﾀｶﾅ",
       "𠮷野家", "㍿", "々〆ヶ", "「猫」、『犬』"]  # fmt: skip
ARABIC = ["قطة حمراء", "١٢٣ تفاح", "ﷺ", "لا إله", "مُحَمَّد", "עברית שלום", "\u202eabc\u202c",
          "हिन्दी क्षि", "ไทยน้ำ"]  # fmt: skip
MARKS = ["e\u0301", "Z\u0351\u036b\u0343a\u030al\u0334g\u0300o\u0301", "\u0301a", "q\u0307\u0323",
         "a\u0323\u0307", "é", "ñ", "Å", "ﬁ"]  # fmt: skip
CONTROL = ["\x00\x07", "a\x1bb", "\x7f", "\u0085", "a\u2028b", "\ufeffa", "\u00ad", "\u200b", "\u2060",
           "\x1c\x1f", "\ufffd", "\ufdd0"]  # fmt: skip
BLANKS = ["a\nb", "\tred\t\tapple\r\n", "  ", "\u00a0", "\u3000", "a\u2003b", "\v\f", "red \n\n apple",
          "\u1680", "\u180e"]  # fmt: skip
HTML = ["&amp;", "&lt;b&gt;", "&#39;", "&nbsp;red", "&amp;amp;", "<br/>red<b>", "&eacute;",
        "http://x.y/z?a=b&c=d", "a&b"]  # fmt: skip
LONG = ["a" * 500, "supercalifragilistic" * 9, "ß" * 90, "-" * 120, "9" * 100, "aB" * 150, "猫" * 60,
        "😀" * 30, "!" * 200]  # fmt: skip
DIGITS = ["12345", "1,000.50", "a1b2", "3/4", "½ ²³", "0x1F", "8k 4k", "①②", "Ⅳ", "10:30", "1e-5", "٣٤"]
QUOTES = ["a cat's", "it's we've they'd I'm you'll can't we're", "'s", "''s'", "CAT'S I'LL", "o’clock",
          "‘x’", "'tis", "rock 'n' roll"]  # fmt: skip
CASES = ["İstanbul", "ß STRASSE ẞ", "ΟΔΥΣΣΕΥΣ Σ ΑΣ. ΣΑ", "ÅNGSTRÖM Café", "ǅ", "ŉ", "ıI", "МОСКВА", "𝔘𝔫𝔦",
         "Ꭰꭰ", "Ａ", "ﬀ ﬃ"]  # fmt: skip
SIGNS = ["", " ", "!", "!!! !", "a!b!!", "???!", "——…“”", "<|endoftextt|>",
         "a <|endoftext|> b<|startoftext|>", "<|endoftext|><|endoftext|>", "(red:1.3) [a]", "\\(a\\)",
         ":) :-( ;]", "a_b", "@#$%^&*", "\ud7ff", "\U0010ffff"]  # fmt: skip
KINDS = [ZWJ, FLAGS, CJK, ARABIC, MARKS, CONTROL, BLANKS, HTML, LONG, DIGITS, QUOTES, CASES, SIGNS]
WORDS = ["red", "Apple", "noto", "style", "a", "the", "of", "in,", "house", "CAT'S", "café", "2", "cats!",
         "green-blue", "sunset.", "very"]  # fmt: skip
RANGES = [(0, 0x7F), (0x20, 0x7E), (0x80, 0x24F), (0x300, 0x36F), (0x370, 0x58F), (0x5D0, 0x6FF),
          (0x900, 0x97F), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x3040, 0x30FF), (0x4E00, 0x4FFF),
          (0xAC00, 0xACFF), (0xFB00, 0xFDFF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F64F), (0x1, 0xD7FF),
          (0xE000, 0x10FFFF)]  # fmt: skip


def prompts(count: int, seed: int) -> list[str]:
    """Every listed text alone; then mixtures of them with words, 300-word prompts, and noise."""
    rng = random.Random(seed)
    made = [text for kind in KINDS for text in kind]
    while len(made) < count:
        pool = rng.choice(KINDS) + WORDS
        mixed = rng.choice(["", " ", ", "]).join(rng.choice(pool) for _ in range(rng.randint(1, 12)))
        words = " ".join(rng.choice(WORDS) for _ in range(300))
        noise = "".join(chr(rng.randint(*rng.choice(RANGES))) for _ in range(rng.randint(1, 60)))
        made.append(rng.choices([mixed, noise, words], [6, 5, 1])[0])
    return made[:count]


PROMPTS = prompts(600, seed=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    Tokenizer.train(prompts(900, seed=1) * 2, vocab_size=1500, context=CONTEXT).save(path)
    return path


def rewrite(file: Path, drop: tuple[str, ...] = (), **values: Any) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    kept = {name: value for name, value in {**content, **values}.items() if name not in drop}
    file.write_text(json.dumps(kept))


def added(content: str, normalized: bool = False) -> dict[str, Any]:
    return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False}


# Kinds of folders. Each takes the folder that ``Tokenizer.save`` wrote.


def as_saved(folder: Path) -> None:
    """The end token pads, as in Stable Diffusion 1.x."""


def of_2022(folder: Path) -> None:
    """Stable Diffusion 2's: no tokenizer.json, the map says "!", the config says something else."""
    (folder / "tokenizer.json").unlink()
    special = {"bos_token": added(START, True), "eos_token": added(END, True), "pad_token": "!"}
    rewrite(folder / "special_tokens_map.json", **special)
    rewrite(folder / "tokenizer_config.json", bos_token={"__type": "AddedToken", **added(START, True)})


def of_version_4(folder: Path) -> None:
    """The second tokenizer of Stable Diffusion XL: "!" pads, and is in added_tokens_decoder."""
    (folder / "tokenizer.json").unlink()
    vocabulary = json.loads((folder / "vocab.json").read_text())
    tokens = {str(vocabulary[token]): added(token, token != "!") for token in ("!", START, END)}
    rewrite(folder / "tokenizer_config.json", added_tokens_decoder=tokens, pad_token="!")
    rewrite(folder / "special_tokens_map.json", pad_token=added("!"))
    rewrite(folder / "added_tokens.json", **{END: vocabulary[END], "!": vocabulary["!"]})


def of_version_4_padding_with_the_end(folder: Path) -> None:
    """A map that disagrees does not count beside added_tokens_decoder."""
    (folder / "tokenizer.json").unlink()
    vocabulary = json.loads((folder / "vocab.json").read_text())
    tokens = {str(vocabulary[token]): added(token, True) for token in (START, END)}
    rewrite(folder / "tokenizer_config.json", added_tokens_decoder=tokens)
    rewrite(folder / "special_tokens_map.json", pad_token="!")


def of_version_5(folder: Path) -> None:
    """Written by the installed transformers: tokenizer.json alone, "!" pads."""
    of_2022(folder)
    peer = transformers.CLIPTokenizer.from_pretrained(folder)
    shutil.rmtree(folder)
    peer.save_pretrained(folder)
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json"):
        (folder / name).unlink(missing_ok=True)


def of_version_4_fast(folder: Path) -> None:
    """tokenizer.json alone, with merges as texts with a blank in them."""
    state = json.loads((folder / "tokenizer.json").read_text())
    state["model"]["merges"] = [m if isinstance(m, str) else " ".join(m) for m in state["model"]["merges"]]
    (folder / "tokenizer.json").write_text(json.dumps(state))
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()


def resaved(folder: Path) -> None:
    """Read and written again by us."""
    of_2022(folder)
    tokenizer = Tokenizer.load(folder)
    shutil.rmtree(folder)
    tokenizer.save(folder)


ENDS = [as_saved, of_version_4_fast, of_version_4_padding_with_the_end]
MARKED = [of_2022, of_version_4, of_version_5, resaved]  # "!" pads


@pytest.fixture(params=[*ENDS, *MARKED], ids=lambda make: make.__name__)
def kind(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> tuple[Path, Callable[[Path], None]]:
    shutil.copytree(folder, tmp_path / "t")
    request.param(tmp_path / "t")
    return tmp_path / "t", request.param


def test_all_ids_and_the_padding_agree_with_transformers(kind: tuple[Path, Callable[[Path], None]]) -> None:
    folder, make = kind
    ours, theirs = Tokenizer.load(folder), transformers.CLIPTokenizer.from_pretrained(folder)
    assert ours.pad_id == theirs.pad_token_id == (0 if make in MARKED else ours.end_id)
    assert ours.context == theirs.model_max_length == CONTEXT
    assert ours.vocab_size == len(theirs)
    padded = theirs(PROMPTS, padding="max_length", truncation=True, max_length=CONTEXT)["input_ids"]
    whole = theirs(PROMPTS)["input_ids"]
    for prompt, own, cut, all_of_it in zip(PROMPTS, ours.encode(PROMPTS).tolist(), padded, whole, strict=True):
        assert own == cut, repr(prompt)
        assert [ours.start_id, *(piece.id for piece in ours.pieces(prompt)), ours.end_id] == all_of_it, repr(prompt)


def test_the_prompts_are_as_odd_as_promised(folder: Path) -> None:
    assert len(set(PROMPTS)) >= 500
    assert sum(len(prompt.split()) >= 300 for prompt in PROMPTS) >= 10
    used = {piece.id for prompt in PROMPTS for piece in Tokenizer.load(folder).pieces(prompt)}
    assert len(used) > 900  # of 1500: most merges are exercised


def test_pieces_tile_the_text(folder: Path) -> None:
    tokenizer = Tokenizer.load(folder)
    for prompt in PROMPTS:
        pieces, at = tokenizer.pieces(prompt), 0
        assert [piece.token for piece in pieces] == tokenizer.tokens(prompt)
        for piece in pieces:
            assert 0 <= piece.start < piece.end <= len(prompt)
            assert at <= piece.start
            at = piece.start
        assert tokenizer.count(prompt) == len(pieces)


def test_what_pads_is_written_back(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "a")
    of_2022(tmp_path / "a")
    Tokenizer.load(tmp_path / "a").save(tmp_path / "b")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        assert json.loads((tmp_path / "b" / name).read_text())["pad_token"] == "!"
    again = Tokenizer.load(tmp_path / "b")
    assert (again.pad_id, again.vocab_size) == (0, 1500)
    assert again.encode(["a!!"])[0].tolist()[:6] == [again.start_id, again._ids("a")[0], 0, 0, again.end_id, 0]


def test_a_tokenizer_that_pads_with_its_end_is_written_as_ever(folder: Path, tmp_path: Path) -> None:
    """Bit for bit what is in the repository, from before there was another token to pad with."""
    shipped = Path(__file__).parents[2] / "src/fromnoise/assets/models/stickers-64/tokenizer"
    Tokenizer.load(shipped).save(tmp_path)
    for file in shipped.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def in_added_tokens(folder: Path) -> str:
    rewrite(folder / "added_tokens.json", **{"<cat-toy>": 1500})
    return "added_tokens.json"


def in_config(folder: Path) -> str:
    rewrite(folder / "tokenizer_config.json", added_tokens_decoder={"1500": added("<cat-toy>")})
    return "tokenizer_config.json"


def in_tokenizer_json(folder: Path) -> str:
    peer = transformers.CLIPTokenizer.from_pretrained(folder)
    peer.add_tokens("<cat-toy>")
    peer.save_pretrained(folder)
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)
    return "tokenizer.json"


@pytest.mark.parametrize("add", [in_added_tokens, in_config, in_tokenizer_json])
def test_words_of_textual_inversion_are_refused(folder: Path, tmp_path: Path, add: Callable[[Path], str]) -> None:
    shutil.copytree(folder, tmp_path / "t")
    file = add(tmp_path / "t")
    with pytest.raises(UserError, match=f"{file} adds '<cat-toy>', number 1500.*textual inversion") as caught:
        Tokenizer.load(tmp_path / "t")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("special_tokens_map.json", {"pad_token": "[PAD]"}),
        ("special_tokens_map.json", {"pad_token": {"text": "!"}}),
        ("special_tokens_map.json", {"pad_token": 0}),
        ("special_tokens_map.json", []),
        ("added_tokens.json", {END: 3}),
        ("added_tokens.json", [1]),
        ("tokenizer_config.json", {"added_tokens_decoder": {"0": [1]}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"x": {"content": None}}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {}, "pad_token": "[PAD]"}),
    ],
)
def test_a_damaged_file_is_named(folder: Path, tmp_path: Path, name: str, content: Any) -> None:
    shutil.copytree(folder, tmp_path / "t")
    (tmp_path / "t" / name).write_text(json.dumps(content))
    with pytest.raises(UserError, match=name):
        Tokenizer.load(tmp_path / "t")


def test_without_a_word_about_padding_the_end_token_pads(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "t")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        rewrite(tmp_path / "t" / name, drop=("pad_token",))
    assert Tokenizer.load(tmp_path / "t").encode(PROMPTS).equal(Tokenizer.load(folder).encode(PROMPTS))
    rewrite(tmp_path / "t" / "special_tokens_map.json", pad_token=None)
    rewrite(tmp_path / "t" / "tokenizer_config.json", pad_token="!")
    assert Tokenizer.load(tmp_path / "t").pad_id == 0


@pytest.mark.parametrize("make", [as_saved, of_2022])
@torch.no_grad()
def test_the_text_tower_reads_the_prompts_as_transformers_does(
    folder: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    shutil.copytree(folder, tmp_path / "t")
    make(tmp_path / "t")
    tokenizer = Tokenizer.load(tmp_path / "t")
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=64, num_hidden_layers=3,
        num_attention_heads=4, max_position_embeddings=CONTEXT, bos_token_id=tokenizer.start_id,
        eos_token_id=tokenizer.end_id, pad_token_id=tokenizer.pad_id, hidden_act="gelu",
    )  # fmt: skip
    transformers.CLIPTextModel(config).eval().save_pretrained(tmp_path / "text_encoder")
    peer = transformers.CLIPTextModel.from_pretrained(tmp_path / "text_encoder").eval()
    ids = tokenizer.encode(PROMPTS)
    ours, theirs = load_text(tmp_path / "text_encoder").eval()(ids), peer(ids, output_hidden_states=True)
    torch.testing.assert_close(ours.tokens, theirs.last_hidden_state, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.pooled, theirs.pooler_output, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.penultimate, theirs.hidden_states[-2], rtol=0, atol=1e-5)
    assert ours.tokens.std() > 0.5
