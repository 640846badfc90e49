"""What each word does: where in the picture it is listened to, where it helps, and what happens without it.

The maps are the U-Net's cross-attention, taken while it draws and not afterwards: at every step, in every block, how
much each place listens to each token of the prompt. Averaged over blocks and steps they are what DAAM shows (Tang et
al. 2022, arXiv 2210.04885, section 3). All tokens together always make 1, and so nothing is left out: the start token,
which says nothing and is listened to most, the end token, which knows the whole prompt, and the padding after it are
shown like words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.generate import Finished, finish_plans, generate
from fromnoise.drawing.plan import Plan
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import from_bytes
from fromnoise.inspection.subject import Subject
from fromnoise.inspection.watch import Look, watching
from fromnoise.models.clip.tokenizer import WORD_END
from fromnoise.system.text_to_image import TextToImage

START, END, REST = "start", "end", "padding"


@dataclass(frozen=True)
class Word:
    """One word of a prompt, or what stands around it.

    Attributes:
        text: as the tokenizer reads it.
        kind: "word", "start", "end" or "padding".
        places: its tokens, as numbers into the prompt's tokens.
    """

    text: str
    kind: str
    places: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class WordStep:
    """What was listened to in one step.

    Attributes:
        step: of the drawing.
        blocks: by name, in the order in which a picture passes them: float32 [W,h,w] for W words; sums to 1 over W.
    """

    step: Step
    blocks: dict[str, Tensor]

    def mean(self, size: tuple[int, int]) -> Tensor:
        """All blocks as one, each counting the same, float32 [W,h,w] in another size (bilinear)."""
        return torch.stack([resized(maps, size) for maps in self.blocks.values()]).mean(0)


@dataclass(frozen=True, eq=False)
class WordPicture:
    """The end: the picture, and the words that all maps are about.

    Attributes:
        picture: uint8 [3,H,W].
        words: W of them.
    """

    picture: Tensor
    words: tuple[Word, ...]


def word_maps(model: TextToImage, subject: Subject) -> Iterator[WordStep | WordPicture]:
    """Draw, and say after every step what the words did; then the picture. The picture is the same as undisturbed.

    Closing the iterator cancels. Kept between two steps: one map a block, W·h·w numbers (Stable Diffusion 1.5 at 512
    pixels: 8.3 MB for all 77 tokens, 50 MiB more at the peak of a step, benchmarks/watching.py; 1.1 MB for ten words).

    Raises:
        UserError: a U-Net that never looks at words, another engine than torch, or a wish that planning refuses.
    """
    check_words(subject)
    made = subject.plan(model)
    words = words_of(model, made)
    with watching(model, made, attention=True) as (watched, seen):
        for event in generate(watched, made):
            looks = seen.take()
            if isinstance(event, Finished):
                yield WordPicture(event.pictures[0], words)
            elif not looks:
                raise UserError("this model's U-Net has no attention to words; there are no maps to show")
            else:
                yield WordStep(event, _by_block(looks, words))


def check_words(subject: Subject) -> None:
    """Refuse a drawing without words.

    Raises:
        UserError: it has none.
    """
    if not subject.prompt.strip():
        raise UserError("there are no words to look at; say what to draw", "prompt")


def words_of(model: TextToImage, plan: Plan) -> tuple[Word, ...]:
    """A plan's prompt in words, with start, end and padding; a long prompt has a start and an end for each part."""
    chunks, found = plan.words.wanted.chunks[0], []
    length = chunks.ids.shape[1]
    for part, count in enumerate(chunks.counts):
        first = part * length
        found.append(Word("", START, (first,)))
        names = model.tokenizer.named(chunks.ids[part, 1 : 1 + count].tolist())
        found += _joined(names, first + 1)
        found.append(Word("", END, (first + 1 + count,)))
        found += [Word("", REST, tuple(range(first + 2 + count, first + length)))] if count + 2 < length else []
    return tuple(found)


def _joined(names: Sequence[str], first: int) -> Iterator[Word]:
    """Tokens as words: pieces of one word belong together."""
    text, places = "", []
    for i, name in enumerate(names):
        text += name.removesuffix(WORD_END)
        places.append(first + i)
        if name.endswith(WORD_END) or i == len(names) - 1:
            yield Word(text, "word", tuple(places))
            text, places = "", []


def _by_block(looks: Sequence[Look], words: Sequence[Word]) -> dict[str, Tensor]:
    """Maps of words from maps of tokens; where a step called the U-Net twice, their mean."""
    found: dict[str, list[Tensor]] = {}
    for look in looks:
        assert look.attention is not None
        found.setdefault(look.block, []).append(torch.stack([look.attention[list(w.places)].sum(0) for w in words]))
    return {name: torch.stack(maps).mean(0) for name, maps in found.items()}


# --- where a word helps ----------------------------------------------------------------------------------------


HELPFUL = -2.0  # the log-SNR at which words help most to tell where a thing is (benchmarks/word_maps.py)
NOISES = 4


