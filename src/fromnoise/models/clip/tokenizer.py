"""CLIP's tokenizer: lower-cased byte-level BPE with an end-of-word mark, through Hugging Face ``tokenizers``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Encoding, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Backend
from torch import Tensor

from fromnoise.errors import UserError

START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
UNSET = 10**6  # transformers writes 1e30 into model_max_length where nobody gave one
USUAL_CONTEXT = 77  # of all Stable Diffusion models
# CLIP's own split: contractions, runs of letters, single digits, runs of other signs.
SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class Tokenizer:
    """Text to token ids and back.

    Every row starts with the start token, ends with the end token and is padded with the end token, exactly as
    StableDiffusionPipeline does it; the unconditional prompt is ``encode([""])``.

    Args:
        backend: the BPE with its normaliser and splitter.
        context: tokens per prompt, start and end included.
    """

    def __init__(self, backend: Backend, context: int) -> None:
        self._backend, self.context = backend, context
        ids = [backend.token_to_id(token) for token in (START, END)]
        if None in ids:
            raise UserError(f"the vocabulary lacks {START} or {END}; it is not a CLIP tokenizer")
        self.start_id, self.end_id = (int(i) for i in ids if i is not None)

    @property
    def vocab_size(self) -> int:
        """Entries of the vocabulary."""
        return int(self._backend.get_vocab_size())

    @property
    def eos_id(self) -> int:
        """Id of the end token, which also pads."""
        return self.end_id

    def encode(self, texts: list[str]) -> Tensor:
        """Token ids, int64 (B, context); what does not fit is left out (see ``cut``).

        Raises:
            UserError: a text that is not valid Unicode; so do ``count``, ``cut`` and ``tokens``.
        """
        rows = []
        for text in texts:
            ids = [self.start_id, *self._ids(text)[: self.context - 2], self.end_id]
            rows.append(ids + [self.end_id] * (self.context - len(ids)))
        return torch.tensor(rows, dtype=torch.int64).reshape(len(texts), self.context)

    def count(self, text: str) -> int:
        """Tokens of the text, start and end not counted."""
        return len(self._ids(text))

    def cut(self, text: str) -> str:
        """The end of the text that does not fit into the context; "" when all of it fits."""
        encoding = self._encode(text)
        room = self.context - 2
        if len(encoding.ids) <= room:
            return ""
        return text[encoding.offsets[room][0] :]

    def tokens(self, text: str) -> list[str]:
        """The text's tokens as they stand in the vocabulary."""
        return list(self._encode(text).tokens)

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int = 4096, context: int = 32) -> Tokenizer:
        """Learn a vocabulary from texts (Sennrich et al. 2016, arXiv 1508.07909). Equal texts give equal results."""
        backend = _backend(models.BPE(unk_token=END, end_of_word_suffix=WORD_END))
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size - 2,
            initial_alphabet=alphabet,
            end_of_word_suffix=WORD_END,
            # Named here only to number them before training, which otherwise does it in the order of a hash map
            # and breaks ties between equally frequent pairs differently every time.
            special_tokens=[a + WORD_END for a in alphabet],
            show_progress=False,
        )
        backend.train_from_iterator(list(texts), trainer)
        learned = json.loads(backend.to_str())["model"]["merges"]
        merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in learned]
        return cls(_backend(_bpe(alphabet, merges, vocab_size)), context)

    def save(self, folder: Path) -> None:
        """Write the files that transformers' CLIPTokenizer opens."""
        folder.mkdir(parents=True, exist_ok=True)
        state = json.loads(self._backend.to_str())["model"]
        merges = [" ".join(m) if isinstance(m, list) else m for m in state["merges"]]
        special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
        options = {**special, "tokenizer_class": "CLIPTokenizer", "model_max_length": self.context}
        self._backend.save(str(folder / "tokenizer.json"))
        (folder / "vocab.json").write_text(json.dumps(state["vocab"], ensure_ascii=False), encoding="utf-8")
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
        options |= {"do_lower_case": True, "add_prefix_space": False, "clean_up_tokenization_spaces": True}
        (folder / "tokenizer_config.json").write_text(json.dumps(options, indent=1), encoding="utf-8")
        (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Open a tokenizer folder: ``vocab.json`` and ``merges.txt``, or ``tokenizer.json`` where they are missing.

        Raises:
            UserError: a file is missing or damaged; the message names it.
        """
        context = _read_context(folder / "tokenizer_config.json")
        vocabulary, merges, file = _read_bpe(folder)
        _check_bpe(vocabulary, merges, file)
        try:
            model = models.BPE(vocabulary, merges, unk_token=END, end_of_word_suffix=WORD_END)
        except Exception as error:  # the backend raises its own untyped errors
            raise UserError(f"{file} is damaged: {error}") from error
        return cls(_backend(model), context)

    def _ids(self, text: str) -> list[int]:
        return list(self._encode(text).ids)

    def _encode(self, text: str) -> Encoding:
        """Tokens of one text; half a character, which is what Python makes of bytes it cannot read, is refused."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UserError(f"character {error.start + 1} of {text[:60]!r} is not valid Unicode; use UTF-8") from None
        return self._backend.encode(text, add_special_tokens=False)


def _bpe(alphabet: list[str], merges: list[tuple[str, ...]], vocab_size: int) -> models.BPE:
    """CLIP's vocabulary order: bytes, bytes at a word's end, merges, then the two special tokens."""
    tokens = [*alphabet, *(a + WORD_END for a in alphabet)]
    kept = []
    known = set(tokens)
    for left, right in merges:
        if len(tokens) >= vocab_size - 2:
            break
        if left in known and right in known:
            kept.append((left, right))
            if left + right not in known:
                known.add(left + right)
                tokens.append(left + right)
    vocabulary = {token: i for i, token in enumerate([*tokens, START, END])}
    return models.BPE(vocabulary, kept, unk_token=END, end_of_word_suffix=WORD_END)


def _backend(model: models.BPE) -> Backend:
    backend = Backend(model)
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), behavior="removed", invert=True), pre_tokenizers.ByteLevel(False)]
    )
    backend.decoder = decoders.BPEDecoder(suffix=WORD_END)
    if backend.token_to_id(START) is not None:
        backend.add_special_tokens([START, END])
        backend.post_processor = processors.TemplateProcessing(
            single=f"{START} $A {END}", special_tokens=[(t, backend.token_to_id(t)) for t in (START, END)]
        )
    return backend


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}; the tokenizer folder is incomplete") from error


