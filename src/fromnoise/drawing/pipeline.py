"""The library call: a model that is called with a prompt and gives pictures.

>>> import fromnoise
>>> model = fromnoise.load()
>>> pictures = model("a red apple", style="noto", seed=7, steps=4)
>>> pictures[0].size
(64, 64)
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch
from PIL import Image
from torch import Tensor

from fromnoise import __version__
from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.generate import Finished, draw_plans, generate
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.picture_file import Origin, save_png, to_image
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import MASKED_STRENGTH, STRENGTH, Request, Towards
from fromnoise.drawing.start import Start, fitting_size, start_from
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

Generators = torch.Generator | Sequence[torch.Generator]


class Wishes(TypedDict, total=False):
    """What may be said beside the prompt; everything else is the model's own. Ranges are :class:`Request`'s.

    ``n`` pictures have seeds ``seed``, ``seed + 1``, …; without a seed a fresh one is taken, and every picture's
    ``info["seed"]`` has its own. ``image`` is a picture to start from, ``mask`` is white where it may change.
    The last five are diffusers' names for ``steps``, ``guidance``, ``negative``, ``n`` and the seed.
    """

    style: str | None
    negative: str
    seed: int | None
    n: int
    steps: int | None
    guidance: float | None
    interval: tuple[int, int] | None
    rescale: float | None
    sampler: str | None
    spacing: str | None
    sigmas: str | None
    width: int | None
    height: int | None
    native: bool
    free: bool
    towards: Towards | None
    image: Image.Image | None
    mask: Image.Image | None
    strength: float | None
    num_inference_steps: int | None
    guidance_scale: float | None
    negative_prompt: str | None
    num_images_per_prompt: int | None
    generator: Generators | None


SAME = {
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "negative_prompt": "negative",
    "num_images_per_prompt": "n",
}


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A model to draw with; made by :func:`load`.

    Attributes:
        name: of the model.
        model: its parts, as the rest of fromnoise takes them.
        opening: how it was opened, as files say it.
    """

    name: str
    model: TextToImage
    opening: Opening = field(default_factory=Opening)

    def __call__(self, prompt: str | Sequence[str] = "", **wishes: Unpack[Wishes]) -> list[Image.Image]:
        """Draw.

        >>> model = load()
        >>> one, two = model("a red apple", style="noto", n=2, seed=7, steps=4)
        >>> one.info["seed"], two.info["seed"]
        (7, 8)

        Args:
            prompt: what the pictures should show; a list gives ``n`` pictures for each, and goes on in the seeds.
            wishes: see :class:`Wishes`.

        Returns:
            RGB pictures; ``info`` has "seed", "notes" (sentences, such as which words the model does not know) and
            what :meth:`save` writes into the file.

        Raises:
            UserError: see :func:`fromnoise.drawing.plan.plan`.
            TypeError: a wish that is none.
        """
        begun = self._begun(prompt, wishes)
        drawn = draw_plans(self.model, begun.plans, begun.start)
        return [self._as_picture(x, each, begun.start) for x, each in zip(drawn, begun.plans, strict=True)]

    def stream(self, prompt: str = "", **wishes: Unpack[Wishes]) -> Iterator[Step | Finished]:
        """Draw one batch, step by step: a ``Step`` after every move, then ``Finished``.

        >>> model = load()
        >>> steps = [step for step in model.stream("a red apple", seed=7, steps=4) if isinstance(step, Step)]
        >>> [step.index for step in steps], model.preview(steps[-1])[0].size
        ([0, 1, 2, 3], (64, 64))

        Closing the stream cancels. Arguments and errors as when called, for one prompt.
        """
        begun = self._begun(prompt, wishes)
        first = begun.plans[0]
        whole = replace(first, count=len(begun.plans))
        return generate(self.model, whole, begun.start)

    def preview(self, step: Step) -> list[Image.Image]:
        """What the network believed at a step, as pictures."""
        return [to_image(picture) for picture in self.model.decode(step.x0_hat)]

    def plan(self, prompt: str = "", **wishes: Unpack[Wishes]) -> Plan:
        """What would be done, without drawing; arguments and errors as when called, for one prompt.

        >>> load().plan("a red apple", seed=7).steps
        20
        """
        return plan(self.model, self._request(prompt, dict(wishes))[0])

    def save(self, picture: Image.Image, file: Path | str) -> None:
        """Write a picture that this pipeline drew as a PNG that says how, for ``fromnoise generate --again``.

        Raises:
            UserError: it was drawn elsewhere, or the file cannot be written.
        """
        stored = picture.info.get("fromnoise")
        if stored is None:
            raise UserError("this picture does not say how it was drawn; save it with picture.save(...)")
        pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        shaped = pixels.view(picture.height, picture.width, 3).permute(2, 0, 1)
        save_png(shaped, Path(file), Origin.from_dict(json.loads(stored)))

    def _as_picture(self, pixels: Tensor, plan: Plan, start: Start | None) -> Image.Image:
        picture = to_image(pixels)
        how = self.opening
        origin = Origin(
            plan.request,
            self.name,
            self.model.hash,
            __version__,
            precision=self.model.precision,
            loras=tuple(text.rpartition("/")[2] for text in how.loras),
            start=start.digest if start else None,
            backend=how.backend,
            fast=how.fast,
        )
        stored = json.dumps(origin.to_dict(), ensure_ascii=False)
        picture.info.update({"seed": plan.seed, "notes": plan.notes, "fromnoise": stored})
        return picture

    def _begun(self, prompt: str | Sequence[str], wishes: Wishes) -> _Begun:
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        if not prompts:
            return _Begun([], None)
        request, image, mask = self._request(prompts[0], dict(wishes))
        wholes = [plan(self.model, replace(request, prompt=text).moved(i * request.count, request.count))
                  for i, text in enumerate(prompts)]  # fmt: skip
        start = None if image is None else start_from(image, wholes[0].size.drawn, mask)
        made = [each for whole in wholes for each in whole.one_by_one()]
        return _Begun(_seeded(made, wishes.get("generator")), start)

    def _request(self, prompt: str, said: dict[str, Any]) -> tuple[Request, Image.Image | None, Image.Image | None]:
        values = _in_our_words(said)
        image, mask = values.pop("image", None), values.pop("mask", None)
        if image is None and (mask is not None or values.get("strength") is not None):
            raise UserError("strength and mask need a picture to start from: give image", "image")
        if image is not None:
            usual = MASKED_STRENGTH if mask is not None else STRENGTH
            values["strength"] = usual if values.get("strength") is None else values["strength"]
            if values.get("width") is None and values.get("height") is None:
                width, height = fitting_size(image, self.model.pixels, self.model.vae.factor)
                values |= {"width": width, "height": height}
        seed = values.pop("seed", None)
        seed = secrets.randbelow(2**32) if seed is None else seed
        return Request(prompt=prompt, seed=seed, **values), image, mask


