"""What a file is, by the names of its tensors, where it is no whole model that we open.

People have many kinds of .safetensors files, and their names rarely tell which. Each kind here has marks, parts of
names that only it has; the first kind with a mark counts, so what is built upon others (a LoRA or a ControlNet for
Flux) comes before them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

Shapes = Mapping[str, tuple[int, ...]]
USE_ONE = "; a whole model of Stable Diffusion 1.x, 2.x or XL is needed"
NOT_SUPPORTED = ", which is not supported; use a model of Stable Diffusion 1.x, 2.x or XL"
LORA = "a LoRA and no model; give it with --lora, beside --model"


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        what: the rest of the sentence "this file is …", and what to do.
        marks: regular expressions; one that is found in a tensor's name makes the file one of this kind.
    """

    what: str
    marks: tuple[str, ...]


# How a denoiser's own names may begin.
ROOT = r"^(model\.diffusion_model\.|diffusion_model\.|transformer\.|unet\.|net\.|model\.)?"


def _at_root(*names: str) -> tuple[str, ...]:
    return tuple(ROOT + name for name in names)


# What is made for a model and is none.
ADDED = (
    Kind(
        LORA,
        (
            r"(^|[._])lora(_|\.)(up|down|A|B|mid|te\d?_|unet_|transformer_|linear_layer|magnitude)",
            r"^lora_(unet|te)",
            r"\.(hada_|lokr_|oft_|dora_scale|lora\.)",
            r"_lora\.",
            r"^bundle_emb\.",
            r"\.diff(_b)?$",
        ),
    ),
    Kind(
        f"a ControlNet and no model{NOT_SUPPORTED}",
        (
            r"(^|\.)control_model\.",
            r"(^|\.)controlnet_(cond_embedding|down_blocks|mid_block|blocks|single_blocks|x_embedder|mode_embedder)",
            r"^(input_hint_block|zero_convs|middle_block_out|input_zero_conv)\.",
            r"^lllite_|lora_controlnet$",
        ),
    ),
    Kind(
        f"an IP-Adapter and no model{NOT_SUPPORTED}",
        (r"^ip_adapter\.", r"^image_proj(_model)?\.", r"\.to_[kv]_ip\."),
    ),
    Kind(
        f"a T2I-Adapter and no model{NOT_SUPPORTED}",
        (r"^adapter\.", r"^body\.\d+\.(block1|in_conv|resnets)", r"^(ad\.)?body\.\d+\.(block2|down_opt|sk[ae]p)\."),
    ),
    Kind(f"a motion module of AnimateDiff and no model{NOT_SUPPORTED}", (r"motion_modules\.",)),
)
# Denoisers of other families. Where two share names, the one with more marks comes first.
OTHER_FAMILIES = (
    Kind(f"a Stable Diffusion 3 model{NOT_SUPPORTED}", _at_root(r"joint_blocks\.")),
    Kind(
        f"an AuraFlow model{NOT_SUPPORTED}",
        _at_root(r"double_layers\.", r"cond_seq_linear\.", r"joint_transformer_blocks\."),
    ),
    Kind(f"a Hunyuan Video model{NOT_SUPPORTED}", (r"individual_token_refiner", r"context_embedder\.token_refiner")),
    Kind(f"a Chroma model{NOT_SUPPORTED}", (r"distilled_guidance_layer\.",)),
    Kind(
        f"a Flux model{NOT_SUPPORTED}", _at_root(r"double_blocks\.", r"single_blocks\.", r"single_transformer_blocks\.")
    ),
    Kind(f"a Hunyuan-DiT model{NOT_SUPPORTED}", _at_root(r"mlp_t5\.", r"text_embedding_padding$", r"style_embedder\.")),
    Kind(f"a HiDream model{NOT_SUPPORTED}", _at_root(r"double_stream_blocks\.")),
    Kind(f"a Qwen-Image model{NOT_SUPPORTED}", _at_root(r"txt_norm\.", r"transformer_blocks\.0\.img_mod\.")),
    Kind(f"a CogVideoX model{NOT_SUPPORTED}", _at_root(r"patch_embed\.text_proj\.")),
    Kind(f"an LTX-Video model{NOT_SUPPORTED}", _at_root(r"patchify_proj\.")),
    Kind(f"a Wan model{NOT_SUPPORTED}", _at_root(r"blocks\.\d+\.self_attn\.(q|norm_q)\.", r"condition_embedder\.")),
    Kind(f"a Sana model{NOT_SUPPORTED}", _at_root(r"attention_y_norm\.", r"caption_norm\.")),
    Kind(f"a Lumina model{NOT_SUPPORTED}", _at_root(r"cap_embedder\.", r"time_caption_embed\.")),
    Kind(
        f"a PixArt model{NOT_SUPPORTED}",
        _at_root(r"t_block\.", r"y_embedder\.y_proj\.", r"caption_projection\.", r"adaln_single\."),
    ),
    Kind(
        f"a Stable Diffusion 3 model{NOT_SUPPORTED}",  # of diffusers; its blocks are called as those of Flux, above
        _at_root(r"transformer_blocks\.0\.attn\.add_[qkv]_proj\.", r"context_embedder\."),
    ),
    Kind(
        f"a Stable Cascade model{NOT_SUPPORTED}",
        _at_root(r"clip_txt_(pooled_)?mapper\.", r"clip_mapper\.", r"effnet_mapper\.", r"clf\.1\."),
    ),
    Kind(
        f"a video model (as Stable Video Diffusion){NOT_SUPPORTED}",
        (r"\.time_(stack|mixer|mix_blocks)", r"temporal_(transformer|res_block)", r"\.(temopral|temporal)_conv"),
    ),
    Kind(
        f"a Kolors, Kandinsky or DeepFloyd IF model{NOT_SUPPORTED}",
        (r"(^|\.)encoder_hid_proj\.", r"add_embedding\.text_"),
    ),
)
# Parts of a model that are kept in files of their own.
PARTS = (
    Kind(f"a tiny VAE (TAESD) alone{USE_ONE}", (r"^taesd_", r"^(encoder|decoder)\.layers\.\d+\.(conv|weight|bias)")),
    Kind(
        f"a T5 text encoder alone{USE_ONE}",
        (r"(^|\.)encoder\.block\.0\.layer\.", r"^shared\.weight$", r"^enc\.blk\.0\."),
    ),
    Kind(
        f"a language model{NOT_SUPPORTED}",
        (r"^(language_)?model\.(language_model\.)?(layers\.\d+|embed_tokens)\.", r"^lm_head\."),
    ),
    Kind(f"a safety checker, which is none{USE_ONE}", (r"^(concept|special_care)_embeds",)),
    Kind(
        f"a text encoder alone{USE_ONE}",
        (
            r"^(clip_[lg]\.|text_encoders?\.)?(transformer\.)?text_model\.",
            r"^(transformer\.)?resblocks\.0\.",
            r"^transformer\.resblocks\.",
            r"^cond_stage_model\.",
            r"^conditioner\.embedders\.",
        ),
    ),
    Kind(f"an image encoder alone{USE_ONE}", (r"^(clip\.)?vision_model\.", r"^visual\.")),
    Kind(
        f"a U-Net alone{USE_ONE}; in diffusers' layout it is the unet/ of one",
        (
            r"^(unet\.)?(down_blocks|up_blocks|mid_block|time_embedding)\.",
            *_at_root(r"input_blocks\.", r"output_blocks\."),
        ),
    ),
    Kind(
        f"an upscaler of pictures (as ESRGAN) and draws none{USE_ONE}",
        (
            r"RDB\d\.conv",
            r"(^|\.)rdb\d\.conv",
            r"^RRDB_trunk\.",
            r"^(params(_ema)?\.)?(conv_first|conv_up\d|upconv\d|conv_hr)\.",
            r"residual_group\.blocks\.",
            r"^model\.\d+\.sub\.",
        ),
    ),
)


