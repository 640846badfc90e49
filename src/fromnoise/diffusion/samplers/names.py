"""What other programs call our samplers: one table, read by look-up, command line and documentation."""

from __future__ import annotations

OURS: dict[str, str] = {
    "dpm++": "DPM-Solver++ 2M: second order, one call per step",
    "ddim": "first order, or with fresh noise by `eta`",
    "ddpm": "the original: fresh noise in every step, meant for all 1000",
    "euler": "first order",
    "heun": "second order, two calls per step",
    "euler_a": "first order with fresh noise",
    "dpm++sde": "DPM-Solver++ 2M with fresh noise",
    "unipc": "predictor and corrector of order 2, one call per step",
    "plms": "linear multistep of order 4, one call more than steps",
    "lcm": "for networks distilled to few steps",
}

# The name in A1111, ComfyUI or diffusers → ours. Case, spaces, "_" and "-" do not matter.
SAME: dict[str, str] = {
    "DPM++ 2M": "dpm++",
    "dpmpp_2m": "dpm++",
    "dpm-solver++": "dpm++",
    "dpm_solver": "dpm++",
    "DPMSolverMultistepScheduler": "dpm++",
    "DDIMScheduler": "ddim",
    "DDPMScheduler": "ddpm",
    "EulerDiscreteScheduler": "euler",
    "FlowMatchEulerDiscreteScheduler": "euler",
    "HeunDiscreteScheduler": "heun",
    "Euler a": "euler_a",
    "euler_ancestral": "euler_a",
    "EulerAncestralDiscreteScheduler": "euler_a",
    "DPM++ 2M SDE": "dpm++sde",
    "dpmpp_2m_sde": "dpm++sde",
    "uni_pc_bh2": "unipc",
    "UniPCMultistepScheduler": "unipc",
    "PLMS": "plms",
    "PNDMScheduler": "plms",
    "LCMScheduler": "lcm",
}

# Samplers that we do not have → the one of ours that comes nearest. The pictures are as good, not the same.
NEAREST: dict[str, str] = {
    "UniPC": "unipc",
    "uni_pc": "unipc",
    "DPM++ SDE": "dpm++sde",
    "dpmpp_sde": "dpm++sde",
    "DPMSolverSDEScheduler": "dpm++sde",
    "DPM++ 3M SDE": "dpm++sde",
    "dpmpp_3m_sde": "dpm++sde",
    "DPM++ 2S a": "dpm++sde",
    "dpmpp_2s_ancestral": "dpm++sde",
    "DPMSolverSinglestepScheduler": "dpm++",
    "DPM fast": "dpm++",
    "DPM adaptive": "dpm++",
    "DEIS": "dpm++",
    "DEISMultistepScheduler": "dpm++",
    "LMS": "dpm++",
    "LMSDiscreteScheduler": "dpm++",
    "DPM2": "heun",
    "dpm_2": "heun",
    "KDPM2DiscreteScheduler": "heun",
    "DPM2 a": "euler_a",
    "dpm_2_ancestral": "euler_a",
    "KDPM2AncestralDiscreteScheduler": "euler_a",
    "iPNDM": "plms",
    "IPNDMScheduler": "plms",
    "PNDM": "plms",
}
ALIASES = {**SAME, **NEAREST}
SPREAD_WORDS = ("karras", "exponential", "beta")


def plain(name: str) -> str:
    """A name without case, spaces, "_" and "-"."""
    return name.lower().translate(str.maketrans("", "", " _-"))


_KNOWN = {plain(name): ours for name, ours in ALIASES.items()} | {plain(name): name for name in OURS}


def read_name(name: str) -> tuple[str, str]:
    """(sampler, sigmas) of a name as people write it: "DPM++ 2M Karras" is ("dpm++", "karras"); sigmas may be "".

    An unknown name comes back as it is.
    """
    key = plain(name)
    for word in SPREAD_WORDS:
        if key.endswith(word) and key.removesuffix(word) in _KNOWN:
            return _KNOWN[key.removesuffix(word)], word
    return _KNOWN.get(key, name), ""


def nearest(name: str) -> str:
    """The sampler that stands in for one we do not have; "" for those we have, and for unknown names."""
    key = plain(name)
    endings = ("", *SPREAD_WORDS)
    found = (ours for other, ours in NEAREST.items() if key in {plain(other) + word for word in endings})
    return next(found, "")


def canonical(name: str) -> str:
    """Our name for a sampler, or the name as it is when it is unknown."""
    return read_name(name)[0]


def sampler_table() -> list[tuple[str, str, str, str]]:
    """Rows (ours, what it is, the same elsewhere, what it stands in for), for the command line and docs/samplers.md."""
    rows = []
    for ours, what in OURS.items():
        same, near = (
            ", ".join(name for name, to in names.items() if to == ours and name != ours) for names in (SAME, NEAREST)
        )
        rows.append((ours, what, same, near))
    return rows