def helped(model: TextToImage, plan: Plan, picture: Tensor) -> Tensor:
    """Where in a finished picture each word is needed, float32 [W,h,w]: by how much the U-Net's guess there gets worse
    when the word is left out of the prompt; below 0 where the guess gets better. 0 for what is no word.

    The picture is noised again, with the same noise for all words, until little but its large shapes is left. Attention
    says where a word is listened to; this says where it makes a difference, and lies on what the word names far more
    often (``benchmarks/word_maps.py``). A diffusion model tells classes apart in the same way (Li et al. 2023, arXiv
    2303.16203, equation 6); here it is not summed over places.

    Args:
        model: drew it, or might have.
        plan: of the picture; its style counts as words of it.
        picture: uint8 [3,H,W], of the plan's drawn size.
    """
    device, t = model.device, int(model.schedule.nearest(torch.tensor(HELPFUL)))
    with torch.no_grad():
        clean = model.vae.encode(from_bytes(picture[None].to(device))).mean
        noise = torch.randn(NOISES, *clean.shape[1:], generator=torch.Generator().manual_seed(plan.seed)).to(device)
        noisy = float(model.schedule.alpha(t)) * clean + float(model.schedule.sigma(t)) * noise
        times, denoiser = torch.full((NOISES,), t, device=device), model.denoiser()

        def error(text: str) -> Tensor:
            cond = model.read_tokens([model.tokens(text)], plan.drawn_size)
            estimate = denoiser(noisy, times, cond.expand(NOISES, -1, -1))
            return (estimate - clean).square().mean((0, 1)).cpu()

        whole = error(plan.words.wanted.text)
        texts = without_each(plan.words.wanted.text, words_of(model, plan))
        return torch.stack([torch.zeros_like(whole) if text is None else error(text) - whole for text in texts])


def without_each(text: str, words: Sequence[Word]) -> list[str | None]:
    """A prompt without each of its words in turn; None for what is no word of letters or digits, or is not found.

    >>> without_each("red fox, red", [Word("red", "word", (1,)), Word(",", "word", (3,)), Word("red", "word", (4,))])
    ['fox, red', None, 'red fox,']
    """
    found: list[str | None] = []
    at = 0
    for word in words:
        here = _whole(word.text).search(text, at) if word.text else None
        if here is None or not any(sign.isalnum() for sign in word.text):
            found.append(None)
            continue
        at = here.end()
        found.append(" ".join(EMPTIED.sub("", f"{text[: here.start()]}{text[here.end() :]}").split()))
    return found


EMPTIED = re.compile(r"\(\s*(:\s*[\d.]+\s*)?\)|\[\s*\]")  # brackets about nothing


def _whole(words: str) -> re.Pattern[str]:
    """Finds words as a whole, in any case."""
    return re.compile(rf"(?<!\w){re.escape(words)}(?!\w)", re.IGNORECASE)


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps [W,h,w] in another size; what sums to 1 over W still does."""
    if tuple(maps.shape[1:]) == tuple(size):
        return maps
    return F.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]


def within(maps: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    """The share of each map that lies in a box, [W].

    Args:
        maps: [W,h,w].
        box: left, top, right, bottom, each 0…1 of the picture.
    """
    left, top, right, bottom = box
    fine = resized(maps, (64, 64))  # so that a box need not end where a cell does
    rows = (torch.arange(64) + 0.5) / 64
    inside = ((rows >= top) & (rows < bottom))[:, None] & ((rows >= left) & (rows < right))
    return (fine * inside).sum((1, 2)) / fine.sum((1, 2))


# --- without a word, and with more of it -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Changed:
    """What one word's weight changes.

    Attributes:
        word: as it was named.
        weight: 0 mutes it, 1 is as it was, more is more; None: it was left out of the prompt.
        prompt: what was drawn instead.
        picture: from the same noise, uint8 [3,H,W].
        difference: from the picture with all words, uint8 [H,W]: the largest of the three colours' differences.
    """

    word: str
    weight: float | None
    prompt: str
    picture: Tensor
    difference: Tensor

    @property
    def share(self) -> float:
        """How much of the picture is visibly another: pixels that differ by more than a tenth of the range, 0…1."""
        return float((self.difference > 25).float().mean())


def weighed(prompt: str, word: str, weight: float | None) -> str:
    """A prompt in which a word counts otherwise, in the brackets that prompts have anyway, or is left out.

    >>> weighed("a red fox in red", "red", 0)
    'a (red:0) fox in (red:0)'
    >>> weighed("a red fox", "red", None)
    'a fox'
    >>> weighed("a red fox", "blue", 0)
    'a red fox'

    Args:
        prompt: as it was written.
        word: one or more words of it, in any case; where it is not, nothing changes.
        weight: 0…10; None leaves it out.

    Raises:
        UserError: no word, or a weight out of range.
    """
    if not word.strip() or not 0 <= (weight or 0) <= 10:
        raise UserError(f"a word of the prompt and a weight of 0…10 are needed, not '{word}' and {weight}")
    whole = _whole(word.strip())
    if not whole.search(prompt):
        return prompt
    if weight is None:
        return " ".join(EMPTIED.sub("", whole.sub("", prompt)).split())
    return whole.sub(lambda found: f"({found[0]}:{weight:g})", prompt)


def changed(
    model: TextToImage, subject: Subject, word: str, weight: float | None = 0.0, before: Tensor | None = None
) -> Changed:
    """Draw the same noise with one word muted, louder, or left out.

    Muted, a word's own token says nothing, but the tokens after it have read it, the end token above all; left out, it
    was never read.

    Args:
        model: draws.
        subject: with all words.
        word, weight: as in :func:`weighed`.
        before: what the subject looks like, uint8 [3,H,W], where it is drawn already.

    Raises:
        UserError: see :func:`weighed` and :meth:`Subject.plan`.
    """
    prompt = weighed(subject.prompt, word, weight)
    whole = finish_plans(model, [subject.plan(model)]).pictures[0] if before is None else before
    other = replace(subject, prompt=prompt)
    after = whole if other == subject else finish_plans(model, [other.plan(model)]).pictures[0]
    difference = (whole.int() - after.int()).abs().amax(0).to(torch.uint8)
    return Changed(word, weight, prompt, after, difference)