def kind_of(shapes: Shapes) -> str | None:
    """The rest of the sentence "this file is …", or None where no tensor tells."""
    for described in (_by_marks(ADDED), _embedding, _by_marks(OTHER_FAMILIES), _vae, _by_marks(PARTS), _compact):
        if found := described(shapes):
            return found
    return None


def other_family(names: Collection[str]) -> str | None:
    """As :func:`kind_of`, of kinds that may come with a VAE and text towers as Stable Diffusion has them."""
    return _by_marks((*ADDED, *OTHER_FAMILIES))(dict.fromkeys(names, ()))


def _by_marks(kinds: tuple[Kind, ...]) -> Callable[[Shapes], str | None]:
    def described(shapes: Shapes) -> str | None:
        for kind in kinds:
            mark = re.compile("|".join(kind.marks))
            if any(mark.search(name) for name in shapes):
                return kind.what
        return None

    return described


def _embedding(shapes: Shapes) -> str | None:
    """Words learnt by textual inversion: one or few vectors, as wide as a text tower."""
    what = f"a textual inversion (learnt words) and no model{NOT_SUPPORTED}"
    names = set(shapes)
    if any(re.match(r"(emb_params$|string_to_(param|token)|<[^<>]+>$)", name) for name in names):
        return what
    if names and names <= {"clip_l", "clip_g", "t5xxl"}:
        return what
    one = next(iter(shapes.values())) if len(shapes) == 1 else ()
    return what if len(one) in (1, 2) and one[-1] in (768, 1024, 1280) else None


def _vae(shapes: Shapes) -> str | None:
    """A VAE alone, whole or not, in any naming; not what has other parts besides."""
    place = re.compile(r"^(?:first_stage_model\.|vae\.)?(encoder|decoder)\.(?:conv_in|mid|up|down)")
    sides = {found[1] for name in shapes if (found := place.match(name))}
    if not sides or any(re.search(r"text_model|resblocks|SelfAttention", name) for name in shapes):
        return None
    part = "a VAE" if len(sides) == 2 else f"the {sides.pop()} of a VAE"
    return f"{part} alone{USE_ONE}"


def _compact(shapes: Shapes) -> str | None:
    """The small upscalers of Real-ESRGAN: a plain row of convolutions, body.0, body.1, ..."""
    plain = bool(shapes) and all(re.fullmatch(r"(params\.)?body\.\d+\.(weight|bias)", name) for name in shapes)
    return f"an upscaler of pictures (as ESRGAN) and draws none{USE_ONE}" if plain else None
