"""Can a trained U-Net listen to other words? Another text tower learns to say what the model's own one says.

    python benchmarks/new_words.py MODEL --words OTHER --data data/stickers --out GROWN [--steps 1200] [--decoder OTHER]

MODEL's U-Net keeps what it can draw. OTHER's text tower, whose token embeddings stay as they are, learns with a linear
map behind it to give the states that MODEL's tower gives for the captions of its training, place by place; captions
that the two tokenizers cut into different numbers of tokens are left out. The map is then multiplied into the keys and
values of the U-Net, so that GROWN is a model as any other, with OTHER's vocabulary. Printed: how far the states are
off, as a share of their variance, for captions of the training and of concepts that it never saw; with the
least-squares map alone, and taught. What it draws then: ``fromnoise evaluate GROWN --data data/stickers --only free``.

``--decoder OTHER`` also takes OTHER's decoder, where its latents are MODEL's but for a scale and a shift per channel,
which are found by least squares on pictures and folded into a 1x1 convolution.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fromnoise.training.memory import keep_freed_memory, let_idle_threads_sleep

let_idle_threads_sleep()
keep_freed_memory()

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from formats import machine  # noqa: E402
from fromnoise.data.captions import CaptionMix, CaptionSampler  # noqa: E402
from fromnoise.data.pictures import PictureSet, load_folder  # noqa: E402
from fromnoise.data.record import Record  # noqa: E402
from fromnoise.evaluation.trained import reading_of  # noqa: E402
from fromnoise.ground.pictures import from_bytes  # noqa: E402
from fromnoise.ground.wording import styled  # noqa: E402
from fromnoise.models.clip.text_tower import TextTower  # noqa: E402
from fromnoise.models.unet.unet import UNet  # noqa: E402
from fromnoise.models.vae.vae import VAE  # noqa: E402
from fromnoise.system.text_to_image import TextToImage  # noqa: E402

BATCH, RATE, WARMUP = 128, 2e-3, 100
FITTED = 4000  # captions for the least-squares map
AT_ONCE = 500


class Words:
    """Captions as both sides read them.

    Args:
        model: whose states are the aim.
        other: whose tower learns.
        texts: captions; those with different numbers of tokens are left out.
    """

    def __init__(self, model: TextToImage, other: TextToImage, texts: Sequence[str]) -> None:
        theirs, ours = model.tokenizer.encode(texts), other.tokenizer.encode(texts)
        lengths = [(ids != t.pad_id).sum(1) for ids, t in ((theirs, model.tokenizer), (ours, other.tokenizer))]
        same = lengths[0] == lengths[1]
        self.ids = ours[same]
        self.states = states_of(model.text_tower, theirs[same])

    def __len__(self) -> int:
        return len(self.ids)


@torch.no_grad()
def states_of(tower: TextTower, ids: Tensor) -> Tensor:
    """What the U-Net attends to, float32 [N,L,W]."""
    return torch.cat([tower(part).tokens for part in ids.split(AT_ONCE)])


def off(words: Words, tower: TextTower, linear: nn.Linear) -> float:
    """Mean squared error as a share of the states' variance over captions."""
    with torch.no_grad():
        error = linear(states_of(tower, words.ids)) - words.states
        return float(error.square().mean() / (words.states - words.states.mean(0)).square().mean())


def least_squares(words: Words, tower: TextTower) -> nn.Linear:
    """The map from the tower's states to those of the model, no bias: keys and values have none."""
    states = states_of(tower, words.ids[:FITTED]).flatten(0, 1)
    found = torch.linalg.lstsq(states, words.states[:FITTED].flatten(0, 1)).solution
    linear = nn.Linear(*found.shape, bias=False)
    linear.weight.data = found.T.contiguous()
    return linear


def teach(words: Words, tower: TextTower, linear: nn.Linear, steps: int) -> None:
    """Teach tower and map, in place; what single tokens mean stays."""
    tower.train().requires_grad_(True)
    tower.token.weight.requires_grad_(False)
    weights = [p for p in (*tower.parameters(), *linear.parameters()) if p.requires_grad]
    moves = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.01)
    scale, rng = float(words.states.var()), torch.Generator().manual_seed(0)
    begin = time.monotonic()
    for step in range(steps):
        chosen = torch.randint(len(words), (BATCH,), generator=rng)
        for group in moves.param_groups:
            group["lr"] = RATE * min(1.0, step / WARMUP, 2 * (steps - step) / steps)
        with torch.autocast("cpu", torch.bfloat16):
            said = linear(tower(words.ids[chosen]).tokens)
        loss = F.mse_loss(said.float(), words.states[chosen]) / scale
        moves.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        moves.step()
        if step % 100 == 0:
            print(f"step {step}: {float(loss.detach()):.4f}, {time.monotonic() - begin:.0f} s", flush=True)
    tower.eval().requires_grad_(False)


