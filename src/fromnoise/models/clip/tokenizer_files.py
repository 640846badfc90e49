"""The files of a CLIP tokenizer, as transformers 4 and 5 write them; what would give other tokens is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.json_file import expect, read_object, shown

START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
MOST_TOKENS = 2**20  # of a vocabulary; the largest of anybody has some 260,000
UNSET = 10**6  # transformers writes 1e30 into model_max_length where nobody gave one
USUAL_CONTEXT = 77  # of all Stable Diffusion models
CONFIG, MAP, WHOLE, ADDED = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "added_tokens.json",
)


class Read(NamedTuple):
    """What a tokenizer's folder says.

    Attributes:
        vocabulary: the number of each token.
        merges: pairs, in their order.
        context: tokens per prompt.
        pad: the token that pads.
        file: where the merges stand.
    """

    vocabulary: dict[str, int]
    merges: list[tuple[str, str]]
    context: int
    pad: str
    file: Path


def read_tokenizer(folder: Path, usual: int = USUAL_CONTEXT) -> Read:
    """Read ``vocab.json`` and ``merges.txt``, or ``tokenizer.json`` where they are missing, and the settings.

    Args:
        folder: the tokenizer's.
        usual: longest prompt in tokens, where the files do not say it.

    Raises:
        UserError: a file is missing or damaged, or asks for other tokens than CLIP's; the message names it.
    """
    options, whole = _read_json(folder / CONFIG), _object_of(folder / WHOLE)
    context = _context(options, folder / CONFIG, usual)
    vocabulary, merges, file = _read_bpe(folder, whole)
    _check_bpe(vocabulary, merges, file)
    if whole:
        _check_whole(whole, folder, vocabulary, merges)
    _check_added(vocabulary, folder, whole)
    pad = _pad(vocabulary, folder)
    for said in (folder / CONFIG, folder / MAP):
        _check_options(said, pad)
    return Read(vocabulary, merges, context, pad, file)


def _object_of(file: Path) -> dict[str, Any]:
    """What a file that may be missing says."""
    return _read_json(file) if file.exists() else {}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}; the tokenizer folder is incomplete") from error


def _context(options: dict[str, Any], file: Path, usual: int) -> int:
    """Longest prompt in tokens; start, end and one more have to fit."""
    context = expect(options, "model_max_length", float, file, usual)
    if not context >= 3:  # nor is what is no number
        raise UserError(f"{file}: model_max_length should be a number of at least 3, not {context}")
    return usual if context > UNSET else int(context)


def _read_bpe(folder: Path, whole: dict[str, Any]) -> tuple[dict[str, int], list[tuple[str, str]], Path]:
    """Vocabulary, merges and the file of the merges.

    transformers 5 writes only ``tokenizer.json``; older folders may lack that one.
    """
    vocab, file = folder / "vocab.json", folder / WHOLE
    if vocab.exists() or not file.exists():
        file = folder / "merges.txt"
        lines = [line for line in _read(file).split("\n") if line and not line.startswith("#version")]
        return _vocabulary(_read_json(vocab), vocab), _pairs(lines, file), file
    model = expect(whole, "model", dict, file)
    return (
        _vocabulary(expect(model, "vocab", dict, file), file),
        _pairs(expect(model, "merges", list, file), file),
        file,
    )


def _check_whole(
    whole: dict[str, Any], folder: Path, vocabulary: dict[str, int], merges: list[tuple[str, str]]
) -> None:
    """Refuse a ``tokenizer.json`` that is not BPE, pads on the left, or numbers words otherwise than the files beside.

    transformers 5 and the fast tokenizers of version 4 read that one, the slow ones of version 4 the others.
    """
    file = folder / WHOLE
    model = expect(whole, "model", dict, file)
    if model.get("type", "BPE") != "BPE":
        raise UserError(
            f"{file}: the type of its model is {shown(model['type'])}, which is not supported; CLIP's is BPE"
        )
    padding = whole.get("padding")
    side = padding.get("direction", "Right") if isinstance(padding, dict) else "Right"
    if side != "Right":
        raise UserError(f"{file}: the direction of its padding is {shown(side)}, which is not supported; it is 'Right'")
    said = expect(model, "merges", list, file)
    pairs = [" ".join(map(str, pair)) if isinstance(pair, list) else pair for pair in said]
    for name, beside, same in (
        ("vocab", "vocab.json", model.get("vocab") == vocabulary),
        ("merges", "merges.txt", pairs == [f"{left} {right}" for left, right in merges]),
    ):
        if not same:
            raise UserError(f"{file}: its {name} and that of {beside} beside it differ; remove what is not the model's")


def _pad(vocabulary: dict[str, int], folder: Path) -> str:
    """The token that pads, from the file that transformers believes.

    ``special_tokens_map.json`` counts where ``tokenizer_config.json`` is of a time before added_tokens_decoder: there
    Stable Diffusion 2's says "!", and the config still says what 1.x pads with.
    """
    file, map_file = folder / CONFIG, folder / MAP
    pad = (options := _read_json(file)).get("pad_token")
    if "added_tokens_decoder" not in options and map_file.exists():
        mapped = _read_json(map_file).get("pad_token")
        file, pad = (map_file, mapped) if mapped is not None else (file, pad)
    token = END if pad is None else _content(pad)
    if not isinstance(token, str) or token not in vocabulary:
        raise UserError(f"{file}: pad_token should be a token of the vocabulary, not {shown(token)}")
    return token


def _content(token: Any) -> Any:
    """A token as text, however a file writes it."""
    return token.get("content") if isinstance(token, dict) else token


def _check_options(file: Path, pad: str) -> None:
    """Refuse settings of tokenizers that would give a prompt other tokens than CLIP's.

    ``do_lower_case`` and ``add_prefix_space`` are in many files and change nothing in transformers' CLIPTokenizer. A
    word with a part of its own (``cls_token`` and the like) is never read as an ordinary one.
    """
    options, special = _object_of(file), (END, START, pad)
    known: dict[str, tuple[Any, ...]] = {
        "bos_token": (START,),
        "eos_token": (END,),
        **dict.fromkeys(("unk_token", "cls_token", "sep_token", "mask_token"), special),
        "split_special_tokens": (False,),
        "padding_side": ("right",),
        "tokenizer_class": ("CLIPTokenizer", "CLIPTokenizerFast"),
    }
    for name, allowed in known.items():
        value = _content(options.get(name))
        if value is not None and value not in allowed:
            raise UserError(f"{file}: {name} = {shown(value)} is not supported; it should be {allowed[0]!r}")
    for name in ("additional_special_tokens", "extra_special_tokens"):
        listed = options.get(name) or []
        words = [*listed.values()] if isinstance(listed, dict) else listed if isinstance(listed, list) else [listed]
        new = [word for word in map(_content, words) if word not in special]
        if new:
            raise UserError(
                f"{file}: {name} = {shown(new[0])} is not supported; words with a part of their own are not"
            )


def _check_added(vocabulary: dict[str, int], folder: Path, whole: dict[str, Any]) -> None:
    """Refuse tokens beyond the vocabulary; read as ordinary words, they would mean something else.

    transformers 4 lists them in ``added_tokens.json`` or the config, 5 in ``tokenizer.json``. All of them list tokens
    of the vocabulary too, such as start and end; those are no news.
    """
    listed: list[tuple[Path, Any, Any]] = []
    listed += [(folder / ADDED, token, number) for token, number in _object_of(folder / ADDED).items()]
    options = folder / CONFIG
    decoder = _read_json(options).get("added_tokens_decoder")
    listed += [(options, entry, number) for number, entry in decoder.items()] if isinstance(decoder, dict) else []
    entries = whole.get("added_tokens")
    entries = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    listed += [(folder / WHOLE, entry, entry.get("id")) for entry in entries]
    for source, entry, number in listed:
        token = str(_content(entry))
        if token not in vocabulary or str(vocabulary[token]) != str(number):
            what = f"{source} adds {token[:40]!r}, number {one_line(str(number))[:20]}, to the vocabulary"
            raise UserError(f"{what}; words learnt by textual inversion cannot be read, use the model without them")


def _vocabulary(found: dict[str, Any], file: Path) -> dict[str, int]:
    for token, number in found.items():
        if type(number) is not int or not 0 <= number < MOST_TOKENS:
            what = f"a whole number from 0 to {MOST_TOKENS - 1:,}"
            raise UserError(f"{file}: the number of token {shown(token)} should be {what}, not {shown(number)}")
    if START not in found or END not in found:
        raise UserError(f"{file} lacks {START} or {END}; it is not a CLIP tokenizer")
    return found


def _pairs(merges: list[Any], file: Path) -> list[tuple[str, str]]:
    """Merges as pairs; files hold either two words with a blank between them or lists of two."""
    pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) if isinstance(m, list) else () for m in merges]
    for i, pair in enumerate(pairs):
        if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise UserError(f"{file} is damaged: merge {i + 1} should be two tokens, not {shown(merges[i])}")
    return [(pair[0], pair[1]) for pair in pairs]


def _check_bpe(vocabulary: dict[str, int], merges: list[tuple[str, str]], file: Path) -> None:
    """Refuse a list of merges cut short: every word would still get ids, but wrong ones.

    A tokenizer edited by hand may have a few tokens that no merge makes; a tenth of them is no edit any more.
    """
    made = {left + right for left, right in merges}
    learned = [t for t in vocabulary if t not in (START, END) and len(t.removesuffix(WORD_END)) > 1]
    lost = [token for token in learned if token not in made]
    if len(lost) > len(learned) / 10:
        raise UserError(f"{file} is damaged: no merge makes {len(lost)} of the tokens, e.g. {shown(lost[0])}")


def _read_json(file: Path) -> dict[str, Any]:
    return read_object(file, "the tokenizer folder is incomplete")