@dataclass(frozen=True, eq=False)
class _Begun:
    plans: list[Plan]
    start: Start | None


def _in_our_words(said: dict[str, Any]) -> dict[str, Any]:
    """Wishes as a request has them: diffusers' names turned into ours.

    Raises:
        TypeError: a wish that is none.
        UserError: one thing said twice.
    """
    values: dict[str, Any] = {}
    known = {f.name for f in fields(Request)} - {"prompt", "count"} | {"n", "image", "mask", "generator"}
    for name, value in said.items():
        ours = SAME.get(name, name)
        if ours not in known:
            raise TypeError(f"'{name}' is no wish; known are: {', '.join(sorted(known | set(SAME)))}")
        if ours != name and value is None:
            continue
        if ours in values:
            raise UserError(f"{ours} and {name} say the same; give one of them", ours)
        values[ours] = value
    generator = values.pop("generator", None)
    if generator is not None:
        if values.get("seed") is not None:
            raise UserError("seed and generator say the same; give one of them", "seed")
        first = generator if isinstance(generator, torch.Generator) else next(iter(generator))
        values["seed"] = first.initial_seed() % 2**63
    values["count"] = values.pop("n", None) or 1
    return values


def _seeded(each: list[Plan], generator: Generators | None) -> list[Plan]:
    """The plans of pictures; of several generators each picture has its own one's seed, as in diffusers."""
    if generator is None or isinstance(generator, torch.Generator):
        return each
    seeds = [g.initial_seed() % 2**63 for g in generator]
    if len(seeds) != len(each):
        raise UserError(f"there are {len(seeds)} generators for {len(each)} pictures", "generator")
    return [replace(p, seed=seed) for p, seed in zip(each, seeds, strict=True)]


def load(
    place: Path | str | None = None,
    *,
    loras: Sequence[str | Path] = (),
    precision: str = "auto",
    prediction: str | None = None,
    backend: str = "torch",
    fast: bool = False,
) -> Pipeline:
    """Open a model to draw with: the same pixels as the command and the image API draw.

    Args:
        place: a folder, a single .safetensors file, the name of a shipped model, or "owner/name" on the Hugging Face
            hub; None for the default model.
        loras: files, or "file:weight".
        precision: "fp32", "bf16", or "auto": bf16 where the CPU multiplies it in hardware.
        prediction: "epsilon" or "v", for single files that do not tell.
        backend: "torch", "openvino" or "openvino-int8".
        fast: draw in a few steps, if the model has learnt to.

    Raises:
        UserError: there is no such model, it is damaged, or an option is none.
    """
    opening = Opening(place, tuple(map(str, loras)), precision, prediction, backend, fast)
    return Pipeline(*open_model(opening), opening)
