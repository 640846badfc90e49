"""CLIP's tokenizer: lower-cased byte-level BPE with an end-of-word mark, through Hugging Face ``tokenizers``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Encoding, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Backend
from torch import Tensor

from fromnoise.ground.errors import UserError, one_line
from fromnoise.models.clip.tokenizer_files import END, START, USUAL_CONTEXT, WORD_END, read_tokenizer

__all__ = ["END", "START", "WORD_END", "Piece", "Tokenizer"]
# CLIP's own split: contractions, runs of letters, single digits, runs of other signs.
SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class Piece(NamedTuple):
    """A token of a text: its id, how it stands in the vocabulary, and the characters of the text it was made of."""

    id: int
    token: str
    start: int
    end: int


class Tokenizer:
    """Text to token ids and back.

    Every row starts with the start token, ends with the end token and is padded, exactly as StableDiffusionPipeline
    does it; the unconditional prompt is ``encode([""])``. Of transformers' CLIPTokenizers this is the fast one, and
    the only one of version 5: version 4's slow one drops control characters and, with ftfy, repairs broken text.

    Args:
        backend: the BPE with its normaliser and splitter.
        context: tokens per prompt, start and end included.
        pad: the token that pads. Stable Diffusion 1.x pads with the end token, 2.x and the second tower of XL with
            "!", the first of the vocabulary; "!" in a prompt is then that token too, as transformers reads it
            (OpenCLIP, which trained these towers, read it as "!</w>": huggingface/diffusers#4153).
    """

    def __init__(self, backend: Backend, context: int, pad: str = END) -> None:
        self._backend, self.context, self._pad = backend, context, pad
        ids = [backend.token_to_id(token) for token in (START, END, pad)]
        if None in ids:
            raise UserError(f"the vocabulary lacks {START}, {END} or {pad}; it is not a CLIP tokenizer")
        self.start_id, self.end_id, self.pad_id = (int(i) for i in ids if i is not None)
        if pad != END:
            backend.add_special_tokens([pad])

    @property
    def vocab_size(self) -> int:
        """Entries of the vocabulary."""
        return int(self._backend.get_vocab_size())

    @property
    def eos_id(self) -> int:
        """Id of the end token."""
        return self.end_id

    def encode(self, texts: list[str]) -> Tensor:
        """Token ids, int64 (B, context); what does not fit is left out (see ``cut``).

        Raises:
            UserError: a text that is not valid Unicode; so do ``count``, ``cut``, ``tokens`` and ``pieces``.
        """
        rows = [self.frame(self._ids(text)[: self.context - 2]) for text in texts]
        return torch.tensor(rows, dtype=torch.int64).reshape(len(texts), self.context)

    def frame(self, ids: list[int]) -> list[int]:
        """Put start, end and padding around at most ``context - 2`` ids; gives ``context`` ids."""
        return [self.start_id, *ids, self.end_id] + [self.pad_id] * (self.context - 2 - len(ids))

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

    def padded_with(self, pad: str) -> Tokenizer:
        """The same tokenizer with another token that pads."""
        return Tokenizer(Backend.from_str(self._backend.to_str()), self.context, pad)

    def tokens(self, text: str) -> list[str]:
        """The text's tokens as they stand in the vocabulary."""
        return list(self._encode(text).tokens)

    def named(self, ids: Sequence[int]) -> list[str]:
        """Tokens of these ids as they stand in the vocabulary."""
        return [self._backend.id_to_token(i) or "" for i in ids]

    def pieces(self, text: str) -> list[Piece]:
        """Return all tokens of the text, however long, with their places in it."""
        found = self._encode(text)
        places = zip(found.ids, found.tokens, found.offsets, strict=True)
        return [Piece(i, token, start, end) for i, token, (start, end) in places]

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

    def bpe_files(self) -> dict[str, str]:
        """What ``vocab.json`` and ``merges.txt`` say, by their names: all that makes its ids."""
        state = json.loads(self._backend.to_str())["model"]
        merges = [" ".join(m) if isinstance(m, list) else m for m in state["merges"]]
        vocabulary = json.dumps(state["vocab"], ensure_ascii=False)
        return {"vocab.json": vocabulary, "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n"}

    def save(self, folder: Path) -> None:
        """Write the files that transformers' CLIPTokenizer opens."""
        folder.mkdir(parents=True, exist_ok=True)
        special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": self._pad}
        options = {**special, "tokenizer_class": "CLIPTokenizer", "model_max_length": self.context}
        (folder / "tokenizer.json").write_text(self._backend.to_str(pretty=True), encoding="utf-8")
        for name, text in self.bpe_files().items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        options |= {"do_lower_case": True, "add_prefix_space": False, "clean_up_tokenization_spaces": True}
        (folder / "tokenizer_config.json").write_text(json.dumps(options, indent=1), encoding="utf-8")
        (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, usual: int = USUAL_CONTEXT) -> Tokenizer:
        """Open a tokenizer folder: ``vocab.json`` and ``merges.txt``, or ``tokenizer.json`` where they are missing.

        Args:
            folder: the tokenizer's.
            usual: tokens per prompt where the files do not say it, as those of transformers may not.

        Raises:
            UserError: a file is missing or damaged; the message names it.
        """
        vocabulary, merges, context, pad, file = read_tokenizer(folder, usual)
        try:
            model = models.BPE(vocabulary, merges, unk_token=END, end_of_word_suffix=WORD_END)
        except Exception as error:  # the backend raises its own untyped errors
            raise UserError(f"{file} is damaged: {one_line(str(error))[:200]}") from error
        return cls(_backend(model), context, pad)

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
