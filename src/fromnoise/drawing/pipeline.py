"""The library call: a model that is called with a prompt and gives pictures.

>>> import fromnoise
>>> model = fromnoise.load()
>>> pictures = model("a red apple", style="noto", seed=7, steps=4)
>>> pictures[0].size
(64, 64)
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch
from PIL import Image
from torch import Tensor

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.choice import Choice
from fromnoise.drawing.generate import Finished, finish_plans, generate_together
from fromnoise.drawing.matte import told_of
from fromnoise.drawing.opened import Opening, open_model, origin_of
from fromnoise.drawing.picture_file import from_image, origin_said, save_png, to_image
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request, Towards, any_seed, strength_of
from fromnoise.drawing.start import Start, fitting_size, open_photo, start_from, upright
from fromnoise.ground.errors import UserError
from fromnoise.provenance.stamp import PLAIN, Stamp
from fromnoise.system.text_to_image import TextToImage

Generators = torch.Generator | Sequence[torch.Generator]


class Wishes(TypedDict, total=False):
    """What may be said beside the prompt; everything else is the model's own. Ranges are :class:`Request`'s.

    ``n`` pictures have seeds ``seed``, ``seed + 1``, …; without a seed a fresh one is taken, and every picture's
    ``info["seed"]`` has its own. ``transparent`` cuts things out of their white background;
    of ``best_of`` candidates the one that fits the words best is kept, and its seed is another.
    Without a ``style`` the model's own choice is drawn in, if it has one; the style "any" asks for none.
    ``image`` is a picture to start from, ``mask`` is white where it may change.
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
    transparent: bool
    best_of: int
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
            RGB pictures, RGBA where ``transparent`` is wished for; ``info`` has "seed", "notes" (sentences, such as
            which words the model does not know) and what :meth:`save` writes into the file.

        Raises:
            UserError: see :func:`fromnoise.drawing.plan.plan`.
            TypeError: a wish that is none.
        """
        begun = self._begun(prompt, wishes)
        each = begun.one_by_one()
        drawn = finish_plans(self.model, each, begun.start)
        pairs = zip(drawn.pictures, drawn.choices, each, strict=True)
        return [self._as_picture(x, choice, made, begun.start, i) for i, (x, choice, made) in enumerate(pairs)]

    def stream(self, prompt: str = "", **wishes: Unpack[Wishes]) -> Iterator[Step | Finished]:
        """Draw one batch, step by step: a ``Step`` after every move, then ``Finished``.

        >>> model = load()
        >>> steps = [step for step in model.stream("a red apple", seed=7, steps=4) if isinstance(step, Step)]
        >>> [step.index for step in steps], model.preview(steps[-1])[0].size
        ([0, 1, 2, 3], (64, 64))

        Closing the stream cancels. With ``best_of`` every step has the rows of all candidates.
        Arguments and errors as when called, for one prompt.
        """
        begun = self._begun(_one(prompt), wishes)
        return generate_together(self.model, begun.one_by_one(), begun.start)

    def preview(self, step: Step) -> list[Image.Image]:
        """What the network believed at a step, as pictures."""
        return [to_image(picture) for picture in self.model.decode(step.x0_hat)]

    def plan(self, prompt: str = "", **wishes: Unpack[Wishes]) -> Plan:
        """What would be done, without drawing; arguments and errors as when called, for one prompt.

        >>> load().plan("a red apple", seed=7).steps
        20
        """
        begun = self._begun(_one(prompt), wishes)
        whole, each = begun.wholes[0], begun.one_by_one()
        if [made.seed for made in each] != [made.seed for made in whole.one_by_one()]:
            raise UserError("one plan has one seed after the other; give seed, or one generator", "generator")
        return whole

    def save(self, picture: Image.Image, file: Path | str, stamp: Stamp = PLAIN) -> None:
        """Write a picture that this pipeline drew, stamped, as a PNG that says how, for ``fromnoise generate --again``.

        Raises:
            UserError: it was drawn elsewhere, or the file cannot be written.
        """
        stored = picture.info.get("fromnoise") if isinstance(picture, Image.Image) else None
        if stored is None:
            raise UserError("this is no picture that says how it was drawn; others are saved with picture.save(...)")
        if Path(file).suffix.lower() != ".png":
            raise UserError(f"'{file}' should end in .png; other kinds of files do not say how a picture was drawn")
        origin = origin_said(str(stored), "this picture")
        drawn = origin.request.width or self.model.pixels, origin.request.height or self.model.pixels
        mode = "RGBA" if origin.request.transparent else "RGB"
        if picture.mode != mode or picture.size != drawn:
            raise UserError(
                f"this picture was changed: it is {picture.mode}, {picture.width}×{picture.height}, and drawn as "
                f"{mode}, {drawn[0]}×{drawn[1]}; save what was drawn, or the changed one with picture.save(...)"
            )
        save_png(from_image(picture), Path(file), origin, stamp)

    def _as_picture(
        self, pixels: Tensor, choice: Choice | None, plan: Plan, start: Start | None, index: int
    ) -> Image.Image:
        picture = to_image(pixels)
        origin = origin_of(plan, self.name, self.model, self.opening, start, index, choice)
        stored = json.dumps(origin.to_dict(), ensure_ascii=False)
        notes = (*plan.notes, *(choice.notes if choice else ()), *told_of(pixels))
        picture.info.update({"seed": origin.request.seed, "notes": notes, "fromnoise": stored})
        return picture

    def _begun(self, prompt: str | Sequence[str], wishes: Wishes) -> _Begun:
        prompts = list(prompt) if isinstance(prompt, list | tuple) else [prompt]
        if not prompts:
            return _Begun([], None, None)
        request, image, mask = self._request(prompts[0], dict(wishes))
        wholes = [plan(self.model, replace(request, prompt=text).moved(i * request.count, request.count))
                  for i, text in enumerate(map(_text, prompts))]  # fmt: skip
        start = None if image is None else start_from(image, wholes[0].size.drawn, mask)
        if start is not None:
            start.check(self.model.vae.factor)
        generator = wishes.get("generator")
        return _Begun(wholes, start, None if isinstance(generator, torch.Generator) else _seeds(generator))

    def _request(self, prompt: Any, said: dict[str, Any]) -> tuple[Request, Image.Image | None, Image.Image | None]:
        values = _in_our_words(said)
        image, mask = values.pop("image", None), values.pop("mask", None)
        image = None if image is None else _picture(image, "image")
        mask = None if mask is None else _picture(mask, "mask")
        request = _typed({"seed": any_seed(), **values, "prompt": _text(prompt)})
        request = replace(request, strength=strength_of(request.strength, image is not None, mask is not None))
        if image is not None and request.width is None and request.height is None:
            width, height = fitting_size(image, self.model.pixels, self.model.vae.factor)
            request = replace(request, width=width, height=height)
        return request, image, mask


@dataclass(frozen=True, eq=False)
class _Begun:
    """Checked wishes: a plan for each prompt, what all of them start from, and the seeds of several generators."""

    wholes: list[Plan]
    start: Start | None
    seeds: list[int] | None

    def one_by_one(self) -> list[Plan]:
        """A plan for each picture; of several generators each picture has its own one's seed, as in diffusers.

        Raises:
            UserError: not as many generators as pictures.
        """
        each = [made for whole in self.wholes for made in whole.one_by_one()]
        if self.seeds is None:
            return each
        if len(self.seeds) != len(each):
            raise UserError(f"there are {len(self.seeds)} generators for {len(each)} pictures", "generator")
        return [_seeded(made, seed) for made, seed in zip(each, self.seeds, strict=True)]


def _seeded(made: Plan, seed: int) -> Plan:
    """A plan with another seed; the picture that it goes towards, if there is one, stays."""
    return replace(made, seed=seed, goal_seed=made.goal_seed if made.on_the_way else seed)


def _one(prompt: Any) -> str:
    if isinstance(prompt, list | tuple):
        raise UserError("this takes one prompt; call the model with the list, or go through it", "prompt")
    return _text(prompt)


def _text(prompt: Any) -> str:
    if not isinstance(prompt, str):
        raise UserError(f"a prompt is text, not {prompt!r:.60}", "prompt")
    return prompt


def _typed(values: dict[str, Any]) -> Request:
    """A request of what a program said: numbers of other types that mean the same are taken.

    Raises:
        UserError: a value of another type.
    """
    found = {}
    for name, value in values.items():
        try:
            found[name] = getattr(Request.from_dict({name: value}), name)
        except UserError as error:
            raise error.behind("", name) from None
    return Request(**found)


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
            raise TypeError(_unknown(name, known | set(SAME)))
        if value is None:  # as if it were not said
            continue
        if ours in values:
            raise UserError(f"{ours} and {name} say the same; give one of them", ours)
        values[ours] = value
    seeds = _seeds(values.pop("generator", None))
    if seeds is not None:
        if "seed" in values:
            raise UserError("seed and generator say the same; give one of them", "seed")
        values["seed"] = seeds[0]
    return {"count" if name == "n" else name: value for name, value in values.items()}


def _unknown(name: str, known: Collection[str]) -> str:
    if name == "size":
        return "there is no setting 'size'; give width and height, in pixels"
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(sorted(known))}"
    return f"there is no setting '{name}'; {hint}"


def _picture(said: Any, field: str) -> Image.Image:
    """A picture in memory, or the one of a file that was named."""
    if not isinstance(said, str | Path):
        return upright(said, field)
    try:
        return open_photo(Path(said))
    except UserError as error:
        raise error.behind("", field) from None


def _seeds(generator: Generators | None) -> list[int] | None:
    """The seeds of generators; None without any.

    Raises:
        UserError: it is neither a generator nor a list of some.
    """
    if generator is None:
        return None
    each: Sequence[Any] = generator if isinstance(generator, Sequence) else [generator]
    seeds = [g.initial_seed() % 2**63 for g in each if isinstance(g, torch.Generator)]
    if not each or len(seeds) != len(each):
        raise UserError("generator must be a torch.Generator, or a list with one for each picture", "generator")
    return seeds


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