def _read_context(file: Path) -> int:
    """Longest prompt in tokens; start, end and one more have to fit."""
    context = _read_json(file).get("model_max_length", USUAL_CONTEXT)
    if not isinstance(context, int | float) or context < 3:
        raise UserError(f"{file}: model_max_length should be a number of at least 3, not {context!r}")
    return USUAL_CONTEXT if context > UNSET else int(context)


def _read_bpe(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]], Path]:
    """Vocabulary, merges and the file of the merges.

    transformers 5 writes only ``tokenizer.json``; older folders may lack that one.
    """
    if not (folder / "vocab.json").exists() and (folder / "tokenizer.json").exists():
        file = folder / "tokenizer.json"
        model = _read_json(file).get("model")
        if not isinstance(model, dict) or not isinstance(model.get("merges"), list):
            raise UserError(f"{file} is damaged: it should hold a model with vocab and merges")
        return _vocabulary(model.get("vocab"), file), _pairs(model["merges"], file), file
    file = folder / "merges.txt"
    lines = [line for line in _read(file).split("\n") if line and not line.startswith("#version")]
    vocab = folder / "vocab.json"
    return _vocabulary(_read_json(vocab), vocab), _pairs(lines, file), file


def _vocabulary(found: Any, file: Path) -> dict[str, int]:
    if not isinstance(found, dict) or not all(isinstance(i, int) for i in found.values()):
        raise UserError(f"{file} is damaged: the vocabulary should map tokens to whole numbers")
    if START not in found or END not in found:
        raise UserError(f"{file} lacks {START} or {END}; it is not a CLIP tokenizer")
    return found


def _pairs(merges: list[Any], file: Path) -> list[tuple[str, str]]:
    """Merges as pairs; files hold either two words with a blank between them or lists of two."""
    pairs = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) if isinstance(m, list) else () for m in merges]
    for i, pair in enumerate(pairs):
        if len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise UserError(f"{file} is damaged: merge {i + 1} should be two tokens, not {merges[i]!r}")
    return [(pair[0], pair[1]) for pair in pairs]


def _check_bpe(vocabulary: dict[str, int], merges: list[tuple[str, str]], file: Path) -> None:
    """Refuse a list of merges cut short: every word would still get ids, but wrong ones.

    A tokenizer edited by hand may have a few tokens that no merge makes; a tenth of them is no edit any more.
    """
    made = {left + right for left, right in merges}
    learned = [t for t in vocabulary if t not in (START, END) and len(t.removesuffix(WORD_END)) > 1]
    lost = [token for token in learned if token not in made]
    if len(lost) > len(learned) / 10:
        raise UserError(f"{file} is damaged: no merge makes {len(lost)} of the tokens, e.g. {lost[0]!r}")


def _read_json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read(file))
    except json.JSONDecodeError as error:
        raise UserError(f"{file} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"{file} is damaged: it should hold a JSON object")
    return found
