"""The model of the story game: vocabulary, network, noise; and its folder on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fromnoise.diffusion.schedule import NoiseSchedule, ScheduleConfig
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.json_file import expect, read_object, shown
from fromnoise.ground.tensor_file import size_said
from fromnoise.ground.whole import whole_folder
from fromnoise.models.story.denoiser import LABELS, WordDenoiser, WordDenoiserConfig
from fromnoise.story.noise import noise_words
from fromnoise.story.vocabulary import END, SPECIAL, Vocabulary

DEFAULT_STORY = "story"
NEVER = -1e4  # log-probability of what cannot be; minus infinity would make guidance's difference not a number
FORMAT = 1
MOST_LINES = 2**53  # that may have been learnt from; as many as a real number counts
NUMBERS = 1e9  # more than any weight of a loss
FACTS, WORDS, WEIGHTS = "story.json", "vocabulary.json", "model.safetensors"
ASSETS = Path(__file__).parents[1] / "assets" / "models"


def word_schedule() -> NoiseSchedule:
    """1,000 levels; level t replaces a share (t+1)/1000 of the words."""
    return ScheduleConfig(kind="flow").build()


@dataclass(frozen=True, eq=False)
class StoryModel:
    """All the parts of a model that draws sentences.

    Attributes:
        vocabulary: words, genres, places.
        network: guesses the clean words.
        counts: how often each word occurs in the training lines, float32 [V].
        lengths: how often each sentence length occurs, by genre ("" for all): genre → counts of 0, 1, 2, … words.
        taught: with which weights the network was taught: the bound on 1/sigma of replaced words, and that of words
            that were left alone.
        card: facts about the training, plain JSON.
    """

    vocabulary: Vocabulary
    network: WordDenoiser
    counts: Tensor
    lengths: dict[str, list[int]]
    taught: tuple[float, float] = (1.0, 1.0)
    card: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def schedule(self) -> NoiseSchedule:
        """How much noise there is at each t."""
        return word_schedule()

    @cached_property
    def noise(self) -> Tensor:
        """u, how likely each word is as noise, float64 [V]."""
        return noise_words(self.counts)

    @cached_property
    def hash(self) -> str:
        """Twelve digits that name the weights and words."""
        digest = hashlib.sha256(json.dumps(self.vocabulary.words).encode())
        for name, weight in sorted(self.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.half().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]

    @property
    def longest(self) -> int:
        """The longest sentence in words."""
        return self.network.config.context

    def save(self, folder: Path) -> None:
        """Write the folder, whole or not at all: weights in float16, everything else as JSON.

        Raises:
            UserError: the disk is full, or the folder holds something else.
        """
        try:
            with whole_folder(folder, FACTS, "a story model") as draft:
                self._write(draft)
        except (OSError, SafetensorError) as error:
            raise UserError(f"cannot write the story model to {folder}: {error}") from error

    def _write(self, folder: Path) -> None:
        state = {name: _stored(weight) for name, weight in self.network.state_dict().items()}
        save_file({**state, "counts": self.counts.float()}, folder / WEIGHTS, metadata={"format": "pt"})
        self.vocabulary.save(folder / WORDS)
        facts = {
            "format": FORMAT,
            "network": self.network.config.to_dict(),
            "lengths": self.lengths,
            "taught": self.taught,
        }
        text = json.dumps({**facts, "card": self.card}, ensure_ascii=False)
        (folder / FACTS).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, place: Path | str | None = None) -> StoryModel:
        """Read a folder, or the shipped model by default.

        Raises:
            UserError: no such folder, or not a story model.
        """
        folder = ASSETS / DEFAULT_STORY if place is None else Path(place)
        if not (folder / FACTS).is_file():
            inner = f"; its model is {folder / 'model'}" if (folder / "model" / FACTS).is_file() else ""
            why = (
                "it is a training run"
                if inner
                else f"it has no {FACTS}"
                if folder.is_dir()
                else "there is no such folder"
            )
            raise UserError(f"{folder} is no story model: {why}{inner or '; make one with: fromnoise train story'}")
        facts, file = read_object(folder / FACTS), folder / FACTS
        config = WordDenoiserConfig.from_dict(expect(facts, "network", dict, file))
        lengths, taught, card = _lengths(facts, file), _taught(facts, file), expect(facts, "card", dict, file, {})
        try:
            size_said(folder / WEIGHTS)
            state = {name: weight.float() for name, weight in load_file(folder / WEIGHTS).items()}
            counts = state.pop("counts")
            _check_sizes(config, state)
            network = config.build()
            network.load_state_dict(state)
            if not all(bool(weight.isfinite().all()) for weight in (*state.values(), counts)) or counts.min() < 0:
                raise ValueError("a weight is not a number")
        except KeyError as error:
            raise UserError(f"{folder} is damaged: {WEIGHTS} lacks {error}") from None
        except RuntimeError:
            raise UserError(f"{folder} is damaged: the weights do not have the sizes that {FACTS} names") from None
        except (OSError, SafetensorError, ValueError, AttributeError, TypeError) as error:
            raise UserError(f"{folder} is damaged: {one_line(str(error))[:300]}") from None
        vocabulary = Vocabulary.load(folder / WORDS)
        if len(vocabulary) != network.config.vocab_size or vocabulary.labels > network.config.labels:
            raise UserError(f"{folder} is damaged: its vocabulary and its network have different sizes")
        network.eval().requires_grad_(False)
        network.keep_table()
        return cls(vocabulary, network, counts, lengths, taught, card)

    def denoiser(self, x_t: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        """log p(x_0 | x_t): the denoiser of the contract, for words.

        Sentences are computed one by one, since a matrix product may sum in an order that depends on the batch: the
        same seed gives the same sentence whoever else is drawn.

        Args:
            x_t: int64 [B, L]; places behind a sentence's end hold the end entry and keep it.
            t: int64 [B].
            cond: genre and place, int64 [B, 2].

        Returns:
            float32 [B, L, V]; special entries have :data:`NEVER`.
        """
        return torch.cat([self.together(x_t[i : i + 1], t[i : i + 1], cond[i : i + 1]) for i in range(len(x_t))])

    def with_every_word(self, x_t: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        """The same, where every place must have a word."""
        guess = self.denoiser(x_t, t, cond)
        if self.vocabulary.empty is not None:
            guess[..., self.vocabulary.empty] = NEVER
        return guess

    def together(self, x_t: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        """The same for a batch at one level at once: faster, and with other last digits."""
        length = max(1, int((x_t != END).sum(1).max()))  # what lies behind the longest sentence is not compared
        seen = x_t[:, :length]
        guess = self._log_p(self.network.features(x_t, t, cond)[:, :length], seen, int(t[0]))
        over = seen[..., None] == END
        ended = torch.full_like(guess[:1, :1], NEVER)
        ended[..., END] = 0.0
        rest = ended.expand(len(x_t), x_t.shape[1] - length, -1)
        return torch.cat([torch.where(over, ended, guess), rest], dim=1)

    def at(self, places: Tensor, x_t: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        """The same for one place of each sentence, where a word stands.

        Args:
            places: int64 [B].
            x_t, t, cond: as of :meth:`denoiser`.

        Returns:
            float32 [B, V].
        """
        rows = torch.arange(len(x_t))
        features = self.network.features(x_t, t, cond)[rows, places]
        return self._log_p(features, x_t[rows, places], int(t[0]))

    def _log_p(self, features: Tensor, seen: Tensor, t: int) -> Tensor:
        """log p(x_0 | x_t), float32 [..., V], of places with these features, where these words are seen."""
        logits = self.network.logits(features).float()
        logits[..., : len(SPECIAL)] = NEVER
        seen = seen[..., None]
        logits.scatter_add_(-1, seen, self._said_too_little(t) * (seen >= len(SPECIAL)))
        return logits.log_softmax(-1)

    def _said_too_little(self, t: int) -> Tensor:
        """How much more likely the word that is there is than the network says, as a logarithm.

        Taught with weight w_r on replaced words and w_l on those that were left, it learns p(k) w_r for all words but
        the one it sees, and p(k) w_l for that one; so the latter is put right by w_r / w_l.
        """
        most, left = self.taught
        return torch.tensor(min(1 / self.schedule.sigma(t), most) / left).log()

    def draw_length(self, genre: str, rng: torch.Generator) -> int:
        """How many words a sentence of the genre has, drawn as in the training lines."""
        counts = self.lengths.get(genre) or self.lengths[""]
        return int(torch.multinomial(torch.tensor(counts, dtype=torch.float64), 1, generator=rng))

    def draw_gaps(self, words: int, rng: torch.Generator) -> int:
        """How many places without a word stand beside so many words, drawn as it was taught; 0 where it knows none."""
        empty = self.vocabulary.empty
        if empty is None or not self.counts.sum():
            return 0
        share = float(self.counts[empty] / (self.counts.sum() - self.counts[empty]).clamp_min(1))
        gaps = int((torch.rand(words + 1, generator=rng) < share / (1 + share)).sum())
        return min(gaps, self.longest - words)

    def padded(self, sentences: Sequence[Sequence[int]]) -> Tensor:
        """Entries of sentences, int64 [B, longest], ends filled with the end entry."""
        found = torch.full((len(sentences), self.longest), END)
        for row, ids in zip(found, sentences, strict=True):
            row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
        return found


def _stored(weight: Tensor) -> Tensor:
    """As float16; whole numbers, which say what words mean, as they are."""
    return (weight.half() if weight.is_floating_point() else weight).contiguous()


def _lengths(facts: Mapping[str, Any], file: Path) -> dict[str, list[int]]:
    """How often sentences of each length occur: counts that can be drawn from.

    Raises:
        UserError: they are something else.
    """
    found = expect(facts, "lengths", dict[str, list[int]], file)
    for genre, counts in {"": [], **found}.items():
        if not 0 < sum(counts) < MOST_LINES or min(counts) < 0:
            raise UserError(f"{file}: lengths of {shown(genre)} should be how often sentences have 0, 1, 2, … words")
    return found


def _taught(facts: Mapping[str, Any], file: Path) -> tuple[float, float]:
    found = expect(facts, "taught", list[float], file)
    if len(found) != 2 or not all(0 < weight < NUMBERS for weight in found):
        raise UserError(f"{file}: taught should be two weights above 0, not {found!s:.60}")
    return found[0], found[1]


def _check_sizes(config: WordDenoiserConfig, state: Mapping[str, Tensor]) -> None:
    """Refuse sizes that are not those of the weights before a network of such sizes is made.

    Raises:
        RuntimeError: they differ.
        KeyError: a weight is not there.
    """
    found = [*state["word.weight"].shape, *state["position.weight"].shape, *state["label.weight"].shape[:1]]
    said = [config.vocab_size, config.embedding - config.fixed, config.context + LABELS, config.width, config.labels]
    blocks = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    if found != said or len(blocks) != config.layers:
        raise RuntimeError("other sizes")