def listening(unet: UNet, linear: nn.Linear) -> UNet:
    """A U-Net that listens to what comes before the map: its keys and values read through it."""
    found = replace(unet.config, cross_attention_dim=linear.in_features).build()
    state, shapes = unet.state_dict(), {name: x.shape for name, x in found.state_dict().items()}
    found.load_state_dict({
        name: x if x.shape == shapes[name] else x.float() @ linear.weight.detach() for name, x in state.items()
    })  # fmt: skip
    return found.eval().requires_grad_(False)


@torch.no_grad()
def with_decoder(vae: VAE, other: VAE, images: Tensor) -> VAE:
    """A VAE that encodes as ``vae`` does and decodes as ``other`` does.

    Args:
        vae, other: of equal sizes, whose latents differ by a scale and a shift per channel.
        images: uint8 [N,3,H,W], to find those.
    """
    own, theirs = (torch.cat([v.encode(from_bytes(x)).mean for x in images.split(50)]) for v in (vae, other))
    fits = []
    for a, b in zip(own.transpose(0, 1).flatten(1), theirs.transpose(0, 1).flatten(1), strict=True):
        fit = torch.linalg.lstsq(torch.stack([a, torch.ones_like(a)], 1), b[:, None]).solution[:, 0]
        left = float((fit[0] * a + fit[1] - b).var() / b.var())
        assert left < 1e-3, f"these are other latents: {left:.1%} of a channel is left"
        fits.append(fit)
    scale, shift = torch.stack(fits, 1)
    found, last = copy.deepcopy(vae), other.state_dict()
    mixing = last["post_quant_conv.weight"][:, :, 0, 0]
    last["post_quant_conv.weight"] = (mixing * scale)[:, :, None, None]
    last["post_quant_conv.bias"] = last["post_quant_conv.bias"] + mixing @ shift
    decoding = {name: x for name, x in last.items() if name.startswith(("decoder.", "post_quant_conv."))}
    found.load_state_dict({**found.state_dict(), **decoding})
    return found


def captions(model: TextToImage, records: Sequence[Record], count: int) -> list[str]:
    """Captions of the training, as it drew them."""
    sampler = CaptionSampler(records, CaptionMix.from_dict(model.card["recipe"]["data"]["captions"]))
    rng = torch.Generator().manual_seed(0)
    return [sampler(i, rng) for i in torch.randint(len(records), (count,), generator=rng).tolist()]


def known(model: TextToImage, pictures: PictureSet, split: str) -> list[Record]:
    """Records of a split, of the model's styles and groups."""
    groups = model.card["recipe"]["data"]["groups"]
    return [r for r in pictures.records if r.split == split and r.style in model.styles and r.group in groups]


def main() -> None:
    """Teach, tell, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--words", required=True, help="the model whose text tower is to be listened to")
    parser.add_argument("--data", default="data/stickers", help="what MODEL was trained on")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--captions", type=int, default=24_000)
    parser.add_argument("--decoder", help="the model whose decoder is taken")
    options = parser.parse_args()
    torch.manual_seed(0)
    model, other = TextToImage.load(options.model), TextToImage.load(options.words)
    pictures = load_folder(options.data, model.pixels, reading=reading_of(model.card))
    train = known(model, pictures, "train")
    words = Words(model, other, captions(model, train, options.captions))
    seen = Words(model, other, [styled(r.text, r.style) for r in train[::20]])
    unseen = Words(model, other, [styled(r.text, r.style) for r in known(model, pictures, "test_concept")[:300]])
    tower = copy.deepcopy(other.text_tower)
    linear = least_squares(words, tower)
    print(f"{len(words):,} of {options.captions:,} captions have as many tokens in both; {machine()}")
    print(f"least squares: seen {off(seen, tower, linear):.1%}, never seen {off(unseen, tower, linear):.1%}")
    teach(words, tower, linear, options.steps)
    print(f"taught: seen {off(seen, tower, linear):.1%}, never seen {off(unseen, tower, linear):.1%}")
    grown = replace(model, unet=listening(model.unet, linear), text_tower=tower, tokenizer=other.tokenizer)
    grown = replace(grown, known=other.known, clip=None, copies=None, clip_map=None, learning=None, few_steps=None)
    if options.decoder:
        images = pictures.images[:: max(1, len(pictures.images) // 200)]
        vae = with_decoder(model.vae, TextToImage.load(options.decoder).vae, images)
        grown = replace(grown, vae=vae, card={k: v for k, v in model.card.items() if k != "decoder"})
    grown = replace(grown, identity="")
    grown.save(options.out)
    print(f"{options.out}: model {grown.hash}")


if __name__ == "__main__":
    main()
